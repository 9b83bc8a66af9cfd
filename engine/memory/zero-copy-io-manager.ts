import { DeviceError } from '../errors/vm-error';
import { BufferPool } from './buffer-pool';
import type { DirectMemoryAccess } from './direct-memory-access';
import type { ScatterGatherList } from './scatter-gather-list';

/** A back end as transfers need it; disks are such. */
export interface VectorIo {
  /** Fill all the buffers with what stands at `offset`. */
  readv(offset: number, buffers: Uint8Array[]): Promise<void>;
  /** Write all the buffers to `offset`. */
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

  /**
   * Move all of the list between guest memory and a back end: a writable list is filled with what stands at `offset`, any other is
   * written there. Rejects with the back end's error; what a writable list then holds is not defined.
   */
  transferScatterGather(list: ScatterGatherList, backEnd: VectorIo, offset: number): Promise<void> {
    this.#statistics.transfers++;
    if (list.segments > PIECES_MAX)
      return list.writable ? this.#readByCopy(backEnd, offset, list) : this.#writeByCopy(backEnd, offset, list);
    this.#statistics.zeroCopyBytes += list.length;
    if (!list.writable) return backEnd.writev(offset, list.views());
    return backEnd.readv(offset, list.views()).then(
      () => list.wrote(),
      (error: unknown) => {
        list.wrote();
        throw error;
      },
    );
  }

  /** Copy bytes of the host into guest memory: to an address, or to the start of a list. Throws DeviceError where they do not fit. */
  transferToGuest(source: Uint8Array, target: number | ScatterGatherList): void {
    this.#statistics.transfers++;
    this.#statistics.copiedBytes += source.length;
    if (typeof target === 'number') this.dma.copyToGuest(source, target);
    else if (target.copyFrom(source) < source.length)
      throw DeviceError.InvalidParameter(`${source.length} bytes do not fit into a guest's buffer of ${target.length}.`);
  }

  /** Copy guest memory, from an address or from the start of a list, into all of a buffer of the host. */
  transferFromGuest(source: number | ScatterGatherList, target: Uint8Array): void {
    this.#statistics.transfers++;
    this.#statistics.copiedBytes += target.length;
    if (typeof source === 'number') this.dma.copyFromGuest(source, target);
    else if (source.copyTo(target) < target.length)
      throw DeviceError.InvalidParameter(`${target.length} bytes were asked of a guest's buffer of ${source.length}.`);
  }

  async #readByCopy(source: VectorIo, offset: number, target: ScatterGatherList): Promise<void> {
    await this.#inPieces(target.length, async (buffer, done) => {
      await source.readv(offset + done, [buffer]);
      target.copyFrom(buffer, done);
    });
  }

  async #writeByCopy(sink: VectorIo, offset: number, source: ScatterGatherList): Promise<void> {
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
