import { DeviceError } from '../../../errors/vm-error';
import type { DiskFile } from '../disk-file';
import { AT_INCOMPATIBLE, AT_SIZE, CORRUPT, type Qcow2Header, damaged, writeU64 } from './header';
import { isCopied, readOffset, writeOffset } from './l2-entry';
import type { Layout } from './layout';
import { Refcounts } from './refcounts';
import { type Table, TableCache } from './table-cache';

const L2_CACHE_BYTES = 8 << 20;
/** L1 entries up to which all L2 tables are guarded against being taken for something else. */
const GUARDED_L1 = 1 << 18;

/**
 * The tables of an image, and the order in which they reach the file.
 *
 * Changes stay in memory until `commit`, which writes in this order, with the host's disk flushed between the steps: data and
 * refcounts; refcount table; L2 tables; L1 table. What nothing refers to any more is released only after that. So at any moment
 * everything that the file refers to is there, is counted, and holds what belongs there; a crash can at worst leave clusters
 * counted that nobody uses (leaks).
 */
export class Metadata {
  readonly l2: TableCache;
  refcounts!: Refcounts;
  #l1!: Uint8Array;
  #l1View!: DataView;
  /** L1 entries changed since they were saved: from, to. */
  #l1Dirty: [number, number] | undefined;
  /** Clusters that nothing in memory refers to any more; the file still may. */
  #unlinked: number[] = [];
  #releasing: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #nextCommit: Promise<void> | undefined;
  /** One change of the L1 table at a time. */
  #l1Queue: Promise<unknown> = Promise.resolve();
  /** Offsets of clusters that hold metadata. */
  readonly #guarded = new Set<number>();

  private constructor(
    private readonly file: DiskFile,
    /** Where data is; flushed together with the image. */
    private readonly data: DiskFile,
    readonly header: Qcow2Header,
    readonly layout: Layout,
    /** Resolves when everything that now reads or writes clusters has ended. */
    private readonly settled: () => Promise<void>,
  ) {
    this.l2 = new TableCache(file, layout.clusterSize, Math.max(4, Math.floor(L2_CACHE_BYTES / layout.clusterSize)));
  }

