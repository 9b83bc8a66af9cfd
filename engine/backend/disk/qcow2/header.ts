import { VmError, type VmErrorOptions } from '../../../errors/vm-error';
import { mustHaveSize } from '../disk';
import { hasQcow2Magic } from './magic';

// Incompatible features (qcow2 specification, "Header").
export const DIRTY = 1 << 0;
export const CORRUPT = 1 << 1;
export const EXTERNAL_DATA = 1 << 2;
export const COMPRESSION_TYPE = 1 << 3;
export const EXTENDED_L2 = 1 << 4;
const KNOWN_INCOMPATIBLE = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;
// Compatible and auto-clear features.
export const LAZY_REFCOUNTS = 1 << 0;
export const BITMAPS = 1 << 0;

/** Bytes of the header up to and with `header_length`, versions 2 and 3. */
export const HEADER_BYTES = { 2: 72, 3: 104 } as const;
/** As many bytes of the file's start as header, extensions and backing file name are looked for in. */
export const HEADER_AREA = 65536;

/** Where the fields that change while an image is in use stand. */
export const AT_SIZE = 24;
export const AT_REFCOUNT_TABLE = 48;
export const AT_INCOMPATIBLE = 72;
export const AT_AUTOCLEAR = 88;

// Header extensions.
export const EXTENSION_BACKING_FORMAT = 0xe2792aca;
export const EXTENSION_FEATURE_NAMES = 0x6803f857;
const EXTENSION_BITMAPS = 0x23852875;
const EXTENSION_DATA_FILE = 0x44415441;

// Limits, those of QEMU: what is beyond them no tool has made.
const L1_BYTES_MAX = 32 << 20;
const REFCOUNT_TABLE_BYTES_MAX = 8 << 20;
export const SNAPSHOTS_MAX = 65536;
const BITMAPS_MAX = 65535;
const BITMAP_DIRECTORY_MAX = 16 << 20;
const BACKING_NAME_MAX = 1023;

export interface Qcow2Header {
  version: 2 | 3;
  clusterBits: number;
  /** Bytes of the disk, as the file says: not always whole sectors. */
  size: number;
  l1Size: number;
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  snapshotCount: number;
  snapshotsOffset: number;
  /** Feature bits 0 to 31; of those above there are none known. */
  incompatible: number;
  compatible: number;
  autoclear: number;
  /** Whether there are auto-clear bits that Hartbox does not know. */
  unknownAutoclear: boolean;
  refcountBits: number;
  compression: 'zlib' | 'zstd';
  backing: { file: string; format: string | undefined } | undefined;
  dataFile: string | undefined;
  bitmaps: { count: number; directoryBytes: number; directoryOffset: number } | undefined;
}

/** A 64-bit number; inexact above 2^53, where nothing valid is. */
export function readU64(view: DataView, at: number): number {
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value % 0x1_0000_0000);
}

export function imageError(path: string, problem: string, options: VmErrorOptions): VmError {
  return new VmError('Image', `The qcow2 image ${path} ${problem}`, options);
}

export function damaged(path: string, problem: string): VmError {
  return imageError(path, `is damaged: ${problem}. Try: hartbox disk check --repair ${path} (make a copy first).`, {
    code: 'qcow2-damaged',
    params: { path },
  });
}

/**
 * Read the header (qcow2 specification, "Header", "Header extensions"). `start`: the file's first HEADER_AREA bytes, or all of a
 * shorter file. Throws VmError 'Image' for what is no valid image or uses what Hartbox does not know.
 */
