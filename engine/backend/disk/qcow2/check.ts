import type { DiskFile } from '../disk-file';
import { readBitmaps } from './bitmaps';
import { BITMAPS, EXTERNAL_DATA, type Qcow2Header, damaged } from './header';
import { allSubclusters, clustersOf, isCopied, readL2Entry, readOffset } from './l2-entry';
import { type Layout, layoutOf } from './layout';
import { ReferenceCounter } from './reference-counter';
import { readRefcount, refcountMax } from './refcount-block';
import { readSnapshots } from './snapshots';

/** Problems that are told in words; the rest are only counted. */
const TOLD_MAX = 20;
/** Bytes of L1 tables of snapshots in all, and of tables of bitmaps: far beyond what any tool has made. */
const L1_BYTES_MAX = 512 << 20;
const BITMAP_BYTES_MAX = 512 << 20;
/** L2 tables, and clusters that hold tables of any kind: as many as the largest L1 table has entries. */
const TABLES_MAX = 1 << 22;

export interface Qcow2CheckResult {
  /** What contradicts itself: refcounts too low, references to nowhere, wrong flags. Data is lost or in danger. */
  corruptions: number;
  /** Clusters that are counted although nobody uses them: lost space, no danger. */
  leaks: number;
  /** The first of these in words. */
  problems: string[];
  allocatedClusters: number;
  compressedClusters: number;
  totalClusters: number;
  /** Bytes of the file up to the last cluster in use. */
  end: number;
}

/** What `examine` has found out about an image, and `repair` needs. */
export interface Examination {
  result: Qcow2CheckResult;
  /** What the refcounts should be. */
  references: ReferenceCounter;
  /** Corruptions that right refcounts and flags do not mend. */
  beyondRepair: number;
  /** L2 tables of the disk as it is now, by offset, with the index of their L1 entry. */
  activeTables: Map<number, number>;
  /** Refcount blocks that can be used, by their index in the refcount table. */
  blocks: Map<number, number>;
  /** Tables lie in each other: to change one would harm another. */
  tablesOverlap: boolean;
  /** Some refcounts have no place to stand, or the table is damaged: it has to be made anew. */
  needsNewTable: boolean;
}

export type CheckProgress = (done: number, total: number) => void;

/**
 * Follow every reference of an image and compare with its refcounts. Time and memory grow with the tables that the file really has.
 * Throws VmError 'Image' where a table of snapshots or bitmaps cannot be read at all.
 */
export async function examine(file: DiskFile, header: Qcow2Header, onProgress: CheckProgress = () => undefined): Promise<Examination> {
  return new Examiner(file, header, onProgress).run();
}

class Examiner {
  private readonly layout: Layout;
  private readonly references: ReferenceCounter;
  private readonly result: Qcow2CheckResult;
  private beyondRepair = 0;
  private needsNewTable = false;
  private tablesOverlap = false;
  /** Clusters of tables. */
  private readonly claimed = new Set<number>();
  private readonly blocks = new Map<number, number>();
  private readonly activeTables = new Map<number, number>();
  /** How often each L2 table is referred to. */
  private readonly tables = new Map<number, number>();
  private readonly fileClusters: number;

  constructor(
    private readonly file: DiskFile,
    private readonly header: Qcow2Header,
    private readonly onProgress: CheckProgress,
  ) {
    this.layout = layoutOf(header);
    this.references = new ReferenceCounter(() => this.tooMany('clusters that lie apart'));
    this.fileClusters = Math.ceil(file.length / this.layout.clusterSize);
    this.result = {
      corruptions: 0,
      leaks: 0,
      problems: [],
      allocatedClusters: 0,
      compressedClusters: 0,
      totalClusters: Math.ceil(header.size / this.layout.clusterSize),
      end: 0,
    };
  }

  async run(): Promise<Examination> {
    const { header } = this;
    this.claim(0, 1, 'the header');
    this.refer(0, 1, 1, 'the header');
    await this.countL1(header.l1Offset, header.l1Size, 'the L1 table', true);
    await this.countSnapshots();
    let done = 0;
    for (const [offset, times] of this.tables) {
      await this.countL2(offset, times);
      this.onProgress(++done, this.tables.size);
    }
    await this.countRefcounts();
    await this.countBitmaps();
    await this.compare();
    await this.checkFlags();
    for (const [cluster] of this.references.entries()) this.result.end = (cluster + 1) * this.layout.clusterSize;
    const { result, references, beyondRepair, activeTables, blocks, tablesOverlap, needsNewTable } = this;
    return { result, references, beyondRepair, activeTables, blocks, tablesOverlap, needsNewTable };
  }

  private corrupt(problem: string, isMendable = false): void {
    this.result.corruptions++;
    if (!isMendable) this.beyondRepair++;
    this.tell(problem);
  }

