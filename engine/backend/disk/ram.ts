import { VmError } from '../../errors/vm-error';
import { Disk, SECTOR } from './disk';

const CHUNK = 1 << 20;

/** A disk that lives in the host's memory and is gone when the machine is. Chunks that were never written take no space. */
export class RamDisk extends Disk {
  readonly format = 'ram';
  readonly geometry = { blockSize: 4096, discardGranularity: CHUNK };
  readonly name: string = 'RAM disk';
  readonly readonly: boolean = false;
  readonly discards = true;
  readonly #chunks = new Map<number, Uint8Array>();
  #size: number;

  /** `size` in bytes, a multiple of 512; the disk is all zeroes. */
  constructor(size: number) {
    super();
    checkSize(size);
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      for (let done = 0; done < buffer.length; ) {
        const within = at % CHUNK;
        const count = Math.min(CHUNK - within, buffer.length - done);
        const chunk = this.#chunks.get(at - within);
        if (chunk) buffer.set(chunk.subarray(within, within + count), done);
        else buffer.fill(0, done, done + count);
        done += count;
        at += count;
      }
    }
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      for (let done = 0; done < buffer.length; ) {
        const within = at % CHUNK;
        const count = Math.min(CHUNK - within, buffer.length - done);
        let chunk = this.#chunks.get(at - within);
        if (!chunk) {
          chunk = new Uint8Array(CHUNK);
          this.#chunks.set(at - within, chunk);
        }
        chunk.set(buffer.subarray(done, done + count), within);
        done += count;
        at += count;
      }
    }
  }

  async flush(): Promise<void> {}

  async discard(offset: number, length: number): Promise<void> {
    await this.writeZeroes(offset, length);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const within = at % CHUNK;
      const count = Math.min(CHUNK - within, end - at);
      if (count === CHUNK) this.#chunks.delete(at);
      else this.#chunks.get(at - within)?.fill(0, within, within + count);
      at += count;
    }
  }

  async resize(size: number): Promise<void> {
    checkSize(size);
    // What comes back after shrinking is new.
    if (size < this.#size) await this.writeZeroes(size, this.#size - size);
    this.#size = size;
    this.resized();
  }

  async close(): Promise<void> {
    this.#chunks.clear();
  }
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < SECTOR || size % SECTOR !== 0)
    throw VmError.config(`A RAM disk has a whole number of ${SECTOR}-byte sectors, at least one; ${size} bytes are not.`);
}
