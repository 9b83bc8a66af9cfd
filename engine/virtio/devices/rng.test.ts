import { describe, expect, it, vi } from 'vitest';
import { MockDriver } from '../../../test/support/mock-driver';
import { STATUS_NEEDS_RESET } from '../transport/transport';
import { VirtioRng } from './rng';

describe('VirtioRng', () => {
  it('fills buffers in guest memory with random bytes', async () => {
    const driver = MockDriver.for(new VirtioRng()).start();
    const queue = driver.queues[0];
    const first = queue.add({ writable: [32, 100] });
    const second = queue.add({ writable: [132] });
    queue.kick();
    expect((await queue.waitUsed(2)).map(({ written }) => written)).toEqual([132, 132]);
    expect(Buffer.compare(driver.written(first), driver.written(second))).not.toBe(0);
    expect(
      driver
        .written(first)
        .subarray(100)
        .some((byte) => byte !== 0),
    ).toBe(true);
  });

  it('gives at most 64 KiB at a time', async () => {
    const driver = MockDriver.for(new VirtioRng({ source: (target) => target.fill(1) })).start();
    const queue = driver.queues[0];
    const chain = queue.add({ writable: [40_000, 40_000] });
    queue.kick();
    expect((await queue.waitUsed())[0].written).toBe(65_536);
    expect(driver.written(chain).reduce((sum, byte) => sum + byte, 0)).toBe(65_536);
  });

  it('serves others too while a driver wants a thousand pieces with each request', async () => {
    const source = vi.fn();
    const driver = MockDriver.for(new VirtioRng({ source })).start();
    const queue = driver.queues[0];
    for (let i = 0; i < 40; i++) queue.add({ writable: new Array<number>(1000).fill(1), indirect: true });
    queue.kick();
    // Neighbours are one view; in one turn there are a few requests.
    const first = queue.takeUsed().length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(10);
    expect(await queue.waitUsed(40 - first)).toHaveLength(40 - first);
  });

  it('asks the host once for many pieces', async () => {
    const source = vi.fn((target: Uint8Array) => target.fill(7));
    const driver = MockDriver.for(new VirtioRng({ source })).start();
    const queue = driver.queues[0];
    for (const count of [2, 50]) {
      // With what lies between left out.
      const chain = queue.add({ writable: new Array<number>(count).fill(3) });
      queue.kick();
      await queue.waitUsed();
      expect([...driver.written(chain)]).toEqual(new Array<number>(3 * count).fill(7));
    }
    expect(source.mock.calls.length).toBeLessThanOrEqual(3);
  });

  it('gives no more than its rate on average, what is left over from a second at once, and small requests as they come', async () => {
    vi.useFakeTimers();
    try {
      const rate = 1000;
      const driver = MockDriver.for(new VirtioRng({ rate, clock: () => Date.now() })).start();
      const queue = driver.queues[0];
      let given = 0;
      const take = (): void => {
        for (const { written } of queue.takeUsed()) {
          given += written;
          queue.add({ writable: [400] });
        }
        queue.kick();
      };
      for (let i = 0; i < 8; i++) queue.add({ writable: [400] });
      queue.kick();
      take();
      expect(given).toBe(rate);
      for (let elapsed = 0; elapsed < 10_000; elapsed += 50) {
        await vi.advanceTimersByTimeAsync(50);
        take();
        expect(given).toBeLessThanOrEqual(rate + ((elapsed + 50) * rate) / 1000);
      }
      expect(given).toBeGreaterThan(10.8 * rate);
      driver.write('Status', 0);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('asks to be reset when its source fails, and gives the buffer back', async () => {
    const driver = MockDriver.for(
      new VirtioRng({
        source: () => {
          throw new Error('no entropy');
        },
      }),
    ).start();
    const queue = driver.queues[0];
    queue.add({ writable: [32] });
    queue.kick();
    expect(await queue.waitUsed()).toEqual([{ id: expect.any(Number) as number, written: 0 }]);
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
    driver.write('Status', 0);
    expect(driver.read('Status')).toBe(0);
  });
});