  private tell(problem: string): void {
    if (this.result.problems.length < TOLD_MAX) this.result.problems.push(problem);
  }

  private tooMany(what: string): Error {
    return damaged(this.file.path, `it has more ${what} than any tool makes`);
  }

  /** Count `times` references to clusters; false if they are not in the file. */
  private refer(first: number, count: number, times: number, what: string): boolean {
    if (first + count > this.fileClusters) {
      this.corrupt(`${what} would be in the clusters ${first} to ${first + count - 1}, of ${this.fileClusters} in the file`);
      return false;
    }
    for (let i = 0; i < count; i++) this.references.add(first + i, times);
    return true;
  }

  /** These clusters hold a table, and nothing else may. */
  private claim(first: number, count: number, what: string): void {
    for (let cluster = first; cluster < Math.min(first + count, this.fileClusters); cluster++) {
      if (this.claimed.has(cluster)) {
        this.tablesOverlap = true;
        this.corrupt(`${what} lies in cluster ${cluster}, where another table is`);
      }
      if (this.claimed.size >= TABLES_MAX) throw this.tooMany('clusters with tables');
      this.claimed.add(cluster);
    }
  }

  private referBytes(offset: number, bytes: number, what: string): boolean {
    const { clusterSize } = this.layout;
    if (offset % clusterSize !== 0) {
      this.corrupt(`${what} would be at byte ${offset}, which is no multiple of the cluster size`);
      return false;
    }
    this.claim(offset / clusterSize, Math.ceil(bytes / clusterSize), what);
    return bytes === 0 || this.refer(offset / clusterSize, Math.ceil(bytes / clusterSize), 1, what);
  }

  private async countL1(offset: number, size: number, what: string, isActive: boolean): Promise<void> {
    if (size === 0 || !this.referBytes(offset, size * 8, what)) return;
    const { view } = await this.read(offset, size * 8);
    for (let i = 0; i < size; i++) {
      const table = readOffset(view, i);
      if (table === 0) continue;
      if (table % this.layout.clusterSize !== 0 || table >= this.file.length) {
        this.corrupt(`entry ${i} of ${what} refers to byte ${table}, where no L2 table can be`);
        continue;
      }
      if (this.tables.size >= TABLES_MAX && !this.tables.has(table)) throw this.tooMany('L2 tables');
      this.tables.set(table, (this.tables.get(table) ?? 0) + 1);
      if (!isActive) continue;
      if (this.activeTables.has(table)) this.corrupt(`entries ${this.activeTables.get(table)} and ${i} of ${what} share an L2 table`);
      else this.activeTables.set(table, i);
    }
  }

  private async countSnapshots(): Promise<void> {
    const { header, file } = this;
    if (header.snapshotCount === 0) return;
    const { snapshots, tableBytes } = await readSnapshots(file, header);
    this.referBytes(header.snapshotsOffset, tableBytes, 'the snapshot table');
    if (snapshots.reduce((sum, { l1Size }) => sum + l1Size * 8, 0) > L1_BYTES_MAX)
      throw damaged(file.path, `its ${snapshots.length} snapshots would have more than ${L1_BYTES_MAX >> 20} MiB of L1 tables`);
    for (const { id, l1Offset, l1Size } of snapshots) await this.countL1(l1Offset, l1Size, `the L1 table of snapshot ${id}`, false);
  }

  private async countL2(offset: number, times: number): Promise<void> {
    const { clusterSize, l2Entries } = this.layout;
    this.claim(offset / clusterSize, 1, 'an L2 table');
    if (!this.refer(offset / clusterSize, 1, times, 'an L2 table')) return;
    const isActive = this.activeTables.has(offset);
    const isExternal = (this.header.incompatible & EXTERNAL_DATA) !== 0;
    const { view } = await this.read(offset, clusterSize);
    for (let i = 0; i < l2Entries; i++) {
      const entry = readL2Entry(view, i, this.layout);
      const what = `entry ${i} of the L2 table at byte ${offset}`;
      if ((entry.allocated & entry.zero) !== 0) this.corrupt(`${what} has subclusters with data that read as zeroes`);
      if (entry.allocated !== 0 && entry.host === 0 && !isExternal) this.corrupt(`${what} has data nowhere`);
      if (isActive && (entry.compressed > 0 || (entry.allocated & allSubclusters(this.layout)) !== 0)) {
        this.result.allocatedClusters++;
        if (entry.compressed > 0) this.result.compressedClusters++;
      }
      if (entry.host === 0 || (isExternal && entry.compressed === 0)) continue;
      if (entry.compressed === 0 && entry.host % clusterSize !== 0) {
        this.corrupt(`${what} refers to byte ${entry.host}, which is no multiple of the cluster size`);
        continue;
      }
      const { first, count } = clustersOf(entry, clusterSize);
      this.refer(first, count, times, what);
    }
  }

