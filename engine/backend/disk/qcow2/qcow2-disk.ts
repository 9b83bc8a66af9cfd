import { DeviceError, VmError } from '../../../errors/vm-error';
import { Disk, SECTOR } from '../disk';
import type { DiskFile } from '../disk-file';
import { lengthOf, sliceBuffers } from '../slice-buffers';
import { markBitmapsInUse } from './bitmaps';
import { CompressedWriter } from './compressed-writer';
import { decompressCluster } from './decompress';
import { AT_AUTOCLEAR, BITMAPS, CORRUPT, EXTERNAL_DATA, type Qcow2Header, imageError } from './header';
import { type L2Entry, allSubclusters, clustersOf, readL2Entry, writeCompressedEntry, writeL2Entry } from './l2-entry';
import { type Layout, layoutOf } from './layout';
import { Metadata } from './metadata';
import { RangeLock } from './range-lock';
import type { Table } from './table-cache';

/** Bytes of new clusters that one step of a write takes. */
const ALLOCATION_MAX = 4 << 20;
const DECOMPRESSED_BYTES = 4 << 20;
const ZEROES = new Uint8Array(1 << 20);

export interface Qcow2Parts {
  file: DiskFile;
  header: Qcow2Header;
  /** What the disk shows where the image says nothing. Closed with it. */
  backing?: Disk;
  /** Where the data is, if not in the image's own file. */
  dataFile?: DiskFile;
  /** Called when the disk has been closed. */
  closed?: () => Promise<void>;
}

const ignore = (): void => undefined;

/** A run of the disk that is one in the file too: what `#run` finds. */
interface Run {
  kind: 'data' | 'zero' | 'unallocated' | 'compressed';
  /** Offset of its first byte in the file (`data`), or of the compressed data. */
  host: number;
  /** Bytes. */
  length: number;
  /** May be written in place. */
  copied: boolean;
  entry: L2Entry;
}

/**
 * A disk in a qcow2 image, version 2 or 3 (the format's specification is QEMU's docs/interop/qcow2).
 *
 * Data goes straight between the file and the buffers that are given; only the edges of clusters that have to be copied, and
 * compressed clusters, pass through memory. See `Metadata` for the order in which things are written.
 */
export class Qcow2Disk extends Disk {
  readonly format = 'qcow2';
  readonly discards = true;
  readonly header: Qcow2Header;
  readonly layout: Layout;
  readonly metadata: Metadata;
  private readonly file: DiskFile;
  private readonly data: DiskFile;
  private readonly backing: Disk | undefined;
  /** Clusters whose mapping is being changed. */
  readonly #changing = new RangeLock();
  readonly #active = new Set<Promise<unknown>>();
  readonly #lengthBefore: number;
  readonly #decompressed = new Map<number, Promise<Uint8Array>>();
  #writable: Promise<void> | undefined;
  #packer: CompressedWriter | undefined;

  private constructor(
    private readonly parts: Qcow2Parts,
    load: (disk: Qcow2Disk) => Metadata,
  ) {
    super();
    this.header = parts.header;
    this.layout = layoutOf(parts.header);
    this.file = parts.file;
    this.data = parts.dataFile ?? parts.file;
    this.backing = parts.backing;
    this.#lengthBefore = parts.file.length;
    this.metadata = load(this);
  }

