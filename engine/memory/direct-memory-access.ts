import { DeviceError, VmError } from '../errors/vm-error';
import type { GuestMemory } from './guest-memory';
import { ScatterGatherList } from './scatter-gather-list';

export interface DirectMemoryAccessOptions {
  memory: GuestMemory;
  /** The window that may be reached: guest-physical address and bytes. All of the machine's memory unless given. */
  base?: number;
  size?: number;
}

/**
 * Access to guest memory from outside its harts: copies, and views that are no copies. Whatever is written is told to the harts,
 * so that they do not go on with old translated code. Addresses are guest-physical; outside the window all methods throw
 * DeviceError.InvalidParameter.
 */
export class DirectMemoryAccess {
  readonly memory: GuestMemory;
  readonly base: number;
  readonly size: number;

  /** Throws VmError 'Config' if no part of the window is guest memory. */
  constructor({ memory, base = 0, size = Number.MAX_SAFE_INTEGER - base }: DirectMemoryAccessOptions) {
    const { regions } = memory.plan;
    if (!(base >= 0 && size > 0 && regions.some((region) => region.base < base + size && region.base + region.size > base)))
      throw VmError.config(`There is no guest memory from address ${base} on for ${size} bytes.`);
    this.memory = memory;
    this.base = base;
    this.size = size;
  }

  /** The same memory through a smaller window. */
  window(base: number, size: number): DirectMemoryAccess {
    this.#check(base, size);
    return new DirectMemoryAccess({ memory: this.memory, base, size });
  }

  copyToGuest(source: Uint8Array, address: number): void {
    this.#check(address, source.length);
    this.memory.copyIn(address, source);
  }

  copyFromGuest(address: number, target: Uint8Array): void {
    target.set(this.view(address, target.length));
  }

  /** The guest's own bytes. Who writes through them calls `wrote` afterwards. */
  view(address: number, length: number): Uint8Array {
    this.#check(address, length);
    return this.memory.view(address, length);
  }

  wrote(address: number, length: number): void {
    this.memory.wrote(address, length);
  }

  /** Pieces of guest memory as one: a list to read from, or to write to. */
  scatterGather(pieces: Iterable<{ address: number; length: number }>, writable: boolean): ScatterGatherList {
    const list = new ScatterGatherList(this.memory, writable);
    for (const { address, length } of pieces) {
      this.#check(address, length);
      list.add(address, length);
    }
    return list;
  }

  #check(address: number, length: number): void {
    if (address >= this.base && length >= 0 && address + length <= this.base + this.size) return;
    throw DeviceError.InvalidParameter(
      `${length} bytes at guest address 0x${address.toString(16)} are outside the window of 0x${this.size.toString(16)} bytes at 0x${this.base.toString(16)}.`,
    );
  }
}