export function parseHeader(path: string, start: Uint8Array, fileLength: number): Qcow2Header {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (!hasQcow2Magic(start))
    throw imageError(path, 'does not begin like one (QFI 0xfb). Is it raw? Then say format=raw.', {
      code: 'qcow2-foreign',
      params: { path },
    });
  if (start.length < HEADER_BYTES[2]) throw damaged(path, `it has only ${start.length} bytes`);
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3)
    throw imageError(
      path,
      `has version ${version}; Hartbox knows 2 and 3. Convert it: qemu-img convert -O qcow2 -o compat=1.1 ${path} NEW`,
      { code: 'qcow2-version', params: { path, version } },
    );
  if (start.length < HEADER_BYTES[version]) throw damaged(path, `it has only ${start.length} bytes`);
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) throw damaged(path, `clusters of 2^${clusterBits} bytes; possible are 2^9 to 2^21`);
  const clusterSize = 2 ** clusterBits;
  const encryption = view.getUint32(32);
  if (encryption !== 0)
    throw imageError(path, `is encrypted, which Hartbox cannot read. Decrypt it: qemu-img convert --object secret,… -O qcow2 ${path} NEW`, {
      code: 'qcow2-encrypted',
      params: { path },
    });

  const headerLength = version === 2 ? HEADER_BYTES[2] : view.getUint32(100);
  if (headerLength < HEADER_BYTES[version] || headerLength % 8 !== 0 || headerLength > Math.min(clusterSize, start.length))
    throw damaged(path, `a header of ${headerLength} bytes`);
  const extensions = readExtensions(path, view, headerLength, Math.min(clusterSize, start.length), readU64(view, 8));
  const incompatible = version === 2 ? 0 : view.getUint32(AT_INCOMPATIBLE + 4);
  const unknown = version === 2 ? [] : unknownFeatures(view.getUint32(AT_INCOMPATIBLE), incompatible & ~KNOWN_INCOMPATIBLE);
  if (unknown.length > 0) {
    const names = unknown.map((bit) => extensions.featureNames.get(bit) ?? `bit ${bit}`).join(', ');
    throw imageError(path, `uses features that Hartbox does not know: ${names}. Use the tool that made it to convert it.`, {
      code: 'qcow2-features',
      params: { path, features: names },
    });
  }
  const extendedL2 = (incompatible & EXTENDED_L2) !== 0;
  if (extendedL2 && clusterBits < 14) throw damaged(path, `subclusters in clusters of ${clusterSize} bytes; they need 16384 or more`);

  const compressionType = headerLength > 104 ? view.getUint8(104) : 0;
  if ((compressionType !== 0) !== ((incompatible & COMPRESSION_TYPE) !== 0) || compressionType > 1)
    throw damaged(path, `compression type ${compressionType} ${incompatible & COMPRESSION_TYPE ? 'with' : 'without'} its feature bit`);
  const refcountOrder = version === 2 ? 4 : view.getUint32(96);
  if (refcountOrder > 6) throw damaged(path, `reference counts of 2^${refcountOrder} bits; at most 2^6 are possible`);

  const header: Qcow2Header = {
    version,
    clusterBits,
    size: readU64(view, AT_SIZE),
    l1Size: view.getUint32(36),
    l1Offset: readU64(view, 40),
    refcountTableOffset: readU64(view, AT_REFCOUNT_TABLE),
    refcountTableClusters: view.getUint32(56),
    snapshotCount: view.getUint32(60),
    snapshotsOffset: readU64(view, 64),
    incompatible,
    compatible: version === 2 ? 0 : view.getUint32(84),
    autoclear: version === 2 ? 0 : view.getUint32(AT_AUTOCLEAR + 4),
    unknownAutoclear: version === 3 && (view.getUint32(AT_AUTOCLEAR) !== 0 || (view.getUint32(AT_AUTOCLEAR + 4) & ~3) !== 0),
    refcountBits: 1 << refcountOrder,
    compression: compressionType === 1 ? 'zstd' : 'zlib',
    backing: readBacking(path, view, clusterSize, extensions.backingFormat),
    dataFile: extensions.dataFile,
    bitmaps: extensions.bitmaps,
  };
  checkTables(path, header, fileLength);
  return header;
}

