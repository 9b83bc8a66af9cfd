import type { Layout } from './layout';

const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;
const ZERO = 1;
const TWO_32 = 0x1_0000_0000;

/** What an L2 entry says of a cluster (qcow2 specification, "Cluster mapping", "Extended L2 Entries"). */
export interface L2Entry {
  /** Offset of the host cluster, or of the compressed data; 0: none. */
  host: number;
  /** Refcount exactly one: may be written in place. */
  copied: boolean;
  /** Bytes of compressed data, with what lies behind it in its last sector; 0: not compressed. */
  compressed: number;
  /** A bit for each subcluster (bit 0 where there are none): it has data in the host cluster. */
  allocated: number;
  /** It reads as zeroes. */
  zero: number;
}

/** All subclusters, as a mask. */
export function allSubclusters(layout: Layout): number {
  return layout.subclusters === 1 ? 1 : 0xffff_ffff;
}

/** An offset in an L1 or refcount table; bit 63 and the low bits are left out. */
export function readOffset(view: DataView, index: number): number {
  return (view.getUint32(8 * index) & OFFSET_HIGH) * TWO_32 + ((view.getUint32(8 * index + 4) & OFFSET_LOW) >>> 0);
}

export function isCopied(view: DataView, index: number): boolean {
  return (view.getUint32(8 * index) & COPIED) !== 0;
}

export function writeOffset(view: DataView, index: number, offset: number, copied: boolean): void {
  view.setUint32(8 * index, Math.floor(offset / TWO_32) + (copied ? COPIED : 0));
  view.setUint32(8 * index + 4, offset % TWO_32);
}

export function readL2Entry(view: DataView, index: number, layout: Layout): L2Entry {
  const at = index * layout.entryBytes;
  const high = view.getUint32(at);
  const low = view.getUint32(at + 4);
  if (high & COMPRESSED) {
    // Bits 0 to x - 1 are the offset, x to 61 the number of further sectors.
    const bits = 62 - (layout.clusterBits - 8) - 32;
    const host = (high & (2 ** bits - 1)) * TWO_32 + low;
    const sectors = ((high & 0x3fff_ffff) >>> bits) + 1;
    return { host, copied: false, compressed: sectors * 512 - (host % 512), allocated: 0, zero: 0 };
  }
  const host = (high & OFFSET_HIGH) * TWO_32 + ((low & OFFSET_LOW) >>> 0);
  const copied = (high & COPIED) !== 0;
  if (layout.subclusters === 1) {
    const zero = layout.hasZeroFlag && low & ZERO ? 1 : 0;
    return { host, copied, compressed: 0, allocated: !zero && (host !== 0 || copied) ? 1 : 0, zero };
  }
  const zero = view.getUint32(at + 8);
  return { host, copied, compressed: 0, allocated: view.getUint32(at + 12), zero };
}

/** Not for compressed clusters. */
export function writeL2Entry(view: DataView, index: number, layout: Layout, entry: Omit<L2Entry, 'compressed'>): void {
  const at = index * layout.entryBytes;
  view.setUint32(at, Math.floor(entry.host / TWO_32) + (entry.copied ? COPIED : 0));
  view.setUint32(at + 4, (entry.host % TWO_32) + (layout.subclusters === 1 ? entry.zero : 0));
  if (layout.subclusters === 1) return;
  view.setUint32(at + 8, entry.zero);
  view.setUint32(at + 12, entry.allocated);
}

/** `bytes` of compressed data at `offset`, which is not aligned. */
export function writeCompressedEntry(view: DataView, index: number, layout: Layout, offset: number, bytes: number): void {
  const at = index * layout.entryBytes;
  const bits = 62 - (layout.clusterBits - 8) - 32;
  const further = Math.floor((offset + bytes - 1) / 512) - Math.floor(offset / 512);
  view.setUint32(at, COMPRESSED + further * 2 ** bits + Math.floor(offset / TWO_32));
  view.setUint32(at + 4, offset % TWO_32);
  if (layout.subclusters === 1) return;
  view.setUint32(at + 8, 0);
  view.setUint32(at + 12, 0);
}

/** The host clusters that an entry holds a reference to: first and how many. */
export function clustersOf(entry: L2Entry, clusterSize: number): { first: number; count: number } {
  if (entry.host === 0) return { first: 0, count: 0 };
  const first = Math.floor(entry.host / clusterSize);
  if (entry.compressed === 0) return { first, count: 1 };
  return { first, count: Math.floor((entry.host + entry.compressed - 1) / clusterSize) - first + 1 };
}
