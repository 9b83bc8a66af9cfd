import { setImmediate as nextTurn } from 'node:timers/promises';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_NOTIFICATION_DATA } from '../../engine/virtio/features';
import type { GuestMemory } from '../../engine/memory/guest-memory';
import type { RegisterName } from './mock-places';

/** What a queue needs of its driver. */
export interface QueueOwner {
  readonly memory: GuestMemory;
  /** The negotiated feature bits. */
  readonly features: ReadonlySet<number>;
  /** Guest memory, zeroed. */
  allocate(length: number): number;
  store(bytes: Uint8Array): number;
  write(register: RegisterName, value: number): void;
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

export interface UsedChain {
  id: number;
  written: number;
}

interface Buffer {
  address: number;
  length: number;
  /** WRITE or nothing. */
  flags: number;
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

/** The driver's side of a queue, whatever its ring. */
export abstract class MockQueue {
  /** Guest addresses of the queue's three areas. */
  readonly descriptors: number;
  abstract readonly available: number;
  abstract readonly used: number;
  /** Number of times that the device asked to be notified and was. */
  kicks = 0;

  constructor(
    public driver: QueueOwner,
    readonly index: number,
    readonly size: number,
  ) {
    this.descriptors = driver.allocate(16 * size);
  }

  /** Add a chain; the device hears of it by `kick`. */
  add({ readable = [], writable = [], indirect = false }: ChainSpec): AddedChain {
    const { driver } = this;
    const buffers: Buffer[] = [
      ...readable.map((bytes) => ({ address: driver.store(bytes), length: bytes.length, flags: 0 })),
      ...writable.map((length) => ({ address: driver.allocate(length), length, flags: WRITE })),
    ];
    const id = indirect ? this.make([this.table(buffers)]) : this.make(buffers);
    return { id, writable: buffers.filter(({ flags }) => flags === WRITE) };
  }

  /** Notify the device if it wants that, or whatever it wants. */
  kick(always = false): void {
    if (!this.wantsKick() && !always) return;
    this.kicks++;
    const position = this.driver.features.has(VIRTIO_F_NOTIFICATION_DATA) ? this.position * 0x10000 : 0;
    this.driver.write('QueueNotify', position + this.index);
  }

  /** With event index: ask for an interrupt when this chain, counted from 0, is used. */
  abstract setUsedEvent(index: number): void;

  /** What the device has completed since the last call, in its order. */
  abstract takeUsed(): UsedChain[];

  /** Wait until the device has completed `count` more chains. */
  async waitUsed(count = 1, timeoutMs = 5000): Promise<UsedChain[]> {
    const end = Date.now() + timeoutMs;
    const taken = this.takeUsed();
    while (taken.length < count) {
      if (Date.now() > end) throw new Error(`The device completed ${taken.length} of ${count} chains in ${timeoutMs} ms.`);
      await nextTurn();
      taken.push(...this.takeUsed());
    }
    return taken;
  }

  /** Write one descriptor by hand; `tail` are its last two fields, in their order. */
  setDescriptor(table: number, index: number, address: number, length: number, ...tail: [number, number]): void {
    const { memory } = this.driver;
    const at = table + 16 * index;
    memory.writeU64(at, address);
    memory.writeU32(at + 8, length);
    memory.writeU16(at + 12, tail[0]);
    memory.writeU16(at + 14, tail[1]);
  }

  /** Where the next chain goes, as NOTIFICATION_DATA tells it (virtio 1.3 §2.9). */
  protected abstract get position(): number;
  protected abstract wantsKick(): boolean;
  /** Make buffers available as one chain; its identity. */
  protected abstract make(buffers: Buffer[]): number;
  /** An indirect table. */
  protected abstract table(buffers: Buffer[]): Buffer;
}

/** A split queue (§2.7). */
export class MockSplitQueue extends MockQueue {
  readonly available: number;
  readonly used: number;
  readonly #free: number[];
  #nextAvailable = 0;
  #nextUsed = 0;
  /** The available index at the last kick. */
  #kicked = 0;
  readonly #chains = new Map<number, number[]>();