function checkTables(path: string, header: Qcow2Header, fileLength: number): void {
  const clusterSize = 2 ** header.clusterBits;
  const inFile = (what: string, offset: number, bytes: number): void => {
    if (offset === 0 || offset % clusterSize !== 0 || !(offset < fileLength) || offset + bytes > fileLength + clusterSize)
      throw damaged(path, `its ${what} would be at byte ${offset}, of ${fileLength} in the file`);
  };
  mustHaveSize(path, header.size);
  const l2Entries = clusterSize / (header.incompatible & EXTENDED_L2 ? 16 : 8);
  const needed = Math.ceil(header.size / clusterSize / l2Entries);
  if (header.l1Size * 8 > L1_BYTES_MAX || needed * 8 > L1_BYTES_MAX)
    throw damaged(
      path,
      `a disk of ${header.size} bytes with an L1 table of ${header.l1Size} entries; at most ${L1_BYTES_MAX / 8} are possible`,
    );
  if (header.l1Size < needed) throw damaged(path, `an L1 table of ${header.l1Size} entries, where the disk needs ${needed}`);
  if (header.l1Size > 0) inFile('L1 table', header.l1Offset, header.l1Size * 8);
  const tableBytes = header.refcountTableClusters * clusterSize;
  if (tableBytes === 0 || tableBytes > REFCOUNT_TABLE_BYTES_MAX) throw damaged(path, `a refcount table of ${tableBytes} bytes`);
  inFile('refcount table', header.refcountTableOffset, tableBytes);
  if (header.snapshotCount > SNAPSHOTS_MAX) throw damaged(path, `${header.snapshotCount} snapshots; at most ${SNAPSHOTS_MAX} are possible`);
  if (header.snapshotCount > 0) inFile('snapshot table', header.snapshotsOffset, 0);
  const { bitmaps } = header;
  if (bitmaps && header.autoclear & BITMAPS) {
    if (bitmaps.count === 0 || bitmaps.count > BITMAPS_MAX || bitmaps.directoryBytes > BITMAP_DIRECTORY_MAX)
      throw damaged(path, `${bitmaps.count} bitmaps in a directory of ${bitmaps.directoryBytes} bytes`);
    inFile('bitmap directory', bitmaps.directoryOffset, bitmaps.directoryBytes);
  }
}

function readBacking(path: string, view: DataView, clusterSize: number, format: string | undefined): Qcow2Header['backing'] {
  const offset = readU64(view, 8);
  if (offset === 0) return undefined;
  const length = view.getUint32(16);
  if (length > BACKING_NAME_MAX || offset + length > Math.min(clusterSize, view.byteLength))
    throw damaged(path, `the name of its backing file would have ${length} bytes from byte ${offset} on`);
  if (length === 0) return undefined;
  return { file: text(view, offset, length), format };
}

interface Extensions {
  backingFormat: string | undefined;
  dataFile: string | undefined;
  bitmaps: Qcow2Header['bitmaps'];
  /** Names of incompatible features by their bits. */
  featureNames: Map<number, string>;
}

function readExtensions(path: string, view: DataView, start: number, limit: number, backingOffset: number): Extensions {
  const found: Extensions = { backingFormat: undefined, dataFile: undefined, bitmaps: undefined, featureNames: new Map() };
  const end = backingOffset > start && backingOffset < limit ? backingOffset : limit;
  for (let at = start; at + 8 <= end; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === 0) break;
    at += 8;
    if (length > end - at) throw damaged(path, `a header extension of ${length} bytes at byte ${at}`);
    if (type === EXTENSION_BACKING_FORMAT) found.backingFormat = text(view, at, length);
    else if (type === EXTENSION_DATA_FILE) found.dataFile = text(view, at, length);
    else if (type === EXTENSION_BITMAPS && length >= 24)
      found.bitmaps = { count: view.getUint32(at), directoryBytes: readU64(view, at + 8), directoryOffset: readU64(view, at + 16) };
    else if (type === EXTENSION_FEATURE_NAMES)
      for (let entry = at; entry + 48 <= at + length; entry += 48) {
        if (view.getUint8(entry) === 0) found.featureNames.set(view.getUint8(entry + 1), text(view, entry + 2, 46).replace(/\0.*$/s, ''));
      }
    at += Math.ceil(length / 8) * 8;
  }
  return found;
}

function unknownFeatures(high: number, low: number): number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < 32; bit++) {
    if (low & (1 << bit)) bits.push(bit);
    if (high & (1 << bit)) bits.push(bit + 32);
  }
  return bits;
}

function text(view: DataView, at: number, length: number): string {
  return Buffer.from(view.buffer, view.byteOffset + at, length).toString('utf8');
}
