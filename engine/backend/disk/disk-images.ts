import { stat, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, sep } from 'node:path';
import { VmError } from '../../errors/vm-error';
import type { Disk } from './disk';
import { SECTOR } from './disk';
import { HostFile } from './disk-file';
import { lockFile, shareFile } from '../../host/file-lock';
import { makeFile } from '../../host/new-file';
import { lengthen } from '../../host/sparse-file';
import { type DiskFormat, diskFormatFor } from './disk-format';
import { allowReferences, permissionFor, referenceOf } from './image-reference';
import { backingOf, detectFormat, openDisk, openWithoutBacking, readHeader } from './open-disk';
import { type Bitmap, readBitmaps } from './qcow2/bitmaps';
import { type CheckProgress, type Qcow2CheckResult, examine } from './qcow2/check';
import { type Qcow2CreateOptions, qcow2Image } from './qcow2/create';
import { BITMAPS, CORRUPT, DIRTY, EXTENDED_L2, LAZY_REFCOUNTS, type Qcow2Header } from './qcow2/header';
import { Qcow2Disk } from './qcow2/qcow2-disk';
import { repair } from './qcow2/repair';
import { type Snapshot, readSnapshots } from './qcow2/snapshots';

/** What can be done with disk images as files. While it runs, no machine may write to them: locks see to that. */

export interface CreateDiskOptions extends Partial<Omit<Qcow2CreateOptions, 'backing'>> {
  file: string;
  /** By the ending of the file's name unless given; see diskFormatFor. */
  format?: DiskFormat;
  /**
   * A disk whose content shows until it is overwritten: a path for this process, recorded relative to the new image, unless it is absolute
   * or `recorded` says how.
   */
  backing?: { file: string; format?: DiskFormat; recorded?: string };
}

/** Make an empty disk image; its size is that of the backing file unless given. Throws VmError 'Config' if the file exists already. */
export async function createDisk({ file, format = diskFormatFor(file), size, backing, ...options }: CreateDiskOptions): Promise<void> {
  let below: (Qcow2CreateOptions['backing'] & { size: number }) | undefined;
  if (backing) {
    if (format === 'raw')
      throw VmError.config('A raw image cannot have a backing file; a qcow2 image can. Let its name end in .qcow2, or say the format.');
    const disk = await openDisk({ file: backing.file, format: backing.format, readonly: true });
    // Slashes are understood everywhere.
    const path =
      backing.recorded ??
      (isAbsolute(backing.file) ? backing.file : relative(dirname(file), backing.file).replaceAll(sep, '/') || backing.file);
    below = { file: path, format: disk.format === 'qcow2' ? 'qcow2' : 'raw', size: disk.size };
    await disk.close();
  }
  const bytes = size ?? below?.size;
  if (bytes === undefined)
    throw VmError.config(`Say how large the disk ${file} should be.`, { code: 'disk-no-size', params: { path: file } });
  if (format === 'raw') {
    if (!Number.isSafeInteger(bytes) || bytes < SECTOR || bytes % SECTOR !== 0)
      throw VmError.config(`A disk has a whole number of ${SECTOR}-byte sectors, at least one; ${bytes} bytes are not.`, {
        code: 'disk-size',
        params: { bytes },
      });
    await makeFile(file, (temporary) => lengthen(temporary, bytes));
  } else {
    const image = qcow2Image({ ...options, size: bytes, backing: below });
    await makeFile(file, (temporary) => writeFile(temporary, image));
    // Whoever names the file here allows it.
    if (below && backing?.recorded === undefined) await allowReferences([referenceOf(file, 'backing', below.file)]);
  }
}

