import { type FileHandle, constants, copyFile, open } from 'node:fs/promises';
import { type NativeLibrary, type OpenHoles, hostHoles } from './host-holes';
import { hostLibrary } from './host-library';
import { openFile } from './open-file';

const CHUNK = 1 << 20;
/** The unit of holes: what file systems give away at once is not larger, and smaller holes are not worth their seeks. */
export const HOLE_UNIT = 65536;
const ZEROES = Buffer.alloc(CHUNK);

export interface CopyOptions {
  /** Bytes done, and in all. */
  onProgress?: (done: number, total: number) => void;
  /** Ends it. */
  signal?: AbortSignal;
}

/** Give an empty file its length. It takes no space yet where the file system has sparse files. */
export async function lengthen(path: string, bytes: number, openHoles: OpenHoles = hostHoles()): Promise<void> {
  const file = await open(path, 'r+');
  try {
    // Windows has to be told before.
    const holes = await openHoles(path, file.fd);
    holes?.close();
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

/**
 * What of a file is not zero, in order: runs of units of `unit` bytes, a power of two from 64 KiB to 1 MiB. The bytes of a run are good until
 * the next one. Holes that the host knows are not even read. `onProgress` gets the offset up to which the file has been looked at.
 */
export async function* nonZeroRuns(
  file: FileHandle,
  {
    size,
    unit = HOLE_UNIT,
    signal,
    onProgress,
  }: { size: number; unit?: number; signal?: AbortSignal; onProgress?: (done: number) => void },
): AsyncGenerator<{ offset: number; data: Buffer }> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  const nextData = dataSeeker(file.fd, size);
  for (let offset = 0; offset < size; ) {
    signal?.throwIfAborted();
    const data = Math.floor(nextData(offset) / unit) * unit;
    if (data > offset) {
      offset = data;
      onProgress?.(Math.min(offset, size));
      continue;
    }
    const length = await readFully(file, buffer.subarray(0, Math.min(CHUNK, size - offset)), offset);
    if (length === 0) return;
    for (let at = 0; at < length; ) {
      let end = at;
      while (end < length && !isZero(buffer.subarray(end, Math.min(end + unit, length)))) end = Math.min(end + unit, length);
      if (end > at) yield { offset: offset + at, data: buffer.subarray(at, end) };
      at = end + unit;
    }
    offset += length;
    onProgress?.(offset);
  }
}

/** `SEEK_DATA` and `SEEK_HOLE` of lseek(2). Windows has nothing like it; there holes are read. */
const SEEKS: Partial<Record<NodeJS.Platform, { data: number; hole: number }>> = {
  linux: { data: 3, hole: 4 },
  darwin: { data: 4, hole: 3 },
};

/**
 * Where in a file, from an offset on, the next data may lie: not before what is returned. Reading holes costs no disk, but a second for some
 * GiB. Where host or file system does not tell, or koffi is missing, all is data.
 */
export function dataSeeker(
  fd: number,
  size: number,
  platform: NodeJS.Platform = process.platform,
  library: NativeLibrary | undefined = hostLibrary(),
): (offset: number) => number {
  const seek = SEEKS[platform];
  const lseek = seek && size > 0 ? library?.func('int64_t lseek(int fd, int64_t offset, int whence)') : undefined;
  // The end of the file is a hole; who cannot say so knows no holes.
  if (!seek || !lseek || Number(lseek(fd, 0, seek.hole)) < 0) return (offset) => offset;
  let known = { from: 0, to: 0 };
  return (offset) => {
    if (offset < known.from || offset >= known.to) {
      const from = Number(lseek(fd, offset, seek.data));
      if (from < 0) return size;
      const to = Number(lseek(fd, from, seek.hole));
      known = { from, to: to > from ? to : size };
    }
    return Math.max(offset, known.from);
  };
}

/** Copy a file, which must not change meanwhile; what is zero takes no space in the copy. `to` must not exist. Throws what the host says. */
export async function copySparse(from: string, to: string, { onProgress, signal }: CopyOptions = {}): Promise<void> {
  // First, so that nothing but a file comes to the call below.
  const source = await openFile(from);
  try {
    try {
      // Btrfs, XFS and APFS let both share their blocks.
      await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    }
    await (await open(to, 'wx')).close();
    const { size } = await source.stat();
    await lengthen(to, size);
    const target = await open(to, 'r+');
    try {
      for await (const { offset, data } of nonZeroRuns(source, { size, signal, onProgress: (done) => onProgress?.(done, size) }))
        await writeFully(target, data, offset);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Read until the buffer is full or the file ends. Resolves with the number of bytes. */
export async function readFully(file: FileHandle, buffer: Uint8Array, offset: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export async function writeFully(file: FileHandle, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length; ) done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
}

/** Whether there is nothing but zeroes in at most 1 MiB. */
function isZero(bytes: Buffer): boolean {
  return Buffer.compare(bytes, ZEROES.subarray(0, bytes.length)) === 0;
}
