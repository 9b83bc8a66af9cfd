import type { GuestMemory } from '../../engine/memory/guest-memory';
import type { VirtioDevice } from '../../engine/virtio/device';
import {
  RING_FEATURES,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFICATION_DATA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '../../engine/virtio/features';
import {
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  type VirtioTransport,
} from '../../engine/virtio/transport/transport';
import { TEST_RAM_BASE, testGuestMemory } from './guest-memory';
import { MmioPlace, PciPlace, type MockLine, type MockPlace, type PlaceOptions, type RegisterName } from './mock-places';
import { type AddedChain, MockPackedQueue, type MockQueue, MockSplitQueue } from './mock-queue';

export interface MockOptions extends PlaceOptions {
  /** What the device sits on; MMIO unless given. */
  bus?: 'mmio' | 'pci';
}

export interface StartOptions {
  /** Feature bits to accept; all that are offered unless given. */
  features?: Iterable<number>;
  queueSize?: number;
}

/** A driver without a guest: it does by hand what Linux's virtio core does, and on request what no driver should. */
export class MockDriver {
  features: ReadonlySet<number> = new Set();
  queues: MockQueue[] = [];
  #heap = TEST_RAM_BASE;

  constructor(
    readonly place: MockPlace,
    readonly memory: GuestMemory,
  ) {}

  /** A device in a place of its own, with a driver and a small guest memory. */
  static for(device: VirtioDevice, memory = testGuestMemory(), { bus = 'mmio', ...options }: MockOptions = {}): MockDriver {
    return new MockDriver(bus === 'mmio' ? new MmioPlace(memory, device, options) : new PciPlace(memory, device, options), memory);
  }

  get transport(): VirtioTransport {
    return this.place.transport;
  }

  get line(): MockLine {
    return this.place.line;
  }

  read(register: RegisterName): number {
    return this.place.read(register);
  }

  write(register: RegisterName, value: number): void {
    this.place.write(register, value);
  }

  offered(): Set<number> {
    const bits = new Set<number>();
    for (let word = 0; word < 2; word++) {
      this.write('DeviceFeaturesSel', word);
      const value = this.read('DeviceFeatures');
      for (let bit = 0; bit < 32; bit++) if ((value >>> bit) & 1) bits.add(32 * word + bit);
    }
    return bits;
  }

  /** Reset, acknowledge and agree on features; false if the device refuses. */
  negotiate(features: Iterable<number> = this.offered()): boolean {
    this.write('Status', 0);
    this.write('Status', STATUS_ACKNOWLEDGE);
    this.write('Status', STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    this.features = new Set(features);
    for (let word = 0; word < 4; word++) {
      let value = 0;
      for (const bit of this.features) if (bit >>> 5 === word) value |= 1 << (bit & 31);
      this.write('DriverFeaturesSel', word);
      this.write('DriverFeatures', value >>> 0);
    }
    this.write('Status', STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    return (this.read('Status') & STATUS_FEATURES_OK) !== 0;
  }

  setUpQueue(index: number, size?: number): MockQueue {
    this.write('QueueSel', index);
    const entries = Math.min(size ?? Infinity, this.read('QueueSizeMax'));
    const queue = this.features.has(VIRTIO_F_RING_PACKED)
      ? new MockPackedQueue(this, index, entries)
      : new MockSplitQueue(this, index, entries);
    this.write('QueueSize', queue.size);
    this.setAddress('QueueDescLow', 'QueueDescHigh', queue.descriptors);
    this.setAddress('QueueDriverLow', 'QueueDriverHigh', queue.available);
    this.setAddress('QueueDeviceLow', 'QueueDeviceHigh', queue.used);
    this.write('QueueReady', 1);
    this.queues[index] = queue;
    return queue;
  }

  setAddress(low: RegisterName, high: RegisterName, address: number): void {
    this.write(low, address % 0x1_0000_0000);
    this.write(high, Math.floor(address / 0x1_0000_0000));
  }

  /** A queue that was set up as a split one. */
  splitQueue(index: number): MockSplitQueue {
    const queue = this.queues[index];
    if (!(queue instanceof MockSplitQueue)) throw new Error(`Queue ${index} is not a split one.`);
    return queue;
  }

  driverOk(): void {
    this.write('Status', STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
  }

  /** The whole of a driver's start. */
  start({ features, queueSize }: StartOptions = {}): this {
    if (!this.negotiate(features)) throw new Error('The device refused the features.');
    this.queues = [];
    for (const index of this.transport.device!.queueSizes.keys()) this.setUpQueue(index, queueSize);
    this.driverOk();
    return this;
  }

  allocate(length: number): number {
    const address = Math.ceil(this.#heap / 64) * 64;
    this.#heap = address + length;
    if (!this.memory.contains(address, length)) throw new Error('The mock driver has no more memory.');
    // Rings start zeroed, as drivers allocate them.
    this.memory.view(address, length).fill(0);
    return address;
  }

  store(bytes: Uint8Array): number {
    const address = this.allocate(bytes.length);
    this.memory.copyIn(address, bytes);
    return address;
  }

  /** A copy of the bytes in a chain's writable buffers. */
  written(chain: AddedChain): Uint8Array {
    return Buffer.concat(chain.writable.map(({ address, length }) => this.memory.view(address, length)));
  }
}

/** All ways to drive a device. */
export const MOCK_VARIANTS: ({ name: string } & MockOptions)[] = [
  { name: 'MMIO, split rings', bus: 'mmio' },
  { name: 'MMIO, packed rings', bus: 'mmio', ringFeatures: [...RING_FEATURES, VIRTIO_F_RING_PACKED, VIRTIO_F_NOTIFICATION_DATA] },
  { name: 'PCI, split rings in order', bus: 'pci', ringFeatures: [...RING_FEATURES, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA] },
  { name: 'PCI, packed rings', bus: 'pci', ringFeatures: [...RING_FEATURES, VIRTIO_F_RING_PACKED], message: () => undefined },
  {
    name: 'PCI, packed rings in order',
    bus: 'pci',
    ringFeatures: [...RING_FEATURES, VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA],
    message: () => undefined,
  },
];

export const QUEUE_FEATURES = [VIRTIO_F_VERSION_1, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX];
