import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VmError } from '../errors/vm-error';
import { hostFiles } from '../host/patient-files';
import { moveFolder, removeFolder } from '../host/new-folder';
import { lockMoves, removeUnusedBases } from './bases';
import { ID, LOCK_FILE, type LibraryFolders, OLD_OWNER_FILE, SETTINGS_FILE, freeId, readBox } from './box-folder';
import { isFull } from './box-lock';
import { diskUseOf } from './disk-use';

/** A box in Hartbox's own trash. */
export interface TrashedBox {
  trashId: string;
  /** The box's id before, and again when it is restored, unless another has it by then. */
  id: string;
  name: string;
  /** Bytes that purging it would free. */
  size: number;
  /** When it was removed, in milliseconds since 1970. */
  time: number;
}

/** `ID-20261129T014702Z`, in small letters; a number behind where two would be called the same. */
const TRASHED = /^(.+)-(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z(?:-\d+)?$/;
const DAY_MS = 86_400_000;

/** Move a box into the trash. Resolves with its name there. */
export async function moveToTrash(folders: LibraryFolders, id: string): Promise<string> {
  const { machines, trash } = folders;
  const time = new Date()
    .toISOString()
    .replace(/[-:]|\.\d+/g, '')
    .toLowerCase();
  const trashId = await moving(folders, () =>
    moveFolder(join(machines, id), trash, (taken) => {
      for (let n = 1; ; n++) {
        const name = `${id}-${time}${n === 1 ? '' : `-${n}`}`;
        if (!taken.has(name)) return name;
      }
    }),
  );
  await removeLocks(join(trash, trashId));
  return trashId;
}

/** The boxes in the trash, the last removed first. */
export async function listTrash({ trash }: LibraryFolders): Promise<TrashedBox[]> {
  const found: TrashedBox[] = [];
  for (const trashId of await readdir(trash).catch(() => [])) {
    const [, id, year, month, day, hour, minute, second] = TRASHED.exec(trashId) ?? [];
    if (id === undefined || !ID.test(id)) continue;
    const folder = join(trash, trashId);
    const name = await readBox(folder).then(
      ({ values }) => values.name,
      () => id,
    );
    const time = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
    found.push({ trashId, id, name, size: (await diskUseOf(folder)).bytes, time });
  }
  return found.sort((a, b) => b.time - a.time || (a.trashId < b.trashId ? 1 : -1));
}

/** Put a box back into the library. Resolves with its id: another one where its own was taken. Throws VmError `State` if it is not there. */
export async function restoreBox(folders: LibraryFolders, trashId: string): Promise<string> {
  const { machines, trash } = folders;
  const [, id] = TRASHED.exec(trashId) ?? [];
  const folder = join(trash, trashId);
  if (id === undefined || !ID.test(id)) throw notThere(trashId);
  await removeLocks(folder);
  return moving(folders, () => moveFolder(folder, machines, (taken) => freeId(id, taken))).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? notThere(trashId) : error;
  });
}

/** Delete a box in the trash for good. Throws VmError `State` if it is not there. */
export async function purgeBox(folders: LibraryFolders, trashId: string): Promise<void> {
  if (!TRASHED.test(trashId) || trashId.includes('/') || trashId.includes('\\')) throw notThere(trashId);
  await removeFolder(join(folders.trash, trashId)).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? notThere(trashId) : error;
  });
  // What is deleted is deleted; bases can wait for the next time.
  await removeUnusedBases(folders).catch(() => undefined);
}

/** Delete all that has been in the trash for so many days. Resolves with what was deleted. */
export async function emptyTrash(folders: LibraryFolders, { olderThanDays = 0 } = {}): Promise<TrashedBox[]> {
  const before = Date.now() - olderThanDays * DAY_MS;
  const old = (await listTrash(folders)).filter(({ time }) => olderThanDays === 0 || time < before);
  for (const { trashId } of old) {
    await purgeBox(folders, trashId).catch((error: unknown) => {
      // Somebody else was faster.
      if (!(error instanceof VmError && error.code === 'not-in-trash')) throw error;
    });
  }
  return old;
}

async function moving<Result>(folders: LibraryFolders, move: () => Promise<Result>): Promise<Result> {
  // On a full disk nobody gets the lock, so nobody looks for bases either.
  const lock = await lockMoves(folders).catch((error: unknown) => {
    if (!isFull(error)) throw error;
  });
  try {
    return await move();
  } finally {
    await lock?.release();
  }
}

/** Nobody runs what is in the trash, or edits it. */
async function removeLocks(folder: string): Promise<void> {
  for (const name of [LOCK_FILE, OLD_OWNER_FILE, `${SETTINGS_FILE}.lock`]) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found) await (found.isDirectory() ? hostFiles.removeFolder(path) : hostFiles.remove(path));
  }
}

function notThere(trashId: string): VmError {
  return new VmError('State', `There is no box "${trashId}" in the trash. It may have been restored or deleted.`, {
    code: 'not-in-trash',
    params: { id: trashId },
  });
}
