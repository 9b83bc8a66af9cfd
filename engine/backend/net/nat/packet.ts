import { type Frame, FRAME_MAX } from '../packet-port';
import { addBytes, fold, readU16 } from '../checksum';
import { pseudoHeader } from './sums';
import type { ByteSource } from './tcp/segment';

export const ETHERNET = 14;
export const IPV4 = 0x0800;
export const ARP = 0x0806;
export const IPV6 = 0x86dd;

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMPV6 = 58;
const FRAGMENT = 44;

/** Bytes of a frame that are read at once: all headers are there, and small frames are whole. */
const HEAD = 2048;

/** What became of reading an IP header. fragment: a part of a packet. bad: not to be answered. */
export type Reading = 'whole' | 'fragment' | 'bad';

/**
 * A frame of the guest's that is being read. Its start is copied once, so that what was checked does not change; data are read from the
 * guest's own pages where they are long. One object serves for all frames.
 */
export class Packet implements ByteSource {
  readonly bytes = new Uint8Array(FRAME_MAX);
  private frame: Frame | undefined;
  /** So many of its bytes are in `bytes`. */
  private have = 0;
  length = 0;
  /** The guest has left its checksum to us, or the adapter vouches for it. */
  checksumIsGood = false;
  segmentation: Frame['segmentation'] = 'none';
  segmentSize = 0;

  // Of the IP header.
  isV6 = false;
  /** Length of its addresses. */
  addressLength = 4;
  sourceAt = 0;
  targetAt = 0;
  hopLimit = 0;
  protocol = 0;
  /** What is in the IP packet: where, and where it ends. */
  dataAt = 0;
  end = 0;
  ipAt = ETHERNET;
  // Of a fragment.
  fragmentOffset = 0;
  moreFragments = false;
  fragmentId = 0;
  /** Where the header of the fragment stands that names the next header: of IPv6. */
  nextHeaderAt = 0;

  load(frame: Frame): void {
    this.frame = frame;
    this.length = Math.min(frame.length, FRAME_MAX);
    this.have = 0;
    this.checksumIsGood = frame.checksumStart >= 0 || frame.checksumValid;
    this.segmentation = frame.segmentation;
    this.segmentSize = frame.segmentSize;
    this.fetch(Math.min(this.length, HEAD));
  }

  /** The frame that was put into `bytes` by the caller. */
  loadBytes(length: number): void {
    this.frame = undefined;
    this.have = this.length = length;
    this.checksumIsGood = false;
    this.segmentation = 'none';
  }

  /** Let go of what the guest lent. */
  release(): void {
    this.frame = undefined;
  }

  /** All of the frame is in `bytes`. */
  whole(): Uint8Array {
    this.fetch(this.length);
    return this.bytes;
  }

  read(target: Uint8Array, targetAt: number, at: number, length: number): void {
    if (at + length <= this.have || !this.frame) {
      target.set(this.bytes.subarray(at, at + length), targetAt);
      return;
    }
    let skip = at;
    let left = length;
    for (const view of this.frame.views) {
      if (skip >= view.length) {
        skip -= view.length;
        continue;
      }
      const count = Math.min(view.length - skip, left);
      target.set(skip === 0 && count === view.length ? view : view.subarray(skip, skip + count), targetAt);
      targetAt += count;
      left -= count;
      skip = 0;
      if (left === 0) return;
    }
  }

  get type(): number {
    return readU16(this.bytes, 12);
  }