  /** Throws VmError 'Image' if the image contradicts itself, or may not be written as it is. */
  static async open(parts: Qcow2Parts): Promise<Qcow2Disk> {
    const { header, file, dataFile } = parts;
    if (!file.readonly && header.incompatible & CORRUPT)
      throw imageError(
        file.path,
        `is marked as damaged. Repair it before it is written to: hartbox disk check --repair ${file.path} (or attach it readonly).`,
        { code: 'qcow2-marked', params: { path: file.path } },
      );
    const active: { settled: () => Promise<void> } = { settled: async () => undefined };
    const metadata = await Metadata.load(file, dataFile ?? file, header, layoutOf(header), () => active.settled());
    const disk = new Qcow2Disk(parts, () => metadata);
    active.settled = async () => void (await Promise.allSettled([...disk.#active]));
    return disk;
  }

  get name(): string {
    return this.file.path;
  }
  get readonly(): boolean {
    return this.file.readonly;
  }
  get size(): number {
    return Math.ceil(this.header.size / SECTOR) * SECTOR;
  }
  get geometry(): { blockSize: number; discardGranularity: number } {
    const { clusterSize, subclusterSize } = this.layout;
    return { blockSize: subclusterSize, discardGranularity: clusterSize };
  }

  readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    return this.#track(this.#read(offset, buffers));
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    await this.#prepareToWrite();
    await this.#track(this.#write(offset, buffers));
  }

  async flush(): Promise<void> {
    if (!this.readonly) await this.metadata.commit();
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#prepareToWrite();
    await this.#track(this.#clear(offset, length, 'discard'));
  }

  async writeZeroes(offset: number, length: number, { unmap = false } = {}): Promise<void> {
    await this.#prepareToWrite();
    await this.#track(this.#clear(offset, length, unmap ? 'unmap' : 'keep'));
  }

  async resize(size: number): Promise<void> {
    const { header, backing } = this;
    if (!Number.isSafeInteger(size) || size % SECTOR !== 0 || size <= 0)
      throw VmError.config(`A disk has a whole number of ${SECTOR}-byte sectors, at least one; ${size} bytes are not.`, {
        code: 'disk-size',
        params: { bytes: size },
      });
    if (size < this.size)
      throw VmError.config(
        `${this.name} has ${this.size} bytes and cannot shrink to ${size}. Make a smaller disk and copy what you need.`,
        { code: 'disk-cannot-shrink', params: { path: this.name, hasBytes: this.size, wantedBytes: size } },
      );
    if ((size / this.layout.clusterSize / this.layout.l2Entries) * 8 > 32 << 20)
      throw VmError.config(
        `${this.name} cannot have ${size} bytes: its clusters of ${this.layout.clusterSize} bytes are too small for that.`,
        { code: 'disk-too-large', params: { path: this.name, wantedBytes: size } },
      );
    if (header.version === 2 && header.snapshotCount > 0)
      throw VmError.config(`${this.name} has snapshots; a version 2 image with snapshots cannot be resized. Delete them first.`, {
        code: 'disk-resize-snapshots',
        params: { path: this.name },
      });
    if (header.bitmaps && header.autoclear & BITMAPS)
      throw VmError.config(`${this.name} has bitmaps of its present size. Remove them first: qemu-img bitmap --remove.`, {
        code: 'disk-resize-bitmaps',
        params: { path: this.name },
      });
    if (header.incompatible & EXTERNAL_DATA)
      throw VmError.config(`${this.name} has its data in another file, and cannot be resized.`, {
        code: 'disk-resize-external',
        params: { path: this.name },
      });
    await this.#prepareToWrite();
    const old = header.size;
    if (size === old) return;
    await this.metadata.resize(size);
    // What the backing file, or the last cluster, has behind the old end must not show.
    const visible = Math.min(size, Math.max(backing?.size ?? 0, Math.ceil(old / this.layout.clusterSize) * this.layout.clusterSize));
    if (visible > old) {
      await this.#track(this.#clear(old, visible - old, 'keep'));
      await this.flush();
    }
    this.resized();
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#active]);
    try {
      if (!this.readonly && this.#writable) {
        await this.metadata.commitAll();
        // What was there before stays even if it does not count as used: a damaged image may need it.
        const end = Math.max(this.#lengthBefore, await this.metadata.refcounts.usedLength());
        if (end < this.file.length) await this.file.truncate(end);
      }
    } finally {
      await this.file.close();
      await this.parts.dataFile?.close();
      await this.backing?.close();
      await this.parts.closed?.();
    }
  }

  /** What stands where, for copying: a run from `offset` on. `unallocated` shows what the backing file has, or zeroes. */
  async extent(offset: number): Promise<{ length: number; kind: 'data' | 'zero' | 'unallocated' }> {
    const { kind, length } = await this.#runAt(offset, this.size - offset);
    return { length, kind: kind === 'compressed' ? 'data' : kind };
  }

  /**
   * Write a whole cluster compressed, into a place that has nothing yet: images that are being made are filled so. Not at the same
   * time as other writes.
   */
  async writeCompressed(offset: number, cluster: Uint8Array): Promise<void> {
    await this.#prepareToWrite();
    this.#packer ??= new CompressedWriter(this.file, this.metadata);
    const place = await this.#packer.write(cluster);
    if (!place) return this.writev(offset, [cluster.subarray(0, this.size - offset)]);
    const { clusterSize, l2Entries } = this.layout;
    if (this.metadata.isCrowded) await this.metadata.commit();
    const index = Math.floor(offset / clusterSize);
    const table = await this.metadata.writableL2(Math.floor(index / l2Entries));
    writeCompressedEntry(table.view, index % l2Entries, this.layout, place.offset, place.bytes);
    this.metadata.l2.markDirty(table);
  }

  // ---- reading

  async #read(offset: number, buffers: Uint8Array[]): Promise<void> {
    const length = lengthOf(buffers);
    const pieces: Promise<void>[] = [];
    try {
      for (let done = 0; done < length; ) {
        const run = await this.#runAt(offset + done, length - done);
        const part = run.length === length ? buffers : sliceBuffers(buffers, done, run.length);
        const piece = this.#readRun(run, offset + done, part);
        pieces.push(piece);
        done += run.length;
        // It may fail while the next is looked for, when nobody waits for it yet.
        if (done < length) piece.catch(ignore);
      }
    } catch (error) {
      // Nothing may be written into the buffers any more when this ends.
      await Promise.allSettled(pieces);
      throw error;
    }
    if (pieces.length > 1) await Promise.allSettled(pieces);
    await Promise.all(pieces);
  }

  async #readRun(run: Run, offset: number, buffers: Uint8Array[]): Promise<void> {
    switch (run.kind) {
      case 'data':
        await this.data.readv(run.host, buffers);
        break;
      case 'zero':
        for (const buffer of buffers) buffer.fill(0);
        break;
      case 'unallocated': {
        const inside = Math.max(0, Math.min(run.length, (this.backing?.size ?? 0) - offset));
        for (const buffer of inside > 0 ? sliceBuffers(buffers, inside, run.length - inside) : buffers) buffer.fill(0);
        if (inside > 0) await this.backing!.readv(offset, sliceBuffers(buffers, 0, inside));
        break;
      }
      case 'compressed': {
        const cluster = await this.#decompress(run.entry);
        let at = offset % this.layout.clusterSize;
        for (const buffer of buffers) {
          buffer.set(cluster.subarray(at, at + buffer.length));
          at += buffer.length;
        }
      }
    }
  }

  #decompress(entry: L2Entry): Promise<Uint8Array> {
    let cluster = this.#decompressed.get(entry.host);
    if (!cluster) {
      cluster = this.#readCompressed(entry);
      this.#decompressed.set(entry.host, cluster);
      cluster.catch(() => this.#decompressed.delete(entry.host));
      const limit = Math.max(2, DECOMPRESSED_BYTES / this.layout.clusterSize);
      if (this.#decompressed.size > limit) this.#decompressed.delete(this.#decompressed.keys().next().value!);
    }
    return cluster;
  }

  async #readCompressed({ host, compressed }: L2Entry): Promise<Uint8Array> {
    const { clusterSize } = this.layout;
    if (host >= this.file.length || compressed > 2 * clusterSize + SECTOR)
      throw imageError(this.name, `is damaged: compressed data would be at byte ${host}, of ${this.file.length} in the file.`, {
        code: 'qcow2-damaged',
        params: { path: this.name },
      });
    const bytes = new Uint8Array(compressed);
    await this.file.readv(host, [bytes]);
    try {
      return await decompressCluster(bytes, clusterSize, this.header.compression);
    } catch (cause) {
      throw DeviceError.IoError(
        `${this.name} is damaged: the compressed data at byte ${host} cannot be unpacked (${(cause as Error).message}). The guest got an I/O error; restore the image from a copy.`,
        { cause, code: 'disk-data-damaged', params: { path: this.name } },
      );
    }
  }

  /** The run at `offset`, at most `limit` bytes, within one L2 table. */
  async #runAt(offset: number, limit: number): Promise<Run> {
    const { clusterSize, l2Entries } = this.layout;
    const cluster = Math.floor(offset / clusterSize);
    const found = this.metadata.l2Of(Math.floor(cluster / l2Entries));
    const table = found instanceof Promise ? await found : found;
    if (!table) {
      const end = (Math.floor(cluster / l2Entries) + 1) * l2Entries * clusterSize;
      return { kind: 'unallocated', host: 0, length: Math.min(limit, end - offset), copied: false, entry: NOTHING };
    }
    return this.#run(table, cluster % l2Entries, offset % clusterSize, limit);
  }

