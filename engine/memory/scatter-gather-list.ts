import { DeviceError } from '../errors/vm-error';
import type { GuestMemory } from './guest-memory';

interface Segment {
  /** Guest-physical address. */
  address: number;
  /** Offset of the same byte in the shared memory. */
  offset: number;
  length: number;
}

/**
 * An ordered list of pieces of guest memory that is read or written as if it were one run of bytes.
 * Nothing is copied: `views()` are the guest's own bytes, ready for `fs.readv` and `fs.writev`.
 *
 * Positions (`at`) count bytes from the start of the list. Every writing method reports to `GuestMemory.wrote`;
 * who writes through `views()` calls `wrote()` afterwards.
 */
export class ScatterGatherList {
  readonly #segments: Segment[] = [];
  #length = 0;

  constructor(
    readonly memory: GuestMemory,
    /** Whether the pieces must lie in memory that devices may write. */
    readonly writable: boolean,
  ) {}

  /** Bytes in all. */
  get length(): number {
    return this.#length;
  }

  /** Number of pieces, neighbours joined. */
  get segments(): number {
    return this.#segments.length;
  }

  /** Append `length` bytes at guest-physical `address`. Throws DeviceError.InvalidParameter if they are not all in RAM. */
  add(address: number, length: number): this {
    const offset = this.memory.offsetOf(address, length, this.writable);
    if (offset < 0) {
      throw DeviceError.InvalidParameter(
        `A buffer of ${length} bytes at guest address 0x${address.toString(16)} is not inside ${this.writable ? 'writable ' : ''}guest memory.`,
      );
    }
    this.#append(address, offset, length);
    return this;
  }

  /** The bytes from `start` to `end` as a list of their own, sharing the same memory. */
  slice(start: number, end = this.#length): ScatterGatherList {
    this.#check(start, end - start);
    const part = new ScatterGatherList(this.memory, this.writable);
    let at = 0;
    for (const segment of this.#segments) {
      const from = Math.max(start - at, 0);
      const to = Math.min(end - at, segment.length);
      if (from < to) part.#append(segment.address + from, segment.offset + from, to - from);
      at += segment.length;
    }
    return part;
  }

  /** One view of guest memory per piece, from byte `start` on. */
  views(start = 0): Uint8Array[] {
    const views: Uint8Array[] = [];
    let skip = start;
    for (const { offset, length } of this.#segments) {
      if (skip < length) views.push(this.memory.bytes.subarray(offset + skip, offset + length));
      skip = Math.max(skip - length, 0);
    }
    return views;
  }

  /** Report that the first `length` bytes were written through `views()`. */
  wrote(length = this.#length): void {
    let left = Math.min(length, this.#length);
    for (const segment of this.#segments) {
      if (left <= 0) return;
      this.memory.wrote(segment.address, Math.min(left, segment.length));
      left -= segment.length;
    }
  }

  /** Copy out of guest memory from position `at` into `target`; returns how many bytes there were (at most `target.length`). */
  copyTo(target: Uint8Array, at = 0): number {
    let copied = 0;
    let skip = at;
    for (const segment of this.#segments) {
      if (copied === target.length) break;
      if (skip >= segment.length) {
        skip -= segment.length;
        continue;
      }
      const count = Math.min(segment.length - skip, target.length - copied);
      target.set(this.memory.bytes.subarray(segment.offset + skip, segment.offset + skip + count), copied);
      copied += count;
      skip = 0;
    }
    return copied;
  }

  /** Copy `source` into guest memory from position `at`; returns how many bytes fitted. */
  copyFrom(source: Uint8Array, at = 0): number {
    let copied = 0;
    let skip = at;
    for (const segment of this.#segments) {
      if (copied === source.length) break;
      if (skip >= segment.length) {
        skip -= segment.length;
        continue;
      }
      const count = Math.min(segment.length - skip, source.length - copied);
      this.memory.bytes.set(source.subarray(copied, copied + count), segment.offset + skip);
      this.memory.wrote(segment.address + skip, count);
      copied += count;
      skip = 0;
    }
    return copied;
  }

  /** A private copy of all bytes. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    this.copyTo(bytes);
    return bytes;
  }

  readU8(at: number): number {
    this.#check(at, 1);
    return this.#byte(at);
  }
  readU16(at: number): number {
    this.#check(at, 2);
    return this.#byte(at) | (this.#byte(at + 1) << 8);
  }
  readU32(at: number): number {
    this.#check(at, 4);
    let left = at;
    for (const segment of this.#segments) {
      // All in one piece, as headers nearly always are.
      if (left + 4 <= segment.length) return this.memory.data.getUint32(segment.offset + left, true);
      if (left < segment.length) break;
      left -= segment.length;
    }
    return (this.#byte(at) | (this.#byte(at + 1) << 8) | (this.#byte(at + 2) << 16) | (this.#byte(at + 3) << 24)) >>> 0;
  }
  /** A 64-bit value as a number: exact below 2^53. */
  readU64(at: number): number {
    return this.readU32(at) + this.readU32(at + 4) * 0x1_0000_0000;
  }
  writeU8(at: number, value: number): void {
    this.#check(at, 1);
    let left = at;
    for (const segment of this.#segments) {
      if (left < segment.length) {
        this.memory.bytes[segment.offset + left] = value;
        this.memory.wrote(segment.address + left, 1);
        return;
      }
      left -= segment.length;
    }
  }

  #byte(at: number): number {
    let left = at;
    for (const segment of this.#segments) {
      if (left < segment.length) return this.memory.bytes[segment.offset + left];
      left -= segment.length;
    }
    return 0;
  }

  #append(address: number, offset: number, length: number): void {
    if (length === 0) return;
    this.#length += length;
    const last = this.#segments.at(-1);
    if (last && last.address + last.length === address && last.offset + last.length === offset) last.length += length;
    else this.#segments.push({ address, offset, length });
  }

  #check(at: number, length: number): void {
    if (!(at >= 0 && length >= 0 && at + length <= this.#length)) {
      throw DeviceError.InvalidParameter(`Bytes ${at} to ${at + length} were asked of a buffer of ${this.#length} bytes.`);
    }
  }
}
