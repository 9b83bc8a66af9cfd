import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../../../test/support/mock-driver';
import type { AudioBackend, Recording } from '../../../backend/audio/audio-backend';
import { type AudioFormat, fillWithSilence } from '../../../backend/audio/sample-format';
import { BAD_MSG, IO_ERR, NOT_SUPP, OK } from './protocol';
import { VirtioSound } from './device';

const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/** Keeps what is played, and hears numbers. */
class Listener implements AudioBackend {
  lead = 0;
  rests = 0;
  readonly recordingLimits = undefined;
  now: () => number = () => 0;
  readonly played: number[] = [];
  readonly formats: AudioFormat[] = [];
  ended = 0;
  #next = 0;

  play(format: AudioFormat): ReturnType<AudioBackend['play']> {
    this.formats.push(format);
    return { play: (bytes) => this.played.push(...bytes), rest: () => this.rests++, end: () => this.ended++ };
  }

  record({ samples }: AudioFormat): Recording {
    return {
      record: (target) => {
        fillWithSilence(samples, target);
        for (let i = 0; i < target.length; i++) target[i] = this.#next++;
      },
      end: () => undefined,
    };
  }

  close(): void {}
}

/** A device whose time passes when the test says so. */
class Studio {
  now = 1000;
  readonly backend = new Listener();
  #timer: { at: number; work: () => void } | undefined;
  readonly device = new VirtioSound({
    backend: Object.assign(this.backend, { now: () => this.now }),
    later: (work, milliseconds) => {
      const timer = { at: this.now + milliseconds, work };
      this.#timer = timer;
      return () => {
        if (this.#timer === timer) this.#timer = undefined;
      };
    },
  });
  readonly driver = MockDriver.for(this.device).start();

  /** In steps as timers have them; `late` milliseconds too late each. */
  pass(milliseconds: number, late = 0): void {
    const end = this.now + milliseconds;
    while (this.#timer && this.#timer.at <= end) {
      const { at, work } = this.#timer;
      this.#timer = undefined;
      this.now = Math.max(this.now, at + late);
      work();
    }
    this.now = Math.max(this.now, end);
  }

  ask(request: Uint8Array, room = 4): { status: number; items: Uint8Array; written: number } {
    const queue = this.driver.queues[0];
    const chain = queue.add({ readable: [request], writable: [room] });
    queue.kick();
    const [{ written }] = queue.takeUsed();
    const answer = Uint8Array.from(this.driver.written(chain));
    return { status: new DataView(answer.buffer).getUint32(0, true), items: answer.subarray(4), written };
  }

  /** A mono stream of 8,000 bytes a second unless told otherwise. */
  prepare(stream: number, { format = 4, rate = 1, channels = 1 } = {}): void {
    expect(this.ask(words(0x101, stream, 160, 80, 0, channels | (format << 8) | (rate << 16))).status).toBe(OK);
    expect(this.ask(words(0x102, stream)).status).toBe(OK);
  }

  start(stream: number): void {
    expect(this.ask(words(0x104, stream)).status).toBe(OK);
  }

  play(stream: number, bytes: Uint8Array): void {
    const queue = this.driver.queues[2];
    queue.add({ readable: [words(stream), bytes], writable: [8] });
    queue.kick();
  }

  /** Buffers that came back. */
  get back(): number {
    return this.driver.queues[2].takeUsed().length;
  }
}

describe('the sound device', () => {
  it('tells of its jacks, streams and channel maps, whole or cut', () => {
    const studio = new Studio();
    expect([0, 4, 8].map((at) => studio.driver.transport.readConfig(at, 4))).toEqual([2, 3, 10]);
    const jacks = studio.ask(words(1, 0, 2, 24), 52);
    expect(jacks).toMatchObject({ status: OK, written: 52 });
    expect([jacks.items[16], jacks.items[40]]).toEqual([1, 1]);
    const streams = studio.ask(words(0x100, 1, 2, 32), 68);
    const view = new DataView(streams.items.buffer, 4);
    expect([view.getUint32(8, true), view.getUint32(16, true)]).toEqual([0x1ffffe, 0xffff]);
    expect([...streams.items.subarray(24, 27)]).toEqual([0, 1, 8]);
    expect([...streams.items.subarray(56, 59)]).toEqual([1, 1, 8]);
    const maps = studio.ask(words(0x200, 0, 10, 24), 244);
    expect([...maps.items.subarray(24 + 4, 24 + 8)]).toEqual([0, 2, 3, 4]);
    expect([...maps.items.subarray(24 * 5 + 4, 24 * 5 + 7)]).toEqual([1, 1, 2]);
    expect(studio.ask(words(0x100, 0, 3, 10), 34).written).toBe(34);
    expect(studio.ask(words(0x100, 2, 2, 32)).status).toBe(BAD_MSG);
    expect(studio.ask(words(0x100, 0, 1, 0xffff_ffff)).status).toBe(BAD_MSG);
    expect(studio.ask(words(0x100)).status).toBe(BAD_MSG);
    expect(studio.ask(words(0x300, 0, 0, 0)).status).toBe(NOT_SUPP);
    expect(studio.ask(words(2, 0, 0, 0)).status).toBe(NOT_SUPP);
  });

  it('gives buffers back when they have been heard, not before', () => {
    const studio = new Studio();
    studio.prepare(0);
    const sounds = [1, 2, 3].map((value) => new Uint8Array(80).fill(value));
    for (const sound of sounds) studio.play(0, sound);
    studio.pass(100);
    expect(studio.back).toBe(0);
    studio.start(0);
    studio.pass(9.99);
    expect(studio.back).toBe(0);
    studio.pass(0.01);
    expect(studio.back).toBe(1);
    studio.pass(20);
    expect(studio.back).toBe(2);
    expect(studio.backend.played).toEqual(sounds.flatMap((sound) => [...sound]));
    expect(studio.device.streams[0]).toMatchObject({ frames: 240, starved: 1, late: 0 });
  });

  it('keeps its rate with timers that are late', () => {
    const studio = new Studio();
    studio.prepare(0);
    const from = studio.now;
    studio.start(0);
    let heard = 0;
    for (let i = 0; i < 4; i++) studio.play(0, new Uint8Array(80));
    for (let tick = 0; tick < 200; tick++) {
      studio.pass(10, 3);
      const { back } = studio;
      heard += back;
      for (let i = 0; i < back; i++) studio.play(0, new Uint8Array(80));
    }
    // Of 200 buffers in 2 s at most the one that a late timer still owes is missing.
    expect(studio.now - from).toBeLessThanOrEqual(2010);
    expect(Math.abs(heard - (studio.now - from) / 10)).toBeLessThanOrEqual(1);
    expect(studio.device.streams[0]).toMatchObject({ starved: 0, late: 0 });
  });

  it('puts its clock back rather than hurry where it comes much too late', () => {
    const studio = new Studio();
    studio.prepare(0);
    for (let i = 0; i < 4; i++) studio.play(0, new Uint8Array(80));
    studio.start(0);
    studio.pass(10, 500);
    expect(studio.back).toBe(1);
    studio.pass(30);
    expect(studio.back).toBe(3);
    expect(studio.device.streams[0].late).toBe(1);
  });

  it('hands over what is played as long before as the back end wants it, and gives it back when it was heard', () => {
    const studio = new Studio();
    studio.backend.lead = 25;
    studio.prepare(0);
    for (const value of [1, 2, 3, 4]) studio.play(0, new Uint8Array(80).fill(value));
    studio.start(0);
    const state = (): number[] => [studio.back, studio.backend.played.length / 80];
    studio.pass(1);
    expect(state()).toEqual([0, 3]);
    studio.pass(9);
    expect(state()).toEqual([1, 4]);
    // What was handed over is not played again.
    expect(studio.ask(words(0x105, 0)).status).toBe(OK);
    expect(studio.backend.rests).toBe(1);
    studio.pass(100);
    studio.start(0);
    studio.pass(30);
    expect(state()).toEqual([3, 4]);
    expect(studio.backend.rests).toBe(2);
    expect(studio.backend.played).toEqual([1, 2, 3, 4].flatMap((value) => new Array<number>(80).fill(value)));
  });

  it('stands still while the machine is paused', () => {
    const studio = new Studio();
    studio.prepare(0);
    studio.play(0, new Uint8Array(80));
    studio.start(0);
    studio.pass(4);
    studio.device.setPaused(true);
    studio.pass(1000);
    expect(studio.back).toBe(0);
    studio.device.setPaused(false);
    studio.pass(5.9);
    expect(studio.back).toBe(0);
    studio.pass(0.2);
    expect(studio.back).toBe(1);
  });

  it('starts its clock anew when buffers come after it had none', () => {
    const studio = new Studio();
    studio.prepare(0);
    studio.start(0);
    studio.pass(5000);
    studio.play(0, new Uint8Array(80));
    studio.pass(9);
    expect(studio.back).toBe(0);
    studio.pass(1);
    expect(studio.back).toBe(1);
  });

  it('records, and says how much', () => {
    const studio = new Studio();
    studio.prepare(2);
    const queue = studio.driver.queues[3];
    const chain = queue.add({ readable: [words(2)], writable: [70, 10, 8] });
    queue.kick();
    studio.start(2);
    studio.pass(9);
    expect(queue.takeUsed()).toEqual([]);
    studio.pass(1);
    expect(queue.takeUsed()).toMatchObject([{ written: 88 }]);
    const heard = studio.driver.written(chain);
    expect([...heard.subarray(0, 80)]).toEqual(Array.from({ length: 80 }, (_, i) => i));
    expect([...heard.subarray(80, 84)]).toEqual([0, 0x80, 0, 0]);
  });

  it('goes from state to state as it may', () => {
    const studio = new Studio();
    const ask = (code: number, stream = 0): number => studio.ask(words(code, stream)).status;
    const parameters = (channels: number, format: number, rate: number, features = 0, period = 80): number =>
      studio.ask(words(0x101, 0, 160, period, features, channels | (format << 8) | (rate << 16))).status;
    expect([0x102, 0x103, 0x104, 0x105].map((code) => ask(code))).toEqual([BAD_MSG, BAD_MSG, BAD_MSG, BAD_MSG]);
    expect([parameters(1, 0, 1), parameters(1, 21, 1), parameters(1, 63, 1), parameters(1, 4, 16), parameters(9, 4, 1)]).toEqual(
      new Array(5).fill(NOT_SUPP),
    );
    expect([parameters(0, 4, 1), parameters(1, 4, 1, 1), parameters(1, 4, 1, 0, 0), parameters(1, 4, 1, 0, 81)]).toEqual([
      NOT_SUPP,
      NOT_SUPP,
      BAD_MSG,
      BAD_MSG,
    ]);
    expect(parameters(2, 5, 7)).toBe(OK);
    studio.play(0, new Uint8Array(80));
    expect(studio.back).toBe(1);
    expect([0x102, 0x102, 0x104].map((code) => ask(code))).toEqual([OK, OK, OK]);
    expect(studio.backend.formats).toEqual([{ samples: 'S16', rate: 48000, channels: 2 }]);
    expect([parameters(2, 5, 7), ask(0x104), ask(0x105), ask(0x105), ask(0x104), ask(0x105)]).toEqual([
      BAD_MSG,
      BAD_MSG,
      OK,
      BAD_MSG,
      OK,
      OK,
    ]);
    studio.play(0, new Uint8Array(80));
    studio.play(0, new Uint8Array(81));
    studio.play(2, new Uint8Array(80));
    studio.play(9, new Uint8Array(80));
    expect(studio.back).toBe(3);
    expect(ask(0x103)).toBe(OK);
    expect([studio.back, studio.backend.ended]).toEqual([1, 1]);
    expect([ask(0x102), ask(0x104), ask(0x103, 3)]).toEqual([OK, OK, BAD_MSG]);
  });

  it('refuses buffers of streams that are not prepared', () => {
    const studio = new Studio();
    const queue = studio.driver.queues[2];
    const chain = queue.add({ readable: [words(0), new Uint8Array(80)], writable: [8] });
    queue.kick();
    expect(queue.takeUsed()).toMatchObject([{ written: 8 }]);
    expect([...studio.driver.written(chain).subarray(0, 4)]).toEqual([...words(IO_ERR)]);
  });

  it('tells of plugs that go in and out, of each the last', () => {
    const studio = new Studio();
    for (const isPlugged of [false, true, false]) studio.device.plug('microphone', isPlugged);
    studio.device.plug('loudspeakers', false);
    const queue = studio.driver.queues[1];
    const events = [1, 2, 3].map(() => queue.add({ writable: [8] }));
    queue.kick();
    expect(queue.takeUsed()).toHaveLength(2);
    expect([...studio.driver.written(events[0])]).toEqual([...words(0x1001, 1)]);
    expect([...studio.driver.written(events[1])]).toEqual([...words(0x1001, 0)]);
    expect(studio.ask(words(1, 1, 1, 24), 28).items[16]).toBe(0);
  });

  it('makes streams as many as wanted, and no more than it can', () => {
    expect(new VirtioSound({ playback: 8, recording: 0 }).streams).toHaveLength(8);
    expect(() => new VirtioSound({ playback: 9 })).toThrow(/0 to 8 streams/);
  });
});