  #run(table: Table, index: number, within: number, limit: number): Run {
    const { clusterSize, l2Entries, subclusterSize } = this.layout;
    const entry = this.#entry(table, index);
    if (entry.compressed > 0)
      return { kind: 'compressed', host: entry.host, length: Math.min(limit, clusterSize - within), copied: false, entry };
    const first = Math.floor(within / subclusterSize);
    const kind = kindOf(entry, first);
    const run: Run = { kind, host: entry.host + within, length: 0, copied: entry.copied, entry };
    let length = 0;
    for (let i = index, from = first, current = entry; ; from = 0) {
      const count = this.#alike(current, from, kind);
      length += count * subclusterSize;
      i++;
      if (length - (within % subclusterSize) >= limit || from + count < this.layout.subclusters || i === l2Entries) break;
      current = this.#entry(table, i);
      if (current.compressed > 0 || kindOf(current, 0) !== kind) break;
      if (kind === 'data' && (current.host !== entry.host + (i - index) * clusterSize || current.copied !== entry.copied)) break;
    }
    run.length = Math.min(limit, length - (within % subclusterSize));
    return run;
  }

  /** How many subclusters from `from` on are as it is. */
  #alike(entry: L2Entry, from: number, kind: Run['kind']): number {
    const { subclusters } = this.layout;
    let to = from + 1;
    while (to < subclusters && kindOf(entry, to) === kind) to++;
    return to - from;
  }

  /** Throws VmError 'Image' for an entry that cannot be. */
  #entry(table: Table, index: number): L2Entry {
    const entry = readL2Entry(table.view, index, this.layout);
    if (entry.compressed > 0) return entry;
    const { clusterSize } = this.layout;
    const isExternal = this.data !== this.file;
    if (
      entry.host % clusterSize !== 0 ||
      (entry.allocated & entry.zero) !== 0 ||
      (entry.allocated !== 0 && entry.host === 0 && !isExternal)
    )
      throw imageError(
        this.name,
        `is damaged: the L2 table at byte ${table.offset} says in entry ${index} that a cluster is at byte ${entry.host}. Try: hartbox disk check ${this.name}`,
        { code: 'qcow2-damaged', params: { path: this.name } },
      );
    return entry;
  }

  // ---- writing

  async #write(offset: number, buffers: Uint8Array[]): Promise<void> {
    if (this.metadata.isCrowded) await this.metadata.commit();
    const length = lengthOf(buffers);
    for (let done = 0; done < length; ) done += await this.#writePiece(offset + done, buffers, done, length - done);
  }

  /** Write the first part of what is left; returns how many bytes that was. */
  async #writePiece(offset: number, buffers: Uint8Array[], start: number, length: number): Promise<number> {
    const run = await this.#runAt(offset, length);
    if (isInPlace(run)) return this.#writeInPlace(run, buffers, start);

    const { clusterSize, l2Entries } = this.layout;
    const first = Math.floor(offset / clusterSize);
    const tableEnd = (Math.floor(first / l2Entries) + 1) * l2Entries;
    const wanted = Math.min(
      Math.floor((offset + length - 1) / clusterSize) + 1,
      tableEnd,
      first + Math.max(1, ALLOCATION_MAX / clusterSize),
    );
    const release = await this.#changing.acquire(first, wanted - 1);
    try {
      // Somebody may have changed the mapping meanwhile.
      const now = await this.#runAt(offset, length);
      if (isInPlace(now)) return await this.#writeInPlace(now, buffers, start);
      const count = await this.#newClusters(first, wanted - first);
      return await this.#writeNew(first, count, offset, buffers, start, length);
    } finally {
      release();
    }
  }

  async #writeInPlace(run: Run, buffers: Uint8Array[], start: number): Promise<number> {
    this.#checkOwn(run.entry);
    await this.data.writev(run.host, start === 0 && run.length === lengthOf(buffers) ? buffers : sliceBuffers(buffers, start, run.length));
    return run.length;
  }

  /** How many clusters from `first` on, at most `limit`, all need a new host cluster; 1 where the first has one of its own to be filled. */
  async #newClusters(first: number, limit: number): Promise<number> {
    const { l2Entries } = this.layout;
    const found = this.metadata.l2Of(Math.floor(first / l2Entries));
    const table = found instanceof Promise ? await found : found;
    if (!table) return limit;
    let count = 0;
    while (count < limit) {
      const entry = this.#entry(table, (first % l2Entries) + count);
      if (entry.copied && entry.host !== 0) return Math.max(1, count);
      count++;
      // Subclusters: what else such a cluster holds is copied with it.
      if (this.layout.subclusters > 1 && (entry.compressed > 0 || entry.allocated !== 0)) return count === 1 ? 1 : count - 1;
    }
    return count;
  }

  /** Write into clusters that are not to be seen yet, then let the mapping refer to them. The range is held. */
  async #writeNew(first: number, limit: number, offset: number, buffers: Uint8Array[], start: number, length: number): Promise<number> {
    const { clusterSize, l2Entries, subclusterSize, subclusters } = this.layout;
    const l1Index = Math.floor(first / l2Entries);
    const found = this.metadata.l2Of(l1Index);
    const table = found instanceof Promise ? await found : found;
    const old = table ? this.#entry(table, first % l2Entries) : NOTHING;
    const isReused = old.copied && old.host !== 0;
    const target = isReused
      ? { offset: old.host, count: 1, fresh: false }
      : this.data === this.file
        ? await this.metadata.refcounts.allocate(limit)
        : { offset: first * clusterSize, count: limit, fresh: false };
    const { count } = target;
    let isLinked = false;
    try {
      const end = Math.min(offset + length, (first + count) * clusterSize);
      // What else is in the touched subclusters is written along; and all of a cluster that has to be moved.
      const isMoved = !isReused && subclusters > 1 && (old.compressed > 0 || old.allocated !== 0);
      const unit = isMoved ? clusterSize : subclusterSize;
      const from = Math.floor(offset / unit) * unit;
      const to = Math.ceil(end / unit) * unit;
      const head = await this.#edge(from, offset, target.fresh);
      const tail = await this.#edge(end, to, target.fresh);
      const data = sliceBuffers(buffers, start, end - offset);
      const at = target.offset + ((head ? from : offset) - first * clusterSize);
      await this.data.writev(at, [...(head ? [head] : []), ...data, ...(tail ? [tail] : [])]);
      await this.#link(first, count, target.offset, from, to);
      isLinked = true;
      return end - offset;
    } finally {
      if (!isLinked && !isReused && this.data === this.file) this.metadata.unlink(target.offset / clusterSize, count);
    }
  }

  /** What the disk has from `from` to `to`; undefined if nothing, or if the new place has these zeroes already. */
  async #edge(from: number, to: number, isFresh: boolean): Promise<Uint8Array | undefined> {
    if (from >= to) return undefined;
    if (isFresh) {
      const run = await this.#runAt(from, to - from);
      const isZero = run.kind === 'zero' || (run.kind === 'unallocated' && from >= (this.backing?.size ?? 0));
      if (isZero && run.length === to - from) return undefined;
    }
    const edge = new Uint8Array(to - from);
    // The last cluster may reach beyond the end of the disk.
    const inside = Math.min(edge.length, this.size - from);
    if (inside > 0) await this.#read(from, [edge.subarray(0, inside)]);
    return edge;
  }

  /** Let the mapping of `count` clusters refer to neighbouring host clusters, in which the bytes of the disk `from` to `to` now are. */
  async #link(first: number, count: number, host: number, from: number, to: number): Promise<void> {
    const { clusterSize, l2Entries, subclusterSize, subclusters } = this.layout;
    const table = await this.metadata.writableL2(Math.floor(first / l2Entries));
    const previous = Array.from({ length: count }, (_, i) => this.#entry(table, (first + i) % l2Entries));
    for (const old of previous) this.#checkOwn(old);
    for (let i = 0; i < count; i++) {
      const index = (first + i) % l2Entries;
      const old = previous[i];
      const isReused = old.copied && old.host === host + i * clusterSize && old.host !== 0;
      if (!isReused) this.#unlink(old);
      let allocated = 1;
      let zero = 0;
      if (subclusters > 1) {
        const start = (first + i) * clusterSize;
        allocated = maskOf(
          Math.max(0, Math.floor((from - start) / subclusterSize)),
          Math.min(subclusters, Math.ceil((to - start) / subclusterSize)),
        );
        zero = (old.zero & ~allocated) >>> 0;
        if (isReused) allocated = (allocated | old.allocated) >>> 0;
      }
      writeL2Entry(table.view, index, this.layout, { host: host + i * clusterSize, copied: true, allocated, zero });
    }
    this.metadata.l2.markDirty(table);
  }

  /** The mapping does not refer to these host clusters any more. */
  #unlink(entry: L2Entry): void {
    if (entry.host === 0 || (this.data !== this.file && entry.compressed === 0)) return;
    this.#checkOwn(entry);
    const { first, count } = clustersOf(entry, this.layout.clusterSize);
    this.metadata.unlink(first, count);
    if (entry.compressed > 0) this.#decompressed.delete(entry.host);
  }

  /** Throws VmError 'Image' if the entry refers to what holds the image's own tables. */
  #checkOwn(entry: L2Entry): void {
    if (this.data !== this.file && entry.compressed === 0) return;
    const { clusterSize } = this.layout;
    const { first, count } = clustersOf(entry, clusterSize);
    for (let i = 0; i < count; i++)
      if (this.metadata.isMetadata((first + i) * clusterSize))
        throw imageError(this.name, `is damaged: a cluster of the disk is at byte ${entry.host}, where the image has its own tables.`, {
          code: 'qcow2-damaged',
          params: { path: this.name },
        });
  }

  // ---- discarding and zeroing

  async #clear(offset: number, length: number, how: 'discard' | 'unmap' | 'keep'): Promise<void> {
    if (this.metadata.isCrowded) await this.metadata.commit();
    const unit = this.layout.subclusterSize;
    const from = Math.ceil(offset / unit) * unit;
    const end = offset + length;
    // The disk's last cluster may not be a whole one.
    const to = end >= this.header.size ? Math.ceil(end / unit) * unit : Math.floor(end / unit) * unit;
    if (from >= to) {
      if (how !== 'discard') await this.#writeZeroBytes(offset, length);
      return;
    }
    if (how !== 'discard') {
      await this.#writeZeroBytes(offset, from - offset);
      if (end > to) await this.#writeZeroBytes(to, end - to);
    }
    const { clusterSize, l2Entries } = this.layout;
    for (let at = from; at < to; ) {
      const cluster = Math.floor(at / clusterSize);
      const tableEnd = (Math.floor(cluster / l2Entries) + 1) * l2Entries * clusterSize;
      const until = Math.min(to, tableEnd, at + 1024 * clusterSize);
      await this.#clearRun(at, until, how);
      at = until;
    }
  }

  /** Whole subclusters, within one L2 table. */
  async #clearRun(from: number, to: number, how: 'discard' | 'unmap' | 'keep'): Promise<void> {
    const { clusterSize, l2Entries, subclusterSize, subclusters, hasZeroFlag } = this.layout;
    const first = Math.floor(from / clusterSize);
    const last = Math.ceil(to / clusterSize) - 1;
    const l1Index = Math.floor(first / l2Entries);
    const mustWrite: number[] = [];
    const release = await this.#changing.acquire(first, last);
    try {
      if (!this.metadata.l2Of(l1Index) && (how === 'discard' || from >= (this.backing?.size ?? 0))) return;
      const table = await this.metadata.writableL2(l1Index);
      const isExternal = this.data !== this.file;
      for (let cluster = first; cluster <= last; cluster++) {
        const index = cluster % l2Entries;
        const old = this.#entry(table, index);
        const start = cluster * clusterSize;
        const shows = start < (this.backing?.size ?? 0);
        const mask = maskOf(
          Math.max(0, Math.floor((from - start) / subclusterSize)),
          Math.min(subclusters, Math.ceil((to - start) / subclusterSize)),
        );
        const isWhole = mask === allSubclusters(this.layout);
        if (isExternal) {
          // The data file may have to be readable by itself.
          if (how !== 'discard') mustWrite.push(cluster);
        } else if (subclusters > 1 && old.compressed > 0 && !isWhole) {
          if (how !== 'discard') mustWrite.push(cluster);
        } else if (!hasZeroFlag && shows) {
          // Version 2 has no way to say that a cluster hides what its backing file has.
          if (how !== 'discard') mustWrite.push(cluster);
        } else {
          const allocated = (old.allocated & ~mask) >>> 0;
          const isKept = old.host !== 0 && old.compressed === 0 && (how === 'keep' ? hasZeroFlag : allocated !== 0);
          if (!isKept) this.#unlink(old);
          const zero = hasZeroFlag && (isKept || shows || subclusters > 1) ? (old.zero | mask) >>> 0 : 0;
          writeL2Entry(table.view, index, this.layout, {
            host: isKept ? old.host : 0,
            copied: isKept && old.copied,
            allocated: subclusters === 1 ? 0 : allocated,
            zero,
          });
          this.metadata.l2.markDirty(table);
        }
      }
    } finally {
      release();
    }
    for (const cluster of mustWrite) {
      const start = Math.max(from, cluster * clusterSize);
      await this.#writeZeroBytes(start, Math.min(to, (cluster + 1) * clusterSize, this.size) - start);
    }
  }

  async #writeZeroBytes(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const count = Math.min(ZEROES.length, length - done);
      await this.#write(offset + done, [ZEROES.subarray(0, count)]);
      done += count;
    }
  }

  // ---- bookkeeping

  /** Before the first change: what the header says of things that Hartbox does not maintain must become true. */
  #prepareToWrite(): Promise<void> {
    if (this.readonly)
      return Promise.reject(
        DeviceError.IoError(`${this.name} is attached readonly and cannot be written.`, {
          code: 'disk-readonly',
          params: { path: this.name },
        }),
      );
    if (this.header.incompatible & CORRUPT)
      return Promise.reject(
        DeviceError.IoError(
          `${this.name} was found to be damaged and is not written to any more. Stop the box and try: hartbox disk check ${this.name}`,
          { code: 'disk-found-damaged', params: { path: this.name } },
        ),
      );
    this.#writable ??= this.#announceWrites().catch((error: unknown) => {
      this.#writable = undefined;
      throw error;
    });
    return this.#writable;
  }

  async #announceWrites(): Promise<void> {
    const { header, file } = this;
    if (header.version !== 3) return;
    if (header.bitmaps && header.autoclear & BITMAPS) await markBitmapsInUse(file, header);
    if (!header.unknownAutoclear) return;
    const field = new Uint8Array(8);
    new DataView(field.buffer).setUint32(4, header.autoclear & 3);
    await file.writev(AT_AUTOCLEAR, [field]);
    await file.sync();
    header.unknownAutoclear = false;
  }

  /** Until it ends no cluster that is released meanwhile goes to somebody else. */
  #track<T>(operation: Promise<T>): Promise<T> {
    const tracked = operation.catch(async (error: unknown) => {
      if (error instanceof VmError && error.kind === 'Image') throw await this.metadata.markCorrupt(error.message);
      throw error;
    });
    this.#active.add(tracked);
    const done = (): void => void this.#active.delete(tracked);
    tracked.then(done, done);
    return tracked;
  }
}

const NOTHING: L2Entry = { host: 0, copied: false, compressed: 0, allocated: 0, zero: 0 };

function kindOf(entry: L2Entry, subcluster: number): Run['kind'] {
  const bit = 1 << subcluster;
  return entry.zero & bit ? 'zero' : entry.allocated & bit ? 'data' : 'unallocated';
}

function isInPlace(run: Run): boolean {
  return run.kind === 'data' && run.copied;
}

/** Bits `from` to `to` - 1. */
function maskOf(from: number, to: number): number {
  return to - from >= 32 ? 0xffff_ffff : ((2 ** (to - from) - 1) * 2 ** from) >>> 0;
}
