import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConsoleSender } from './console-sender';

const limits = { window: 64, message: 16, batchMs: 5 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function bytes(length: number, from = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (from + i) & 255);
}

describe('ConsoleSender', () => {
  it('collects what comes within a few milliseconds into one message', () => {
    const posted: Uint8Array[] = [];
    const sender = new ConsoleSender((data) => posted.push(data), limits);
    void sender.send(bytes(3));
    void sender.send(bytes(2, 3));
    expect(posted).toHaveLength(0);
    vi.advanceTimersByTime(5);
    expect(posted).toEqual([bytes(5)]);
  });

  it('stops at the window, tells the sender to wait, and goes on when acknowledged', async () => {
    const posted: Uint8Array[] = [];
    const sender = new ConsoleSender((data) => posted.push(data), limits);
    const waiting = sender.send(bytes(200));
    await vi.advanceTimersByTimeAsync(100);
    expect(posted.reduce((sum, data) => sum + data.length, 0)).toBe(64);
    let done = false;
    void waiting?.then(() => {
      done = true;
    });
    for (let i = 0; i < 20 && !done; i++) {
      sender.acknowledge(16);
      await vi.advanceTimersByTimeAsync(5);
    }
    expect(done).toBe(true);
  });

  it('lets a waiting sender go when closed', async () => {
    const sender = new ConsoleSender(() => undefined, limits);
    const waiting = sender.send(bytes(500));
    expect(waiting).toBeInstanceOf(Promise);
    sender.close();
    await waiting;
    expect(sender.send(bytes(10))).toBeUndefined();
  });

  it('never loses, repeats or reorders a byte, nor exceeds message and window, whatever the sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(90), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 9 }),
        async (sizes, acks) => {
          const received: number[] = [];
          let unacknowledged = 0;
          let worst = 0;
          const sender = new ConsoleSender((data) => {
            expect(data.length).toBeLessThanOrEqual(limits.message);
            received.push(...data);
            unacknowledged += data.length;
            worst = Math.max(worst, unacknowledged);
          }, limits);
          let total = 0;
          for (const size of sizes) {
            void sender.send(bytes(size, total));
            total += size;
          }
          for (let i = 0; received.length < total && i < 10_000; i++) {
            await vi.advanceTimersByTimeAsync(limits.batchMs);
            const count = Math.min(unacknowledged, acks[i % acks.length]);
            unacknowledged -= count;
            sender.acknowledge(count);
          }
          expect(received).toEqual([...bytes(total)]);
          expect(worst).toBeLessThan(limits.window + limits.message);
        },
      ),
      { numRuns: 60 },
    );
  });
});
