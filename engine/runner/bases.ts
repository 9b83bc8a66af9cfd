import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFolder } from '../host/ensure-folder';
import { type FileLock, awaitLock, tryLock } from '../host/file-lock';
import { removeFolder } from '../host/new-folder';
import { type LibraryFolders, insideOf, isInside } from './box-folder';
import { backingFile, filesBelow } from './box-images';

/**
 * Images that linked clones and the boxes that they were made of share. They lie in `bases/`, each in a folder of its own, so that from
 * `bases/X/` as from `machines/Y/` and `trash/Z/` the way to another base is `../../bases/`: an image that becomes a base, or whose box goes
 * to the trash, finds what lies below it as before.
 *
 * A base is never written to. It goes when the last image above it has gone for good.
 */
const LOCK = '.moves.lock';

/**
 * Boxes move between library and trash, and bases come and go, only under this lock: whoever looks for the images above a base must not miss
 * one that is on its way.
 */
export async function lockMoves({ machines }: LibraryFolders): Promise<FileLock> {
  ensureFolder(machines);
  return awaitLock(join(machines, LOCK), { patience: 30_000 });
}

/** Whether a file is an image in `bases/X/`. */
export function isBase(bases: string, file: string): boolean {
  return isInside(bases, file);
}

/**
 * Remove the bases on which no image stands any more: of a box, one in the trash, or another base. Resolves with how many. Does nothing
 * while somebody is at the bases, or where an image does not tell what it stands on.
 */
export async function removeUnusedBases(folders: LibraryFolders): Promise<number> {
  const { bases, machines, trash } = folders;
  const names = await readdir(bases).catch(() => []);
  if (!names.some((name) => !name.startsWith('.'))) return 0;
  const lock = await tryLock(join(machines, LOCK));
  if (lock.held) return 0;
  try {
    let count = 0;
    for (;;) {
      const used = new Set<string>();
      for (const folder of [machines, trash, bases])
        for (const file of await filesBelow(folder)) {
          const backing = await backingFile(file);
          if (backing !== undefined && isBase(bases, backing)) used.add(insideOf(bases, backing).split('/')[0]);
        }
      const unused = (await readdir(bases)).filter((name) => !name.startsWith('.') && !used.has(name)).map((name) => join(bases, name));
      // What only they stood on is unused now.
      if (unused.length === 0) return count;
      for (const path of unused) {
        // Windows deletes no read-only files.
        if (process.platform === 'win32') for (const file of await filesBelow(path)) await chmod(file, 0o644);
        await removeFolder(path);
        count++;
      }
    }
  } catch {
    // An image that does not tell what it stands on may stand on any.
    return 0;
  } finally {
    await lock.release();
  }
}