  /** Reads the header of an IPv4 packet. */
  readIpv4(): Reading {
    const { bytes } = this;
    const at = ETHERNET;
    if (this.length < at + 20 || bytes[at] >> 4 !== 4) return 'bad';
    const header = (bytes[at] & 0x0f) * 4;
    // A large frame for segmentation may be longer than the field can say.
    const total = this.segmentation === 'none' ? readU16(bytes, at + 2) : Math.max(readU16(bytes, at + 2), this.length - at);
    if (header < 20 || total < header || this.length < at + total) return 'bad';
    if (fold(addBytes(bytes, at, at + header)) !== 0xffff) return 'bad';
    this.isV6 = false;
    this.addressLength = 4;
    this.ipAt = at;
    this.sourceAt = at + 12;
    this.targetAt = at + 16;
    this.hopLimit = bytes[at + 8];
    this.protocol = bytes[at + 9];
    this.dataAt = at + header;
    this.end = at + total;
    const flags = readU16(bytes, at + 6);
    this.fragmentOffset = (flags & 0x1fff) * 8;
    this.moreFragments = (flags & 0x2000) !== 0;
    this.fragmentId = readU16(bytes, at + 4);
    return this.fragmentOffset > 0 || this.moreFragments ? 'fragment' : 'whole';
  }

  /** Reads the header of an IPv6 packet and those behind it. */
  readIpv6(): Reading {
    const { bytes } = this;
    const at = ETHERNET;
    if (this.length < at + 40 || bytes[at] >> 4 !== 6) return 'bad';
    const total = this.segmentation === 'none' ? 40 + readU16(bytes, at + 4) : Math.max(40 + readU16(bytes, at + 4), this.length - at);
    if (this.length < at + total) return 'bad';
    this.isV6 = true;
    this.addressLength = 16;
    this.ipAt = at;
    this.sourceAt = at + 8;
    this.targetAt = at + 24;
    this.hopLimit = bytes[at + 7];
    this.end = at + total;
    this.nextHeaderAt = at + 6;
    let next = bytes[at + 6];
    let position = at + 40;
    const limit = Math.min(this.end, this.have);
    // Hop-by-hop options, routing, destination options; RFC 8200 lets a chain be long, nobody sends one.
    for (let headers = 0; headers < 8; headers++) {
      if (next !== 0 && next !== 43 && next !== 60 && next !== FRAGMENT) {
        this.protocol = next;
        this.dataAt = position;
        return 'whole';
      }
      if (position + 8 > limit) return 'bad';
      // A route that is not travelled yet leads elsewhere than the header says.
      if (next === 43 && bytes[position + 3] !== 0) return 'bad';
      this.protocol = bytes[position];
      if (next === FRAGMENT) {
        const field = readU16(bytes, position + 2);
        this.fragmentOffset = field & 0xfff8;
        this.moreFragments = (field & 1) !== 0;
        this.fragmentId = readU16(bytes, position + 4) * 65536 + readU16(bytes, position + 6);
        this.dataAt = position + 8;
        // A packet in one fragment is whole (RFC 6946).
        if (this.fragmentOffset > 0 || this.moreFragments) return 'fragment';
      }
      const length = next === FRAGMENT ? 8 : 8 + bytes[position + 1] * 8;
      if (next !== FRAGMENT) this.nextHeaderAt = position;
      position += length;
      if (position > limit) return 'bad';
      next = this.protocol;
    }
    return 'bad';
  }

  /** Whether the checksum over the data of the IP packet is right. Looks at all of it. */
  checksumHolds(): boolean {
    if (this.checksumIsGood) return true;
    const bytes = this.whole();
    const sum =
      this.protocol === ICMP
        ? 0
        : pseudoHeader(bytes, this.sourceAt, this.sourceAt + 2 * this.addressLength, this.protocol, this.end - this.dataAt);
    return fold(addBytes(bytes, this.dataAt, this.end, sum)) === 0xffff;
  }

  private fetch(count: number): void {
    if (count <= this.have || !this.frame) return;
    const from = this.have;
    let skip = from;
    let at = from;
    for (const view of this.frame.views) {
      if (skip >= view.length) {
        skip -= view.length;
        continue;
      }
      const length = Math.min(view.length - skip, count - at);
      this.bytes.set(skip === 0 && length === view.length ? view : view.subarray(skip, skip + length), at);
      at += length;
      skip = 0;
      if (at >= count) break;
    }
    this.have = at;
  }
}
