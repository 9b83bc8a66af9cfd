import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { bareQueue } from '../../test/support/bare-queue';
import { type MockDriver, QUEUE_FEATURES } from '../../test/support/mock-driver';
import type { MockQueue } from '../../test/support/mock-queue';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from './features';
import { PackedQueue } from './packed-queue';
import type { DescriptorChain, QueueState, Virtqueue } from './queue';
import { SplitQueue } from './split-queue';

const rings: { name: string; bits: number[]; create: typeof SplitQueue | typeof PackedQueue }[] = [
  { name: 'split', bits: [], create: SplitQueue },
  { name: 'packed', bits: [VIRTIO_F_RING_PACKED], create: PackedQueue },
];

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe.each(rings)('a $name virtqueue', ({ bits, create }) => {
  let driver: MockDriver;
  let queue: MockQueue;
  let virtqueue: Virtqueue;
  let takeAll: () => DescriptorChain[];

  function start(...features: number[]): void {
    ({ driver, virtqueue, takeAll } = bareQueue([...features, ...bits]));
    queue = driver.queues[0];
  }
  beforeEach(() => start(...QUEUE_FEATURES));

  it('is of the negotiated kind', () => {
    expect(virtqueue).toBeInstanceOf(create);
  });

  it.each([false, true])('hands out chains with their readable and writable parts (indirect: %s)', (indirect) => {
    queue.add({ readable: [bytes(1, 2), bytes(3)], writable: [4, 5], indirect });
    const [chain] = takeAll();
    expect(chain.readable.toBytes()).toEqual(bytes(1, 2, 3));
    expect(chain.writable.length).toBe(9);
  });

  it('takes and completes chains of any length, in any order, over many rounds of the ring', () => {
    const step = fc.record({ readable: fc.nat(2), writable: fc.nat(2), indirect: fc.boolean(), complete: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }), fc.nat(), (steps, seed) => {
        start(...QUEUE_FEATURES);
        const inFlight: DescriptorChain[] = [];
        const expected: { id: number; written: number }[] = [];
        const used: { id: number; written: number }[] = [];
        for (const [i, { readable, writable, indirect, complete }] of steps.entries()) {
          if (readable + writable > 0 && inFlight.length < 3) {
            const { id } = queue.add({
              readable: Array.from({ length: readable }, () => bytes(i)),
              writable: Array.from({ length: writable }, () => 4),
              indirect,
            });
            const [chain, ...more] = takeAll();
            expect([chain.id, more.length, chain.readable.length, chain.writable.length]).toEqual([id, 0, readable, 4 * writable]);
            inFlight.push(chain);
          }
          for (let n = 0; n < complete && inFlight.length > 0; n++) {
            const [chain] = inFlight.splice((seed + i + n) % inFlight.length, 1);
            virtqueue.complete(chain, chain.writable.length);
            expected.push({ id: chain.id, written: chain.writable.length });
          }
          used.push(...queue.takeUsed());
        }
        expect(used).toEqual(expected);
        expect(virtqueue.inFlight).toBe(inFlight.length);
      }),
      { numRuns: 30 },
    );
  });

  it('completes in any order, each chain once', () => {
    const ids = Array.from({ length: 4 }, () => queue.add({ writable: [8] }).id);
    const chains = takeAll();
    for (const chain of chains.reverse()) virtqueue.complete(chain, 8);
    expect(queue.takeUsed().map(({ id }) => id)).toEqual(ids.reverse());
    expect(() => virtqueue.complete(chains[0], 0)).toThrow('twice');
  });

  it('gives back in order where that was negotiated', () => {
    start(...QUEUE_FEATURES, VIRTIO_F_IN_ORDER);
    const ids = Array.from({ length: 4 }, () => queue.add({ writable: [8] }).id);
    const [first, second, third, fourth] = takeAll();
    virtqueue.complete(third, 3);
    virtqueue.complete(second, 2);
    expect(queue.takeUsed()).toEqual([]);
    expect(virtqueue.inFlight).toBe(4);
    virtqueue.complete(first, 1);
    expect(queue.takeUsed()).toEqual([1, 2, 3].map((written, i) => ({ id: ids[i], written })));
    virtqueue.complete(fourth, 4);
    expect(queue.takeUsed()).toEqual([{ id: ids[3], written: 4 }]);
    expect(virtqueue.inFlight).toBe(0);
  });

  it('interrupts only at the event that the driver asked for, in every round of the ring', () => {
    for (let round = 0; round < 9; round++) {
      const chains: DescriptorChain[] = [];
      for (let i = 0; i < 4; i++) queue.add({ readable: [bytes(1)], writable: [1] });
      queue.setUsedEvent(4 * round + 2);
      chains.push(...takeAll());
      const levels = chains.map((chain) => {
        driver.write('InterruptACK', 3);
        virtqueue.complete(chain, 0);
        return driver.line.level;
      });
      expect(levels).toEqual([false, false, true, false]);
      expect(queue.takeUsed()).toHaveLength(4);
    }
  });

  it('asks for a notification only when it has nothing left', () => {
    takeAll();
    queue.add({ writable: [1] });
    queue.kick();
    queue.add({ writable: [1] });
    queue.kick();
    expect(queue.kicks).toBe(1);
    takeAll();
    queue.add({ writable: [1] });
    queue.kick();
    expect(queue.kicks).toBe(2);
  });

  it('always asks for one where there is no event index, and honours that the driver wants no interrupts', () => {
    start(VIRTIO_F_VERSION_1);
    for (let i = 0; i < 2; i++) {
      queue.add({ writable: [1] });
      queue.kick();
    }
    expect(queue.kicks).toBe(2);
    const [first, second] = takeAll();
    const flags = queue.available + (bits.length > 0 ? 2 : 0);
    driver.memory.writeU16(flags, 1);
    virtqueue.complete(first, 0);
    expect(driver.line.level).toBe(false);
    driver.memory.writeU16(flags, 0);
    virtqueue.complete(second, 0);
    expect(driver.line.level).toBe(true);
  });

  it('goes on from its saved state, in every round of the ring', () => {
    let current = virtqueue;
    for (let i = 0; i < 40; i++) {
      const { id } = queue.add({ readable: [bytes(i)], writable: [1, 1] });
      const state = JSON.parse(JSON.stringify(current.snapshot())) as QueueState;
      current = new create(driver.memory, state, () => undefined);
      current.start();
      const chain = current.take()!;
      expect([chain.id, chain.readable.readU8(0), current.take()]).toEqual([id, i, undefined]);
      current.complete(chain, 1);
      expect(queue.takeUsed()).toEqual([{ id, written: 1 }]);
    }
  });

  it('is silent once closed, and idle when the last chain has come back', async () => {
    queue.add({ writable: [1] });
    const [chain] = takeAll();
    virtqueue.close();
    let idle = false;
    void virtqueue.idle().then(() => (idle = true));
    await Promise.resolve();
    expect(idle).toBe(false);
    virtqueue.complete(chain, 1);
    await Promise.resolve();
    expect(idle).toBe(true);
    expect(queue.takeUsed()).toEqual([]);
    expect(driver.line.level).toBe(false);
  });
});
