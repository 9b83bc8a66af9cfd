import { VmError } from '../errors/vm-error';

export interface BufferPoolOptions {
  /** Bytes of each buffer. */
  bufferBytes?: number;
  /** Most buffers that there are at a time. */
  buffers?: number;
}

/**
 * Host buffers for where a copy cannot be avoided: bounded, and used again. A buffer holds what its last user left in it.
 * Who holds one must not wait for another.
 */
export class BufferPool {
  readonly bufferBytes: number;
  readonly #most: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #waiting: ((buffer: Uint8Array<ArrayBuffer>) => void)[] = [];
  readonly #taken = new Set<Uint8Array>();

  /** Throws VmError 'Config' for sizes that are no whole numbers above 0. */
  constructor({ bufferBytes = 1 << 20, buffers = 8 }: BufferPoolOptions = {}) {
    if (![bufferBytes, buffers].every((value) => Number.isSafeInteger(value) && value > 0))
      throw VmError.config(`A buffer pool has at least one buffer of at least one byte, not ${buffers} of ${bufferBytes}.`);
    this.bufferBytes = bufferBytes;
    this.#most = buffers;
  }

  /** Buffers in use. */
  get inUse(): number {
    return this.#taken.size;
  }

  /** A buffer; resolves when one is free. It goes back by `release`. */
  acquire(): Promise<Uint8Array<ArrayBuffer>> {
    const buffer = this.#free.pop() ?? (this.#taken.size < this.#most ? new Uint8Array(this.bufferBytes) : undefined);
    if (!buffer) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#taken.add(buffer);
    return Promise.resolve(buffer);
  }

  /** Throws VmError 'Internal' for a buffer that is not in use. */
  release(buffer: Uint8Array<ArrayBuffer>): void {
    if (!this.#taken.has(buffer)) throw new VmError('Internal', 'A buffer was released that the pool had not lent.');
    const next = this.#waiting.shift();
    if (next) {
      next(buffer);
      return;
    }
    this.#taken.delete(buffer);
    this.#free.push(buffer);
  }
}
