import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bareQueue } from '../../test/support/bare-queue';
import { TEST_RAM_BASE, TEST_ROM_BASE } from '../../test/support/guest-memory';
import { type MockDriver, QUEUE_FEATURES } from '../../test/support/mock-driver';
import { MockPackedQueue } from '../../test/support/mock-queue';
import { DeviceError } from '../errors/vm-error';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from './features';
import { PackedQueue } from './packed-queue';
import type { DescriptorChain, QueueState, Virtqueue } from './queue';

const RAM_END = TEST_RAM_BASE + (4 << 20);
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

let driver: MockDriver;
let queue: MockPackedQueue;
let virtqueue: Virtqueue;
let takeAll: () => DescriptorChain[];

function start(features: Iterable<number> = QUEUE_FEATURES): void {
  ({ driver, virtqueue, takeAll } = bareQueue([...features, VIRTIO_F_RING_PACKED]));
  if (!(driver.queues[0] instanceof MockPackedQueue)) throw new Error('The queue is not packed.');
  queue = driver.queues[0];
}

/** One descriptor in guest memory that is as it should be, but for what is given. */
function descriptor(change: Partial<{ address: number; length: number; id: number; flags: number }> = {}) {
  return { address: TEST_RAM_BASE, length: 1, id: 0, flags: 0, ...change };
}

describe('a chain in a packed queue', () => {
  it('has the identity that stands in its last descriptor, and any of 16 bits', () => {
    start();
    queue.place([descriptor({ id: 7, flags: NEXT }), descriptor({ id: 0xfedc, flags: WRITE })]);
    const [chain] = takeAll();
    expect([chain.id, chain.slots]).toEqual([0xfedc, 2]);
    virtqueue.complete(chain, 1);
    expect(driver.memory.readU16(queue.descriptors + 12)).toBe(0xfedc);
  });

  it('takes of an indirect table only addresses, lengths and the WRITE flag', () => {
    start();
    const table = driver.allocate(32);
    queue.setDescriptor(table, 0, TEST_RAM_BASE, 3, 0xffff, NEXT | INDIRECT | 0x80);
    queue.setDescriptor(table, 1, TEST_RAM_BASE, 5, 0xffff, WRITE | 0x8000);
    queue.place([descriptor({ address: table, length: 32, id: 3, flags: INDIRECT | WRITE })]);
    const [chain] = takeAll();
    expect([chain.id, chain.slots, chain.readable.length, chain.writable.length]).toEqual([3, 1, 3, 5]);
  });

  const mistakes: [string, () => void, number[]?][] = [
    ['a buffer outside memory', () => queue.place([descriptor({ address: 0x4000_0000 })])],
    ['a buffer that leaves memory', () => queue.place([descriptor({ address: RAM_END - 4, length: 5 })])],
    ['an address that overflows', () => queue.place([descriptor({ address: 2 ** 64 - 4096, length: 4096 })])],
    ['a writable buffer in read-only memory', () => queue.place([descriptor({ address: TEST_ROM_BASE, flags: WRITE })])],
    ['a readable buffer after a writable one', () => queue.place([descriptor({ flags: WRITE | NEXT }), descriptor()])],
    ['a list that goes on into nothing', () => queue.place([descriptor({ flags: NEXT })])],
    ['a list longer than the ring', () => queue.place(Array.from({ length: 16 }, () => descriptor({ flags: NEXT })))],
    ['an indirect descriptor that is continued', () => queue.place([descriptor({ length: 16, flags: INDIRECT | NEXT }), descriptor()])],
    ['an indirect descriptor in a list', () => queue.place([descriptor({ flags: NEXT }), descriptor({ length: 16, flags: INDIRECT })])],
    ['an empty indirect table', () => queue.place([descriptor({ length: 0, flags: INDIRECT })])],
    ['an indirect table of broken length', () => queue.place([descriptor({ length: 24, flags: INDIRECT })])],
    ['an endless indirect table', () => queue.place([descriptor({ length: 16 * 1025, flags: INDIRECT })])],
    ['an indirect table outside memory', () => queue.place([descriptor({ address: RAM_END - 8, length: 16, flags: INDIRECT })])],
    [
      'an indirect descriptor that was not negotiated',
      () => queue.place([descriptor({ length: 16, flags: INDIRECT })]),
      [VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX],
    ],
  ];

  it.each(mistakes)('is refused: %s', (_, make, features) => {
    start(features);
    make();
    expect(() => virtqueue.take()).toThrow(DeviceError);
    expect(virtqueue.inFlight).toBe(0);
  });

  it('is refused: an identity that is in use', () => {
    start();
    queue.place([descriptor({ id: 5 })]);
    expect(virtqueue.take()).toBeDefined();
    queue.place([descriptor({ id: 5 })]);
    expect(() => virtqueue.take()).toThrow('in use');
  });

  it('is refused: more descriptors than the ring has, by making again available what the device still has', () => {
    start();
    for (let id = 0; id < 16; id++) queue.place([descriptor({ id })]);
    expect(takeAll()).toHaveLength(16);
    queue.place([descriptor({ id: 16 })]);
    expect(() => virtqueue.take()).toThrow('More descriptors');
  });

  it('is never handed out, whatever the ring holds', () => {
    const any = fc.record({
      address: fc.oneof(fc.integer({ min: TEST_RAM_BASE - 64, max: RAM_END + 64 }), fc.constantFrom(0, TEST_ROM_BASE, 2 ** 63)),
      length: fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: 0xffffffff })),
      id: fc.oneof(fc.nat(20), fc.nat(0xffff)),
      flags: fc
        .constantFrom(0, 1, 2, 3, 4, 5, 6, 7)
        .chain((low) => fc.constantFrom(0x80, 0x80, 0x80, 0, 0x8000, 0x8080).map((high) => low | high)),
    });
    fc.assert(
      fc.property(fc.array(any, { minLength: 16, maxLength: 16 }), (descriptors) => {
        start();
        for (const [i, { address, length, id, flags }] of descriptors.entries())
          queue.setDescriptor(queue.descriptors, i, address, length, id, flags);
        try {
          for (const chain of takeAll()) {
            for (const list of [chain.readable, chain.writable]) {
              expect(list.views().reduce((sum, view) => sum + view.length, 0)).toBe(list.length);
            }
            virtqueue.complete(chain, 0);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceError);
        }
      }),
    );
  });
});

describe('a packed queue that is set up wrongly', () => {
  const good: QueueState = {
    ring: 'packed',
    size: 12,
    descriptors: TEST_RAM_BASE,
    driver: TEST_RAM_BASE + 0x1000,
    device: TEST_RAM_BASE + 0x2000,
    nextAvailable: 0x8000,
    nextUsed: 0x8000,
    indirect: true,
    eventIndex: true,
    inOrder: false,
  };
  it.each([
    ['no entries', { size: 0 }],
    ['too many entries', { size: 32769 }],
    ['a misaligned ring', { descriptors: TEST_RAM_BASE + 8 }],
    ['a ring in read-only memory', { descriptors: TEST_ROM_BASE }],
    ['a misaligned event suppression', { device: TEST_RAM_BASE + 2 }],
    ['an event suppression outside memory', { driver: 0 }],
    ['an event suppression in read-only memory', { device: TEST_ROM_BASE }],
  ])('is refused: %s', (_, change) => {
    start();
    expect(() => new PackedQueue(driver.memory, good, () => undefined)).not.toThrow();
    expect(() => new PackedQueue(driver.memory, { ...good, ...change }, () => undefined)).toThrow(DeviceError);
  });
});
