import { stat } from 'node:fs/promises';
import { filesBelow, qcow2Info } from './box-images';

/** What a box's folder takes on the host's disk. */
export interface DiskUse {
  /** Blocks that the file system has given away for it: holes count nothing. */
  bytes: number;
  /** `virtualSize`: bytes of the disk that a guest sees, where that is not the file's length. */
  files: { path: string; bytes: number; virtualSize?: number }[];
}

const BLOCK = 512;

/** What the files in a folder take. Files that vanish meanwhile are left out. */
export async function diskUseOf(folder: string): Promise<DiskUse> {
  const files: DiskUse['files'] = [];
  for (const path of (await filesBelow(folder)).sort()) {
    const found = await stat(path).catch(() => undefined);
    if (!found) continue;
    const bytes = found.blocks * BLOCK;
    const image = await qcow2Info(path).catch(() => undefined);
    // Holes make a file longer than what it takes: it is a raw disk, most likely.
    const virtualSize = image?.size ?? (found.size > bytes + BLOCK * 8 ? found.size : undefined);
    files.push({ path, bytes, ...(virtualSize !== undefined && { virtualSize }) });
  }
  return { bytes: files.reduce((sum, file) => sum + file.bytes, 0), files };
}