  static async load(file: DiskFile, data: DiskFile, header: Qcow2Header, layout: Layout, settled: () => Promise<void>): Promise<Metadata> {
    const metadata = new Metadata(file, data, header, layout, settled);
    metadata.#setL1(new Uint8Array(header.l1Size * 8));
    await file.readv(header.l1Offset, [metadata.#l1]);
    metadata.refcounts = await Refcounts.load(file, header, layout, {
      isMetadata: (offset) => metadata.isMetadata(offset),
      exclusively: (work) => metadata.#exclusively(work),
    });
    if (!file.readonly) metadata.#guardAll();
    return metadata;
  }

  /** Whether memory for tables runs short: time for a `commit`. */
  get isCrowded(): boolean {
    return this.l2.isCrowded || this.refcounts.blocks.isCrowded;
  }

  /** Whether the host cluster at `offset` is known to hold metadata. */
  isMetadata(offset: number): boolean {
    const { clusterSize } = this.layout;
    const { l1Offset, refcountTableOffset, refcountTableClusters } = this.header;
    return (
      offset < clusterSize ||
      (offset >= l1Offset && offset < l1Offset + this.#l1.length) ||
      (offset >= refcountTableOffset && offset < refcountTableOffset + refcountTableClusters * clusterSize) ||
      this.#guarded.has(offset)
    );
  }

  /** The L2 table that describes the cluster, undefined where none of its clusters is allocated. */
  l2Of(l1Index: number): Table | undefined | Promise<Table> {
    const offset = readOffset(this.#l1View, l1Index);
    if (offset === 0) return undefined;
    return this.l2.peek(offset) ?? this.l2.load(offset);
  }

  /** The L2 table at an L1 index, ready to be changed; made or copied if need be. */
  async writableL2(l1Index: number): Promise<Table> {
    if (isCopied(this.#l1View, l1Index)) {
      const offset = readOffset(this.#l1View, l1Index);
      return this.l2.peek(offset) ?? this.l2.load(offset);
    }
    const made = this.#l1Queue.then(async () => {
      if (isCopied(this.#l1View, l1Index)) return;
      const { offset } = await this.refcounts.allocate(1);
      const old = readOffset(this.#l1View, l1Index);
      const bytes = old === 0 ? new Uint8Array(this.layout.clusterSize) : (await this.l2.load(old)).bytes.slice();
      this.l2.adopt(offset, bytes);
      this.#guard(offset);
      writeOffset(this.#l1View, l1Index, offset, true);
      this.#touchL1(l1Index);
      if (old !== 0) {
        this.#guarded.delete(old);
        this.#unlinked.push(old / this.layout.clusterSize);
      }
    });
    this.#l1Queue = made.catch(() => undefined);
    await made;
    return this.writableL2(l1Index);
  }

  /** These clusters have lost a reference in a table in memory. */
  unlink(first: number, count: number): void {
    for (let i = 0; i < count; i++) this.#unlinked.push(first + i);
  }

  /** Everything that was done before the call is in the file, and on stable storage. */
  commit(): Promise<void> {
    this.#nextCommit ??= this.#exclusively(() => {
      this.#nextCommit = undefined;
      return this.#commit();
    });
    return this.#nextCommit;
  }

  /** As `commit`, and all that could be released is. */
  async commitAll(): Promise<void> {
    await this.commit();
    await this.#releasing;
    await this.commit();
  }

  /** Give the disk another size; the L1 table moves if it has to grow. */
  async resize(size: number): Promise<void> {
    const { clusterSize, l2Entries } = this.layout;
    const entries = Math.ceil(size / clusterSize / l2Entries);
    const made = this.#l1Queue.then(async () => {
      const { header } = this;
      const oldEntries = header.l1Size;
      const oldOffset = header.l1Offset;
      const fields = new Uint8Array(24);
      const view = new DataView(fields.buffer);
      let l1 = this.#l1;
      let offset = oldOffset;
      if (entries > oldEntries) {
        const clusters = Math.ceil((entries * 8) / clusterSize);
        ({ offset } = await this.refcounts.allocate(clusters, { all: true }));
        l1 = new Uint8Array(entries * 8);
      }
      await this.commit();
      await this.#exclusively(async () => {
        l1.set(this.#l1);
        if (offset !== oldOffset) {
          // The new table goes where nothing refers to yet; the header changes to it, and to the size, in one write.
          const padded = new Uint8Array(Math.ceil(l1.length / clusterSize) * clusterSize);
          padded.set(l1);
          await this.file.writev(offset, [padded]);
          await this.#saveRefcounts();
        }
        writeU64(view, 0, size);
        view.setUint32(12, l1.length / 8);
        writeU64(view, 16, offset);
        await this.file.writev(AT_SIZE, [fields]);
        await this.file.sync();
        header.size = size;
        header.l1Size = l1.length / 8;
        header.l1Offset = offset;
        this.#setL1(l1);
      });
      if (offset !== oldOffset) {
        const clusters = Math.ceil((oldEntries * 8) / clusterSize);
        await this.refcounts.release(Array.from({ length: clusters }, (_, i) => oldOffset / clusterSize + i));
      }
    });
    this.#l1Queue = made.catch(() => undefined);
    await made;
  }

  /** The image contradicts itself: say so in its header, so that nobody writes to it before it is repaired. */
  async markCorrupt(problem: string): Promise<DeviceError> {
    const { header, file } = this;
    const isNew = !file.readonly && !(header.incompatible & CORRUPT);
    if (isNew) header.incompatible |= CORRUPT;
    if (isNew && header.version === 3) {
      const field = new Uint8Array(4);
      new DataView(field.buffer).setUint32(0, header.incompatible);
      await file.writev(AT_INCOMPATIBLE + 4, [field]).catch(() => undefined);
    }
    const cause = damaged(file.path, problem);
    return DeviceError.IoError(cause.message, { cause, code: 'disk-found-damaged', params: { path: file.path } });
  }

  async #commit(): Promise<void> {
    const { refcounts, l2, file, data } = this;
    const counts = refcounts.take();
    const tables = l2.takeDirty();
    const l1Dirty = this.#l1Dirty;
    const l1 = l1Dirty && this.#l1.slice(l1Dirty[0] * 8, l1Dirty[1] * 8);
    const unlinked = this.#unlinked;
    this.#l1Dirty = undefined;
    this.#unlinked = [];
    let isDone = false;
    try {
      await refcounts.saveBlocks(counts);
      if (data !== file) await data.sync();
      await file.sync();
      if (counts.table) {
        await refcounts.saveTable(counts);
        await file.sync();
      }
      if (tables.length > 0) {
        await l2.save(tables);
        await file.sync();
      }
      if (l1 && l1Dirty) {
        await file.writev(this.header.l1Offset + l1Dirty[0] * 8, [l1]);
        await file.sync();
      }
      isDone = true;
    } finally {
      refcounts.saved(counts, isDone);
      l2.saved(tables, isDone);
      if (!isDone) {
        if (l1Dirty) for (const index of [l1Dirty[0], l1Dirty[1] - 1]) this.#touchL1(index);
        this.#unlinked.push(...unlinked);
      }
    }
    if (unlinked.length > 0) this.#release(unlinked);
  }

  async #saveRefcounts(): Promise<void> {
    const { refcounts, file } = this;
    const counts = refcounts.take();
    let isDone = false;
    try {
      await refcounts.saveBlocks(counts);
      await file.sync();
      await refcounts.saveTable(counts);
      if (counts.table) await file.sync();
      isDone = true;
    } finally {
      refcounts.saved(counts, isDone);
    }
  }

  /** What reads or writes a cluster that is released now began when it was still in use: it goes first. */
  #release(clusters: number[]): void {
    const settled = this.settled();
    this.#releasing = this.#releasing.then(async () => {
      await settled;
      // A failure leaves the clusters counted: a leak, no more.
      await this.refcounts.release(clusters).catch(() => undefined);
    });
  }

  #exclusively(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }

  #setL1(l1: Uint8Array): void {
    this.#l1 = l1;
    this.#l1View = new DataView(l1.buffer, l1.byteOffset, l1.length);
  }

  #touchL1(index: number): void {
    const [from, to] = this.#l1Dirty ?? [index, index + 1];
    this.#l1Dirty = [Math.min(from, index), Math.max(to, index + 1)];
  }

  #guard(offset: number): void {
    if (this.header.l1Size <= GUARDED_L1) this.#guarded.add(offset);
  }

  #guardAll(): void {
    for (const offset of this.refcounts.blockOffsets()) this.#guard(offset);
    if (this.header.l1Size > GUARDED_L1) return;
    for (let i = 0; i < this.header.l1Size; i++) {
      const offset = readOffset(this.#l1View, i);
      if (offset !== 0) this.#guard(offset);
    }
    if (this.header.snapshotCount > 0) this.#guard(this.header.snapshotsOffset);
  }
}
