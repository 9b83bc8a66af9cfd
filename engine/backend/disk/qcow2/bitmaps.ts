import type { DiskFile } from '../disk-file';
import { type Qcow2Header, damaged, readU64 } from './header';

const IN_USE = 1 << 0;
const AUTO = 1 << 1;
const ENTRY_BYTES = 24;

export interface Bitmap {
  name: string;
  /** Bytes of the disk for each bit. */
  granularity: number;
  /** It was not kept up to date: what it says is not to be trusted. */
  inUse: boolean;
  /** Meant to record all changes. */
  auto: boolean;
  tableOffset: number;
  tableSize: number;
  /** Offset of its directory entry in the file. */
  at: number;
}

/** The image's bitmaps (qcow2 specification, "Bitmap directory"). Throws VmError 'Image' if the directory is damaged. */
export async function readBitmaps(file: DiskFile, header: Qcow2Header): Promise<Bitmap[]> {
  const { bitmaps } = header;
  if (!bitmaps) return [];
  const bytes = new Uint8Array(bitmaps.directoryBytes);
  await file.readv(bitmaps.directoryOffset, [bytes]);
  const view = new DataView(bytes.buffer);
  const list: Bitmap[] = [];
  let at = 0;
  for (let i = 0; i < bitmaps.count; i++) {
    if (at + ENTRY_BYTES > bytes.length) throw damaged(file.path, `its bitmap directory ends before bitmap ${i + 1} of ${bitmaps.count}`);
    const nameBytes = view.getUint16(at + 18);
    const extraBytes = view.getUint32(at + 20);
    const end = at + ENTRY_BYTES + extraBytes + nameBytes;
    if (end > bytes.length) throw damaged(file.path, `its bitmap directory ends within bitmap ${i + 1} of ${bitmaps.count}`);
    const flags = view.getUint32(at + 12);
    list.push({
      name: Buffer.from(bytes.subarray(end - nameBytes, end)).toString('utf8'),
      granularity: 2 ** view.getUint8(at + 17),
      inUse: (flags & IN_USE) !== 0,
      auto: (flags & AUTO) !== 0,
      tableOffset: readU64(view, at),
      tableSize: view.getUint32(at + 8),
      at: bitmaps.directoryOffset + at,
    });
    at = Math.ceil(end / 8) * 8;
  }
  return list;
}

/**
 * Before the disk is changed: bitmaps that should record that, which Hartbox does not do, are marked as not up to date, so that
 * no backup relies on them. Those that record nothing stay as they are.
 */
export async function markBitmapsInUse(file: DiskFile, header: Qcow2Header): Promise<void> {
  const outdated = (await readBitmaps(file, header)).filter(({ auto, inUse }) => auto && !inUse);
  for (const { at } of outdated) {
    const flags = new Uint8Array(4);
    await file.readv(at + 12, [flags]);
    flags[3] |= IN_USE;
    await file.writev(at + 12, [flags]);
  }
  if (outdated.length > 0) await file.sync();
}
