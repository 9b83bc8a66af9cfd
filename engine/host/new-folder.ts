import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureFolder } from './ensure-folder';
import { VmError } from '../errors/vm-error';
import { tryLock } from './file-lock';
import { exists } from './open-file';
import { hostFiles } from './patient-files';

/** How a folder is called while it is being made, or taken away; its owner's lock is `NAME.lock` beside it. */
const UNFINISHED = /^(\.(?:new|old)-[0-9a-f]{16})(?:\.lock)?$/;

/** How often another name is chosen before somebody else's haste counts as a fault. */
const TRIES = 100;

/**
 * Make a folder that appears under its name only when it is complete: `fill` fills it under a hidden name beside, then everything in it is
 * flushed and it is renamed. `choose` says how to call it, given the names that are taken, in small letters; it is asked again where
 * somebody else was faster. Resolves with the name.
 *
 * A process that dies meanwhile leaves a hidden folder, which `removeUnfinished` knows. Throws what the host says, and what `fill` throws.
 */
export async function makeFolder(
  parent: string,
  choose: (taken: ReadonlySet<string>) => string,
  fill: (temporary: string) => Promise<void>,
): Promise<string> {
  return withNewFolder(parent, async (temporary) => {
    await fill(temporary);
    await syncTree(temporary);
    return moveFolder(temporary, parent, choose);
  });
}

/** Work in a hidden folder, which is gone afterwards, unless `work` gave it a name. If this process dies it is left to `removeUnfinished`. */
export async function withNewFolder<Result>(parent: string, work: (temporary: string) => Promise<Result>): Promise<Result> {
  ensureFolder(parent);
  const temporary = join(parent, `.new-${randomBytes(8).toString('hex')}`);
  // First the lock: a folder without one is nobody's.
  const lock = await tryLock(`${temporary}.lock`);
  if (lock.held)
    throw new VmError('Resource', `${temporary} is in use by ${lock.held.who}. Try again.`, {
      code: 'folder-in-use',
      params: { path: temporary, ...lock.held.names },
    });
  try {
    await mkdir(temporary);
    return await work(temporary);
  } finally {
    await hostFiles.removeFolder(temporary).catch(() => undefined);
    await lock.release();
  }
}

/** Move a folder into another one of the same file system, under a name that is free there (see makeFolder). Resolves with the name. */
export async function moveFolder(from: string, parent: string, choose: (taken: ReadonlySet<string>) => string): Promise<string> {
  ensureFolder(parent);
  for (let attempt = 1; ; attempt++) {
    const name = choose(new Set((await readdir(parent)).map((one) => one.toLowerCase())));
    const to = join(parent, name);
    try {
      await hostFiles.rename(from, to);
    } catch (error) {
      if (attempt < TRIES && (await exists(to)) && (await exists(from))) continue;
      throw error;
    }
    await syncFolder(parent);
    if (dirname(from) !== parent) await syncFolder(dirname(from));
    return name;
  }
}

/** Take a folder away with all that is in it: at once from its name, so that half of it never stands there. */
export async function removeFolder(path: string): Promise<void> {
  const away = join(dirname(path), `.old-${randomBytes(8).toString('hex')}`);
  await hostFiles.rename(path, away);
  await hostFiles.removeFolder(away);
}

/** Remove what processes that are gone were about to make or to remove in a folder. Resolves with how many. */
export async function removeUnfinished(parent: string): Promise<{ made: number; removed: number }> {
  const names = await readdir(parent).catch(() => []);
  const count = { made: 0, removed: 0 };
  for (const name of new Set(names.flatMap((one) => UNFINISHED.exec(one)?.[1] ?? []))) {
    const folder = join(parent, name);
    const lock = await tryLock(`${folder}.lock`);
    if (lock.held) continue;
    try {
      if (!(await exists(folder))) continue;
      // Others may be at it too.
      await hostFiles.removeFolder(folder).catch(async (error: unknown) => {
        if (await exists(folder)) throw error;
      });
      count[name.startsWith('.new-') ? 'made' : 'removed']++;
    } finally {
      await lock.release();
    }
  }
  return count;
}

/** Flush a folder and all that is in it. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncPath(path, process.platform === 'win32' ? 'r+' : 'r');
  }
  await syncFolder(folder);
}

/** Flush the names in a folder. Windows and some file systems cannot; there the file system's own journal has to do. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await syncPath(folder, 'r').catch(() => undefined);
}

async function syncPath(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
