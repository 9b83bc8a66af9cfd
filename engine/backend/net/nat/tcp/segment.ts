import { readU16, readU32 } from '../../checksum';

/** TCP headers (RFC 9293 §3.1) and the options that are in use: MSS, window scale, SACK, time stamps. */

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

/** Sequence numbers are 32-bit integers with sign; what lies between two of them is their difference, wrapped. */
export const distance = (from: number, to: number): number => (to - from) | 0;
export const isAfter = (one: number, other: number): boolean => ((one - other) | 0) > 0;
export const isBefore = (one: number, other: number): boolean => ((one - other) | 0) < 0;
export const later = (one: number, other: number): number => (isAfter(one, other) ? one : other);

/** A header that was read. One object serves for all segments. */
export class Segment {
  seq = 0;
  ack = 0;
  flags = 0;
  /** As it stands there, not scaled. */
  window = 0;
  /** 0 where the option is missing. */
  mss = 0;
  /** -1 where the option is missing. */
  scale = -1;
  sackPermitted = false;
  hasTimestamp = false;
  timestamp = 0;
  echo = 0;
  /** SACK blocks: from, to, from, to, … */
  readonly sack = new Int32Array(8);
  sackBlocks = 0;
  /** The data: where in the packet, and how many bytes. */
  dataAt = 0;
  dataLength = 0;

  /** What it takes of the sequence space. */
  get span(): number {
    return this.dataLength + (this.flags & SYN ? 1 : 0) + (this.flags & FIN ? 1 : 0);
  }

  /** Reads the header of `length` bytes, header and data, at `at`. False: it makes no sense. */
  read(bytes: Uint8Array, at: number, length: number): boolean {
    if (length < 20) return false;
    const header = (bytes[at + 12] >> 4) * 4;
    if (header < 20 || header > length) return false;
    this.seq = readU32(bytes, at + 4) | 0;
    this.ack = readU32(bytes, at + 8) | 0;
    this.flags = bytes[at + 13] & 0x1f;
    this.window = readU16(bytes, at + 14);
    this.dataAt = at + header;
    this.dataLength = length - header;
    this.mss = 0;
    this.scale = -1;
    this.sackPermitted = false;
    this.hasTimestamp = false;
    this.sackBlocks = 0;
    if (header > 20) this.options(bytes, at + 20, at + header);
    return true;
  }

  private options(bytes: Uint8Array, from: number, end: number): void {
    let at = from;
    while (at < end) {
      const kind = bytes[at];
      if (kind === 0) return;
      if (kind === 1) {
        at++;
        continue;
      }
      const length = at + 1 < end ? bytes[at + 1] : 0;
      if (length < 2 || at + length > end) return;
      switch (kind) {
        case 2:
          if (length === 4) this.mss = readU16(bytes, at + 2);
          break;
        case 3:
          // RFC 7323 §2.3: more than 14 counts as 14.
          if (length === 3) this.scale = Math.min(bytes[at + 2], 14);
          break;
        case 4:
          if (length === 2) this.sackPermitted = true;
          break;
        case 5:
          for (let block = at + 2; block + 8 <= at + length && this.sackBlocks < 4; block += 8) {
            this.sack[this.sackBlocks * 2] = readU32(bytes, block) | 0;
            this.sack[this.sackBlocks * 2 + 1] = readU32(bytes, block + 4) | 0;
            this.sackBlocks++;
          }
          break;
        case 8:
          if (length === 10) {
            this.hasTimestamp = true;
            this.timestamp = readU32(bytes, at + 2) | 0;
            this.echo = readU32(bytes, at + 6) | 0;
          }
          break;
      }
      at += length;
    }
  }
}

/** Where the bytes of a segment's data are: in a frame of the guest, or kept from one. */
export interface ByteSource {
  /** Copy `length` bytes from `at` to the target's `targetAt`. */
  read(target: Uint8Array, targetAt: number, at: number, length: number): void;
}

/** Bytes that are kept. */
export class Bytes implements ByteSource {
  constructor(public bytes: Uint8Array) {}

  read(target: Uint8Array, targetAt: number, at: number, length: number): void {
    target.set(this.bytes.subarray(at, at + length), targetAt);
  }
}
