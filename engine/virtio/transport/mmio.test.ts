import { beforeEach, describe, expect, it } from 'vitest';
import { TEST_RAM_BASE, testGuestMemory } from '../../../test/support/guest-memory';
import { MockDriver, QUEUE_FEATURES } from '../../../test/support/mock-driver';
import { MockLine, type RegisterName } from '../../../test/support/mock-places';
import { VIRTIO_ISR } from '../../memory/layout';
import { VirtioDevice } from '../device';
import { VIRTIO_F_VERSION_1 } from '../features';
import type { DescriptorChain, Virtqueue } from '../queue';
import { VirtioMmio } from './mmio';
import { STATUS_DRIVER_OK, STATUS_FEATURES_OK, STATUS_NEEDS_RESET } from './transport';

/** Keeps what it takes until the test completes it. */
class HoldingDevice extends VirtioDevice {
  readonly name = 'holding';
  readonly deviceId = 42;
  readonly queueSizes = [64, 8];
  readonly held: { queue: Virtqueue; chain: DescriptorChain }[] = [];
  constructor() {
    super([3, 50], new DataView(new ArrayBuffer(8)));
  }
  change(value: number): void {
    this.changeConfig((config) => config.setUint32(0, value, true));
  }
  finish(): void {
    for (const { queue, chain } of this.held.splice(0)) queue.complete(chain, 0);
  }
  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) this.held.push({ queue: this.queue(index)!, chain });
  }
}

let device: HoldingDevice;
let driver: MockDriver;

function setUp(strict = false): void {
  device = new HoldingDevice();
  driver = MockDriver.for(device, undefined, { strict });
}

beforeEach(() => setUp());

