import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GUEST, NatBench, readTcp, tcpFrame, type TcpSeen, type TestSocket } from '../../../../../test/support/nat-bench';
import { parseAddress } from '../addresses';

const SERVER = parseAddress('93.184.216.34')!;
const MSS = 1000;
const WINDOW = 20_000;

/** A reference TCP: go-back-N, no options but MSS and SACK permitted, every segment acknowledged, data out of order kept. */
class Guest {
  received = Buffer.alloc(0);
  hasFin = false;
  private una = 1;
  private nxt = 1;
  private readonly kept = new Map<number, Buffer>();
  private finAt = -1;
  private peerIss = -1;
  private rcvNxt = 0;
  private peerWindow = 1000;
  private timer = 0;

  constructor(
    private readonly data: Buffer,
    private readonly emit: (frame: Uint8Array) => void,
    private readonly iss: number,
  ) {}

  private send(flags: string, seq: number, payload?: Uint8Array, options?: number[]): void {
    this.emit(
      tcpFrame(GUEST, SERVER, {
        sourcePort: 40000,
        targetPort: 80,
        seq: (this.iss + seq) >>> 0,
        ack: flags.includes('.') ? (this.peerIss + this.rcvNxt) >>> 0 : 0,
        flags,
        window: WINDOW,
        options,
        payload,
      }),
    );
  }
  open(): void {
    this.send('S', 0, undefined, [2, 4, MSS >> 8, MSS & 255, 1, 1, 4, 2]);
  }
  get isDone(): boolean {
    return this.una === this.data.length + 2 && this.hasFin;
  }
  receive(seen: TcpSeen): void {
    if (seen.flags.includes('R')) {
      // What a repeated segment brings when all is over (RFC 1337) harms nobody.
      if (!this.isDone) throw new Error('reset');
      return;
    }
    if (seen.flags.includes('S')) {
      this.peerIss = seen.seq;
      this.rcvNxt = Math.max(this.rcvNxt, 1);
      this.send('.', this.nxt);
    } else if (this.peerIss < 0) return;
    const ack = (seen.ack - this.iss) >>> 0;
    this.peerWindow = seen.window;
    if (ack > this.una && ack <= this.data.length + 2) {
      this.una = ack;
      this.timer = 0;
    }
    if (this.nxt < this.una) this.nxt = this.una;
    const seq = (seen.seq - this.peerIss) >>> 0;
    if (seen.flags.includes('F')) this.finAt = seq + seen.payload.length;
    if (seen.payload.length > 0 && seq < this.rcvNxt + WINDOW) this.kept.set(seq, Buffer.from(seen.payload));
    for (let again = true; again; ) {
      again = false;
      for (const [at, bytes] of this.kept) {
        if (at > this.rcvNxt) continue;
        this.kept.delete(at);
        const fresh = bytes.subarray(Math.min(this.rcvNxt - at, bytes.length));
        this.received = Buffer.concat([this.received, fresh]);
        this.rcvNxt += fresh.length;
        again = true;
      }
    }
    if (this.rcvNxt === this.finAt) {
      this.rcvNxt++;
      this.hasFin = true;
    }
    if (seen.payload.length > 0 || seen.flags.includes('F')) this.send('.', this.nxt);
    this.output();
  }
  output(): void {
    while (this.nxt <= this.data.length && this.nxt - this.una < this.peerWindow) {
      const payload = this.data.subarray(this.nxt - 1, Math.min(this.nxt - 1 + MSS, this.una - 1 + this.peerWindow));
      this.send('.', this.nxt, payload);
      this.nxt += payload.length;
    }
    if (this.nxt === this.data.length + 1) {
      this.send('F.', this.nxt);
      this.nxt++;
    }
  }
  /** Every 50 ms. */
  tick(): void {
    if (this.peerIss < 0) this.open();
    else if (this.una < this.data.length + 2 && ++this.timer > 6) {
      this.timer = 0;
      this.nxt = this.una;
      this.output();
      if (this.nxt === this.una && this.una <= this.data.length) this.send('.', this.una, this.data.subarray(this.una - 1, this.una));
    }
  }
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed | 1;
  for (let at = 0; at < length; at++) {
    state = Math.imul(state, 1103515245) + 12345;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

/** A cable that loses, repeats and reorders. */
class Cable {
  private readonly under: { at: number; deliver: () => void }[] = [];
  constructor(
    private readonly random: () => number,
    private readonly faults: { loss: number; twice: number; late: number },
  ) {}
  put(now: number, deliver: () => void): void {
    if (this.random() < this.faults.loss) return;
    const times = this.random() < this.faults.twice ? 2 : 1;
    for (let time = 0; time < times; time++)
      this.under.push({ at: now + (this.random() < this.faults.late ? 1 + Math.floor(this.random() * 60) : 0), deliver });
  }
  run(now: number): boolean {
    const due = this.under.filter(({ at }) => at <= now);
    for (const one of due) {
      this.under.splice(this.under.indexOf(one), 1);
      one.deliver();
    }
    return due.length > 0;
  }
}

interface Case {
  seed: number;
  up: number;
  down: number;
  loss: number;
  twice: number;
  late: number;
  large: boolean;
  iss: number;
}

function transfer(one: Case): { guest: Guest; socket: TestSocket; bench: NatBench; seconds: number } {
  let state = one.seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const bench = new NatBench({}, (made) => {
    if (one.large) made.accepts = { checksum: true, tcp4: true, tcp6: true, ecn: false, udp: false };
  });
  const cable = new Cable(random, one);
  const up = pattern(one.up, one.seed);
  const down = pattern(one.down, one.seed + 1);
  const guest = new Guest(up, (frame) => cable.put(bench.clock.now(), () => bench.send(frame)), one.iss);
  bench.onFrame = (frame) => cable.put(bench.clock.now(), () => guest.receive(readTcp(frame.data)));
  const start = bench.clock.now();
  guest.open();
  let socket: TestSocket | undefined;
  let given = 0;
  let ended = false;
  for (let turn = 0; turn < 60_000; turn++) {
    for (let busy = 0; busy < 50 && cable.run(bench.clock.now()); busy++);
    if (!socket && bench.host.sockets.length > 0) {
      socket = bench.host.sockets[0];
      socket.events.connected();
    }
    if (socket && !socket.paused && given < down.length) {
      const size = 1 + Math.floor(random() * 9000);
      socket.events.data(Buffer.from(down.subarray(given, given + size)));
      given += size;
    }
    if (socket && given >= down.length && !ended) {
      ended = true;
      socket.events.ended();
    }
    if (guest.isDone && socket?.ended) return { guest, socket, bench, seconds: (bench.clock.now() - start) / 1000 };
    bench.clock.advance(5);
    if (turn % 10 === 0) guest.tick();
  }
  throw new Error(`Nothing moves any more: ${JSON.stringify(bench.nat.flows())}, received ${guest.received.length} of ${down.length}`);
}

describe('TCP transfers', () => {
  it('stay bit-exact both ways, whatever the cable loses, repeats and reorders', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          up: fc.nat(40_000),
          down: fc.nat(60_000),
          loss: fc.constantFrom(0, 0.01, 0.05, 0.2),
          twice: fc.constantFrom(0, 0.05, 0.3),
          late: fc.constantFrom(0, 0.1, 0.5),
          large: fc.boolean(),
          iss: fc.constantFrom(0, 1, 0x7fffff00, 0xffffff00),
        }),
        (one) => {
          const { guest, socket, bench } = transfer(one);
          expect(socket.written.equals(pattern(one.up, one.seed))).toBe(true);
          expect(guest.received.equals(pattern(one.down, one.seed + 1))).toBe(true);
          bench.onFrame = () => {};
          // A guest that is gone in the midst of closing is waited for a while.
          bench.clock.advance(1_200_000);
          expect(bench.nat.flows()).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);

  it('are not slowed much by a little loss: fast retransmission finds it before time-outs do', () => {
    const { seconds } = transfer({ seed: 5, up: 0, down: 250_000, loss: 0.02, twice: 0, late: 0, large: false, iss: 1 });
    expect(seconds).toBeLessThan(8);
  });
});
