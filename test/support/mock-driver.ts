import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InterruptLine } from '../../engine/bus/device';
import type { GuestMemory } from '../../engine/memory/guest-memory';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1, type VirtioDevice } from '../../engine/virtio/device';
import { STATUS_ACKNOWLEDGE, STATUS_DRIVER, STATUS_DRIVER_OK, STATUS_FEATURES_OK, VirtioMmio } from '../../engine/virtio/transport/mmio';
import { TEST_RAM_BASE, testGuestMemory } from './guest-memory';

/** An interrupt line that remembers its level and counts its rising edges. */
export class MockLine implements InterruptLine {
  readonly deviceTree: InterruptLine['deviceTree'] = { interrupts: [1], 'interrupt-parent': [{ ref: 'mock' }] };
  level = false;
  rises = 0;
  setLevel(asserted: boolean): void {
    if (asserted && !this.level) this.rises++;
    this.level = asserted;
  }
}

export interface ChainSpec {
  /** Contents of the device-readable buffers. */
  readable?: Uint8Array[];
  /** Lengths of the device-writable buffers. */
  writable?: number[];
  /** Put the descriptors into an indirect table. */
  indirect?: boolean;
}

export interface AddedChain {
  id: number;
  /** Guest addresses and lengths of the writable buffers. */
  writable: { address: number; length: number }[];
}

/** Registers by name, as the driver uses them. */
const REGISTER = {
  MagicValue: 0x000,
  Version: 0x004,
  DeviceID: 0x008,
  VendorID: 0x00c,
  DeviceFeatures: 0x010,
  DeviceFeaturesSel: 0x014,
  DriverFeatures: 0x020,
  DriverFeaturesSel: 0x024,
  QueueSel: 0x030,
  QueueSizeMax: 0x034,
  QueueSize: 0x038,
  QueueReady: 0x044,
  QueueNotify: 0x050,
  InterruptStatus: 0x060,
  InterruptACK: 0x064,
  Status: 0x070,
  QueueDescLow: 0x080,
  QueueDescHigh: 0x084,
  QueueDriverLow: 0x090,
  QueueDriverHigh: 0x094,
  QueueDeviceLow: 0x0a0,
  QueueDeviceHigh: 0x0a4,
  SHMSel: 0x0ac,
  SHMLenLow: 0x0b0,
  SHMLenHigh: 0x0b4,
  QueueReset: 0x0c0,
  ConfigGeneration: 0x0fc,
} as const;
export type RegisterName = keyof typeof REGISTER;

/** The driver's side of one split queue. */
export class MockQueue {
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  readonly #free: number[];
  #nextAvailable = 0;
  #nextUsed = 0;
  /** The available index at the last kick. */
  #kicked = 0;
  readonly #chains = new Map<number, number[]>();
  /** Number of times that the device asked to be notified and was. */
  kicks = 0;

