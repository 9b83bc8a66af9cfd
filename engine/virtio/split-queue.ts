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
import { DescriptorChain, Virtqueue, type QueueState } from './queue';

/** Flag of the available ring: the driver wants no interrupts (virtio 1.3 §2.7.6). */
const NO_INTERRUPT = 1;

/**
 * The split virtqueue (virtio 1.3 §2.7). The guest's harts work on the same rings at the same time: indices, flags and events go
 * through Atomics (sequentially consistent), which also orders the plain accesses to descriptors and ring entries around them.
 */
export class SplitQueue extends Virtqueue {
  readonly #memory: GuestMemory;
  readonly #halfwords: Uint16Array;
  readonly #state: QueueState;
  // Offsets in the shared memory; those of 16-bit fields as indices into #halfwords.
  readonly #table: number;
  readonly #availableFlags: number;
  readonly #usedIndex: number;
  readonly #usedRing: number;
  readonly #availableEvent: number;

  /** Throws DeviceError.InvalidParameter if the state describes no valid queue inside guest memory. */
  constructor(memory: GuestMemory, state: QueueState, interrupt: () => void) {
    super(state, state.size, interrupt);
    const { size } = state;
    if (!(size >= 1 && size <= QUEUE_SIZE_MAX) || (size & (size - 1)) !== 0) {
      throw DeviceError.InvalidParameter(`A split queue has a power of two of entries, at most ${QUEUE_SIZE_MAX}, not ${size}.`);
    }
    this.#memory = memory;
    this.#state = { ...state };
    this.#halfwords = new Uint16Array(memory.memory.buffer);
    this.#table = locate(memory, 'descriptor table', state.descriptors, DESCRIPTOR_BYTES * size, 16, false);
    this.#availableFlags = locate(memory, 'available ring', state.driver, 6 + 2 * size, 2, false) / 2;
    const used = locate(memory, 'used ring', state.device, 6 + 8 * size, 4, true);
    this.#usedIndex = used / 2 + 1;
    this.#usedRing = used + 4;
    this.#availableEvent = (this.#usedRing + 8 * size) / 2;
  }

  override snapshot(): QueueState {
    return { ...this.#state };
  }

  protected override fetch(): DescriptorChain | undefined {
    const state = this.#state;
    let available = Atomics.load(this.#halfwords, this.#availableFlags + 1);
    if (available === state.nextAvailable) {
      if (!state.eventIndex) return undefined;
      // Ask for a notification, then look again: the driver may have added a chain before it saw the wish.
      Atomics.store(this.#halfwords, this.#availableEvent, state.nextAvailable);
      available = Atomics.load(this.#halfwords, this.#availableFlags + 1);
      if (available === state.nextAvailable) return undefined;
    }
    const waiting = (available - state.nextAvailable) & 0xffff;
    if (waiting > this.size) {
      throw DeviceError.InvalidParameter(`The available index moved ${waiting} ahead in a queue of ${this.size}.`);
    }
    const head = this.#halfwords[this.#availableFlags + 2 + (state.nextAvailable & (this.size - 1))];
    const chain = new DescriptorChain(this.#memory, head);
    this.#walk(chain);
    state.nextAvailable = (state.nextAvailable + 1) & 0xffff;
    return chain;
  }

  protected override rewind(): void {
    this.#state.nextAvailable = (this.#state.nextAvailable - 1) & 0xffff;
  }

  protected override publish(chains: readonly DescriptorChain[]): boolean {
    const state = this.#state;
    const old = state.nextUsed;
    let next = old;
    let highest = 0;
    for (let i = 0; i < chains.length; i++) {
      const slot = next & (this.size - 1);
      const element = this.#usedRing + 8 * slot;
      this.#memory.data.setUint32(element, chains[i].id, true);
      this.#memory.data.setUint32(element + 4, chains[i].written ?? 0, true);
      highest = Math.max(highest, slot);
      next = (next + 1) & 0xffff;
    }
    state.nextUsed = next;
    Atomics.store(this.#halfwords, this.#usedIndex, next);
    this.#memory.wrote(state.device, 6 + 8 * (highest + 1));
    // §2.7.10: whether the index that the driver waits for lies among these.
    if (state.eventIndex) {
      const event = Atomics.load(this.#halfwords, this.#availableFlags + 2 + this.size);
      return ((next - event - 1) & 0xffff) < ((next - old) & 0xffff);
    }
    return (Atomics.load(this.#halfwords, this.#availableFlags) & NO_INTERRUPT) === 0;
  }

  /** Follow the descriptors from the chain's head (§2.7.5). Each is read once, so that the guest cannot change it after the check. */
  #walk(chain: DescriptorChain): void {
    const { data } = this.#memory;
    let table = this.#table;
    let entries = this.size;
    let left = entries;
    let index = chain.id;
    let inIndirect = false;
    for (;;) {
      if (index >= entries) throw DeviceError.InvalidParameter(`Descriptor ${index} does not exist in a table of ${entries}.`);
      if (left-- === 0) throw DeviceError.InvalidParameter(`A descriptor chain has more than ${entries} descriptors or goes in a circle.`);
      const at = table + DESCRIPTOR_BYTES * index;
      const address = data.getUint32(at, true) + data.getUint32(at + 4, true) * 0x1_0000_0000;
      const length = data.getUint32(at + 8, true);
      const flags = data.getUint16(at + 12, true);
      if (flags & DESCRIPTOR_INDIRECT) {
        if (inIndirect) throw DeviceError.InvalidParameter('An indirect table holds an indirect descriptor.');
        table = locateIndirect(this.#memory, this.#state.indirect, flags, address, length);
        entries = length / DESCRIPTOR_BYTES;
        left = entries;
        index = 0;
        inIndirect = true;
        continue;
      }
      chain.add(address, length, (flags & DESCRIPTOR_WRITE) !== 0);
      if (!(flags & DESCRIPTOR_NEXT)) return;
      index = data.getUint16(at + 14, true);
    }
  }
}