  constructor(driver: QueueOwner, index: number, size: number) {
    super(driver, index, size);
    this.available = driver.allocate(6 + 2 * size);
    this.used = driver.allocate(6 + 8 * size);
    this.#free = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  /** Make a head index available, whatever stands in the table. */
  publish(head: number): void {
    const { memory } = this.driver;
    memory.writeU16(this.available + 4 + 2 * (this.#nextAvailable % this.size), head);
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    memory.writeU16(this.available + 2, this.#nextAvailable);
  }

  override setUsedEvent(index: number): void {
    this.driver.memory.writeU16(this.available + 4 + 2 * this.size, index);
  }

  override takeUsed(): UsedChain[] {
    const { memory } = this.driver;
    const taken: UsedChain[] = [];
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

  protected override get position(): number {
    return this.#nextAvailable;
  }

  /** §2.7.10. */
  protected override wantsKick(): boolean {
    const { memory, features } = this.driver;
    const event = memory.readU16(this.used + 4 + 8 * this.size);
    const wanted = features.has(VIRTIO_F_EVENT_IDX)
      ? ((this.#nextAvailable - event - 1) & 0xffff) < ((this.#nextAvailable - this.#kicked) & 0xffff)
      : (memory.readU16(this.used) & 1) === 0;
    this.#kicked = this.#nextAvailable;
    return wanted;
  }

  protected override make(buffers: Buffer[]): number {
    const slots = buffers.map(() => {
      const slot = this.#free.pop();
      if (slot === undefined) throw new Error('The mock queue is full.');
      return slot;
    });
    for (const [i, { address, length, flags }] of buffers.entries()) {
      const last = i + 1 === buffers.length;
      this.setDescriptor(this.descriptors, slots[i], address, length, flags | (last ? 0 : NEXT), slots[i + 1] ?? 0);
    }
    this.#chains.set(slots[0], slots);
    this.publish(slots[0]);
    return slots[0];
  }

  protected override table(buffers: Buffer[]): Buffer {
    const table = this.driver.allocate(16 * buffers.length);
    for (const [i, { address, length, flags }] of buffers.entries()) {
      this.setDescriptor(table, i, address, length, flags | (i + 1 < buffers.length ? NEXT : 0), i + 1);
    }
    return { address: table, length: 16 * buffers.length, flags: INDIRECT };
  }
}

const AVAIL = 1 << 7;
const USED = 1 << 15;

/** A packed queue (§2.8). */
export class MockPackedQueue extends MockQueue {
  /** Driver and device event suppression. */
  readonly available: number;
  readonly used: number;
  readonly #free: number[];
  /** Counted in descriptors without end: the position is the rest modulo the size, the wrap counter follows from the quotient. */
  #nextAvailable = 0;
  #nextUsed = 0;
  #kicked = 0;
  #added = 0;
  /** Where each chain starts that was ever added. */
  readonly #starts: number[] = [];
  /** Descriptors of each chain that the device has. */
  readonly #slots = new Map<number, number>();

  constructor(driver: QueueOwner, index: number, size: number) {
    super(driver, index, size);
    this.available = driver.allocate(4);
    this.used = driver.allocate(4);
    this.#free = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  /** Descriptors that are made available in one go, by hand: their flags without AVAIL and USED. */
  place(descriptors: { address: number; length: number; id: number; flags: number }[]): void {
    const { memory } = this.driver;
    const first = this.#nextAvailable;
    const last = first + descriptors.length - 1;
    for (let at = last; at >= first; at--) {
      const { address, length, id, flags } = descriptors[at - first];
      const place = this.descriptors + 16 * (at % this.size);
      memory.writeU64(place, address);
      memory.writeU32(place + 8, length);
      memory.writeU16(place + 12, id);
      memory.writeU16(place + 14, flags | (this.#wraps(at) ? AVAIL : USED));
    }
    this.#nextAvailable = last + 1;
  }

  override setUsedEvent(index: number): void {
    const at = this.#starts[index] ?? this.#nextAvailable;
    this.driver.memory.writeU16(this.available, this.#offWrap(at));
    this.driver.memory.writeU16(this.available + 2, 2);
  }

  override takeUsed(): UsedChain[] {
    const { memory } = this.driver;
    const taken: UsedChain[] = [];
    for (;;) {
      const at = this.descriptors + 16 * (this.#nextUsed % this.size);
      const flags = memory.readU16(at + 14);
      const wrap = this.#wraps(this.#nextUsed);
      if (((flags & AVAIL) !== 0) !== wrap || ((flags & USED) !== 0) !== wrap) return taken;
      const id = memory.readU16(at + 12);
      const slots = this.#slots.get(id);
      if (slots === undefined) throw new Error(`The device used buffer ${id}, which it does not have.`);
      taken.push({ id, written: flags & WRITE ? memory.readU32(at + 8) : 0 });
      this.#slots.delete(id);
      this.#free.push(id);
      this.#nextUsed += slots;
    }
  }

  protected override get position(): number {
    return this.#offWrap(this.#nextAvailable);
  }

  /** §2.8.10. */
  protected override wantsKick(): boolean {
    const { memory } = this.driver;
    const event = memory.readU16(this.used);
    const flags = memory.readU16(this.used + 2);
    const from = this.#kicked;
    this.#kicked = this.#nextAvailable;
    if (flags !== 2) return flags === 0;
    for (let at = from; at < this.#nextAvailable; at++) if (this.#offWrap(at) === event) return true;
    return false;
  }

  protected override make(buffers: Buffer[]): number {
    const id = this.#free.pop();
    if (id === undefined || this.#nextAvailable + buffers.length - this.#nextUsed > this.size) throw new Error('The mock queue is full.');
    this.#starts[this.#added++] = this.#nextAvailable;
    this.#slots.set(id, buffers.length);
    this.place(
      buffers.map(({ address, length, flags }, i) => ({ address, length, id, flags: flags | (i + 1 < buffers.length ? NEXT : 0) })),
    );
    return id;
  }

  protected override table(buffers: Buffer[]): Buffer {
    const table = this.driver.allocate(16 * buffers.length);
    for (const [i, { address, length, flags }] of buffers.entries()) this.setDescriptor(table, i, address, length, 0, flags);
    return { address: table, length: 16 * buffers.length, flags: INDIRECT };
  }

  #wraps(at: number): boolean {
    return Math.floor(at / this.size) % 2 === 0;
  }

  #offWrap(at: number): number {
    return (at % this.size) | (this.#wraps(at) ? 0x8000 : 0);
  }
}
