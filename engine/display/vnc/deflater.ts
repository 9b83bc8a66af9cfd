import { constants, createDeflate, type Deflate } from 'node:zlib';

/** A zlib stream of which each piece can be read as soon as it is written; the threads of Node do the work. */
export class Deflater {
  readonly #stream: Deflate = createDeflate({ level: constants.Z_BEST_SPEED });
  #chunks: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  /** The next piece of the stream: all of `bytes`, which must stay as they are until then. One call at a time. */
  deflate(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#stream.once('error', reject);
      this.#stream.write(bytes);
      this.#stream.flush(constants.Z_SYNC_FLUSH, () => {
        this.#stream.off('error', reject);
        resolve(Buffer.concat(this.#chunks));
        this.#chunks = [];
      });
    });
  }

  close(): void {
    this.#stream.destroy();
  }
}
