import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { GuestClock } from './guest-clock';

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
