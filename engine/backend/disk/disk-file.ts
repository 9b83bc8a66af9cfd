import { constants, readv, writev } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { reasonCode, reasonOf, systemError } from '../../errors/system-error';
import { DeviceError, VmError } from '../../errors/vm-error';
import { type FileHoles, type Hole, type OpenHoles, hostHoles } from '../../host/host-holes';
import { openFile } from '../../host/open-file';

/**
 * The file under a disk image: what a format driver needs of the host. Failures are DeviceError 'IoError'.
 * (Tests put a simulated disk in its place, to lose what was not flushed.)
 */
export interface DiskFile {
  readonly path: string;
  readonly readonly: boolean;
  /** Bytes. Grows with writes. */
  readonly length: number;
  /** Whether `punch` can give space in the middle of the file back. */
  readonly punches: boolean;
  /** Fill the buffers from `offset`; bytes behind the end of the file read as zeroes. Returns how many were inside it. */
  readv(offset: number, buffers: Uint8Array[]): Promise<number>;
  /** Write all the buffers from `offset`. */
  writev(offset: number, buffers: Uint8Array[]): Promise<void>;
  /**
   * Resolves when what was written before the call is on stable storage: this is what a guest's flush waits for. The host empties the
   * drive's own cache too: Linux by fdatasync, Windows by FlushFileBuffers, macOS by F_FULLFSYNC (its fsync would not). Where a file
   * system on macOS lacks that, F_BARRIERFSYNC only orders writes, as far as the drive obeys.
   */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  /**
   * Give the space of a range back; the length of the file stays. Resolves with the part of the range that reads as zeroes now, which may
   * be less or nothing; each byte of the rest is as it was, or zero.
   */
  punch(offset: number, length: number): Promise<Hole>;
  close(): Promise<void>;
}

export interface HostFileOptions {
  readonly?: boolean;
  /**
   * The host has no space left for a write, which is held back meanwhile. Resolve with true to try it again, with false to let it fail.
   * Without it the write fails at once.
   */
  onFull?: (error: DeviceError) => Promise<boolean>;
}

/** The buffers without their first `count` bytes. */
export function withoutFirst(buffers: Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  let first = 0;
  while (first < buffers.length && left >= buffers[first].length) left -= buffers[first++].length;
  const rest = buffers.slice(first);
  if (left > 0) rest[0] = rest[0].subarray(left);
  return rest;
}

/** More than the host takes at once would fail; IOV_MAX is 1024 on Linux and macOS. */
const IOV_MAX = 1024;
/** macOS refuses 2 GiB and more at once; Node's counts on Windows have 32 bits. */
const TRANSFER_MAX = 2 ** 30;

/** As many of the buffers, from the first on, as the host takes at once. At least a part of the first one. */
export function atOnce(buffers: Uint8Array[], most: number = TRANSFER_MAX): Uint8Array[] {
  let count = 0;
  let length = 0;
  while (count < buffers.length && count < IOV_MAX && length + buffers[count].length <= most) length += buffers[count++].length;
  if (count === 0) return [buffers[0].subarray(0, most)];
  return count === buffers.length ? buffers : buffers.slice(0, count);
}

/** A file of the host. */
export class HostFile implements DiskFile {
  #length: number;
  /** Reads, writes and holes under way: the descriptor may not be closed before they are over. */
  #underWay = 0;
  #whenIdle: (() => void) | undefined;
  /** The host's calls; tests let them fail. */
  private readonly host = { readv, writev };

  private constructor(
    readonly path: string,
    readonly readonly: boolean,
    length: number,
    private readonly handle: FileHandle,
    private readonly onFull: HostFileOptions['onFull'],
    private readonly holes: FileHoles | undefined,
  ) {
    this.#length = length;
  }

