import { constants } from 'node:fs';
import { z } from 'zod';
import { unsigned } from '../../../bus/device-state';
import { findByNames, namesOf } from '../../../backend/share/saved-names';
import type { ShareNode } from '../../../backend/share/share-node';
import type { SharedFolder } from '../../../backend/share/shared-folder';
import { Fid, type FidTable } from './fid';

/** Of a file that is open, only what it was opened for is saved; it may be another one when it is opened again. */
const AGAIN = constants.O_WRONLY | constants.O_RDWR | constants.O_APPEND;

/** What a client holds, as a snapshot has it: fids by the names of their files, each character a byte; null where a file has none any more. */
export const savedFidsSchema = z.array(
  z.strictObject({
    fid: unsigned(32),
    uid: unsigned(32),
    names: z.array(z.string()).nullable(),
    /** Null where it is not open; flags of open(2). */
    open: unsigned(32).nullable(),
  }),
);
export type SavedFids = z.output<typeof savedFidsSchema>;

export function saveFids(fids: FidTable, root: ShareNode): SavedFids {
  return Array.from(fids.entries(), ([number, { node, uid, file, listing, flags }]) => ({
    fid: number,
    uid,
    names: namesOf(node, root),
    open: file || listing ? flags & AGAIN : null,
  }));
}

/** Finds the files again. What is gone is a fid that is none. */
export async function loadFids(saved: SavedFids, fids: FidTable, folder: SharedFolder): Promise<void> {
  for (const { fid: number, uid, names, open } of saved) {
    if (names === null) continue;
    let node: ShareNode;
    try {
      node = await findByNames(folder, names);
    } catch {
      continue;
    }
    try {
      const fid = new Fid(node, uid);
      if (open !== null && node.isFolder) {
        fid.listing = folder.listing();
        await folder.list(node, fid.listing);
      } else if (open !== null) {
        fid.file = await folder.openFile(node, open);
        fid.flags = open;
      }
      fids.add(number, fid);
    } catch {
      folder.release(node);
    }
  }
}
