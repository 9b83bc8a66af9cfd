import { DeviceError } from '../../../errors/vm-error';
import type { GuestMemory } from '../../../memory/guest-memory';

/** A piece of guest memory: guest-physical address and bytes. */
export interface BackingEntry {
  address: number;
  length: number;
}

/**
 * The guest's pages behind a resource, as one run of bytes. Unlike a chain's buffers they stay for long, may be very many, and are read
 * from anywhere: so they are held in plain arrays and found by bisection.
 */
export class Backing {
  /** Bytes in all. */
  readonly length: number;
  /** As the driver gave them. */
  readonly entries: readonly BackingEntry[];
  /** Where each piece begins: in the run, and in the shared memory; neighbours are one piece. */
  readonly #starts: number[] = [];
  readonly #offsets: number[] = [];

  /** Throws DeviceError.InvalidParameter if they are not all in RAM. */
  constructor(
    private readonly memory: GuestMemory,
    entries: readonly BackingEntry[],
  ) {
    let at = 0;
    let end = -1;
    for (const { address, length } of entries) {
      const offset = memory.offsetOf(address, length);
      if (offset < 0)
        throw DeviceError.InvalidParameter(`${length} bytes at guest address 0x${address.toString(16)} are not inside guest memory.`);
      if (length === 0) continue;
      if (offset !== end) {
        this.#starts.push(at);
        this.#offsets.push(offset);
      }
      at += length;
      end = offset + length;
    }
    this.length = at;
    this.entries = entries;
  }

  /** Copy `count` bytes from `at` on to `target` from `to` on. They have to lie inside. Returns of how many pieces they were. */
  copy(at: number, count: number, target: Uint8Array, to: number): number {
    const first = this.#pieceAt(at);
    let piece = first;
    for (let done = 0; done < count; piece++) {
      const skip = at + done - this.#starts[piece];
      const size = Math.min((this.#starts[piece + 1] ?? this.length) - this.#starts[piece] - skip, count - done);
      const from = this.#offsets[piece] + skip;
      target.set(this.memory.bytes.subarray(from, from + size), to + done);
      done += size;
    }
    return piece - first;
  }

  #pieceAt(at: number): number {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle] <= at) low = middle;
      else high = middle;
    }
    return low;
  }
}