  constructor(
    readonly driver: MockDriver,
    readonly index: number,
    readonly size: number,
  ) {
    this.descriptors = driver.allocate(16 * size);
    this.available = driver.allocate(6 + 2 * size);
    this.used = driver.allocate(6 + 8 * size);
    this.#free = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  /** Write one descriptor by hand. */
  setDescriptor(table: number, index: number, address: number, length: number, flags: number, next: number): void {
    const { memory } = this.driver;
    const at = table + 16 * index;
    memory.writeU64(at, address);
    memory.writeU32(at + 8, length);
    memory.writeU16(at + 12, flags);
    memory.writeU16(at + 14, next);
  }

  /** Make a head index available, whatever stands in the table. */
  publish(head: number): void {
    const { memory } = this.driver;
    memory.writeU16(this.available + 4 + 2 * (this.#nextAvailable % this.size), head);
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    memory.writeU16(this.available + 2, this.#nextAvailable);
  }

  /** Add a chain; the device hears of it by `kick`. */
  add({ readable = [], writable = [], indirect = false }: ChainSpec): AddedChain {
    const { driver } = this;
    const buffers = [
      ...readable.map((bytes) => ({ address: driver.store(bytes), length: bytes.length, flags: 0 })),
      ...writable.map((length) => ({ address: driver.allocate(length), length, flags: 2 })),
    ];
    const count = indirect ? 1 : buffers.length;
    const slots = Array.from({ length: count }, () => {
      const slot = this.#free.pop();
      if (slot === undefined) throw new Error('The mock queue is full.');
      return slot;
    });
    if (indirect) {
      const table = driver.allocate(16 * buffers.length);
      for (const [i, { address, length, flags }] of buffers.entries()) {
        this.setDescriptor(table, i, address, length, flags | (i + 1 < buffers.length ? 1 : 0), i + 1);
      }
      this.setDescriptor(this.descriptors, slots[0], table, 16 * buffers.length, 4, 0);
    } else {
      for (const [i, { address, length, flags }] of buffers.entries()) {
        this.setDescriptor(this.descriptors, slots[i], address, length, flags | (i + 1 < count ? 1 : 0), slots[i + 1] ?? 0);
      }
    }
    const id = slots[0];
    this.#chains.set(id, slots);
    this.publish(id);
    return { id, writable: buffers.filter(({ flags }) => flags === 2) };
  }

  /** Notify the device if it wants that (virtio 1.3 §2.7.10), or whatever it wants. */
  kick(always = false): void {
    const { memory, features } = this.driver;
    const event = memory.readU16(this.used + 4 + 8 * this.size);
    const wanted = features.has(VIRTIO_F_EVENT_IDX)
      ? ((this.#nextAvailable - event - 1) & 0xffff) < ((this.#nextAvailable - this.#kicked) & 0xffff)
      : (memory.readU16(this.used) & 1) === 0;
    this.#kicked = this.#nextAvailable;
    if (!wanted && !always) return;
    this.kicks++;
    this.driver.write('QueueNotify', this.index);
  }

  /** With event index: ask for an interrupt when the used index passes this one. */
  setUsedEvent(index: number): void {
    this.driver.memory.writeU16(this.available + 4 + 2 * this.size, index);
  }

  /** What the device has completed since the last call, in its order. */
  takeUsed(): { id: number; written: number }[] {
    const { memory } = this.driver;
    const taken: { id: number; written: number }[] = [];
    while (this.#nextUsed !== memory.readU16(this.used + 2)) {
      const at = this.used + 4 + 8 * (this.#nextUsed % this.size);
      const id = memory.readU32(at);
      taken.push({ id, written: memory.readU32(at + 4) });
      this.#free.push(...(this.#chains.get(id) ?? []));
      this.#chains.delete(id);
      this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    }
    return taken;
  }

  /** Wait until the device has completed `count` more chains. */
  async waitUsed(count = 1, timeoutMs = 5000): Promise<{ id: number; written: number }[]> {
    const end = Date.now() + timeoutMs;
    const taken = this.takeUsed();
    while (taken.length < count) {
      if (Date.now() > end) throw new Error(`The device completed ${taken.length} of ${count} chains in ${timeoutMs} ms.`);
      await nextTurn();
      taken.push(...this.takeUsed());
    }
    return taken;
  }
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
    readonly transport: VirtioMmio,
    readonly memory: GuestMemory,
    readonly line: MockLine,
  ) {}

  /** A device in a slot of its own, with a driver and a small guest memory. */
  static for(device: VirtioDevice, memory = testGuestMemory()): MockDriver {
    const line = new MockLine();
    const transport = new VirtioMmio({ memory, base: 0x1000_1000, slot: 0, interrupt: line, device });
    return new MockDriver(transport, memory, line);
  }

  read(register: RegisterName): number {
    return this.transport.read(REGISTER[register], 4);
  }

  write(register: RegisterName, value: number): void {
    this.transport.write(REGISTER[register], 4, value);
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
    const queue = new MockQueue(this, index, Math.min(size ?? Infinity, this.read('QueueSizeMax')));
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

export const QUEUE_FEATURES = [VIRTIO_F_VERSION_1, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX];
