import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import type { DiskFile } from '../disk-file';
import type { Metadata } from './metadata';

const deflate = promisify(deflateRaw);
/** QEMU unpacks with a window of 4 KiB. */
const WINDOW_BITS = 12;

/** Packs compressed clusters one behind the other into host clusters, which several of them share. */
export class CompressedWriter {
  /** Where the next may begin, and the end of the host cluster there. */
  #at = 0;
  #end = 0;

  constructor(
    private readonly file: DiskFile,
    private readonly metadata: Metadata,
  ) {}

  /** Where the cluster was put; undefined if it does not get smaller. Always as zlib: see the caller. */
  async write(cluster: Uint8Array): Promise<{ offset: number; bytes: number } | undefined> {
    if (this.metadata.header.compression !== 'zlib') return undefined;
    const packed = await deflate(cluster, { windowBits: WINDOW_BITS });
    if (packed.length >= cluster.length) return undefined;
    const offset = await this.#place(packed.length);
    // Whoever reads it reads whole sectors.
    const padding = (512 - ((offset + packed.length) % 512)) % 512;
    await this.file.writev(offset, padding > 0 ? [packed, new Uint8Array(padding)] : [packed]);
    return { offset, bytes: packed.length };
  }

  /** Room for that many bytes, each host cluster of it counted once more. */
  async #place(bytes: number): Promise<number> {
    const { refcounts, layout } = this.metadata;
    const room = this.#end - this.#at;
    const begin = this.#at;
    if (room > 0 && (await refcounts.share(Math.floor(begin / layout.clusterSize)))) {
      if (bytes <= room) {
        this.#at += bytes;
        return begin;
      }
      const next = await refcounts.allocate(1);
      if (next.offset === this.#end) {
        this.#end += layout.clusterSize;
        this.#at += bytes;
        return begin;
      }
      // Not beside: what was counted for it is not needed.
      await refcounts.release([Math.floor(begin / layout.clusterSize)]);
      this.#at = next.offset + bytes;
      this.#end = next.offset + layout.clusterSize;
      return next.offset;
    }
    const { offset } = await refcounts.allocate(1);
    this.#at = offset + bytes;
    this.#end = offset + layout.clusterSize;
    return offset;
  }
}
