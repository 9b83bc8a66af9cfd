import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What lies in the data directory beside the boxes, by what it is for; each file counts in the first that has it. */
const FOLDERS = {
  // Images of systems are shared with boxes by hard links: whoever deletes a system frees nothing that a box stands on.
  bases: ['bases'],
  downloads: ['images/cache', 'cache'],
  systems: ['images'],
  trash: ['trash'],
  guest: ['default-guest'],
  firmware: ['firmware'],
  other: [''],
} as const satisfies Record<string, readonly string[]>;

export type DiskPart = keyof typeof FOLDERS;
export const DISK_PARTS = Object.keys(FOLDERS) as DiskPart[];

export interface DiskPartUse {
  part: DiskPart;
  /** The folder, or the first of them. */
  path: string;
  /** Blocks that the file system has given away for it. */
  bytes: number;
}

const BLOCK = 512;

/** Where a part lies. */
export function folderOfPart(dataDirectory: string, part: DiskPart): string {
  return join(dataDirectory, FOLDERS[part][0]);
}

/** What each part takes, without the boxes themselves; parts that take nothing are left out. Files that vanish meanwhile count nothing. */
export async function diskParts(dataDirectory: string): Promise<DiskPartUse[]> {
  const counted = new Set<string>([join(dataDirectory, 'machines')]);
  const found: DiskPartUse[] = [];
  for (const part of DISK_PARTS) {
    let bytes = 0;
    for (const folder of FOLDERS[part]) bytes += await bytesIn(join(dataDirectory, folder), counted);
    if (bytes > 0) found.push({ part, path: folderOfPart(dataDirectory, part), bytes });
  }
  return found;
}

/** `counted`: folders by their paths, and files that have several names; what is found is added. */
async function bytesIn(folder: string, counted: Set<string>): Promise<number> {
  if (counted.has(folder)) return 0;
  counted.add(folder);
  let bytes = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const entry = await lstat(path).catch(() => undefined);
    if (entry?.isDirectory()) bytes += await bytesIn(path, counted);
    else if (entry?.isFile() && isNew(entry, counted)) bytes += entry.blocks * BLOCK;
  }
  return bytes;
}

function isNew({ nlink, dev, ino }: Stats, counted: Set<string>): boolean {
  if (nlink < 2) return true;
  const file = `${dev} ${ino}`;
  if (counted.has(file)) return false;
  counted.add(file);
  return true;
}
