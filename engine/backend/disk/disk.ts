import { DeviceError, VmError } from '../../errors/vm-error';

export const SECTOR = 512;
/** Bytes of the largest disk: what a number holds exactly, in whole sectors. 8 PiB are far beyond what any host has. */
const SIZE_MAX = 2 ** 53 - SECTOR;

/** Throws VmError 'Image' for an image whose disk would be larger than any. */
export function mustHaveSize(path: string, size: number): void {
  if (size > SIZE_MAX)
    throw new VmError('Image', `${path} has a disk of ${size} bytes; at most ${SIZE_MAX} (8 PiB) are possible. Is it damaged?`, {
      code: 'disk-beyond-limit',
      params: { path, mostBytes: SIZE_MAX },
    });
}

/** How a disk likes to be used: powers of two, bytes. What a device tells its guest (topology, discard granularity). */
export interface DiskGeometry {
  /** Writes of whole aligned blocks cost no reading. */
  readonly blockSize: number;
  /** The unit in which space is given and given back: discards of whole aligned units free host space. */
  readonly discardGranularity: number;
}

/**
 * What a disk device stands on: raw files, qcow2 images, RAM. Offsets and lengths are bytes, of any alignment; `readv`, `writev`,
 * `discard` and `writeZeroes` expect ranges inside `size`: callers check.
 *
 * Any number of operations may be under way at once. Those that do not overlap do not disturb each other; of writes that overlap and
 * are under way together, each byte ends as one of them has it. A read that begins after a write has resolved sees it.
 *
 * Failures are DeviceError: 'IoError' (`cause` has the host's error), 'NotSupported'. A write that finds the host full waits if the
 * disk was opened with `onFull`.
 */
export abstract class Disk {
  /** For people: the file's path. */
  abstract readonly name: string;
  abstract readonly readonly: boolean;
  abstract readonly format: 'raw' | 'qcow2' | 'ram';
  abstract readonly geometry: DiskGeometry;
  /** Whether `discard` gives space back to the host. */
  abstract readonly discards: boolean;
  /** Bytes, a multiple of 512. `resize` changes it; see `onResize`. */
  abstract readonly size: number;
  readonly #resizeListeners = new Set<(size: number) => void>();

  /** Fill all the buffers, in their order, with what stands at `offset`. The bytes go straight into them where the format allows. */
  abstract readv(offset: number, buffers: Uint8Array[]): Promise<void>;
  /** Write the buffers one behind the other. They must stay unchanged until it resolves. Durable only after `flush`. */
  abstract writev(offset: number, buffers: Uint8Array[]): Promise<void>;
  /** Resolves when every write, discard and zeroing that had resolved before the call is on stable storage. */
  abstract flush(): Promise<void>;
  /**
   * The content of the range is of no more interest: afterwards it reads as it was or as zeroes. Nothing happens where the disk cannot
   * give space back. What is freed may be had again only after a `flush`.
   */
  abstract discard(offset: number, length: number): Promise<void>;
  /** Afterwards the range reads as zeroes. With `unmap` its space may be given back; else it is kept where that costs nothing. */
  abstract writeZeroes(offset: number, length: number, options?: { unmap?: boolean }): Promise<void>;
  /** Change the size, in bytes, a multiple of 512; what is new reads as zeroes. Throws VmError 'Config' for sizes that it cannot have. */
  abstract resize(size: number): Promise<void>;
  /** Waits for what is under way, writes back what is held in memory, releases file and lock. The disk is not used afterwards. */
  abstract close(): Promise<void>;

  /** Fill `buffer` with what stands at `offset`. Throws DeviceError 'InvalidParameter' for bytes outside the disk. */
  async read(offset: number, buffer: Uint8Array): Promise<void> {
    this.#check(offset, buffer.length);
    if (buffer.length > 0) await this.readv(offset, [buffer]);
  }

  /** Write `buffer` at `offset`. Throws DeviceError 'InvalidParameter' for bytes outside the disk. */
  async write(offset: number, buffer: Uint8Array): Promise<void> {
    this.#check(offset, buffer.length);
    if (buffer.length > 0) await this.writev(offset, [buffer]);
  }

  /** `listener` is told each new size; returns what ends that. */
  onResize(listener: (size: number) => void): () => void {
    this.#resizeListeners.add(listener);
    return () => this.#resizeListeners.delete(listener);
  }

  protected resized(): void {
    for (const listener of this.#resizeListeners) listener(this.size);
  }

  #check(offset: number, length: number): void {
    if (!(Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.size)) {
      throw DeviceError.InvalidParameter(`Bytes ${offset} to ${offset + length} are not inside ${this.name}, which has ${this.size}.`);
    }
  }
}
