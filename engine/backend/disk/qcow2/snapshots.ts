import type { DiskFile } from '../disk-file';
import { type Qcow2Header, damaged, readU64 } from './header';

const ENTRY_BYTES = 40;
/** More than any real table of snapshots; QEMU's limit. */
const TABLE_BYTES_MAX = 64 << 20;
const EXTRA_MAX = 1024;
const L1_SIZE_MAX = (32 << 20) / 8;

export interface Snapshot {
  id: string;
  name: string;
  /** When it was taken, in milliseconds since 1970. */
  date: number;
  /** How long the guest had run, in seconds. */
  running: number;
  /** Bytes of the saved machine state; 0: none. */
  vmState: number;
  /** Bytes of the disk at that time, where it is known. */
  size: number | undefined;
  l1Offset: number;
  l1Size: number;
}

/**
 * The internal snapshots (qcow2 specification, "Snapshots") and the bytes that their table takes. Throws VmError 'Image' if the table
 * is damaged.
 */
export async function readSnapshots(file: DiskFile, header: Qcow2Header): Promise<{ snapshots: Snapshot[]; tableBytes: number }> {
  const snapshots: Snapshot[] = [];
  let at = 0;
  for (let i = 0; i < header.snapshotCount; i++) {
    const start = new Uint8Array(ENTRY_BYTES + EXTRA_MAX);
    const available = await file.readv(header.snapshotsOffset + at, [start]);
    const view = new DataView(start.buffer);
    const idBytes = view.getUint16(12);
    const nameBytes = view.getUint16(14);
    const extraBytes = view.getUint32(36);
    const end = at + ENTRY_BYTES + extraBytes + idBytes + nameBytes;
    const l1Size = view.getUint32(8);
    if (available < ENTRY_BYTES || extraBytes > EXTRA_MAX || end > TABLE_BYTES_MAX || l1Size > L1_SIZE_MAX)
      throw damaged(file.path, `entry ${i + 1} of ${header.snapshotCount} of its snapshot table cannot be read`);
    const texts = new Uint8Array(idBytes + nameBytes);
    await file.readv(header.snapshotsOffset + at + ENTRY_BYTES + extraBytes, [texts]);
    snapshots.push({
      id: Buffer.from(texts.subarray(0, idBytes)).toString('utf8'),
      name: Buffer.from(texts.subarray(idBytes)).toString('utf8'),
      date: view.getUint32(16) * 1000 + Math.floor(view.getUint32(20) / 1e6),
      running: readU64(view, 24) / 1e9,
      vmState: extraBytes >= 8 ? readU64(view, 40) : view.getUint32(32),
      size: extraBytes >= 16 ? readU64(view, 48) : undefined,
      l1Offset: readU64(view, 0),
      l1Size,
    });
    at = Math.ceil(end / 8) * 8;
  }
  return { snapshots, tableBytes: at };
}
