import { DeviceError, VmError } from '../bus/vm-error';
import type { GuestMemory } from '../memory/guest-memory';
import { ScatterGatherList } from '../memory/scatter-gather-list';

/** Longest chain in bytes (virtio 1.3 §2.7.5: "no more than 2^32 bytes in total"). */
const CHAIN_MAX_BYTES = 0x1_0000_0000;

/** One request of the driver: what the device may read, and what it may write. Valid by construction. */
export class DescriptorChain {
  readonly readable: ScatterGatherList;
  readonly writable: ScatterGatherList;
  #total = 0;

  constructor(
    memory: GuestMemory,
    /** What identifies the chain to its queue: for split queues the head's index. */
    readonly id: number,
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
  ring: 'split';
  size: number;
  /** Guest-physical addresses of descriptor table, driver area and device area. */
  descriptors: number;
  driver: number;
  device: number;
  nextAvailable: number;
  nextUsed: number;
  indirect: boolean;
  eventIndex: boolean;
}

/**
 * A virtqueue as devices see it, whatever the ring's format: take a chain, use it, complete it.
 *
 * Running, it hands out chains. Stopped, it hands out none but takes completions. Closed (the driver has reset the
 * device), completions no longer reach the guest; they are still counted, so that `idle()` tells when the last
 * request has let go of guest memory.
 */
export abstract class Virtqueue {
  #mode: 'running' | 'stopped' | 'closed' = 'stopped';
  #inFlight = 0;
  #taken: Uint8Array;
  readonly #idleWaiters: (() => void)[] = [];

  protected constructor(
    /** Number of descriptors in the ring. */
    readonly size: number,
    /** Raises the used-buffer notification. */
    private readonly interrupt: () => void,
  ) {
    this.#taken = new Uint8Array(size);
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
    return chain;
  }

  /** Give a chain back to the driver, of whose writable part the first `written` bytes were written. */
  complete(chain: DescriptorChain, written: number): void {
    if (!this.#taken[chain.id]) throw new VmError('Internal', `Descriptor chain ${chain.id} was completed twice.`);
    this.#taken[chain.id] = 0;
    this.#inFlight--;
    if (this.#mode !== 'closed' && this.publish(chain.id, written)) this.interrupt();
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

  /** Resolves when no chain is in flight. */
  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Only while no chain is in flight. */
  abstract snapshot(): QueueState;

  /** Read and validate the next available chain; where there is none, ask the driver to notify. */
  protected abstract fetch(): DescriptorChain | undefined;

  /** Write the used element; true if the driver wants an interrupt for it. */
  protected abstract publish(id: number, written: number): boolean;
}
