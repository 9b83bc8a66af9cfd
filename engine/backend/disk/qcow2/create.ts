import { VmError } from '../../../errors/vm-error';
import { SECTOR } from '../disk';
import {
  AT_INCOMPATIBLE,
  AT_REFCOUNT_TABLE,
  AT_SIZE,
  EXTENDED_L2,
  EXTENSION_BACKING_FORMAT,
  EXTENSION_FEATURE_NAMES,
  LAZY_REFCOUNTS,
  writeU64,
} from './header';
import { layoutOf } from './layout';
import { QCOW2_MAGIC } from './magic';
import { writeRefcount } from './refcount-block';
import { writeOffset } from './l2-entry';

export interface Qcow2CreateOptions {
  /** Bytes of the disk, a multiple of 512. */
  size: number;
  version?: 2 | 3;
  /** Bytes: a power of two, 512 to 2 MiB; 64 KiB unless given. */
  clusterSize?: number;
  /** 1, 2, 4, … 64; 16 unless given. */
  refcountBits?: number;
  /** Clusters of 32 subclusters that are allocated one by one. */
  extendedL2?: boolean;
  /** Allow tools to put off writing refcounts. (Hartbox does not.) */
  lazyRefcounts?: boolean;
  /** Name of the backing file as it is to be recorded, and its format. */
  backing?: { file: string; format: 'raw' | 'qcow2' };
}

/** Names of the features, for tools that do not know them: kind, bit, name. */
const FEATURE_NAMES: [number, number, string][] = [
  [0, 0, 'dirty bit'],
  [0, 1, 'corrupt bit'],
  [0, 2, 'external data file'],
  [0, 3, 'compression type'],
  [0, 4, 'extended L2 entries'],
  [1, 0, 'lazy refcounts'],
  [2, 0, 'bitmaps'],
  [2, 1, 'raw external data'],
];

/** The bytes of a new, empty image. Throws VmError 'Config' for what an image cannot be. */
export function qcow2Image(options: Qcow2CreateOptions): Uint8Array<ArrayBuffer> {
  const { size, version = 3, clusterSize = 65536, refcountBits = 16, extendedL2 = false, lazyRefcounts = false, backing } = options;
  const wrong = (problem: string): VmError => VmError.config(`A qcow2 image cannot be made: ${problem}.`, { code: 'disk-impossible' });
  const clusterBits = Math.log2(clusterSize);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21)
    throw wrong(`clusters of ${clusterSize} bytes; they are a power of two from 512 to 2 MiB`);
  if (!Number.isSafeInteger(size) || size < SECTOR || size % SECTOR !== 0)
    throw wrong(`the disk has a whole number of ${SECTOR}-byte sectors, at least one; ${size} bytes are not`);
  if (![1, 2, 4, 8, 16, 32, 64].includes(refcountBits))
    throw wrong(`refcounts of ${refcountBits} bits; possible are 1, 2, 4, 8, 16, 32, 64`);
  if (version === 2 && (refcountBits !== 16 || extendedL2 || lazyRefcounts))
    throw wrong('other refcounts than those of 16 bits, subclusters and lazy refcounts need version 3');
  if (extendedL2 && clusterBits < 14) throw wrong(`subclusters need clusters of 16 KiB or more, not of ${clusterSize} bytes`);

  const layout = layoutOf({ clusterBits, version, refcountBits, incompatible: extendedL2 ? EXTENDED_L2 : 0 });
  const l1Size = Math.ceil(size / clusterSize / layout.l2Entries);
  if (l1Size * 8 > 32 << 20) throw wrong(`clusters of ${clusterSize} bytes are too small for a disk of ${size} bytes`);
  const l1Clusters = Math.ceil((l1Size * 8) / clusterSize);
  // Header, refcount table, refcount blocks, L1 table: the blocks count them all.
  let blocks = 1;
  let tableClusters = 1;
  const total = (): number => 1 + tableClusters + blocks + l1Clusters;
  while (blocks * layout.refcountEntries < total() || tableClusters * clusterSize < blocks * 8) {
    blocks = Math.ceil(total() / layout.refcountEntries);
    tableClusters = Math.ceil((blocks * 8) / clusterSize);
  }
  const image = new Uint8Array(total() * clusterSize);
  const view = new DataView(image.buffer);
  const l1Offset = (1 + tableClusters + blocks) * clusterSize;

  image.set(QCOW2_MAGIC);
  view.setUint32(4, version);
  view.setUint32(20, clusterBits);
  writeU64(view, AT_SIZE, size);
  view.setUint32(36, l1Size);
  writeU64(view, 40, l1Offset);
  writeU64(view, AT_REFCOUNT_TABLE, clusterSize);
  view.setUint32(56, tableClusters);
  let at = 72;
  if (version === 3) {
    view.setUint32(AT_INCOMPATIBLE + 4, extendedL2 ? EXTENDED_L2 : 0);
    view.setUint32(84, lazyRefcounts ? LAZY_REFCOUNTS : 0);
    view.setUint32(96, Math.log2(refcountBits));
    view.setUint32(100, 112);
    at = 112;
  }
  const extension = (type: number, data: Uint8Array): void => {
    if (at + 8 + data.length + 8 > clusterSize) throw wrong(`what its header says does not fit into a cluster of ${clusterSize} bytes`);
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    image.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  };
  if (backing) extension(EXTENSION_BACKING_FORMAT, Buffer.from(backing.format));
  if (version === 3 && clusterSize >= 2048) {
    const names = Buffer.alloc(48 * FEATURE_NAMES.length);
    FEATURE_NAMES.forEach(([kind, bit, name], i) => {
      names[48 * i] = kind;
      names[48 * i + 1] = bit;
      names.write(name, 48 * i + 2, 46);
    });
    extension(EXTENSION_FEATURE_NAMES, names);
  }
  at += 8;
  if (backing) {
    const name = Buffer.from(backing.file);
    if (name.length > 1023) throw wrong(`the name of the backing file has ${name.length} bytes; at most 1023 are possible`);
    if (at + name.length > clusterSize) throw wrong(`the name of the backing file does not fit into a cluster of ${clusterSize} bytes`);
    writeU64(view, 8, at);
    view.setUint32(16, name.length);
    image.set(name, at);
  }

  for (let i = 0; i < blocks; i++) writeOffset(new DataView(image.buffer, clusterSize), i, (1 + tableClusters + i) * clusterSize, false);
  const counts = new DataView(image.buffer, (1 + tableClusters) * clusterSize);
  for (let cluster = 0; cluster < total(); cluster++) writeRefcount(counts, cluster, refcountBits, 1);
  return image;
}
