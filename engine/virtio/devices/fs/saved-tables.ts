import { constants } from 'node:fs';
import { z } from 'zod';
import { unsigned } from '../../../bus/device-state';
import { findByNames, namesOf } from '../../../backend/share/saved-names';
import type { ShareNode } from '../../../backend/share/share-node';
import type { SharedFolder } from '../../../backend/share/shared-folder';
import type { Handle, HandleTable } from './handle-table';
import type { InodeTable } from './inode-table';

/** Of a file that is open, only what it was opened for is saved; it may be another one when it is opened again. */
const AGAIN = constants.O_WRONLY | constants.O_RDWR | constants.O_APPEND;

const number = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
/** From the root to a file, each character a byte; null where it has none any more. */
const names = z.array(z.string()).nullable();

/** What the guest knows by number, as a snapshot has it: by the names of files. */
export const savedTablesSchema = z.strictObject({
  inodes: z.array(z.strictObject({ number, lookups: number, names })),
  handles: z.array(z.strictObject({ number, names, flags: unsigned(32) })),
  /** That come next. */
  nextInode: number,
  nextHandle: number,
});
export type SavedTables = z.output<typeof savedTablesSchema>;

export function saveTables(inodes: InodeTable, handles: HandleTable, root: ShareNode): SavedTables {
  return {
    inodes: Array.from(inodes.entries(), ([number, { node, lookups }]) => ({ number, lookups, names: namesOf(node, root) })),
    handles: Array.from(handles.entries(), ([number, { node, flags }]) => ({ number, names: namesOf(node, root), flags: flags & AGAIN })),
    nextInode: inodes.next,
    nextHandle: handles.next,
  };
}

/** Finds the files again. What is gone has a number of nothing. */
export async function loadTables(saved: SavedTables, inodes: InodeTable, handles: HandleTable, folder: SharedFolder): Promise<void> {
  inodes.next = saved.nextInode;
  handles.next = saved.nextHandle;
  for (const { number, lookups, names } of saved.inodes) {
    const node = names && (await findByNames(folder, names).catch(() => undefined));
    // Two files of a moment ago may be one now, which has one number.
    if (node) inodes.put(number, node, lookups);
  }
  for (const { number, names, flags } of saved.handles) {
    const node = names && (await findByNames(folder, names).catch(() => undefined));
    if (!node) continue;
    try {
      handles.put(number, await openedAgain(folder, node, flags));
    } catch {
      folder.release(node);
    }
  }
}

async function openedAgain(folder: SharedFolder, node: ShareNode, flags: number): Promise<Handle> {
  if (!node.isFolder) return { node, file: await folder.openFile(node, flags), flags };
  const listing = folder.listing();
  await folder.list(node, listing);
  return { node, listing, flags };
}