export interface DiskInfo {
  file: string;
  format: DiskFormat;
  /** Bytes of the disk that a guest sees. */
  size: number;
  /** Bytes that the file takes on the host. */
  allocated: number;
  /** `exists` is not known of a file that it may not use. */
  backing?: { file: string; format?: string; exists?: boolean };
  qcow2?: {
    version: 2 | 3;
    clusterSize: number;
    refcountBits: number;
    compression: 'zlib' | 'zstd';
    extendedL2: boolean;
    lazyRefcounts: boolean;
    /** Its refcounts may be wrong; they are repaired when it is opened for writing. */
    dirty: boolean;
    /** It was found to be damaged. */
    corrupt: boolean;
    dataFile?: string;
    snapshots: Pick<Snapshot, 'id' | 'name' | 'date' | 'running' | 'vmState'>[];
    bitmaps: Pick<Bitmap, 'name' | 'granularity' | 'inUse' | 'auto'>[];
  };
}

/** What an image says of itself. Its backing files need not be there. */
export async function diskInfo(path: string, { format = 'auto' }: { format?: DiskFormat | 'auto' } = {}): Promise<DiskInfo> {
  const file = await HostFile.open(path, { readonly: true });
  try {
    const { blocks, size: length } = await stat(path);
    const found = format === 'auto' ? await detectFormat(file) : format;
    const allocated = blocks * 512;
    if (found === 'raw') return { file: path, format: found, size: length, allocated };
    const header = await readHeader(file);
    const { snapshots } = await readSnapshots(file, header);
    const bitmaps = header.autoclear & BITMAPS ? await readBitmaps(file, header) : [];
    return {
      file: path,
      format: found,
      size: header.size,
      allocated,
      ...(header.backing && { backing: await backingInfo(path, header.backing) }),
      qcow2: {
        version: header.version,
        clusterSize: 2 ** header.clusterBits,
        refcountBits: header.refcountBits,
        compression: header.compression,
        extendedL2: (header.incompatible & EXTENDED_L2) !== 0,
        lazyRefcounts: (header.compatible & LAZY_REFCOUNTS) !== 0,
        dirty: (header.incompatible & DIRTY) !== 0,
        corrupt: (header.incompatible & CORRUPT) !== 0,
        ...(header.dataFile !== undefined && { dataFile: header.dataFile }),
        snapshots: snapshots.map(({ id, name, date, running, vmState }) => ({ id, name, date, running, vmState })),
        bitmaps: bitmaps.map(({ name, granularity, inUse, auto }) => ({ name, granularity, inUse, auto })),
      },
    };
  } finally {
    await file.close();
  }
}

