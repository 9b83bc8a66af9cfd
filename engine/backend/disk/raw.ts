import { DeviceError, VmError } from '../../errors/vm-error';
import { Disk, SECTOR, mustHaveSize } from './disk';
import type { DiskFile } from './disk-file';
import { QCOW2_MAGIC, hasQcow2Magic } from './qcow2/magic';
import { sliceBuffers } from './slice-buffers';
import type { FileLock } from '../../host/file-lock';

const ZEROES = new Uint8Array(1 << 20);

export interface RawDiskOptions {
  /** Nobody said that the image is raw; see RawDisk. */
  guessed?: boolean;
  /** It lies under another image, and may then end anywhere in a sector: the rest reads as zeroes. */
  isBacking?: boolean;
  /** Released when the disk is closed. */
  lock?: FileLock;
}

/**
 * A disk image without structure: byte n of the file is byte n of the disk. Reads and writes go straight between the file and the
 * buffers they are given.
 *
 * If the format was `guessed`, writes that would make the file look like a qcow2 image fail: a guest could else have its disk taken
 * for one at the next start, with any file of the host as its backing file. (QEMU had to learn this: CVE-2008-2004.)
 */
export class RawDisk extends Disk {
  readonly format = 'raw';
  readonly geometry = { blockSize: 4096, discardGranularity: 4096 };
  readonly discards: boolean;
  #size: number;

  /** Throws VmError 'Image' if the file has no whole number of sectors. */
  constructor(
    private readonly file: DiskFile,
    private readonly options: RawDiskOptions = {},
  ) {
    super();
    if (!options.isBacking && (file.length === 0 || file.length % SECTOR !== 0)) {
      throw new VmError(
        'Image',
        `${file.path} has ${file.length} bytes; a raw disk image has a whole number of ${SECTOR}-byte sectors, at least one. Is it truncated, or in another format?`,
        { code: 'raw-size', params: { path: file.path, bytes: file.length } },
      );
    }
    mustHaveSize(file.path, file.length);
    this.#size = Math.ceil(file.length / SECTOR) * SECTOR;
    this.discards = file.punches;
  }

  get name(): string {
    return this.file.path;
  }
  get readonly(): boolean {
    return this.file.readonly;
  }
  get size(): number {
    return this.#size;
  }

  async readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const read = await this.file.readv(offset, buffers);
    if (read < length && !this.options.isBacking) {
      throw DeviceError.IoError(
        `${this.name} ends before byte ${offset + length}, although the disk has ${this.size} bytes. Was it truncated while in use?`,
        { code: 'disk-cut', params: { path: this.name } },
      );
    }
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    if (offset < QCOW2_MAGIC.length && this.options.guessed) await this.#checkMagic(offset, buffers);
    await this.file.writev(offset, buffers);
  }

  flush(): Promise<void> {
    return this.file.sync();
  }

  async discard(offset: number, length: number): Promise<void> {
    const { discardGranularity: unit } = this.geometry;
    const start = Math.ceil(offset / unit) * unit;
    const end = Math.floor((offset + length) / unit) * unit;
    if (this.discards && start < end) await this.file.punch(start, end - start);
  }

  async writeZeroes(offset: number, length: number, { unmap = false } = {}): Promise<void> {
    // A hole may be smaller than the range, or not come about.
    const hole = unmap && this.discards ? await this.file.punch(offset, length) : { start: offset, end: offset };
    await this.#writeZeroBytes(offset, hole.start);
    await this.#writeZeroBytes(hole.end, offset + length);
  }

  async resize(size: number): Promise<void> {
    if (!Number.isSafeInteger(size) || size < SECTOR || size % SECTOR !== 0)
      throw VmError.config(`A raw disk has a whole number of ${SECTOR}-byte sectors, at least one; ${size} bytes are not.`, {
        code: 'disk-size',
        params: { bytes: size },
      });
    await this.file.truncate(size);
    this.#size = size;
    this.resized();
  }

  async close(): Promise<void> {
    await this.file.close();
    await this.options.lock?.release();
  }

  async #writeZeroBytes(from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      const count = Math.min(16 * ZEROES.length, to - at);
      const pieces = Array.from({ length: Math.ceil(count / ZEROES.length) }, () => ZEROES);
      await this.file.writev(at, sliceBuffers(pieces, 0, count));
      at += count;
    }
  }

  async #checkMagic(offset: number, buffers: Uint8Array[]): Promise<void> {
    const start = new Uint8Array(QCOW2_MAGIC.length);
    await this.file.readv(0, [start]);
    let at = offset;
    for (const buffer of buffers) {
      for (let i = 0; i < buffer.length && at < start.length; i++) start[at++] = buffer[i];
    }
    if (!hasQcow2Magic(start)) return;
    throw DeviceError.IoError(
      `The guest's write to the start of ${this.name} was refused: it would make the raw image look like a qcow2 image. If the guest may do that, attach the drive with format=raw.`,
      { code: 'disk-masquerade', params: { path: this.name } },
    );
  }
}
