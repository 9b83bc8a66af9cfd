import { DeviceError, VmError } from '../bus/vm-error';
import type { GuestMemory } from '../memory/guest-memory';
import { ScatterGatherList } from '../memory/scatter-gather-list';

/** Longest chain in bytes (virtio 1.3 §2.7.5: "no more than 2^32 bytes in total"). */
const CHAIN_MAX_BYTES = 0x1_0000_0000;

/** One request of the driver: what the device may read, and what it may write. Valid by construction. */
export class DescriptorChain {
  readonly readable: ScatterGatherList;
  readonly writable: ScatterGatherList;
  /** Descriptors that it takes in the ring, where the ring has to know. */
  slots = 1;
  /** Bytes written, once the device has completed it. */
  written: number | undefined;
  #total = 0;

  constructor(
    memory: GuestMemory,
    /** What identifies the chain to its queue: the head's index in split rings, the buffer's identity in packed ones. */
    public id: number,
  ) {
    this.readable = new ScatterGatherList(memory, false);
    this.writable = new ScatterGatherList(memory, true);
  }

  /** Append one descriptor's buffer; throws DeviceError.InvalidParameter where the specification forbids it. */
  add(address: number, length: number, writable: boolean): void {
    this.#total += length;
    if (this.#total > CHAIN_MAX_BYTES) throw DeviceError.InvalidParameter('A descriptor chain is longer than 4 GiB.');
    if (writable) this.writable.add(address, length);
    else if (this.writable.length > 0) throw DeviceError.InvalidParameter('A descriptor chain has a readable buffer after a writable one.');
    else this.readable.add(address, length);
  }
}

/** A queue's place and progress as plain data; what kind of ring it is stands in `ring`. */
export interface QueueState {
  ring: 'split' | 'packed';
  size: number;
  /** Guest-physical addresses of descriptor area, driver area and device area. */
  descriptors: number;
  driver: number;
  device: number;
  /** Indices that count on to 2^16 (split), or places in the ring with the wrap counter in bit 15 (packed). */
  nextAvailable: number;
  nextUsed: number;
  /** What was negotiated. */
  indirect: boolean;
  eventIndex: boolean;
  inOrder: boolean;
}

/**
 * A virtqueue as devices see it, whatever the ring's format: take a chain, use it, complete it.
 *
 * Running, it hands out chains. Stopped, it hands out none but takes completions. Closed (the driver has reset the
 * device), completions no longer reach the guest; they are still counted, so that `idle()` tells when the last
 * request has let go of guest memory.
 *
 * With VIRTIO_F_IN_ORDER a chain that is completed before an earlier one waits for that (virtio 1.3 §2.7.9, §2.8.8).
 */
export abstract class Virtqueue {
  #mode: 'running' | 'stopped' | 'closed' = 'stopped';
  #inFlight = 0;
  readonly #taken: Uint8Array;
  /** With IN_ORDER: what was taken and not given back, the oldest first. */
  readonly #order: DescriptorChain[] | undefined;
  readonly #idleWaiters: (() => void)[] = [];
  /** Number of descriptors in the ring. */
  readonly size: number;

  protected constructor(
    { size, inOrder }: QueueState,
    /** How many different identities chains can have. */
    identities: number,
    /** Raises the used-buffer notification. */
    private readonly interrupt: () => void,
  ) {
    this.size = size;
    this.#taken = new Uint8Array(identities);
    this.#order = inOrder ? [] : undefined;
  }

  /** Chains taken and not yet completed. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get isClosed(): boolean {
    return this.#mode === 'closed';
  }

  /** The next chain, or undefined when there is none. Throws DeviceError.InvalidParameter on a driver's mistake. */
  take(): DescriptorChain | undefined {
    if (this.#mode !== 'running') return undefined;
    const chain = this.fetch();
    if (chain === undefined) return undefined;
    if (this.#taken[chain.id]) throw DeviceError.InvalidParameter(`Descriptor ${chain.id} was made available again while it was in use.`);
    this.#taken[chain.id] = 1;
    this.#inFlight++;
    this.#order?.push(chain);
    return chain;
  }

  /** Give a chain back to the driver, of whose writable part the first `written` bytes were written. */
  complete(chain: DescriptorChain, written: number): void {
    if (chain.written !== undefined) throw new VmError('Internal', `Descriptor chain ${chain.id} was completed twice.`);
    chain.written = written;
    const order = this.#order;
    let wanted = false;
    if (order) while (order[0]?.written !== undefined) wanted = this.#giveBack(order.shift()!) || wanted;
    else wanted = this.#giveBack(chain);
    if (wanted) this.interrupt();
    if (this.#inFlight === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  start(): void {
    if (this.#mode === 'stopped') this.#mode = 'running';
  }

  stop(): void {
    if (this.#mode === 'running') this.#mode = 'stopped';
  }

  close(): void {
    this.#mode = 'closed';
  }

  #giveBack(chain: DescriptorChain): boolean {
    this.#taken[chain.id] = 0;
    this.#inFlight--;
    return this.#mode !== 'closed' && this.publish(chain, chain.written ?? 0);
  }

  /** Resolves when no chain is in flight. */
  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Only while no chain is in flight. */
  abstract snapshot(): QueueState;

  /** Read and validate the next available chain; where there is none, ask the driver to notify. */
  protected abstract fetch(): DescriptorChain | undefined;

  /** Tell the driver that a chain was used; true if it wants an interrupt for that. */
  protected abstract publish(chain: DescriptorChain, written: number): boolean;
}