async function backingInfo(path: string, { file, format }: NonNullable<Qcow2Header['backing']>): Promise<DiskInfo['backing']> {
  const exists = async (): Promise<boolean | undefined> => {
    try {
      const reference = referenceOf(path, 'backing', file);
      return (await permissionFor(reference)) === undefined ? undefined : await isThere(reference.file);
    } catch {
      return undefined;
    }
  };
  const found = await exists();
  return { file, ...(format !== undefined && { format }), ...(found !== undefined && { exists: found }) };
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Whether an image over a backing file has nothing of its own: it shows what that shows. */
export async function isUntouched(path: string): Promise<boolean> {
  const disk = await openDisk({ file: path, format: 'qcow2', readonly: true });
  try {
    if (!(disk instanceof Qcow2Disk) || !disk.header.backing) return false;
    for (let offset = 0; offset < disk.size; ) {
      const { kind, length } = await disk.extent(offset);
      if (kind !== 'unallocated') return false;
      offset += length;
    }
    return true;
  } finally {
    await disk.close();
  }
}

export interface CheckDiskOptions {
  format?: DiskFormat | 'auto';
  /** `leaks`: give space back that nobody uses. `all`: also make refcounts right that are too low. */
  repair?: 'leaks' | 'all';
  onProgress?: CheckProgress;
}

/** What a check found, and what was left after a repair. A raw image has nothing that could be wrong. */
export interface DiskCheck {
  file: string;
  format: DiskFormat;
  found: Qcow2CheckResult;
  /** After the repair; the same if there was none. */
  left: Qcow2CheckResult;
}

export async function checkDisk(path: string, { format = 'auto', repair: mode, onProgress }: CheckDiskOptions = {}): Promise<DiskCheck> {
  const lock = mode ? await lockFile(path) : await shareFile(path);
  try {
    const file = await HostFile.open(path, { readonly: !mode });
    try {
      if ((format === 'auto' ? await detectFormat(file) : format) === 'raw') {
        const nothing = {
          corruptions: 0,
          leaks: 0,
          problems: [],
          allocatedClusters: 0,
          compressedClusters: 0,
          totalClusters: 0,
          end: file.length,
        };
        return { file: path, format: 'raw', found: nothing, left: nothing };
      }
      const header = await readHeader(file);
      if (!mode) {
        const { result } = await examine(file, header, onProgress);
        return { file: path, format: 'qcow2', found: result, left: result };
      }
      const { before, after } = await repair(file, header, { leaksOnly: mode === 'leaks', onProgress });
      return { file: path, format: 'qcow2', found: before, left: after };
    } finally {
      await file.close();
    }
  } finally {
    await lock.release();
  }
}

/** Change a disk's size to `size` bytes, or by `by`. A raw disk may lose its end with `shrink`. Returns the new size. */
export async function resizeDisk(
  path: string,
  { size, by, shrink = false, format }: { size?: number; by?: number; shrink?: boolean; format?: DiskFormat | 'auto' },
): Promise<number> {
  const disk = await openDisk({ file: path, format });
  try {
    const wanted = size ?? disk.size + (by ?? 0);
    if (wanted < disk.size && !shrink)
      throw VmError.config(
        `${path} has ${disk.size} bytes; with ${wanted} everything behind would be lost. If that is what you want (make the guest's file systems smaller first), say --shrink.`,
      );
    await disk.resize(wanted);
    await disk.flush();
    return disk.size;
  } finally {
    await disk.close();
  }
}

export interface ConvertDiskOptions
  extends Pick<Qcow2CreateOptions, 'clusterSize' | 'version' | 'refcountBits' | 'extendedL2' | 'lazyRefcounts'> {
  from: string;
  fromFormat?: DiskFormat | 'auto';
  to: string;
  /** By the ending of `to` unless given; see diskFormatFor. */
  format?: DiskFormat;
  /** Compress the data (qcow2 only); what is written later is not. */
  compress?: boolean;
  /** Overwrite `to` if it exists, once the new image is complete. */
  replace?: boolean;
  /** Bytes of the disk done, and in all. */
  onProgress?: CheckProgress;
  /** Ends it; `to` stays as it was. */
  signal?: AbortSignal;
}

const CHUNK = 1 << 20;
const ZEROES = new Uint8Array(CHUNK);

/** Copy what a disk shows, its backing files' content too, into a new image; zeroes take no space there. */
export async function convertDisk(options: ConvertDiskOptions): Promise<void> {
  const { from, fromFormat, to, format = diskFormatFor(options.to), compress = false, replace, onProgress, signal, ...creation } = options;
  if (compress && format === 'raw')
    throw VmError.config('A raw image cannot be compressed; a qcow2 image can. Let its name end in .qcow2, or say the format.');
  // A device, say, would not be written to but replaced by a file.
  const present = await stat(to).catch(() => undefined);
  if (present && !present.isFile()) throw VmError.config(`${to} is no file. Name the file of an image, or a new one.`);
  const source = await openDisk({ file: from, format: fromFormat, readonly: true, share: true });
  try {
    await makeFile(
      to,
      async (temporary) => {
        if (format === 'raw') await lengthen(temporary, source.size);
        else await writeFile(temporary, qcow2Image({ ...creation, size: source.size }));
        const target = await openDisk({ file: temporary, format });
        try {
          await copy(source, target, { compress, onProgress, signal });
          await target.flush();
        } finally {
          await target.close();
        }
      },
      { replace },
    );
  } finally {
    await source.close();
  }
}

async function copy(
  source: Disk,
  target: Disk,
  { compress, onProgress, signal }: Pick<ConvertDiskOptions, 'compress' | 'onProgress' | 'signal'>,
): Promise<void> {
  const unit = target instanceof Qcow2Disk ? target.layout.clusterSize : target.geometry.blockSize;
  const buffer = new Uint8Array(Math.max(CHUNK, unit));
  for (let offset = 0; offset < source.size; ) {
    signal?.throwIfAborted();
    const length = Math.min(buffer.length, source.size - offset);
    if (!(await isZeroRun(source, offset, length))) {
      await source.readv(offset, [buffer.subarray(0, length)]);
      await writeNonZero(target, offset, buffer.subarray(0, length), unit, compress ?? false);
    }
    offset += length;
    onProgress?.(offset, source.size);
  }
}

/** Whether the source knows that there is nothing. */
async function isZeroRun(source: Disk, offset: number, length: number): Promise<boolean> {
  if (!(source instanceof Qcow2Disk)) return false;
  const run = await source.extent(offset);
  return run.length >= length && (run.kind === 'zero' || (run.kind === 'unallocated' && !source.header.backing));
}

async function writeNonZero(target: Disk, offset: number, data: Uint8Array, unit: number, compress: boolean): Promise<void> {
  for (let at = 0; at < data.length; ) {
    const piece = (start: number): Uint8Array => data.subarray(start, Math.min(start + unit, data.length));
    if (isZero(piece(at))) {
      at += unit;
      continue;
    }
    if (compress && target instanceof Qcow2Disk) {
      const cluster = new Uint8Array(unit);
      cluster.set(piece(at));
      await target.writeCompressed(offset + at, cluster);
      at += unit;
      continue;
    }
    let end = at + unit;
    while (end < data.length && !isZero(piece(end))) end += unit;
    await target.writev(offset + at, [data.subarray(at, Math.min(end, data.length))]);
    at = end;
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROES.length) {
    const part = bytes.subarray(at, at + ZEROES.length);
    if (Buffer.compare(part, ZEROES.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}

/**
 * Write what an image has of its own into its backing file, then make it empty. Should it end in between, the image still shows what it
 * did; other images over the same backing file do not. Returns the backing file's path.
 */
export async function commitDisk(path: string, { onProgress }: { onProgress?: CheckProgress } = {}): Promise<string> {
  const overlay = await openWithoutBacking(path);
  try {
    const { header } = overlay;
    const below = await backingOf(path, header);
    if (!below || !header.backing) throw VmError.config(`${path} has no backing file to commit to.`);
    if (header.snapshotCount > 0) throw VmError.config(`${path} has snapshots, which would be lost. Delete them first.`);
    if (header.bitmaps) throw VmError.config(`${path} has bitmaps, which would be lost. Remove them first: qemu-img bitmap --remove.`);
    // Also root, to whom everything is writable, is to leave it alone.
    if (((await stat(below.file)).mode & 0o222) === 0)
      throw VmError.config(
        `${below.file} is read-only: other images may stand on it, such as those of linked clones. Convert ${path} into a new image instead.`,
      );
    const base = await openDisk(below);
    let format: DiskFormat;
    try {
      format = base.format === 'qcow2' ? 'qcow2' : 'raw';
      if (base.size < overlay.size) await base.resize(overlay.size);
      const buffer = new Uint8Array(CHUNK);
      for (let offset = 0; offset < overlay.size; ) {
        const { kind, length } = await overlay.extent(offset);
        const count = kind === 'data' ? Math.min(length, buffer.length) : length;
        if (kind === 'zero') await base.writeZeroes(offset, count, { unmap: true });
        else if (kind === 'data') {
          await overlay.readv(offset, [buffer.subarray(0, count)]);
          await base.writev(offset, [buffer.subarray(0, count)]);
        }
        offset += count;
        onProgress?.(offset, overlay.size);
      }
      await base.flush();
    } finally {
      await base.close();
    }
    const { version, clusterBits, refcountBits, size, incompatible, compatible } = header;
    const empty = qcow2Image({
      version,
      clusterSize: 2 ** clusterBits,
      refcountBits,
      size: Math.ceil(size / SECTOR) * SECTOR,
      extendedL2: (incompatible & EXTENDED_L2) !== 0,
      lazyRefcounts: (compatible & LAZY_REFCOUNTS) !== 0,
      backing: { file: header.backing.file, format },
    });
    await makeFile(path, (temporary) => writeFile(temporary, empty), { replace: true });
    return below.file;
  } finally {
    await overlay.close();
  }
}
