import { describe, expect, it } from 'vitest';
import { testGuestMemory } from '../../../test/support/guest-memory';
import { MockDriver, MOCK_VARIANTS } from '../../../test/support/mock-driver';
import type { MockQueue } from '../../../test/support/mock-queue';
import { RamDisk } from '../../backend/disk/ram';
import type { GuestMemory } from '../../memory/guest-memory';
import type { VirtioDevice } from '../device';
import type { TransportState } from '../transport/transport';
import { VirtioBlock } from './block';
import { VirtioConsole } from './console';
import { VirtioRng } from './rng';
import { VirtioScsi } from './scsi/device';

/** A RAM disk whose operations take a while, as a file's do. */
class SlowDisk extends RamDisk {
  override async readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await super.readv(offset, buffers);
  }
}

interface Kind {
  name: string;
  create: () => VirtioDevice;
  /** The queue that the suite works on. */
  queue: number;
  /** Make `count` requests that the device can answer. */
  request: (queue: MockQueue, count: number) => void;
  /** Let the host do its part after a restore, if it has one. */
  host?: (device: VirtioDevice) => void;
}

const kinds: Kind[] = [
  {
    name: 'VirtioBlock',
    create: () => new VirtioBlock({ disk: new SlowDisk(1 << 20) }),
    queue: 0,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) {
        const header = new Uint8Array(16);
        header[8] = i;
        queue.add({ readable: [header], writable: [4096, 1] });
      }
    },
  },
  {
    name: 'VirtioScsi, commands',
    create: () => {
      const device = new VirtioScsi();
      device.attach({ medium: new SlowDisk(1 << 20) });
      return device;
    },
    queue: 2,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) {
        // READ(10) of eight blocks.
        const command = new Uint8Array(19 + 32);
        command.set([1, 0, 0x40, 0]);
        command.set([0x28, 0, 0, 0, 0, i, 0, 0, 8, 0], 19);
        queue.add({ readable: [command], writable: [12 + 96, 4096] });
      }
    },
  },
  {
    name: 'VirtioScsi, task management',
    create: () => new VirtioScsi(),
    queue: 0,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(24)], writable: [1] });
    },
  },
  {
    name: 'VirtioConsole, output',
    create: () => new VirtioConsole({ console: { columns: 80, rows: 24 } }),
    queue: 1,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) queue.add({ readable: [new Uint8Array(100)] });
    },
  },
  {
    name: 'VirtioConsole, input',
    create: () => {
      const device = new VirtioConsole({ console: { columns: 80, rows: 24 }, ports: [] });
      device.console.write(new Uint8Array(1000).fill(7));
      return device;
    },
    queue: 0,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) queue.add({ writable: [10] });
    },
  },
  {
    name: 'VirtioConsole, control',
    create: () => new VirtioConsole({ ports: ['one', 'two'] }),
    queue: 3,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) queue.add({ readable: [Uint8Array.of(1, 0, 0, 0, 3, 0, 1, 0)] });
    },
  },
  {
    name: 'VirtioRng',
    create: () => new VirtioRng(),
    queue: 0,
    request: (queue, count) => {
      for (let i = 0; i < count; i++) queue.add({ writable: [64] });
    },
  },
];

const variants = kinds.flatMap((kind) => MOCK_VARIANTS.map((variant) => ({ ...kind, name: `${kind.name}, ${variant.name}`, variant })));

