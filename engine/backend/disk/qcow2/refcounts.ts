import { VmError } from '../../../errors/vm-error';
import type { DiskFile } from '../disk-file';
import { AT_REFCOUNT_TABLE, type Qcow2Header, damaged, writeU64 } from './header';
import { readOffset, writeOffset } from './l2-entry';
import type { Layout } from './layout';
import { readRefcount, refcountMax, writeRefcount } from './refcount-block';
import { type Table, TableCache } from './table-cache';

const CACHE_BYTES = 2 << 20;
const TABLE_BYTES_MAX = 8 << 20;

/** Refcounts that are not in the file yet. */
interface RefcountChanges {
  blocks: ReturnType<TableCache['takeDirty']>;
  table: Uint8Array | undefined;
}

/**
 * Which host clusters are in use (qcow2 specification, "Host cluster management").
 *
 * Counts in memory are never below what the file's other tables need, so they may be written at any time, and are written before
 * anything that refers to a cluster; a cluster is released only when nothing in the file refers to it any more.
 */
export class Refcounts {
  readonly blocks: TableCache;
  #table: Uint8Array;
  #view: DataView;
  #tableDirty = false;
  /** No free cluster is below this one, except where somebody frees one. */
  #hint = 0;
  /** Behind everything that was ever written: a cluster from here on reads as zeroes. */
  #fresh: number;
  /** One allocation at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly file: DiskFile,
    private readonly header: Qcow2Header,
    private readonly layout: Layout,
    /** Whether the cluster at an offset holds metadata, so that it cannot be free. */
    private readonly isMetadata: (offset: number) => boolean,
    /** Do something while nothing else writes metadata to the file. */
    private readonly exclusively: (work: () => Promise<void>) => Promise<void>,
    table: Uint8Array,
  ) {
    this.#table = table;
    this.#view = new DataView(table.buffer, table.byteOffset, table.length);
    this.#fresh = file.length;
    this.blocks = new TableCache(file, layout.clusterSize, Math.max(4, Math.floor(CACHE_BYTES / layout.clusterSize)));
  }

  static async load(
    file: DiskFile,
    header: Qcow2Header,
    layout: Layout,
    hooks: { isMetadata: (offset: number) => boolean; exclusively: (work: () => Promise<void>) => Promise<void> },
  ): Promise<Refcounts> {
    const table = new Uint8Array(header.refcountTableClusters * layout.clusterSize);
    await file.readv(header.refcountTableOffset, [table]);
    const refcounts = new Refcounts(file, header, layout, hooks.isMetadata, hooks.exclusively, table);
    const seen = new Set<number>();
    for (const offset of refcounts.blockOffsets()) {
      if (offset % layout.clusterSize !== 0 || offset >= file.length || seen.has(offset))
        throw damaged(file.path, `a refcount block would be at byte ${offset}${seen.has(offset) ? ', as another' : ''}`);
      seen.add(offset);
    }
    return refcounts;
  }

  /** Where the refcount blocks are. */
  *blockOffsets(): Generator<number> {
    for (let i = 0; i < this.#table.length / 8; i++) {
      const offset = readOffset(this.#view, i);
      if (offset !== 0) yield offset;
    }
  }

  /** What there is to save, as it is now. Give it to `saved` in the end. */
  take(): RefcountChanges {
    const table = this.#tableDirty ? this.#table.slice() : undefined;
    this.#tableDirty = false;
    return { blocks: this.blocks.takeDirty(), table };
  }

  saveBlocks({ blocks }: RefcountChanges): Promise<void> {
    return this.blocks.save(blocks);
  }

  /** Save the refcount table, once its blocks are on stable storage. */
  async saveTable({ table }: RefcountChanges): Promise<void> {
    if (table) await this.file.writev(this.header.refcountTableOffset, [table]);
  }

  saved({ blocks, table }: RefcountChanges, isDone: boolean): void {
    this.blocks.saved(blocks, isDone);
    if (table && !isDone) this.#tableDirty = true;
  }

  async get(cluster: number): Promise<number> {
    const { refcountEntries, refcountBits } = this.layout;
    const block = await this.#block(Math.floor(cluster / refcountEntries));
    return block ? readRefcount(block.view, cluster % refcountEntries, refcountBits) : 0;
  }

  /**
   * Take neighbouring free clusters, from 1 to `count`; all of `count` if `all`. `fresh`: nothing was ever written there, so that
   * they read as zeroes.
   */
  allocate(count: number, { all = false } = {}): Promise<{ offset: number; count: number; fresh: boolean }> {
    return this.#alone(async () => {
      const found = all ? await this.#takeAtEnd(count) : await this.#takeFirst(count);
      const { clusterSize } = this.layout;
      const offset = found.first * clusterSize;
      for (let i = 0; i < found.count; i++) {
        if (this.isMetadata(offset + i * clusterSize))
          throw damaged(this.file.path, `the cluster at byte ${offset + i * clusterSize} holds metadata, but counts as free`);
      }
      const fresh = offset >= this.#fresh;
      this.#fresh = Math.max(this.#fresh, offset + found.count * clusterSize);
      return { offset, count: found.count, fresh };
    });
  }

  /** Count one more reference to a cluster in use; false if its count cannot say that. */
  async share(cluster: number): Promise<boolean> {
    const { refcountEntries, refcountBits } = this.layout;
    const block = await this.#block(Math.floor(cluster / refcountEntries));
    const count = block ? readRefcount(block.view, cluster % refcountEntries, refcountBits) : 0;
    if (!block || count === 0 || count >= refcountMax(refcountBits)) return false;
    writeRefcount(block.view, cluster % refcountEntries, refcountBits, count + 1);
    this.blocks.markDirty(block);
    return true;
  }

  /** Nothing in the file refers to these clusters any more as often as they are listed. Their space goes back to the host. */
  async release(clusters: number[]): Promise<void> {
    const { refcountEntries, refcountBits, clusterSize } = this.layout;
    const sorted = clusters.toSorted((a, b) => a - b);
    // Holes first: while it is counted nobody takes a cluster.
    let run: { first: number; count: number } | undefined;
    for (const cluster of sorted) {
      if ((await this.get(cluster)) !== 1) continue;
      if (run && run.first + run.count === cluster) run.count++;
      else {
        if (run) await this.file.punch(run.first * clusterSize, run.count * clusterSize);
        run = { first: cluster, count: 1 };
      }
    }
    if (run) await this.file.punch(run.first * clusterSize, run.count * clusterSize);
    for (const cluster of sorted) {
      const block = await this.#block(Math.floor(cluster / refcountEntries));
      const index = cluster % refcountEntries;
      const count = block ? readRefcount(block.view, index, refcountBits) : 0;
      if (!block || count === 0) continue;
      writeRefcount(block.view, index, refcountBits, count - 1);
      this.blocks.markDirty(block);
      if (count === 1 && cluster < this.#hint) this.#hint = cluster;
    }
  }

  /**
   * Bytes of the file up to the last cluster in use. As long as the refcount table is, not the file: of what no block counts nothing is in use, and
   * an image of somebody else may have its guest write petabytes behind its end.
   */
  async usedLength(): Promise<number> {
    const { clusterSize, refcountEntries, refcountBits } = this.layout;
    const clusters = Math.ceil(this.file.length / clusterSize);
    const blocks = Math.min(this.#table.length / 8, Math.ceil(clusters / refcountEntries));
    for (let index = blocks - 1; index >= 0; index--) {
      if (readOffset(this.#view, index) === 0) continue;
      const block = await this.#block(index);
      if (!block) continue;
      let entry = Math.min(refcountEntries, clusters - index * refcountEntries);
      while (entry > 0 && readRefcount(block.view, entry - 1, refcountBits) === 0) entry--;
      if (entry > 0) return (index * refcountEntries + entry) * clusterSize;
    }
    return 0;
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #block(index: number): Promise<Table | undefined> {
    if (index >= this.#table.length / 8) return undefined;
    const offset = readOffset(this.#view, index);
    return offset === 0 ? undefined : (this.blocks.peek(offset) ?? this.blocks.load(offset));
  }

  async #takeFirst(count: number): Promise<{ first: number; count: number }> {
    const { refcountEntries, refcountBits } = this.layout;
    for (;;) {
      const index = Math.floor(this.#hint / refcountEntries);
      const block = (await this.#block(index)) ?? (await this.#createBlock(index));
      // Somebody may have freed a cluster meanwhile.
      if (this.#hint < index * refcountEntries) continue;
      let entry = this.#hint - index * refcountEntries;
      while (entry < refcountEntries && readRefcount(block.view, entry, refcountBits) !== 0) entry++;
      let taken = 0;
      for (; entry + taken < refcountEntries && taken < count; taken++) {
        if (readRefcount(block.view, entry + taken, refcountBits) !== 0) break;
        writeRefcount(block.view, entry + taken, refcountBits, 1);
      }
      this.#hint = index * refcountEntries + entry + taken;
      if (taken === 0) continue;
      this.blocks.markDirty(block);
      return { first: index * refcountEntries + entry, count: taken };
    }
  }

  /** Clusters behind all that are in use; there are always enough. */
  async #takeAtEnd(count: number): Promise<{ first: number; count: number }> {
    const { refcountEntries, refcountBits, clusterSize } = this.layout;
    let first = Math.ceil(Math.max(this.#fresh, this.file.length) / clusterSize);
    for (let i = 0; i < count; i++) {
      const index = Math.floor((first + i) / refcountEntries);
      const existing = await this.#block(index);
      const block = existing ?? (await this.#createBlock(index));
      const entry = (first + i) % refcountEntries;
      if (readRefcount(block.view, entry, refcountBits) === 0) continue;
      // A new refcount block lies in the way, or a count that belongs to nothing: begin behind it.
      first += i + 1;
      i = -1;
    }
    for (let i = 0; i < count; i++) {
      const block = await this.#block(Math.floor((first + i) / refcountEntries));
      if (!block) throw new VmError('Internal', `The refcount block of cluster ${first + i} of ${this.file.path} is gone.`);
      writeRefcount(block.view, (first + i) % refcountEntries, refcountBits, 1);
      this.blocks.markDirty(block);
    }
    return { first, count };
  }

  /** A refcount block where there was none: it lies in the first of the clusters that it counts, which are all free. */
  async #createBlock(index: number): Promise<Table> {
    if (index >= this.#table.length / 8) await this.#growTable(index);
    const existing = await this.#block(index);
    if (existing) return existing;
    const { refcountEntries, refcountBits, clusterSize } = this.layout;
    const offset = index * refcountEntries * clusterSize;
    this.#checkFree(offset);
    const block = this.blocks.adopt(offset, new Uint8Array(clusterSize));
    writeRefcount(block.view, 0, refcountBits, 1);
    writeOffset(this.#view, index, offset, false);
    this.#tableDirty = true;
    this.#fresh = Math.max(this.#fresh, offset + clusterSize);
    return block;
  }

  /**
   * Make the refcount table long enough for an entry `index`, half as long again. The new table lies in the first clusters that it
   * counts anew, behind their refcount blocks. The header changes to it in one write.
   */
  async #growTable(index: number): Promise<void> {
    const { refcountEntries, refcountBits, clusterSize } = this.layout;
    const perCluster = clusterSize / 8;
    let blocks = 1;
    let clusters = 0;
    // The table counts itself and its blocks.
    for (let stable = false; !stable; ) {
      clusters = Math.ceil(Math.max(index + blocks, (this.#table.length / 8) * 1.5) / perCluster);
      const needed = Math.ceil((blocks + clusters) / refcountEntries);
      stable = needed <= blocks;
      blocks = Math.max(blocks, needed);
    }
    if (clusters * clusterSize > TABLE_BYTES_MAX)
      throw new VmError(
        'Image',
        `The qcow2 image ${this.file.path} cannot grow further: its refcount table is full. Convert it to one with larger clusters: hartbox disk convert --cluster-size 64K.`,
        { code: 'qcow2-full', params: { path: this.file.path } },
      );
    const first = index * refcountEntries;
    for (let i = 0; i < blocks + clusters; i++) this.#checkFree((first + i) * clusterSize);
    const table = new Uint8Array(clusters * clusterSize);
    table.set(this.#table);
    const view = new DataView(table.buffer);
    const made: Table[] = [];
    for (let i = 0; i < blocks; i++) {
      const block = this.blocks.adopt((first + i) * clusterSize, new Uint8Array(clusterSize));
      for (let entry = 0; entry < refcountEntries && i * refcountEntries + entry < blocks + clusters; entry++)
        writeRefcount(block.view, entry, refcountBits, 1);
      made.push(block);
      writeOffset(view, index + i, block.offset, false);
    }
    this.#fresh = Math.max(this.#fresh, (first + blocks + clusters) * clusterSize);
    const offset = (first + blocks) * clusterSize;
    const old = { first: this.header.refcountTableOffset / clusterSize, count: this.header.refcountTableClusters };
    try {
      await this.exclusively(async () => {
        const changes = this.take();
        let isSaved = false;
        try {
          await this.saveBlocks(changes);
          await this.file.writev(offset, [table]);
          await this.file.sync();
          isSaved = true;
        } finally {
          this.saved(changes, isSaved);
        }
        const fields = new Uint8Array(12);
        const fieldsView = new DataView(fields.buffer);
        writeU64(fieldsView, 0, offset);
        fieldsView.setUint32(8, clusters);
        await this.file.writev(AT_REFCOUNT_TABLE, [fields]);
        await this.file.sync();
        this.#table = table;
        this.#view = view;
        this.#tableDirty = false;
        this.header.refcountTableOffset = offset;
        this.header.refcountTableClusters = clusters;
      });
    } catch (error) {
      for (const block of made) this.blocks.forget(block.offset);
      throw error;
    }
    await this.release(Array.from({ length: old.count }, (_, i) => old.first + i));
  }

  #checkFree(offset: number): void {
    if (this.isMetadata(offset)) throw damaged(this.file.path, `the cluster at byte ${offset} holds metadata, but counts as free`);
  }
}
