import { VmError } from '../../../errors/vm-error';
import type { DiskFile } from '../disk-file';
import { type CheckProgress, type Examination, type Qcow2CheckResult, examine } from './check';
import { AT_INCOMPATIBLE, AT_REFCOUNT_TABLE, CORRUPT, DIRTY, EXTERNAL_DATA, type Qcow2Header, damaged, writeU64 } from './header';
import { readL2Entry, readOffset, writeOffset } from './l2-entry';
import { layoutOf } from './layout';
import { readRefcount, writeRefcount } from './refcount-block';

export interface Qcow2RepairResult {
  before: Qcow2CheckResult;
  after: Qcow2CheckResult;
}

/**
 * Set the refcounts, and the flags that follow from them, to what the image's references say. What is beyond that (references to
 * nowhere) stays as it is. Nothing is done to an image whose tables lie in each other, nor,
 * with `leaksOnly`, to one that has corruptions. `header` is brought up to date.
 *
 * A crash leaves nothing worse than it was: flags that allow writing in place are taken away first and given last.
 */
export async function repair(
  file: DiskFile,
  header: Qcow2Header,
  { leaksOnly = false, onProgress }: { leaksOnly?: boolean; onProgress?: CheckProgress } = {},
): Promise<Qcow2RepairResult> {
  const examination = await examine(file, header, onProgress);
  const before = examination.result;
  if (examination.tablesOverlap || (leaksOnly && before.corruptions > 0)) return { before, after: before };
  if (before.corruptions > 0) await setFlags(file, header, examination, false);
  if (examination.needsNewTable) await rebuildTable(file, header, examination);
  else if (before.corruptions > 0 || before.leaks > 0) await correctBlocks(file, header, examination);
  const between = before.corruptions > 0 ? await examine(file, header, onProgress) : examination;
  if (before.corruptions > 0) await setFlags(file, header, between, true);
  const { result: after } = before.corruptions + before.leaks > 0 ? await examine(file, header, onProgress) : examination;
  if (after.corruptions === 0 && header.incompatible & (CORRUPT | DIRTY)) {
    header.incompatible &= ~(CORRUPT | DIRTY);
    const field = new Uint8Array(4);
    new DataView(field.buffer).setUint32(0, header.incompatible);
    await file.writev(AT_INCOMPATIBLE + 4, [field]);
    await file.sync();
  }
  return { before, after };
}

/** Bring the refcounts of an image up to date that says they may not be. Throws VmError 'Image' if it stays damaged. */
export async function repairRefcounts(file: DiskFile, header: Qcow2Header): Promise<void> {
  const { after } = await repair(file, header);
  if (after.corruptions > 0) throw damaged(file.path, after.problems[0]);
}

async function correctBlocks(file: DiskFile, header: Qcow2Header, { references, blocks }: Examination): Promise<void> {
  const { clusterSize, refcountEntries, refcountBits } = layoutOf(header);
  for (const [index, offset] of blocks) {
    const bytes = new Uint8Array(clusterSize);
    const view = new DataView(bytes.buffer);
    await file.readv(offset, [bytes]);
    let isChanged = false;
    for (let i = 0; i < refcountEntries; i++) {
      const expected = references.get(index * refcountEntries + i);
      if (readRefcount(view, i, refcountBits) === expected) continue;
      writeRefcount(view, i, refcountBits, expected);
      isChanged = true;
    }
    if (isChanged) await file.writev(offset, [bytes]);
  }
  await file.sync();
}

/** A new refcount table with all its blocks, behind all that is in use. The old ones are free then. */
async function rebuildTable(file: DiskFile, header: Qcow2Header, { references, blocks }: Examination): Promise<void> {
  const { clusterSize, refcountEntries, refcountBits } = layoutOf(header);
  for (const offset of blocks.values()) references.add(offset / clusterSize, -1);
  for (let i = 0; i < header.refcountTableClusters; i++) references.add(header.refcountTableOffset / clusterSize + i, -1);
  const wanted = new Set<number>();
  for (const [cluster] of references.entries()) wanted.add(Math.floor(cluster / refcountEntries));
  const first = Math.ceil(file.length / clusterSize);
  // The blocks and the table have refcounts too, and those may need more blocks.
  let tableClusters = 1;
  for (let isStable = false; !isStable; ) {
    const sizes = [wanted.size, tableClusters];
    const last = Math.floor((first + wanted.size + tableClusters) / refcountEntries);
    for (let index = Math.floor(first / refcountEntries); index <= last; index++) wanted.add(index);
    // Too many for the arguments of Math.max.
    const highest = [...wanted].reduce((most, index) => Math.max(most, index), 0);
    tableClusters = Math.ceil(((highest + 1) * 8) / clusterSize);
    isStable = sizes[0] === wanted.size && sizes[1] === tableClusters;
  }
  if (tableClusters * clusterSize > 8 << 20)
    throw new VmError('Image', `${file.path} cannot be repaired: its refcount table would be larger than 8 MiB.`);
  const indices = [...wanted].sort((a, b) => a - b);
  for (let i = 0; i < indices.length + tableClusters; i++) references.add(first + i, 1);
  const table = new Uint8Array(tableClusters * clusterSize);
  const tableView = new DataView(table.buffer);
  for (const [i, index] of indices.entries()) {
    const bytes = new Uint8Array(clusterSize);
    const view = new DataView(bytes.buffer);
    for (let entry = 0; entry < refcountEntries; entry++)
      writeRefcount(view, entry, refcountBits, references.get(index * refcountEntries + entry));
    await file.writev((first + i) * clusterSize, [bytes]);
    writeOffset(tableView, index, (first + i) * clusterSize, false);
  }
  const offset = (first + indices.length) * clusterSize;
  await file.writev(offset, [table]);
  await file.sync();
  const fields = new Uint8Array(12);
  const view = new DataView(fields.buffer);
  writeU64(view, 0, offset);
  view.setUint32(8, tableClusters);
  await file.writev(AT_REFCOUNT_TABLE, [fields]);
  await file.sync();
  header.refcountTableOffset = offset;
  header.refcountTableClusters = tableClusters;
}

/** Give or take the flags that say that a cluster has one reference. */
async function setFlags(file: DiskFile, header: Qcow2Header, { references, activeTables }: Examination, give: boolean): Promise<void> {
  const layout = layoutOf(header);
  const { clusterSize, l2Entries, entryBytes } = layout;
  if (activeTables.size === 0) return;
  const l1 = new Uint8Array(header.l1Size * 8);
  const l1View = new DataView(l1.buffer);
  await file.readv(header.l1Offset, [l1]);
  const isOne = (offset: number): boolean => references.get(offset / clusterSize) === 1;
  for (const [offset, index] of activeTables) {
    if (isOne(offset) === give) writeOffset(l1View, index, readOffset(l1View, index), give);
    if (header.incompatible & EXTERNAL_DATA) continue;
    const bytes = new Uint8Array(clusterSize);
    const view = new DataView(bytes.buffer);
    await file.readv(offset, [bytes]);
    let isChanged = false;
    for (let i = 0; i < l2Entries; i++) {
      const entry = readL2Entry(view, i, layout);
      if (entry.compressed > 0 || entry.host % clusterSize !== 0 || entry.host === 0) continue;
      if (entry.copied === give || isOne(entry.host) !== give) continue;
      view.setUint8(i * entryBytes, view.getUint8(i * entryBytes) ^ 0x80);
      isChanged = true;
    }
    if (isChanged) await file.writev(offset, [bytes]);
  }
  await file.writev(header.l1Offset, [l1]);
  await file.sync();
}
