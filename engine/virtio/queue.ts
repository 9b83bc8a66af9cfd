import { z } from 'zod';
import { unsigned } from '../bus/device-state';
import { DeviceError, VmError } from '../errors/vm-error';
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
  /** Buffers that it is made of. */
  pieces = 0;
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
    this.pieces++;
    if (this.#total > CHAIN_MAX_BYTES) throw DeviceError.InvalidParameter('A descriptor chain is longer than 4 GiB.');
    if (writable) this.writable.add(address, length);
    else if (this.writable.length > 0) throw DeviceError.InvalidParameter('A descriptor chain has a readable buffer after a writable one.');
    else this.readable.add(address, length);
  }
}

/** A guest-physical address as a driver may write it: 64 bits, as exact as a number. */
export const addressSchema = z
  .number()
  .min(0)
  .max(2 ** 64);

/** A queue's place and progress as plain data; what kind of ring it is stands in `ring`. */
export const queueStateSchema = z.strictObject({
  ring: z.enum(['split', 'packed']),
  size: unsigned(16),
  /** Guest-physical addresses of descriptor area, driver area and device area. */
  descriptors: addressSchema,
  driver: addressSchema,
  device: addressSchema,
  /** Indices that count on to 2^16 (split), or places in the ring with the wrap counter in bit 15 (packed). */
  nextAvailable: unsigned(16),
  nextUsed: unsigned(16),
  /** What was negotiated. */
  indirect: z.boolean(),
  eventIndex: z.boolean(),
  inOrder: z.boolean(),
});
export type QueueState = z.output<typeof queueStateSchema>;

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
  /** One chain that is given back by itself. */
  readonly #single: DescriptorChain[] = [];
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

  /** Take the newest chain back into the queue: it comes again at the next `take`. Nothing of it may have been used. */
  putBack(chain: DescriptorChain): void {
    if (this.#order && this.#order.pop() !== chain) throw new VmError('Internal', 'A chain was put back that was not the newest.');
    this.#forget(chain);
    this.rewind(chain);
    this.#settle();
  }

  /** Give a chain back to the driver, of whose writable part the first `written` bytes were written. */
  complete(chain: DescriptorChain, written: number): void {
    this.#note(chain, written);
    const order = this.#order;
    if (order) this.#giveBack(readyOf(order));
    else {
      this.#single[0] = chain;
      this.#giveBack(this.#single);
    }
  }

  /**
   * Give chains back that belong together, in the order in which they were taken: the driver sees all of them or none. `written` tells of
   * how many bytes were written to each.
   */
  completeTogether(chains: readonly DescriptorChain[], written: readonly number[]): void {
    for (const [i, chain] of chains.entries()) this.#note(chain, written[i]);
    this.#giveBack(this.#order ? readyOf(this.#order) : chains);
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

  #note(chain: DescriptorChain, written: number): void {
    if (chain.written !== undefined) throw new VmError('Internal', `Descriptor chain ${chain.id} was completed twice.`);
    chain.written = written;
  }

  #giveBack(chains: readonly DescriptorChain[]): void {
    for (const chain of chains) this.#forget(chain);
    if (chains.length > 0 && this.#mode !== 'closed' && this.publish(chains)) this.interrupt();
    this.#settle();
  }

  #forget(chain: DescriptorChain): void {
    this.#taken[chain.id] = 0;
    this.#inFlight--;
  }

  #settle(): void {
    if (this.#inFlight === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Resolves when no chain is in flight. */
  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Only while no chain is in flight. */
  abstract snapshot(): QueueState;

  /** Read and validate the next available chain; where there is none, ask the driver to notify. */
  protected abstract fetch(): DescriptorChain | undefined;

  /** The newest chain was not taken after all. */
  protected abstract rewind(chain: DescriptorChain): void;

  /** Tell the driver that chains were used, all at the same moment; true if it wants an interrupt for that. */
  protected abstract publish(chains: readonly DescriptorChain[]): boolean;
}

/** Takes those from the list of the oldest that are completed, up to the first that is not. */
function readyOf(order: DescriptorChain[]): DescriptorChain[] {
  let count = 0;
  while (order[count]?.written !== undefined) count++;
  return order.splice(0, count);
}