  /**
   * Throws VmError: 'Image' if there is no such file, 'Resource' if the host denies access. (Tests make `openHoles` that of another
   * host.)
   */
  static async open(
    path: string,
    { readonly = false, onFull, openHoles = hostHoles() }: HostFileOptions & { openHoles?: OpenHoles } = {},
  ): Promise<HostFile> {
    let handle: FileHandle;
    try {
      handle = await openFile(path, readonly ? constants.O_RDONLY : constants.O_RDWR, (type) => {
        return new VmError('Image', `${path} is a ${type}. A drive needs the file of a disk image.`, {
          code: 'disk-no-file',
          params: { path, type },
        });
      });
    } catch (cause) {
      throw cause instanceof VmError ? cause : openError(path, readonly, cause);
    }
    try {
      const { size } = await handle.stat();
      return new HostFile(path, readonly, size, handle, onFull, readonly ? undefined : await openHoles(path, handle.fd));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get length(): number {
    return this.#length;
  }

  get punches(): boolean {
    return this.holes !== undefined;
  }

  /** The host's number for the open file. */
  get fd(): number {
    return this.handle.fd;
  }

  async readv(offset: number, buffers: Uint8Array[]): Promise<number> {
    let at = offset;
    let rest = buffers;
    while (rest.length > 0) {
      try {
        const bytesRead = await this.#transfer('readv', rest, at);
        if (bytesRead === 0) break;
        at += bytesRead;
        rest = withoutFirst(rest, bytesRead);
      } catch (cause) {
        // Node repeats interrupted writes, but not reads.
        if ((cause as NodeJS.ErrnoException).code !== 'EINTR') throw this.#error('read', cause);
      }
    }
    for (const buffer of rest) buffer.fill(0);
    return at - offset;
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    let rest = buffers;
    while (rest.length > 0) {
      try {
        const bytesWritten = await this.#transfer('writev', rest, at);
        at += bytesWritten;
        rest = withoutFirst(rest, bytesWritten);
        if (at > this.#length) this.#length = at;
      } catch (cause) {
        const error = this.#error('written', cause);
        if (!isFull(cause) || !(await this.onFull?.(error))) throw error;
      }
    }
  }

  async sync(): Promise<void> {
    if (this.readonly) return;
    try {
      await this.handle.datasync();
    } catch (cause) {
      throw this.#error('flushed', cause);
    }
  }

  async truncate(length: number): Promise<void> {
    try {
      await this.handle.truncate(length);
    } catch (cause) {
      throw this.#error('resized', cause);
    }
    this.#length = length;
  }

  async punch(offset: number, length: number): Promise<Hole> {
    const end = offset + length;
    const inside = Math.min(length, this.#length - offset);
    if (inside <= 0) return { start: offset, end };
    if (!this.holes) return { start: offset, end: offset };
    this.#underWay++;
    const hole = await this.holes.punch(offset, inside).finally(() => this.#ended());
    // What lies behind the end of the file reads as zeroes anyway.
    return hole.end === offset + inside ? { start: hole.start, end } : hole;
  }

  async close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    this.holes?.close();
    await this.handle.close();
  }

  #ended(): void {
    if (--this.#underWay === 0) this.#whenIdle?.();
  }

  /** By callback, not by the handle's own promises: those cost 22 µs of CPU time for 4 KiB where this costs 5. */
  #transfer(operation: 'readv' | 'writev', buffers: Uint8Array[], offset: number): Promise<number> {
    this.#underWay++;
    return new Promise((resolve, reject) => {
      this.host[operation](this.handle.fd, atOnce(buffers), offset, (error, count) => {
        this.#ended();
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  #error(what: string, cause: unknown): DeviceError {
    if (isFull(cause))
      return DeviceError.IoError(`The host's disk is full: ${this.path} could not be ${what}. Free some space.`, {
        cause,
        code: 'disk-full',
        params: { path: this.path },
      });
    if ((cause as NodeJS.ErrnoException).code === 'EFBIG')
      return DeviceError.IoError(
        `${this.path} could not be ${what}: its file system takes no file that long (FAT ends at 4 GiB). Move it to another file system.`,
        { cause, code: 'disk-file-too-long', params: { path: this.path } },
      );
    return DeviceError.IoError(`${this.path} could not be ${what}: ${reasonOf(cause)}. The guest got an I/O error.`, {
      cause,
      code: 'disk-io-error',
      params: { path: this.path, reason: reasonCode(cause) },
    });
  }
}

/** On Windows a full disk is ENOSPC too; a used-up quota is UNKNOWN there, like much else. */
function isFull(cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function openError(path: string, readonly: boolean, cause: unknown): VmError {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return new VmError('Image', `The disk image ${path} does not exist. Check the path, or create the image first.`, {
        cause,
        code: 'disk-image-missing',
        params: { path },
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new VmError(
        'Resource',
        readonly
          ? `You may not read the disk image ${path}. Change its permissions.`
          : `You may not write to the disk image ${path}. Change its permissions, or attach it readonly.`,
        { cause, code: readonly ? 'disk-not-readable' : 'disk-not-writable', params: { path } },
      );
    default:
      return (
        systemError(cause) ??
        new VmError('Resource', `The disk image ${path} could not be opened: ${message}`, {
          cause,
          code: 'disk-not-opened',
          params: { path, reason: reasonCode(cause) },
        })
      );
  }
}