  private async countRefcounts(): Promise<void> {
    const { refcountTableOffset, refcountTableClusters } = this.header;
    const { clusterSize } = this.layout;
    const bytes = refcountTableClusters * clusterSize;
    this.referBytes(refcountTableOffset, bytes, 'the refcount table');
    const { view } = await this.read(refcountTableOffset, bytes);
    const seen = new Set<number>();
    for (let i = 0; i < bytes / 8; i++) {
      const offset = readOffset(view, i);
      if (offset === 0) continue;
      if (offset % clusterSize !== 0 || offset >= this.file.length || seen.has(offset)) {
        this.corrupt(`entry ${i} of the refcount table refers to byte ${offset}, where no refcount block of its own can be`, true);
        this.needsNewTable = true;
        continue;
      }
      seen.add(offset);
      this.claim(offset / clusterSize, 1, 'a refcount block');
      this.blocks.set(i, offset);
      this.references.add(offset / clusterSize, 1);
    }
  }

  private async countBitmaps(): Promise<void> {
    const { header, file, layout } = this;
    if (!header.bitmaps || !(header.autoclear & BITMAPS)) return;
    this.referBytes(header.bitmaps.directoryOffset, header.bitmaps.directoryBytes, 'the bitmap directory');
    const bitmaps = await readBitmaps(file, header);
    if (bitmaps.reduce((sum, { tableSize }) => sum + tableSize * 8, 0) > BITMAP_BYTES_MAX)
      throw damaged(file.path, `its ${bitmaps.length} bitmaps would have more than ${BITMAP_BYTES_MAX >> 20} MiB of tables`);
    for (const { name, tableOffset, tableSize } of bitmaps) {
      if (!this.referBytes(tableOffset, tableSize * 8, `the table of bitmap ${name}`)) continue;
      const { view } = await this.read(tableOffset, tableSize * 8);
      for (let i = 0; i < tableSize; i++) {
        const offset = readOffset(view, i);
        if (offset !== 0) this.referBytes(offset, layout.clusterSize, `cluster ${i} of bitmap ${name}`);
      }
    }
  }

  private async compare(): Promise<void> {
    const { refcountEntries, refcountBits, clusterSize } = this.layout;
    const limit = refcountMax(refcountBits);
    for (const [cluster, expected] of this.references.entries()) {
      if (expected > limit) this.corrupt(`cluster ${cluster} has ${expected} references, more than its refcount can say`);
      if (this.blocks.has(Math.floor(cluster / refcountEntries))) continue;
      this.corrupt(`cluster ${cluster} has ${expected} references, but no refcount`, true);
      this.needsNewTable = true;
    }
    for (const [index, offset] of this.blocks) {
      const { view } = await this.read(offset, clusterSize);
      for (let i = 0; i < refcountEntries; i++) {
        const actual = readRefcount(view, i, refcountBits);
        const cluster = index * refcountEntries + i;
        const expected = this.references.get(cluster);
        if (actual < expected) this.corrupt(`cluster ${cluster} has the refcount ${actual}, but ${expected} references`, expected <= limit);
        else if (actual > expected) {
          this.result.leaks++;
          this.tell(`cluster ${cluster} has the refcount ${actual}, but ${expected} references: it is leaked`);
        }
      }
    }
  }

  /** Bit 63 of L1 and L2 entries: exactly one reference. */
  private async checkFlags(): Promise<void> {
    const { clusterSize, l2Entries, entryBytes } = this.layout;
    if (this.activeTables.size === 0) return;
    const { view: l1 } = await this.read(this.header.l1Offset, this.header.l1Size * 8);
    const isExternal = (this.header.incompatible & EXTERNAL_DATA) !== 0;
    for (const [offset, index] of this.activeTables) {
      if (isCopied(l1, index) !== (this.references.get(offset / clusterSize) === 1))
        this.corrupt(`entry ${index} of the L1 table says wrongly whether its L2 table may be written in place`, true);
      const { view } = await this.read(offset, clusterSize);
      for (let i = 0; i < l2Entries; i++) {
        if (view.getUint32(i * entryBytes) === 0 && view.getUint32(i * entryBytes + 4) === 0) continue;
        const entry = readL2Entry(view, i, this.layout);
        if (entry.compressed > 0 || entry.host % clusterSize !== 0 || isExternal) continue;
        if (entry.copied !== (entry.host !== 0 && this.references.get(entry.host / clusterSize) === 1))
          this.corrupt(`entry ${i} of the L2 table at byte ${offset} says wrongly whether its cluster may be written in place`, true);
      }
    }
  }

  private async read(offset: number, length: number): Promise<{ bytes: Uint8Array; view: DataView }> {
    const bytes = new Uint8Array(length);
    await this.file.readv(offset, [bytes]);
    return { bytes, view: new DataView(bytes.buffer) };
  }
}
