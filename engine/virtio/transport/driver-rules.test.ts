import { describe, expect, it } from 'vitest';
import { MockDriver, QUEUE_FEATURES } from '../../../test/support/mock-driver';
import { MockSplitQueue } from '../../../test/support/mock-queue';
import type { VmError } from '../../errors/vm-error';
import { VirtioDevice } from '../device';
import { VIRTIO_F_VERSION_1 } from '../features';

/** Completes all it is given. */
class EchoDevice extends VirtioDevice {
  readonly name = 'echo';
  readonly deviceId = 2;
  readonly queueSizes = [16, 8];
  readonly broken: VmError[] = [];
  constructor() {
    super([3], new DataView(new ArrayBuffer(8)));
    this.on('warning', (error) => this.broken.push(error));
  }
  /** The sections of the rules that its user was told of. */
  get sections(): unknown[] {
    return this.broken.map(({ params }) => params?.['section']);
  }
  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) this.queue(index)!.complete(chain, 0);
  }
}

type Bus = 'mmio' | 'pci';
const set = (bus: Bus, strict = false): { device: EchoDevice; driver: MockDriver } => {
  const device = new EchoDevice();
  return { device, driver: MockDriver.for(device, undefined, { bus, strict }) };
};

function isServed(driver: MockDriver, index = 0): boolean {
  driver.queues[index].add({ writable: [8] });
  driver.queues[index].kick();
  return driver.queues[index].takeUsed().length === 1;
}

/** Each way in which drivers in the field go wrong, and the sections of the rules that they break. */
const DRIVERS: [string, (driver: MockDriver) => void, string[]][] = [
  [
    'accepts features of the first word only',
    (driver) => {
      driver.negotiate([3]);
      driver.setUpQueue(0);
      driver.driverOk();
    },
    ['6.1'],
  ],
  [
    'accepts features that were not offered',
    (driver) => {
      driver.negotiate([...QUEUE_FEATURES, 4, 70]);
      driver.setUpQueue(0);
      driver.driverOk();
    },
    ['2.2.1'],
  ],
  [
    'sets up its queue before FEATURES_OK',
    (driver) => {
      driver.write('Status', 3);
      driver.setUpQueue(0);
      driver.write('DriverFeaturesSel', 1);
      driver.write('DriverFeatures', 1);
      driver.write('Status', 11);
      driver.write('Status', 15);
    },
    ['3.1.1'],
  ],
  [
    'never sets FEATURES_OK',
    (driver) => {
      driver.write('Status', 3);
      driver.setUpQueue(0);
      driver.write('Status', 7);
    },
    ['3.1.1', '3.1.1'],
  ],
  [
    'sets up its queue after DRIVER_OK',
    (driver) => {
      driver.negotiate([VIRTIO_F_VERSION_1]);
      driver.driverOk();
      driver.setUpQueue(0);
    },
    ['3.1.1'],
  ],
  [
    'uses its queue before DRIVER_OK',
    (driver) => {
      driver.negotiate([VIRTIO_F_VERSION_1]);
      driver.setUpQueue(0);
    },
    ['3.1.1'],
  ],
  [
    'writes each bit of the status alone',
    (driver) => {
      driver.write('Status', 1);
      driver.write('Status', 2);
      driver.write('DriverFeaturesSel', 1);
      driver.write('DriverFeatures', 1);
      driver.write('Status', 8);
      driver.setUpQueue(0);
      driver.write('Status', 4);
    },
    ['2.1.1'],
  ],
];

describe.each<Bus>(['mmio', 'pci'])('a driver that breaks rules on %s', (bus) => {
  it.each(DRIVERS)('is served, and its user told once, where it %s', (_, start, sections) => {
    const { device, driver } = set(bus);
    for (let times = 0; times < 3; times++) {
      driver.write('Status', 0);
      start(driver);
      expect(isServed(driver)).toBe(true);
    }
    expect(device.sections).toEqual(sections);
    expect(device.broken[0]).toMatchObject({ kind: 'Guest', code: 'virtio-rule-broken' });
    expect(device.status.kind).toBe('Running');
  });

  it.each(DRIVERS)('is refused if strict, where it %s', (what, start) => {
    const { device, driver } = set(bus, true);
    start(driver);
    // With its status bits put right it has come through, as all of them are set by then.
    expect(isServed(driver)).toBe(what.startsWith('writes each bit'));
    expect(device.broken[0]).toMatchObject({ kind: 'Guest', code: 'virtio-rule-refused' });
  });

  it('gets a queue larger than the device says, up to what QEMU takes', () => {
    const { device, driver } = set(bus);
    driver.negotiate();
    driver.write('QueueSel', 0);
    const queue = new MockSplitQueue(driver, 0, 1024);
    driver.write('QueueSize', 2048);
    driver.write('QueueSize', 1024);
    driver.setAddress('QueueDescLow', 'QueueDescHigh', queue.descriptors);
    driver.setAddress('QueueDriverLow', 'QueueDriverHigh', queue.available);
    driver.setAddress('QueueDeviceLow', 'QueueDeviceHigh', queue.used);
    driver.write('QueueReady', 1);
    driver.driverOk();
    expect(device['queue'](0)!.size).toBe(1024);
    expect(device.sections).toEqual(['4.2.2']);
  });

  it('keeps the features that were agreed on when it writes others afterwards', () => {
    const { device, driver } = set(bus);
    driver.negotiate([VIRTIO_F_VERSION_1]);
    driver.write('DriverFeaturesSel', 0);
    driver.write('DriverFeatures', 8);
    driver.setUpQueue(0);
    driver.driverOk();
    expect([3, VIRTIO_F_VERSION_1].map((bit) => device['hasFeature'](bit))).toEqual([false, true]);
    expect(device.sections).toEqual(['3.1.1']);
  });

  it('cannot start a device that waits to be reset', () => {
    const { device, driver } = set(bus);
    driver.write('Status', 3);
    driver.setUpQueue(0);
    driver.splitQueue(0).publish(999);
    driver.queues[0].kick(true);
    expect(device.status.kind).toBe('Error');
    expect(driver.read('Status')).toBe(3 + 64);
    driver.write('Status', 15);
    expect(isServed(driver)).toBe(false);
    driver.start();
    expect(isServed(driver)).toBe(true);
  });

  it('is saved and restored as it is', async () => {
    const { device, driver } = set(bus);
    driver.write('Status', 3);
    driver.setUpQueue(0);
    expect(isServed(driver)).toBe(true);
    await driver.transport.sleep();
    const saved: unknown = JSON.parse(JSON.stringify(driver.transport.state.snapshot()));
    driver.transport.reset();
    await driver.transport.drained();
    driver.transport.state.restore(saved);
    driver.transport.wake();
    expect(device.isActive).toBe(true);
    expect(isServed(driver)).toBe(true);
  });
});

