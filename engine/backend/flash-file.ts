import { constants, fsyncSync, readSync, writeSync } from 'node:fs';
import { type FileHandle, truncate, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureFolder } from '../host/ensure-folder';
import { reasonCode, reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { type FileLock, lockFile } from '../host/file-lock';
import { makeFile } from '../host/new-file';
import { exists, openFile } from '../host/open-file';

/** How long after a change the host is asked to put it on its disk, in milliseconds: firmware makes changes by the hundred. */
const SYNC_DELAY = 500;

export interface FlashFileOptions {
  /** Bytes that the file has to have. */
  size: number;
  /** What a file that is not there yet begins with, zeros behind. */
  template?: Uint8Array;
}

/**
 * The file of a flash bank: its contents byte for byte, as QEMU has them too. Changes reach the file in their order when they are
 * made, so a process that is killed loses none and firmware that orders its writes finds them in that order.
 */
export class FlashFile {
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    readonly path: string,
    /** What was in it when it was opened, without zeros at the end. */
    readonly contents: Uint8Array,
    private readonly file: FileHandle,
    private readonly lock: FileLock,
  ) {}

  /**
   * Opens the file, or makes it, and locks it against other writers. Throws VmError: 'Image' for a file of another size, 'Resource' if
   * the host denies access or another machine uses it.
   */
  static async open(path: string, { size, template }: FlashFileOptions): Promise<FlashFile> {
    try {
      if (!(await exists(path))) await create(path, size, template);
    } catch (cause) {
      throw cause instanceof VmError ? cause : fileError(path, 'made', cause);
    }
    const lock = await lockFile(path);
    try {
      const file = await openFile(path, constants.O_RDWR);
      try {
        const contents = new Uint8Array(size);
        const { size: has } = await file.stat();
        if (has !== size)
          throw new VmError(
            'Image',
            `${path} has ${has} bytes; a file of a flash bank has ${size}. Name another file, or delete this one to begin anew.`,
            { code: 'flash-size', params: { path, has, needed: size } },
          );
        let read = 0;
        while (read < size) {
          const bytes = readSync(file.fd, contents, read, size - read, read);
          if (bytes === 0) throw new VmError('Image', `${path} ended while it was read.`, { code: 'flash-ended', params: { path } });
          read += bytes;
        }
        let end = size;
        while (end > 0 && contents[end - 1] === 0) end--;
        return new FlashFile(path, contents.slice(0, end), file, lock);
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (cause) {
      await lock.release();
      throw cause instanceof VmError ? cause : fileError(path, 'read', cause);
    }
  }

  /** Throws VmError 'Resource' if the host does not take it. */
  write(offset: number, bytes: Uint8Array): void {
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(this.file.fd, bytes, written, bytes.length - written, offset + written);
    } catch (cause) {
      throw fileError(this.path, 'written', cause);
    }
    this.timer ??= setTimeout(() => this.sync(), SYNC_DELAY);
  }

  /** Nothing is written afterwards. */
  async close(): Promise<void> {
    if (this.timer) this.sync();
    await this.file.close();
    await this.lock.release();
  }

  private sync(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      fsyncSync(this.file.fd);
    } catch {
      // A disk that fails says so to the next write as well.
    }
  }
}

/** Whole or not at all. */
async function create(path: string, size: number, template: Uint8Array | undefined): Promise<void> {
  ensureFolder(dirname(path));
  const fill = async (fresh: string): Promise<void> => {
    await writeFile(fresh, template ?? new Uint8Array(size).fill(0xff));
    // What is not written takes no room.
    await truncate(fresh, size);
  };
  await makeFile(path, fill).catch(async (error: unknown) => {
    // Another machine may have made it meanwhile.
    if (!(await exists(path))) throw error;
  });
}

function fileError(path: string, what: string, cause: unknown): VmError {
  return new VmError(
    'Resource',
    `${path} could not be ${what} (${reasonOf(cause)}). Check that the disk has room and the folder is yours.`,
    { cause, code: 'file-not-written', params: { path, reason: reasonCode(cause) } },
  );
}
