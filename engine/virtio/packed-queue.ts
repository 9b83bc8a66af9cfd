import { DeviceError } from '../errors/vm-error';
import type { GuestMemory } from '../memory/guest-memory';
import {
  DESCRIPTOR_BYTES,
  DESCRIPTOR_INDIRECT,
  DESCRIPTOR_NEXT,
  DESCRIPTOR_WRITE,
  locate,
  locateIndirect,
  QUEUE_SIZE_MAX,
} from './descriptors';
import { DescriptorChain, type QueueState, Virtqueue } from './queue';

// A descriptor is available while AVAIL is the wrap counter and USED is not, used once both are (virtio 1.3 §2.8.1).
const AVAIL = 1 << 7;
const USED = 1 << 15;

// Event suppression (§2.8.14): an offset with the wrap counter in bit 15, then flags.
const EVENT_ENABLE = 0;
const EVENT_DISABLE = 1;
const EVENT_DESCRIPTOR = 2;
const EVENT_FLAGS = 3;
const EVENT_BYTES = 4;

const WRAP = 0x8000;
/** Buffer identities have 16 bits. */
const IDENTITIES = 0x10000;

/**
 * The packed virtqueue (virtio 1.3 §2.8): one ring of descriptors, which the driver makes available and the device overwrites with used
 * ones. As with split rings, flags and events go through Atomics, which orders the plain accesses around them.
 */
export class PackedQueue extends Virtqueue {
  readonly #memory: GuestMemory;
  readonly #halfwords: Uint16Array;
  readonly #state: QueueState;
  /** Descriptors taken and not given back. */
  #occupied = 0;
  // Offsets in the shared memory; those of 16-bit fields as indices into #halfwords.
  readonly #table: number;
  readonly #driverEvent: number;
  readonly #deviceEvent: number;

  /** Throws DeviceError.InvalidParameter if the state describes no valid queue inside guest memory. */
  constructor(memory: GuestMemory, state: QueueState, interrupt: () => void) {
    super(state, IDENTITIES, interrupt);
    const { size } = state;
    if (!(size >= 1 && size <= QUEUE_SIZE_MAX)) {
      throw DeviceError.InvalidParameter(`A packed queue has 1 to ${QUEUE_SIZE_MAX} entries, not ${size}.`);
    }
    if ((state.nextAvailable & ~WRAP) >= size || (state.nextUsed & ~WRAP) >= size) {
      throw DeviceError.InvalidParameter(`A packed queue of ${size} entries goes on behind its end.`);
    }
    this.#memory = memory;
    this.#state = { ...state };
    this.#halfwords = new Uint16Array(memory.memory.buffer);
    this.#table = locate(memory, 'descriptor ring', state.descriptors, DESCRIPTOR_BYTES * size, 16, true);
    this.#driverEvent = locate(memory, 'driver event suppression', state.driver, EVENT_BYTES, 4, false) / 2;
    this.#deviceEvent = locate(memory, 'device event suppression', state.device, EVENT_BYTES, 4, true) / 2;
  }