it('a driver that keeps to the rules is told nothing of', () => {
  for (const bus of ['mmio', 'pci'] as const) {
    const { device, driver } = set(bus);
    for (let times = 0; times < 2; times++) expect(isServed(driver.start())).toBe(true);
    expect(device.sections).toEqual([]);
  }
});

describe('legacy virtio-mmio', () => {
  const PAGE = 4096;

  /** As Linux starts a device of version 1. */
  function start(driver: MockDriver, align = PAGE): MockSplitQueue {
    driver.write('Status', 0);
    driver.write('GuestPageSize', PAGE);
    driver.write('Status', 3);
    driver.write('DriverFeaturesSel', 0);
    driver.write('DriverFeatures', 8);
    driver.write('QueueSel', 0);
    expect([driver.read('QueuePFN'), driver.read('QueueSizeMax')]).toEqual([0, 16]);
    const base = Math.ceil(driver.allocate(4 * PAGE) / PAGE) * PAGE;
    const queue = new MockSplitQueue(driver, 0, 16);
    Object.assign(queue, {
      descriptors: base,
      available: base + 16 * 16,
      used: Math.ceil((base + 16 * 16 + 6 + 2 * 16) / align) * align,
    });
    driver.write('QueueSize', 16);
    driver.write('QueueAlign', align);
    driver.write('QueuePFN', base / PAGE);
    expect(driver.read('QueuePFN')).toBe(base / PAGE);
    driver.write('Status', 7);
    driver.queues[0] = queue;
    return queue;
  }

  it.each([PAGE, 64])('serves a driver of before virtio 1.0, its used ring at multiples of %i', (align) => {
    const device = new EchoDevice();
    const driver = MockDriver.for(device, undefined, { legacy: true });
    expect(driver.read('Version')).toBe(1);
    expect([...driver.offered()].sort((a, b) => a - b)).toEqual([3, 28, 29]);
    for (let times = 0; times < 2; times++) {
      start(driver, align);
      expect(isServed(driver)).toBe(true);
      expect([3, 28].map((bit) => device['hasFeature'](bit))).toEqual([true, false]);
    }
    driver.write('QueuePFN', 0);
    expect(driver.read('QueuePFN')).toBe(0);
    expect(isServed(driver)).toBe(false);
    expect(device.sections).toEqual([]);
  });

  it('keeps the size of pages over a reset by the driver, which U-Boot writes before, until power-on', () => {
    const driver = MockDriver.for(new EchoDevice(), undefined, { legacy: true });
    driver.write('GuestPageSize', PAGE);
    driver.write('QueueAlign', PAGE);
    driver.write('Status', 0);
    driver.write('QueuePFN', 0x80001);
    expect(driver.transport).toMatchObject({ pageSize: PAGE, align: PAGE });
    expect(driver.read('QueuePFN')).toBe(0x80001);
    driver.transport.reset();
    expect(driver.transport).toMatchObject({ pageSize: 1 });
  });

  it('has none of the registers of version 2', () => {
    const driver = MockDriver.for(new EchoDevice(), undefined, { legacy: true });
    start(driver);
    driver.write('QueueReady', 0);
    expect([driver.read('QueueReady'), driver.read('ConfigGeneration')]).toEqual([0, 0]);
    expect(isServed(driver)).toBe(true);
  });

  it('takes whatever is written for size and alignment', () => {
    const device = new EchoDevice();
    const driver = MockDriver.for(device, undefined, { legacy: true });
    for (const value of [0, 3, 0xffffffff, 0x80000000]) {
      driver.write('Status', 0);
      driver.write('GuestPageSize', value);
      driver.write('QueueAlign', value);
      driver.write('QueuePFN', 0xffffffff);
      driver.write('Status', 7);
      expect(driver.read('QueuePFN')).toBe(0xffffffff);
      expect(driver.read('Status')).toBe(7 + 64);
    }
  });
});
