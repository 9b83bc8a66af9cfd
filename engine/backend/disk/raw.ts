import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { DeviceError, VmError } from '../../bus/vm-error';
import { SECTOR, type AsyncBlockDevice } from './async-block-device';
import { lockFile, type FileLock } from './file-lock';

const ZEROES = new Uint8Array(1 << 20);

export interface RawDiskOptions {
  readonly?: boolean;
}

/**
 * A disk image without structure: byte n of the file is byte n of the disk. Reads and writes go straight between the file and the
 * buffers they are given. Opened for writing, the file is locked against other writers, also of other processes.
 */
export class RawDisk implements AsyncBlockDevice {
  readonly discards = false;

  private constructor(
    readonly name: string,
    readonly size: number,
    readonly readonly: boolean,
    private readonly file: FileHandle,
    private readonly lock: FileLock | undefined,
  ) {}

  /**
   * Open an existing file whose size is a multiple of 512 bytes. Throws VmError: 'Image' if it is missing or no such file,
   * 'Resource' if the host denies access or another machine writes to it.
   */
  static async open(path: string, { readonly = false }: RawDiskOptions = {}): Promise<RawDisk> {
    let file: FileHandle;
    try {
      file = await open(path, readonly ? constants.O_RDONLY : constants.O_RDWR);
    } catch (cause) {
      throw openError(path, readonly, cause);
    }
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new VmError('Image', `${path} is not a file. A drive needs the file of a disk image.`);
      if (stat.size === 0 || stat.size % SECTOR !== 0) {
        throw new VmError(
          'Image',
          `${path} has ${stat.size} bytes; a raw disk image has a whole number of ${SECTOR}-byte sectors, at least one. Is it truncated, or in another format?`,
        );
      }
      return new RawDisk(path, stat.size, readonly, file, readonly ? undefined : await lockFile(path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    let rest = buffers;
    try {
      while (rest.length > 0) {
        const { bytesRead } = await this.file.readv(rest, at);
        if (bytesRead === 0)
          throw DeviceError.IoError(
            `${this.name} ends before byte ${at}, although the disk has ${this.size} bytes. Was it truncated while in use?`,
          );
        at += bytesRead;
        rest = remaining(rest, bytesRead);
      }
    } catch (cause) {
      throw this.#error('read', cause);
    }
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    let rest = buffers;
    try {
      while (rest.length > 0) {
        const { bytesWritten } = await this.file.writev(rest, at);
        at += bytesWritten;
        rest = remaining(rest, bytesWritten);
      }
    } catch (cause) {
      throw this.#error('written', cause);
    }
  }

  async flush(): Promise<void> {
    if (this.readonly) return;
    try {
      await this.file.datasync();
    } catch (cause) {
      throw this.#error('flushed', cause);
    }
  }

  /** Node offers no way to punch holes into files: the range keeps its content. */
  async discard(): Promise<void> {}

  async writeZeroes(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const buffers: Uint8Array[] = [];
      const start = offset + done;
      while (buffers.length < 16 && done < length) {
        const count = Math.min(ZEROES.length, length - done);
        buffers.push(ZEROES.subarray(0, count));
        done += count;
      }
      await this.writev(start, buffers);
    }
  }

  async close(): Promise<void> {
    await this.file.close();
    await this.lock?.release();
  }

  #error(what: string, cause: unknown): DeviceError {
    if (cause instanceof DeviceError) return cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return DeviceError.IoError(
        `The host's disk is full: ${this.name} could not be ${what}, and the guest got an I/O error. Free some space; what the guest wrote since may be lost.`,
        { cause },
      );
    }
    return DeviceError.IoError(`${this.name} could not be ${what}: ${message}. The guest got an I/O error.`, { cause });
  }
}

/** The buffers without their first `count` bytes. */
function remaining(buffers: Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  let first = 0;
  while (first < buffers.length && left >= buffers[first].length) left -= buffers[first++].length;
  const rest = buffers.slice(first);
  if (left > 0) rest[0] = rest[0].subarray(left);
  return rest;
}

function openError(path: string, readonly: boolean, cause: unknown): VmError {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return new VmError('Image', `The disk image ${path} does not exist. Check the path, or create the image first.`, { cause });
    case 'EISDIR':
      return new VmError('Image', `${path} is a folder. A drive needs the file of a disk image.`, { cause });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new VmError(
        'Resource',
        readonly
          ? `You may not read the disk image ${path}. Change its permissions.`
          : `You may not write to the disk image ${path}. Change its permissions, or attach it readonly.`,
        { cause },
      );
    default:
      return new VmError('Resource', `The disk image ${path} could not be opened: ${message}`, { cause });
  }
}
