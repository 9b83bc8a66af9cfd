import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureFolder } from '../host/ensure-folder';
import { asVmError } from '../errors/system-error';
import { removeDeadLocks } from '../host/file-lock';
import { removeUnfinished } from '../host/new-folder';
import { removeOldParts, removeUnfinishedFiles } from '../host/unfinished-files';
import { removeSetupLeftovers } from '../images/setup-leftovers';
import { removeUnusedBases } from './bases';
import { ID, LOCK_FILE, type LibraryFolders, readBox } from './box-folder';
import { clearDeadLock } from './box-lock';
import { removeControlFile } from './control-file';

/** Something that was found after a crash, and put right. */
export interface Recovery {
  /** interrupted: boxes ran when what ran them was ended. failed: something could not be put right. */
  what: 'half-made' | 'half-deleted' | 'half-written' | 'unused-images' | 'interrupted' | 'failed';
  /** How many boxes, or images. */
  count: number;
  /** With `interrupted`: what they are called. */
  names: string[];
  /** For people. */
  message: string;
}

/** See Library.recover(). */
export async function recover(folders: LibraryFolders): Promise<Recovery[]> {
  const { machines, trash, bases } = folders;
  const found: Recovery[] = [];
  const say = (what: Recovery['what'], count: number, one: string, more: string, names: string[] = []): void => {
    if (count > 0) found.push({ what, count, names, message: count === 1 ? one : more.replace('N', `${count}`) });
  };
  // A program that cannot clean up can work all the same.
  const or = <Result>(work: Promise<Result>, otherwise: Result): Promise<Result> =>
    work.catch((error: unknown) => {
      say('failed', 1, `Something could not be cleaned up: ${asVmError(error).message}`, '');
      return otherwise;
    });
  // When the disk is full, and a box has to go, it may be too late for that.
  try {
    ensureFolder(trash);
  } catch {
    // Whatever needs the folder says so.
  }
  const names = await or(interrupted(machines), []);
  const [inMachines, inTrash, inBases] = await Promise.all(
    [machines, trash, bases].map((folder) => or(removeUnfinished(folder), { made: 0, removed: 0 })),
  );
  const unused = await or(removeUnusedBases(folders), 0);
  const data = dirname(machines);
  const files = await or(removeUnfinishedFiles(data), 0);
  await or(removeSetupLeftovers(data), undefined);
  for (const folder of await ownFolders(folders)) {
    await removeOldParts(folder);
    await or(removeDeadLocks(folder, [LOCK_FILE]), undefined);
  }
  const called = names.map((name) => `"${name}"`).join(', ');
  say(
    'interrupted',
    names.length,
    `${called} was still running when the process that ran it was ended. Its disks are as its guest last wrote them.`,
    `These boxes were still running when the processes that ran them were ended: ${called}. Their disks are as their guests last wrote them.`,
    names,
  );
  say(
    'half-made',
    inMachines.made,
    'A box that was only half made was cleaned away.',
    'N boxes that were only half made were cleaned away.',
  );
  say('half-deleted', inTrash.removed, 'The deletion of a box was finished.', 'The deletion of N boxes was finished.');
  say('half-written', files, 'A file that was only half written was removed.', 'N files that were only half written were removed.');
  const images = inBases.made + inBases.removed + unused;
  say('unused-images', images, 'An image that no clone uses was deleted.', 'N images that no clone uses were deleted.');
  return found;
}

/** Where Hartbox itself writes files and locks. */
async function ownFolders({ machines, bases }: LibraryFolders): Promise<string[]> {
  const data = dirname(machines);
  const inside = [machines, bases].map(async (folder) =>
    (await readdir(folder).catch((): string[] => [])).filter((id) => ID.test(id)).map((id) => join(folder, id)),
  );
  const set = ['default-guest', 'firmware', 'engine', 'suites'].map((name) => join(data, name));
  return [data, machines, bases, ...set, ...(await Promise.all(inside)).flat()];
}

/** Take away what processes that died while they ran a box, or worked on one, left in its folder. Resolves with the names of those that ran. */
async function interrupted(machines: string): Promise<string[]> {
  const names: string[] = [];
  for (const id of await readdir(machines).catch(() => [])) {
    if (!ID.test(id)) continue;
    const folder = join(machines, id);
    if ((await clearDeadLock(folder, () => removeControlFile(folder))) !== 'run') continue;
    names.push(
      await readBox(folder).then(
        ({ values }) => values.name,
        () => id,
      ),
    );
  }
  return names;
}