  override start(): void {
    const { nextAvailable, eventIndex, device } = this.#state;
    Atomics.store(this.#halfwords, this.#deviceEvent, nextAvailable);
    Atomics.store(this.#halfwords, this.#deviceEvent + 1, eventIndex ? EVENT_DESCRIPTOR : EVENT_ENABLE);
    this.#memory.wrote(device, EVENT_BYTES);
    super.start();
  }

  override snapshot(): QueueState {
    return { ...this.#state };
  }

  protected override fetch(): DescriptorChain | undefined {
    const { eventIndex, nextAvailable } = this.#state;
    const flagsAt = this.#flagsAt(nextAvailable & ~WRAP);
    let flags = Atomics.load(this.#halfwords, flagsAt);
    if (!isAvailable(flags, nextAvailable)) {
      if (!eventIndex) return undefined;
      // Ask for a notification, then look again: the driver may have added a chain before it saw the wish.
      Atomics.store(this.#halfwords, this.#deviceEvent, nextAvailable);
      flags = Atomics.load(this.#halfwords, flagsAt);
      if (!isAvailable(flags, nextAvailable)) return undefined;
    }
    const chain = new DescriptorChain(this.#memory, 0);
    this.#walk(chain, flags);
    this.#occupied += chain.slots;
    if (this.#occupied > this.size) {
      throw DeviceError.InvalidParameter(`More descriptors were made available than the ${this.size} of the ring.`);
    }
    this.#state.nextAvailable = this.#advance(nextAvailable, chain.slots);
    return chain;
  }

  protected override rewind({ slots }: DescriptorChain): void {
    const { nextAvailable } = this.#state;
    const position = (nextAvailable & ~WRAP) - slots;
    this.#state.nextAvailable = position >= 0 ? position | (nextAvailable & WRAP) : (position + this.size) | (~nextAvailable & WRAP);
    this.#occupied -= slots;
  }

  protected override publish(chains: readonly DescriptorChain[]): boolean {
    const first = this.#state.nextUsed;
    let place = first;
    let slots = 0;
    for (let i = 0; i < chains.length; i++) {
      const chain = chains[i];
      const at = this.#table + DESCRIPTOR_BYTES * (place & ~WRAP);
      this.#memory.data.setUint32(at + 8, chain.written ?? 0, true);
      this.#memory.data.setUint16(at + 12, chain.id, true);
      // The first becomes visible last, and all others with it.
      if (i > 0) this.#markUsed(place, chain);
      slots += chain.slots;
      place = this.#advance(place, chain.slots);
    }
    this.#markUsed(first, chains[0]);
    this.#state.nextUsed = place;
    this.#occupied -= slots;
    return this.#interruptWanted(first, slots);
  }

  #markUsed(place: number, { written }: DescriptorChain): void {
    const position = place & ~WRAP;
    Atomics.store(this.#halfwords, this.#flagsAt(position), (place & WRAP ? AVAIL | USED : 0) | (written ? DESCRIPTOR_WRITE : 0));
    this.#memory.wrote(this.#state.descriptors + DESCRIPTOR_BYTES * position, DESCRIPTOR_BYTES);
  }

  /** Whether the driver wants to hear that the descriptors from `from` on were used (§2.8.10). */
  #interruptWanted(from: number, slots: number): boolean {
    const flags = Atomics.load(this.#halfwords, this.#driverEvent + 1) & EVENT_FLAGS;
    if (flags !== EVENT_DESCRIPTOR || !this.#state.eventIndex) return flags !== EVENT_DISABLE;
    const event = Atomics.load(this.#halfwords, this.#driverEvent);
    // With the other wrap counter it lies in the next round.
    const distance = (event & ~WRAP) + ((event ^ from) & WRAP ? this.size : 0) - (from & ~WRAP);
    return distance >= 0 && distance < slots;
  }

  /** The list of descriptors that starts at the next available one, whose flags were read. Each is read once (see SplitQueue). */
  #walk(chain: DescriptorChain, first: number): void {
    const { data } = this.#memory;
    let place = this.#state.nextAvailable;
    let flags = first;
    chain.slots = 0;
    for (;;) {
      const at = this.#table + DESCRIPTOR_BYTES * (place & ~WRAP);
      const address = data.getUint32(at, true) + data.getUint32(at + 4, true) * 0x1_0000_0000;
      const length = data.getUint32(at + 8, true);
      chain.id = data.getUint16(at + 12, true);
      if (flags & DESCRIPTOR_INDIRECT) {
        if (chain.slots > 0) throw DeviceError.InvalidParameter('A list of descriptors holds an indirect one.');
        this.#walkIndirect(chain, locateIndirect(this.#memory, this.#state.indirect, flags, address, length), length);
      } else chain.add(address, length, (flags & DESCRIPTOR_WRITE) !== 0);
      chain.slots++;
      if (!(flags & DESCRIPTOR_NEXT)) return;
      if (chain.slots === this.size) throw DeviceError.InvalidParameter(`A list of descriptors is longer than the ring of ${this.size}.`);
      place = this.#advance(place, 1);
      flags = Atomics.load(this.#halfwords, this.#flagsAt(place & ~WRAP));
      if (!isAvailable(flags, place)) throw DeviceError.InvalidParameter('A list of descriptors goes on into one that is not available.');
    }
  }

  /** In an indirect table only the WRITE flag counts (§2.8.7). */
  #walkIndirect(chain: DescriptorChain, table: number, length: number): void {
    const { data } = this.#memory;
    for (let at = table; at < table + length; at += DESCRIPTOR_BYTES) {
      const address = data.getUint32(at, true) + data.getUint32(at + 4, true) * 0x1_0000_0000;
      chain.add(address, data.getUint32(at + 8, true), (data.getUint16(at + 14, true) & DESCRIPTOR_WRITE) !== 0);
    }
  }

  /** A place in the ring, with its wrap counter, `slots` further on. */
  #advance(place: number, slots: number): number {
    const position = (place & ~WRAP) + slots;
    return position < this.size ? position | (place & WRAP) : (position - this.size) | (~place & WRAP);
  }

  #flagsAt(position: number): number {
    return (this.#table + DESCRIPTOR_BYTES * position + 14) / 2;
  }
}

function isAvailable(flags: number, place: number): boolean {
  const wrapped = (place & WRAP) !== 0;
  return ((flags & AVAIL) !== 0) === wrapped && ((flags & USED) !== 0) !== wrapped;
}
