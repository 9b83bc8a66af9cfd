import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { TEST_RAM_BASE, TEST_ROM_BASE } from '../../test/support/guest-memory';
import { MockDriver, QUEUE_FEATURES } from '../../test/support/mock-driver';
import type { MockSplitQueue } from '../../test/support/mock-queue';
import { DeviceError } from '../errors/vm-error';
import { VirtioDevice } from './device';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1 } from './features';
import type { DescriptorChain, QueueState } from './queue';
import { SplitQueue } from './split-queue';

/** Gives the test the queue itself. */
class BareDevice extends VirtioDevice {
  readonly name = 'bare';
  readonly deviceId = 42;
  readonly queueSizes = [16];
  constructor() {
    super([], new DataView(new ArrayBuffer(0)));
  }
  get split(): SplitQueue {
    return this.queue(0) as SplitQueue;
  }
  protected override serve(): void {}
}

let device: BareDevice;
let driver: MockDriver;
let queue: MockSplitQueue;

function start(features: Iterable<number> = QUEUE_FEATURES): void {
  device = new BareDevice();
  driver = MockDriver.for(device);
  driver.start({ features });
  queue = driver.splitQueue(0);
}

function takeAll(): DescriptorChain[] {
  const chains: DescriptorChain[] = [];
  for (let chain = device.split.take(); chain; chain = device.split.take()) chains.push(chain);
  return chains;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('the split virtqueue', () => {
  beforeEach(() => start());

  it('follows direct descriptors into an indirect table at their end', () => {
    const table = driver.allocate(16);
    queue.setDescriptor(table, 0, TEST_RAM_BASE + 0x1000, 7, 2, 0);
    queue.setDescriptor(queue.descriptors, 3, driver.store(bytes(9, 9)), 2, 1, 5);
    queue.setDescriptor(queue.descriptors, 5, table, 16, 4, 0);
    queue.publish(3);
    const [chain] = takeAll();
    expect(chain.readable.length).toBe(2);
    expect(chain.writable.length).toBe(7);
  });

  it('keeps its place over many rounds of the 16-bit indices', () => {
    for (let i = 0; i < 70_000; i++) {
      if (i % 5000 === 0) driver.allocate(0);
      queue.setDescriptor(queue.descriptors, i % 16, TEST_RAM_BASE, 1, 0, 0);
      queue.publish(i % 16);
      const chain = device.split.take();
      expect(chain?.id).toBe(i % 16);
      device.split.complete(chain!, i);
    }
    expect(queue.takeUsed()).toHaveLength(70_000 & 0xffff);
    expect(device.split.inFlight).toBe(0);
  });

  it('honours NO_INTERRUPT where there is no event index', () => {
    start([VIRTIO_F_VERSION_1]);
    queue.add({ writable: [1] });
    queue.add({ writable: [1] });
    const [first, second] = takeAll();
    driver.memory.writeU16(queue.available, 1);
    device.split.complete(first, 0);
    expect(driver.line.level).toBe(false);
    driver.memory.writeU16(queue.available, 0);
    device.split.complete(second, 0);
    expect(driver.line.level).toBe(true);
  });
});

describe('a chain that breaks the rules', () => {
  const RAM_END = TEST_RAM_BASE + (4 << 20);
  const at = (table: number, index: number, address: number, length: number, flags: number, next = 0) =>
    queue.setDescriptor(table, index, address, length, flags, next);
  const mistakes: [string, () => void, number[]?][] = [
    ['a head that does not exist', () => queue.publish(16)],
    ['a next that does not exist', () => at(queue.descriptors, 0, TEST_RAM_BASE, 1, 1, 16)],
    ['a circle', () => at(queue.descriptors, 0, TEST_RAM_BASE, 1, 1, 0)],
    ['a buffer outside memory', () => at(queue.descriptors, 0, 0x4000_0000, 1, 0)],
    ['a buffer that leaves memory', () => at(queue.descriptors, 0, RAM_END - 4, 5, 0)],
    ['a length that overflows', () => at(queue.descriptors, 0, RAM_END - 4, 0xffffffff, 0)],
    ['an address that overflows', () => at(queue.descriptors, 0, 2 ** 64 - 4096, 4096, 0)],
    ['a writable buffer in read-only memory', () => at(queue.descriptors, 0, TEST_ROM_BASE, 1, 2)],
    [
      'a readable buffer after a writable one',
      () => {
        at(queue.descriptors, 0, TEST_RAM_BASE, 1, 3, 1);
        at(queue.descriptors, 1, TEST_RAM_BASE, 1, 0);
      },
    ],
    [
      'an indirect descriptor that was not negotiated',
      () => at(queue.descriptors, 0, TEST_RAM_BASE, 16, 4),
      [VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX],
    ],
    ['an indirect descriptor that is continued', () => at(queue.descriptors, 0, TEST_RAM_BASE, 16, 5, 1)],
    ['an empty indirect table', () => at(queue.descriptors, 0, TEST_RAM_BASE, 0, 4)],
    ['an indirect table of broken length', () => at(queue.descriptors, 0, TEST_RAM_BASE, 24, 4)],
    ['an endless indirect table', () => at(queue.descriptors, 0, TEST_RAM_BASE, 16 * 1025, 4)],
    ['an indirect table outside memory', () => at(queue.descriptors, 0, RAM_END - 8, 16, 4)],
    [
      'a table inside a table',
      () => {
        const table = driver.allocate(16);
        at(table, 0, TEST_RAM_BASE, 16, 4);
        at(queue.descriptors, 0, table, 16, 4);
      },
    ],
    [
      'a circle inside a table',
      () => {
        const table = driver.allocate(32);
        at(table, 0, TEST_RAM_BASE, 1, 1, 1);
        at(table, 1, TEST_RAM_BASE, 1, 1, 0);
        at(queue.descriptors, 0, table, 32, 4);
      },
    ],
    ['an index that runs ahead', () => driver.memory.writeU16(queue.available + 2, 17)],
  ];

  it.each(mistakes)('is refused: %s', (what, make, features) => {
    start(features);
    make();
    if (!['a head that', 'an index that'].some((prefix) => what.startsWith(prefix))) queue.publish(0);
    expect(() => device.split.take()).toThrow(DeviceError);
    expect(device.split.inFlight).toBe(0);
  });

  it('is refused: a descriptor that is already in use', () => {
    start();
    const { id } = queue.add({ writable: [1] });
    expect(device.split.take()).toBeDefined();
    queue.publish(id);
    expect(() => device.split.take()).toThrow('in use');
  });

  it('is refused: more than 4 GiB in all', () => {
    start();
    const table = driver.allocate(16 * 1024);
    for (let i = 0; i < 1024; i++) at(table, i, TEST_RAM_BASE, 4 << 20, i < 1023 ? 1 : 0, i + 1);
    at(queue.descriptors, 0, table, 16 * 1024, 4);
    queue.publish(0);
    expect(device.split.take()!.readable.length).toBe(4 * 2 ** 30);
    at(table, 1023, TEST_RAM_BASE, 4 << 20, 1, 0);
    queue.setDescriptor(queue.descriptors, 1, table, 16 * 1024, 4, 0);
    queue.publish(1);
    expect(() => device.split.take()).toThrow(DeviceError);
  });

  it('is never handed out, whatever the rings hold', () => {
    const u16 = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 0xffff }));
    const descriptor = fc.record({
      address: fc.oneof(fc.integer({ min: TEST_RAM_BASE - 64, max: RAM_END + 64 }), fc.constantFrom(0, TEST_ROM_BASE, 2 ** 63)),
      length: fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: 0xffffffff })),
      flags: fc.integer({ min: 0, max: 7 }),
      next: u16,
    });
    fc.assert(
      fc.property(fc.array(descriptor, { minLength: 16, maxLength: 16 }), fc.array(u16, { maxLength: 16 }), (descriptors, heads) => {
        start();
        for (const [i, { address, length, flags, next }] of descriptors.entries()) at(queue.descriptors, i, address, length, flags, next);
        for (const head of heads) queue.publish(head);
        try {
          for (const chain of takeAll()) {
            for (const list of [chain.readable, chain.writable]) {
              expect(list.views().reduce((sum, view) => sum + view.length, 0)).toBe(list.length);
            }
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceError);
        }
      }),
    );
  });
});

describe('a queue that is set up wrongly', () => {
  const good: QueueState = {
    ring: 'split',
    size: 16,
    descriptors: TEST_RAM_BASE,
    driver: TEST_RAM_BASE + 0x1000,
    device: TEST_RAM_BASE + 0x2000,
    nextAvailable: 0,
    nextUsed: 0,
    indirect: true,
    eventIndex: true,
    inOrder: false,
  };
  it.each([
    ['no power of two', { size: 12 }],
    ['no entries', { size: 0 }],
    ['too many entries', { size: 65536 }],
    ['a misaligned descriptor table', { descriptors: TEST_RAM_BASE + 8 }],
    ['a misaligned used ring', { device: TEST_RAM_BASE + 2 }],
    ['an available ring outside memory', { driver: 0 }],
    ['a used ring in read-only memory', { device: TEST_ROM_BASE }],
  ])('is refused: %s', (_, change) => {
    start();
    expect(() => new SplitQueue(driver.memory, { ...good, ...change }, () => undefined)).toThrow(DeviceError);
  });
});
