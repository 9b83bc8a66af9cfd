import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAC_A, numberedFrame, numberOf } from '../../../test/support/net-frames';
import { type Frame, type GuestPort, type NetworkBackend, NO_OFFLOADS, plainFrame } from './packet-port';
import { copyOf } from './plain-frames';
import { type LineLimits, seededRandom, SlowLine } from './slow-line';

/** One end of a line: what arrived, and when. */
class End {
  readonly numbers: number[] = [];
  readonly times: number[] = [];
  room = Infinity;
  resumed = 0;
  flushed = 0;

  take(frame: Frame): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.numbers.push(numberOf(copyOf(frame)));
    this.times.push(Date.now());
    return true;
  }
  flush(): void {
    this.flushed++;
  }
  resume(): void {
    this.resumed++;
  }
  readonly links: boolean[] = [];
  linkChanged(up: boolean): void {
    this.links.push(up);
  }
}

class Backend extends End implements NetworkBackend {
  readonly isUp = true;
  guest!: GuestPort;
  constructor(readonly name = 'test') {
    super();
  }
  attach(guest: GuestPort): void {
    this.guest = guest;
  }
  statistics(): { droppedFromGuest: number; droppedToGuest: number } {
    return { droppedFromGuest: 1, droppedToGuest: 2 };
  }
  async close(): Promise<void> {}
}

class Guest extends End implements GuestPort {
  readonly mac = MAC_A;
  readonly mtu = 1500;
  readonly accepts = NO_OFFLOADS;
  warn(): void {}
}

function lineOf(limits: LineLimits): {
  line: SlowLine;
  backend: Backend;
  guest: Guest;
  send: (...numbers: number[]) => void;
  answer: (...numbers: number[]) => void;
} {
  const [backend, guest] = [new Backend(), new Guest()];
  const line = new SlowLine(backend, limits, seededRandom(1), () => Date.now());
  line.attach(guest);
  return {
    ...{ line, backend, guest },
    send: (...numbers) => {
      for (const number of numbers) line.take(plainFrame([numberedFrame(number)]));
      line.flush();
    },
    answer: (...numbers) => {
      for (const number of numbers) backend.guest.take(plainFrame([numberedFrame(number)]));
    },
  };
}
const LENGTH = numberedFrame(0).length;

describe('a slow line', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  it('is not felt where it has no limits', () => {
    const { line, backend, guest, send, answer } = lineOf({});
    send(1, 2);
    answer(3);
    expect([backend.numbers, guest.numbers, backend.flushed]).toEqual([[1, 2], [3], 1]);
    backend.room = 0;
    expect(line.take(plainFrame([numberedFrame(4)]))).toBe(false);
    backend.guest.resume();
    expect(guest.resumed).toBe(1);
  });

  it('takes its time both ways, in order, with copies', () => {
    const { line, backend, guest, send, answer } = lineOf({ delay: 50 });
    const bytes = numberedFrame(1);
    line.take(plainFrame([bytes]));
    bytes.fill(0);
    vi.advanceTimersByTime(20);
    send(2);
    answer(3);
    vi.advanceTimersByTime(29);
    expect(backend.numbers).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(backend.numbers).toEqual([1]);
    vi.advanceTimersByTime(20);
    expect([backend.numbers, backend.times, guest.numbers, guest.times]).toEqual([[1, 2], [50, 70], [3], [70]]);
    expect(guest.flushed).toBe(1);
  });

  it('lets nobody overtake where the delay is made shorter', () => {
    const { line, backend, send } = lineOf({ delay: 100 });
    send(1);
    line.limits = {};
    send(2);
    vi.advanceTimersByTime(100);
    expect(backend.numbers).toEqual([1, 2]);
    send(3);
    expect(backend.numbers).toEqual([1, 2, 3]);
  });

  it('has so many bits a second, and loses what would wait too long', () => {
    const rate = LENGTH * 8;
    const { backend, line, send } = lineOf({ rate: rate / 10 });
    send(...Array.from({ length: 100 }, (_, number) => number));
    vi.advanceTimersByTime(10_000);
    // Ten milliseconds each; up to 200 ms may be waited.
    expect(backend.times.slice(0, 3)).toEqual([10, 20, 30]);
    expect(backend.numbers).toEqual(Array.from({ length: 21 }, (_, number) => number));
    expect(line.statistics()).toEqual({ droppedFromGuest: 1 + 79, droppedToGuest: 2 });
  });

  it('loses what its generator says, the same at each start', () => {
    const run = (): number[] => {
      const { backend, send } = lineOf({ loss: 20 });
      send(...Array.from({ length: 2000 }, (_, number) => number));
      return backend.numbers;
    };
    const arrived = run();
    expect(arrived).toEqual(run());
    const random = seededRandom(1);
    expect(arrived).toEqual(Array.from({ length: 2000 }, (_, number) => number).filter(() => random() * 100 >= 20));
    expect(arrived.length).toBeGreaterThan(1500);
    expect(arrived.length).toBeLessThan(1700);
  });

  it('does not lose what had no room when it comes again', () => {
    const { line, backend } = lineOf({ loss: 50 });
    backend.room = 0;
    const frame = plainFrame([numberedFrame(7)]);
    while (line.take(frame));
    backend.room = 1;
    expect([line.take(frame), backend.numbers]).toEqual([true, [7]]);
  });

  it('waits where the other end has no room', () => {
    const { backend, guest, send } = lineOf({ delay: 10 });
    backend.room = 1;
    send(1, 2, 3);
    vi.advanceTimersByTime(1000);
    expect(backend.numbers).toEqual([1]);
    backend.room = Infinity;
    backend.guest.resume();
    expect([backend.numbers, guest.resumed]).toEqual([[1, 2, 3], 0]);
  });

  it('stands still while the machine does', () => {
    const { line, backend, send } = lineOf({ delay: 50 });
    send(1);
    vi.advanceTimersByTime(30);
    line.freeze();
    vi.advanceTimersByTime(1000);
    expect(backend.numbers).toEqual([]);
    line.thaw();
    vi.advanceTimersByTime(19);
    expect(backend.numbers).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(backend.numbers).toEqual([1]);
  });

  it('loses what is on a cable that is pulled out', () => {
    const { line, backend, guest, send, answer } = lineOf({ delay: 50 });
    send(1);
    answer(2);
    line.linkChanged(false);
    vi.advanceTimersByTime(100);
    expect([backend.numbers, guest.numbers]).toEqual([[], []]);
  });

  it('is connected to something else, and hears nothing more from what it was connected to', () => {
    const { line, backend, guest, send, answer } = lineOf({ delay: 50 });
    line.linkChanged(true);
    send(1);
    answer(2);
    line.disconnect();
    expect([line.isUp, line.name, guest.links, guest.resumed]).toEqual([false, 'nothing', [false], 1]);
    send(3);
    answer(4);
    backend.guest.linkChanged(true);
    backend.guest.resume();
    const other = new Backend('other');
    line.connect(other);
    expect([line.isUp, line.name, guest.links, other.links]).toEqual([true, 'other', [false, true], [true]]);
    send(5);
    other.guest.take(plainFrame([numberedFrame(6)]));
    answer(7);
    vi.advanceTimersByTime(100);
    expect([backend.numbers, other.numbers, guest.numbers, guest.resumed]).toEqual([[], [5], [6], 1]);
  });
});