describe.each(variants)('the lifecycle of $name', ({ create, queue: index, request, variant }) => {
  const driverOf = (device: VirtioDevice, memory?: GuestMemory): MockDriver => MockDriver.for(device, memory, variant);

  it('goes from Initialized to Running, Stopped, Running and back to Initialized', async () => {
    const device = create();
    const driver = driverOf(device);
    expect(device.status.kind).toBe('Initialized');
    driver.start();
    expect(device.status.kind).toBe('Running');
    await driver.transport.sleep();
    expect(device.status.kind).toBe('Stopped');
    driver.transport.wake();
    expect(device.status.kind).toBe('Running');
    driver.write('Status', 0);
    expect(device.status.kind).toBe('Initialized');
  });

  it('finishes requests in flight before it sleeps, takes no others while asleep, and serves them when it wakes', async () => {
    const device = create();
    const driver = driverOf(device).start();
    const queue = driver.queues[index];
    request(queue, 5);
    queue.kick(true);
    await driver.transport.sleep();
    expect(queue.takeUsed()).toHaveLength(5);
    request(queue, 3);
    queue.kick(true);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(queue.takeUsed()).toHaveLength(0);
    driver.transport.wake();
    expect(await queue.waitUsed(3)).toHaveLength(3);
  });

  it('goes on in another machine from its saved state, with requests that wait in the queue', async () => {
    const driver = driverOf(create()).start();
    const queue = driver.queues[index];
    request(queue, 4);
    queue.kick(true);
    await driver.transport.sleep();
    queue.takeUsed();
    request(queue, 2);
    const state = JSON.parse(JSON.stringify(driver.transport.snapshot())) as TransportState;
    const level = driver.line.level;

    const memory = testGuestMemory();
    memory.bytes.set(driver.memory.bytes);
    const other = driverOf(create(), memory);
    other.transport.restore(state);
    expect(other.transport.device!.status.kind).toBe('Running');
    expect(other.line.level || !level).toBe(true);
    queue.driver = other;
    expect(await queue.waitUsed(2)).toHaveLength(2);
    await other.transport.sleep();
    expect(other.transport.snapshot()).toMatchObject({ status: state.status, driverFeatures: state.driverFeatures });
  });

  it('saves nothing while requests may be in flight', () => {
    const driver = driverOf(create()).start();
    expect(() => driver.transport.snapshot()).toThrow('must sleep');
  });

  it('saves and restores a device that no driver has touched', () => {
    const state = JSON.parse(JSON.stringify(driverOf(create()).transport.snapshot())) as TransportState;
    const driver = driverOf(create());
    driver.transport.restore(state);
    expect(driver.transport.snapshot()).toEqual(state);
    driver.start();
    expect(driver.transport.device!.isActive).toBe(true);
  });

  it('works again after any number of resets with requests in flight', async () => {
    const driver = driverOf(create());
    for (let round = 0; round < 4; round++) {
      driver.start();
      const queue = driver.queues[index];
      request(queue, 3);
      queue.kick(true);
    }
    driver.write('Status', 0);
    await driver.transport.drained();
    driver.start();
    const queue = driver.queues[index];
    request(queue, 3);
    queue.kick(true);
    expect(await queue.waitUsed(3)).toHaveLength(3);
  });
});

describe('restoring', () => {
  it('refuses the state of another kind of device', async () => {
    const driver = MockDriver.for(new VirtioRng()).start();
    await driver.transport.sleep();
    const state = driver.transport.snapshot();
    expect(() => MockDriver.for(new VirtioConsole({ console: { columns: 1, rows: 1 } })).transport.restore(state)).toThrow('queues');
    expect(() => MockDriver.for(new VirtioBlock({ disk: new RamDisk(512) })).transport.restore(state)).toThrow('not one of a block device');
  });

  it('keeps what the guest has not read yet, and the size of the terminal', async () => {
    const first = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    const driver = MockDriver.for(first).start();
    first.console.resize(120, 50);
    first.console.write(Uint8Array.of(1, 2, 3));
    await driver.transport.sleep();
    const state = driver.transport.snapshot();
    const second = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    const other = MockDriver.for(second, driver.memory);
    other.transport.restore(state);
    expect(other.transport.read(0x100, 2)).toBe(120);
    expect(second.console.isOpen).toBe(true);
    const chain = driver.queues[0].add({ writable: [16] });
    other.write('QueueNotify', 0);
    expect([...driver.written(chain).subarray(0, 3)]).toEqual([1, 2, 3]);
  });
});
