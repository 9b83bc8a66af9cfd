import { VmError } from '../errors/vm-error';

/** Reads a stream of chunks by exact lengths: what the archive readers stand on. Holds one chunk at a time. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** What has been received and not been read. */
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;

  /** @param what names the stream in error messages, e.g. the file it comes from. */
  constructor(
    chunks: AsyncIterable<Uint8Array>,
    readonly what: string,
  ) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position;
  }

  /** Whether all has been read. */
  async ended(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** The next `length` bytes, in pieces as they arrive. Throws VmError 'Image' if the stream ends before. */
  async *stream(length: number): AsyncGenerator<Uint8Array> {
    let left = length;
    while (left > 0) {
      if (!(await this.#fill())) {
        throw new VmError('Image', `${this.what} is truncated: it ends at byte ${this.#position}, ${left} bytes before it should`);
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      this.#position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** The next `length` bytes as one array of their own. The caller has bounded `length`. */
  async take(length: number): Promise<Uint8Array> {
    // Collected first: a length that the stream does not live up to allocates no more than the stream has.
    const pieces: Uint8Array[] = [];
    for await (const piece of this.stream(length)) pieces.push(piece);
    return new Uint8Array(Buffer.concat(pieces, length));
  }

  async skip(length: number): Promise<void> {
    const pieces = this.stream(length);
    while (!(await pieces.next()).done);
  }

  /** Lets go of the stream before its end, so that files and connections behind it are closed. */
  async close(): Promise<void> {
    this.#rest = new Uint8Array(0);
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return false;
      this.#rest = next.value;
    }
    return true;
  }
}