describe('virtio-mmio', () => {
  it('presents itself as version 2 with the device behind it', () => {
    expect([driver.read('MagicValue'), driver.read('Version'), driver.read('DeviceID')]).toEqual([0x74726976, 2, 42]);
    expect((driver.transport as VirtioMmio).deviceTreeNode()).toMatchObject({
      name: 'virtio_mmio@10001000',
      properties: { compatible: 'virtio,mmio', 'dma-coherent': true },
    });
  });

  it('reads DeviceID 0 and takes no notice of writes where there is no device', () => {
    const slot = new VirtioMmio({ memory: testGuestMemory(), base: 0x1000_2000, slot: 1, interrupt: new MockLine() });
    expect([0, 4, 8].map((offset) => slot.read(offset, 4))).toEqual([0x74726976, 2, 0]);
    for (let offset = 0; offset < 0x200; offset += 4) slot.write(offset, 4, 0xff);
    expect(slot.read(0x70, 4)).toBe(0);
    slot.reset();
  });

  it('offers the features of device and queues', () => {
    expect([...driver.offered()].sort((a, b) => a - b)).toEqual([3, 28, 29, 32, 40, 50]);
    driver.write('DeviceFeaturesSel', 0xffffffff);
    expect(driver.read('DeviceFeatures')).toBe(0);
  });

  it('refuses FEATURES_OK for features that it did not offer, if strict', () => {
    setUp(true);
    expect(driver.negotiate([...QUEUE_FEATURES, 4])).toBe(false);
    expect(driver.negotiate([...QUEUE_FEATURES, 70])).toBe(false);
    expect(driver.negotiate([...QUEUE_FEATURES, 50])).toBe(true);
  });

  it('refuses drivers of before virtio 1.0, if strict', () => {
    setUp(true);
    expect(driver.negotiate([3])).toBe(false);
  });

  it('takes no other features after FEATURES_OK', () => {
    driver.negotiate([VIRTIO_F_VERSION_1]);
    driver.write('DriverFeaturesSel', 0);
    driver.write('DriverFeatures', 8);
    driver.setUpQueue(0);
    driver.driverOk();
    expect(device['hasFeature'](3)).toBe(false);
    expect(device['hasFeature'](VIRTIO_F_VERSION_1)).toBe(true);
  });

  it('does not start without FEATURES_OK, if strict', () => {
    setUp(true);
    driver.write('Status', 0);
    driver.write('Status', 3);
    driver.write('Status', 7);
    expect(driver.read('Status')).toBe(3);
    expect(device.isActive).toBe(false);
  });

  it('lets queues be changed only between FEATURES_OK and DRIVER_OK, if strict', () => {
    setUp(true);
    driver.write('Status', 0);
    driver.write('Status', 3);
    driver.setUpQueue(0, 16);
    expect(driver.read('QueueReady')).toBe(0);
    driver.start({ queueSize: 16 });
    driver.write('QueueSel', 0);
    driver.write('QueueSize', 8);
    driver.write('QueueReady', 1);
    expect(device['queue'](0)!.size).toBe(16);
  });

  it('takes a queue back when QueueReady is cleared, and reads as ready until its requests have let go of memory', async () => {
    driver.start();
    driver.queues[0].add({ writable: [8] });
    driver.queues[0].kick();
    driver.write('QueueSel', 0);
    driver.write('QueueReady', 0);
    expect(driver.read('QueueReady')).toBe(1);
    device.finish();
    await driver.transport.drained();
    expect(driver.read('QueueReady')).toBe(0);
    expect(driver.queues[0].takeUsed()).toEqual([]);
  });

  it('refuses a queue larger than the device can have, if strict', () => {
    setUp(true);
    driver.negotiate();
    driver.write('QueueSel', 1);
    expect(driver.read('QueueSizeMax')).toBe(8);
    driver.write('QueueSize', 16);
    driver.setUpQueue(1, 4);
    driver.driverOk();
    expect(device['queue'](1)!.size).toBe(4);
    driver.write('QueueSel', 2);
    expect(driver.read('QueueSizeMax')).toBe(0);
  });

  it('asks to be reset when a queue does not lie in memory', () => {
    driver.negotiate();
    driver.setUpQueue(0);
    driver.write('QueueSel', 1);
    driver.setAddress('QueueDescLow', 'QueueDescHigh', 0x1234);
    driver.write('QueueReady', 1);
    driver.driverOk();
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
    expect(driver.read('InterruptStatus')).toBe(2);
    expect(device.isActive).toBe(false);
    driver.start();
    expect(device.isActive).toBe(true);
  });

  it('asks to be reset, by a configuration interrupt, when a chain breaks the rules; and tells the user', () => {
    const warnings: string[] = [];
    device.on('warning', (error) => warnings.push(error.message));
    driver.start();
    driver.splitQueue(0).publish(999);
    driver.queues[0].kick();
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
    expect(driver.read('InterruptStatus')).toBe(2);
    expect(driver.line.level).toBe(true);
    expect(device.status).toMatchObject({ kind: 'Error' });
    expect(warnings).toEqual([expect.stringContaining('Descriptor 999 does not exist')]);
    driver.start();
    expect(driver.read('Status') & STATUS_NEEDS_RESET).toBe(0);
    expect(device.status).toEqual({ kind: 'Running' });
  });

  it('notifies about used buffers through InterruptStatus in shared memory, until acknowledged', () => {
    driver.start();
    driver.queues[0].add({ writable: [1] });
    driver.queues[0].kick();
    device.finish();
    expect(Atomics.load(driver.memory.words, VIRTIO_ISR / 4)).toBe(1);
    expect(driver.line.level).toBe(true);
    driver.write('InterruptACK', 2);
    expect(driver.line.level).toBe(true);
    driver.write('InterruptACK', 1);
    expect(driver.line.level).toBe(false);
    expect(driver.read('InterruptStatus')).toBe(0);
  });

  it('changes ConfigGeneration and interrupts when the configuration changes', () => {
    driver.start();
    const before = driver.read('ConfigGeneration');
    device.change(0x11223344);
    expect(driver.read('ConfigGeneration')).not.toBe(before);
    expect(driver.read('InterruptStatus')).toBe(2);
    expect(driver.transport.read(0x100, 4)).toBe(0x11223344);
    expect(driver.transport.read(0x102, 2)).toBe(0x1122);
    expect(driver.transport.read(0x103, 1)).toBe(0x11);
    expect(driver.transport.read(0x106, 4)).toBe(0);
    expect(driver.transport.read(0xffc, 4)).toBe(0);
  });

  it('has no shared memory regions, and no queue reset unless that was negotiated', () => {
    driver.start({ features: QUEUE_FEATURES });
    driver.write('SHMSel', 0);
    expect([driver.read('SHMLenLow'), driver.read('SHMLenHigh')]).toEqual([0xffffffff, 0xffffffff]);
    driver.write('QueueReset', 1);
    expect(driver.read('QueueReset')).toBe(0);
    expect(device.isActive).toBe(true);
  });

  it('resets a queue on its own, which is over when its requests have let go of memory, and takes it up again elsewhere', async () => {
    driver.start();
    const old = driver.queues[0];
    old.add({ writable: [8] });
    old.kick();
    driver.write('QueueSel', 0);
    driver.write('QueueReset', 1);
    expect([driver.read('QueueReset'), driver.read('QueueReady')]).toEqual([1, 0]);
    driver.setUpQueue(0, 4);
    expect(driver.read('QueueReady')).toBe(0);
    device.finish();
    await driver.transport.drained();
    expect(driver.read('QueueReset')).toBe(0);
    expect(old.takeUsed()).toEqual([]);
    const queue = driver.setUpQueue(0, 4);
    expect(driver.read('QueueReady')).toBe(1);
    queue.add({ writable: [8] });
    queue.kick();
    device.finish();
    expect(queue.takeUsed()).toHaveLength(1);
    expect(device.status.kind).toBe('Running');
  });

  it('waits at a reset of the device for queues that were reset before', async () => {
    driver.start();
    driver.queues[0].add({ writable: [8] });
    driver.queues[0].kick();
    driver.write('QueueSel', 0);
    driver.write('QueueReset', 1);
    driver.write('Status', 0);
    expect(driver.read('Status')).not.toBe(0);
    device.finish();
    await driver.transport.drained();
    expect(driver.read('Status')).toBe(0);
  });

  it('asks to be reset when a queue is taken up again outside memory', () => {
    driver.start();
    driver.write('QueueSel', 0);
    driver.write('QueueReset', 1);
    driver.setAddress('QueueDescLow', 'QueueDescHigh', 0x1234);
    driver.write('QueueReady', 1);
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
    expect(driver.read('InterruptStatus') & 2).toBe(2);
  });

  it('knows aligned 32-bit accesses to registers only', () => {
    expect(driver.transport.read(0, 1)).toBe(0);
    expect(driver.transport.read(2, 2)).toBe(0);
    driver.transport.write(0x70, 1, 1);
    expect(driver.read('Status')).toBe(0);
  });

  it('resets at once when nothing is in flight', () => {
    driver.start();
    driver.write('Status', 0);
    expect(driver.read('Status')).toBe(0);
    expect(device.isActive).toBe(false);
    driver.write('QueueSel', 0);
    expect(driver.read('QueueReady')).toBe(0);
    expect(device.status).toEqual({ kind: 'Initialized' });
  });

  it('reads a Status other than 0 until requests from before the reset have let go of memory', async () => {
    driver.start();
    const queue = driver.queues[0];
    queue.add({ writable: [8] });
    queue.kick();
    driver.write('Status', 0);
    expect(driver.read('Status')).not.toBe(0);
    device.finish();
    await driver.transport.drained();
    expect(driver.read('Status')).toBe(0);
    expect(queue.takeUsed()).toEqual([]);
    expect(driver.read('InterruptStatus')).toBe(0);
  });

  it('starts a driver that does not wait for the reset once the old requests are done', async () => {
    driver.start();
    driver.queues[0].add({ writable: [8] });
    driver.queues[0].kick();
    driver.start();
    const queue = driver.queues[0];
    queue.add({ writable: [8] });
    queue.kick();
    expect(driver.read('Status') & (STATUS_FEATURES_OK | STATUS_DRIVER_OK)).toBe(STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    expect(device.held).toHaveLength(1);
    device.finish();
    await driver.transport.drained();
    expect(device.held).toHaveLength(1);
    device.finish();
    expect(await queue.waitUsed()).toHaveLength(1);
  });

  it('gives other work a turn when a guest fills its queue without end', async () => {
    driver.start();
    const queue = driver.splitQueue(0);
    const refill = (): void => {
      queue.setDescriptor(queue.descriptors, 0, TEST_RAM_BASE, 1, 0, 0);
      queue.publish(0);
    };
    let taken = 0;
    const end = Date.now() + 2000;
    // Each chain taken makes the next available, as a guest on another thread would.
    device['serve'] = function (this: HoldingDevice, index: number) {
      for (let chain = this['take'](index); chain; chain = this['take'](index)) {
        taken++;
        if (Date.now() < end) refill();
        this['queue'](index)!.complete(chain, 0);
      }
    };
    refill();
    queue.kick(true);
    expect(taken).toBeLessThanOrEqual(256);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(taken).toBeGreaterThan(256);
    driver.write('Status', 0);
  });

  it('traces every access by register name', () => {
    const lines: string[] = [];
    const mmio = new VirtioMmio({
      memory: testGuestMemory(),
      base: 0x1000_1000,
      slot: 0,
      interrupt: new MockLine(),
      device,
      trace: (line) => lines.push(line),
    });
    mmio.write(0x70, 4, 1);
    mmio.read(0x100, 4);
    expect(lines).toEqual(['virtio_mmio@10001000 holding: write Status 0x1', 'virtio_mmio@10001000 holding: read Config+0x0 0x0']);
  });

  it.each<RegisterName>(['MagicValue', 'DeviceFeatures', 'InterruptStatus', 'ConfigGeneration'])(
    'ignores writes to the read-only %s',
    (register) => {
      driver.start();
      const before = driver.read(register);
      driver.write(register, 0xffffffff);
      expect(driver.read(register)).toBe(before);
    },
  );
});
