import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BEAT_MS, GuestClock, type HostTime } from './guest-clock';

const shared = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });

describe('GuestClock', () => {
  it('counts ticks of the timebase from where it is set', async () => {
    const clock = new GuestClock(shared(), 1_000_000);
    clock.set(5_000_000);
    const start = clock.now();
    expect(start - 5_000_000).toBeLessThan(50_000);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const passed = clock.now() - start;
    expect(passed).toBeGreaterThanOrEqual(29_000);
    expect(passed).toBeLessThan(2_000_000);
  });

  it('never goes back, and gives whole numbers', () => {
    const clock = new GuestClock(shared());
    let last = clock.now();
    for (let i = 0; i < 1000; i++) {
      const now = clock.now();
      expect(Number.isInteger(now)).toBe(true);
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  it('is the same in another thread', async () => {
    const memory = shared();
    const clock = new GuestClock(memory);
    clock.set(0);
    // What a clock in another thread works from: its own performance.now() set against the one monotonic clock.
    const script = `
      const { parentPort } = require('node:worker_threads');
      parentPort.postMessage(Number(process.hrtime.bigint()) / 1e6);
    `;
    const before = clock.now();
    const origin = Number(process.hrtime.bigint()) / 1e6 - before / 10_000;
    const worker = new Worker(script, { eval: true });
    const there = await new Promise<number>((resolve) => worker.once('message', resolve));
    const after = clock.now();
    await worker.terminate();
    const ticks = (there - origin) * 10_000;
    expect(ticks).toBeGreaterThan(before - 10_000);
    expect(ticks).toBeLessThan(after + 10_000);
  });
});

describe('GuestClock, when nothing ran for a while', () => {
  const SECOND = 1_000_000;
  /** The host's two clocks, in milliseconds. */
  let host: HostTime & { ran: number; slept: number };
  let memory: WebAssembly.Memory;
  let clock: GuestClock;
  let letGo: (() => void) | undefined;

  /** As the device thread lives through it: its timer comes again and again. */
  const run = (ms: number): void => {
    for (let left = ms; left > 0; left -= 100) {
      host.ran += Math.min(left, 100);
      vi.advanceTimersByTime(Math.min(left, 100));
    }
  };

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    host = { ran: 5000.25, slept: 0, monotonic: () => host.ran, uptime: () => host.ran + host.slept };
    memory = shared();
    clock = new GuestClock(memory, SECOND, host);
    clock.set(0);
  });
  afterEach(() => {
    letGo?.();
    vi.useRealTimers();
  });

  it('goes on where it was, not counting the gap, and never goes back', () => {
    letGo = clock.keep('hold');
    run(60_000);
    expect(clock.now()).toBe(60 * SECOND);
    let last = clock.now();
    for (const gap of [2500, 3600_000, 10_000, 30 * 24 * 3600_000]) {
      run(777);
      const before = clock.now();
      expect(before).toBeGreaterThanOrEqual(last + 0.77 * SECOND);
      host.ran += gap;
      // Whichever thread looks first.
      last = (gap === 10_000 ? new GuestClock(memory, SECOND, host) : clock).now();
      expect(last).toBeGreaterThanOrEqual(before);
      expect(last).toBeLessThanOrEqual(before + (BEAT_MS + 2) * 1000);
      expect(clock.now()).toBe(last);
    }
  });

  it('counts the gap where it is to go on', () => {
    letGo = clock.keep('run');
    run(1000);
    host.ran += 3600_000;
    run(1000);
    expect(clock.now()).toBe(3602 * SECOND);
  });

  it('counts sleep that the monotonic clock leaves out where it is to go on, and only there', () => {
    letGo = clock.keep('run');
    run(1000);
    host.slept += 3600_000;
    run(1000);
    expect(clock.now()).toBe(3602 * SECOND);
    letGo();
    letGo = clock.keep('hold');
    host.slept += 3600_000;
    run(1000);
    expect(clock.now()).toBe(3603 * SECOND);
  });

  it('takes a host that is busy for what it is', () => {
    letGo = clock.keep('hold');
    for (let i = 0; i < 10; i++) {
      host.ran += 1900;
      clock.now();
    }
    expect(clock.now()).toBe(19 * SECOND);
  });

  it('does not look for gaps while the box is paused', () => {
    letGo = clock.keep('hold');
    run(1000);
    letGo();
    const paused = clock.now();
    host.ran += 3600_000;
    clock.set(paused);
    letGo = clock.keep('hold');
    run(1000);
    expect(clock.now()).toBe(paused + SECOND);
  });

  it('is none of the host’s time of day', () => {
    vi.useFakeTimers({ now: Date.now() });
    letGo = clock.keep('hold');
    run(1000);
    vi.setSystemTime(0);
    run(1000);
    vi.setSystemTime(4e12);
    run(1000);
    expect(clock.now()).toBe(3 * SECOND);
  });

  it('does not go back for a thread that was stopped while it read the clock, and wakes after another', () => {
    letGo = clock.keep('hold');
    run(10_000);
    const before = clock.now();
    let stops = 1;
    const stopped = new GuestClock(memory, SECOND, {
      ...host,
      monotonic: () => {
        const time = host.ran;
        if (stops-- === 1) {
          host.ran += 60_000;
          clock.now();
        }
        return time;
      },
    });
    // The time before the gap goes with the offset before it.
    expect(stopped.now()).toBe(clock.now());
    expect(clock.now()).toBeGreaterThanOrEqual(before);
  });
});
