import { BufferPool } from './buffer-pool';
import type { DirectMemoryAccess } from './direct-memory-access';
import type { ScatterGatherList } from './scatter-gather-list';

/** Where data comes from, as block back ends have it: fills all the buffers with what stands at `offset`. */
export interface VectorSource {
  readv(offset: number, buffers: Uint8Array[]): Promise<void>;
}

/** Where data goes. */
export interface VectorSink {
  writev(offset: number, buffers: Uint8Array[]): Promise<void>;
}

export interface IoStatistics {
  /** Transfers begun. */
  transfers: number;
  /** Bytes that went straight between a back end and guest memory. */
  zeroCopyBytes: number;
  /** Bytes that were copied on their way. */
  copiedBytes: number;
}

export interface ZeroCopyIoManagerOptions {
  dma: DirectMemoryAccess;
  /** Buffers for transfers that cannot do without. */
  pool?: BufferPool;
}

/** More pieces than the host's system calls take at once (IOV_MAX) would be several operations: these are gathered in a buffer. */
const PIECES_MAX = 1024;

/** Moves data between guest memory and back ends, without a copy wherever that can be, and counts. */
export class ZeroCopyIoManager {
  readonly dma: DirectMemoryAccess;
  readonly pool: BufferPool;
  readonly #statistics: IoStatistics = { transfers: 0, zeroCopyBytes: 0, copiedBytes: 0 };

  constructor({ dma, pool = new BufferPool() }: ZeroCopyIoManagerOptions) {
    this.dma = dma;
    this.pool = pool;
  }

  get statistics(): IoStatistics {
    return { ...this.#statistics };
  }

  /** Fill the list from a back end. Rejects with the back end's error; what the list holds then is not defined. */
  read(source: VectorSource, offset: number, target: ScatterGatherList): Promise<void> {
    this.#statistics.transfers++;
    if (target.segments > PIECES_MAX) return this.#readByCopy(source, offset, target);
    this.#statistics.zeroCopyBytes += target.length;
    return source.readv(offset, target.views()).then(
      () => target.wrote(),
      (error: unknown) => {
        target.wrote();
        throw error;
      },
    );
  }

  /** Write what the list holds to a back end. */
  write(sink: VectorSink, offset: number, source: ScatterGatherList): Promise<void> {
    this.#statistics.transfers++;
    if (source.segments > PIECES_MAX) return this.#writeByCopy(sink, offset, source);
    this.#statistics.zeroCopyBytes += source.length;
    return sink.writev(offset, source.views());
  }

  /** Copy bytes of the host into guest memory. */
  transferToGuest(source: Uint8Array, address: number): void {
    this.#statistics.transfers++;
    this.#statistics.copiedBytes += source.length;
    this.dma.copyToGuest(source, address);
  }

  /** Copy guest memory into a buffer of the host. */
  transferFromGuest(address: number, target: Uint8Array): void {
    this.#statistics.transfers++;
    this.#statistics.copiedBytes += target.length;
    this.dma.copyFromGuest(address, target);
  }

  async #readByCopy(source: VectorSource, offset: number, target: ScatterGatherList): Promise<void> {
    await this.#inPieces(target.length, async (buffer, done) => {
      await source.readv(offset + done, [buffer]);
      target.copyFrom(buffer, done);
    });
  }

  async #writeByCopy(sink: VectorSink, offset: number, source: ScatterGatherList): Promise<void> {
    await this.#inPieces(source.length, async (buffer, done) => {
      source.copyTo(buffer, done);
      await sink.writev(offset + done, [buffer]);
    });
  }

  async #inPieces(length: number, move: (buffer: Uint8Array, done: number) => Promise<void>): Promise<void> {
    const buffer = await this.pool.acquire();
    try {
      for (let done = 0; done < length; ) {
        const piece = buffer.subarray(0, Math.min(buffer.length, length - done));
        await move(piece, done);
        this.#statistics.copiedBytes += piece.length;
        done += piece.length;
      }
    } finally {
      this.pool.release(buffer);
    }
  }
}
