import { type FileHandle, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openFile } from '../host/open-file';
import { type DiskInfo, diskInfo } from '../backend/disk/disk-images';

const QCOW2_MAGIC = Buffer.from('QFI\xfb', 'latin1');

/** Regular files below a folder, by their paths; links are not followed. A folder that vanishes is empty. Throws what the host says. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}

/** What a qcow2 image says of itself; undefined for all other files. Throws as diskInfo does for one that is damaged. */
export async function qcow2Info(path: string): Promise<DiskInfo | undefined> {
  const magic = Buffer.alloc(QCOW2_MAGIC.length);
  let file: FileHandle;
  try {
    file = await openFile(path);
  } catch (error) {
    if (['ENOENT', 'not-a-file'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  try {
    await file.read(magic, 0, magic.length, 0);
  } finally {
    await file.close();
  }
  return magic.equals(QCOW2_MAGIC) ? diskInfo(path, { format: 'qcow2' }) : undefined;
}

/** The image below the one in a file, as a path of this process; undefined if there is none. */
export async function backingFile(path: string): Promise<string | undefined> {
  const backing = (await qcow2Info(path))?.backing;
  return backing && resolve(path, '..', backing.file.replace(/^file:/, ''));
}
