import { randomBytes } from 'node:crypto';
import { lstat, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { dataDirectory } from './data-directory';
import { ensureFolder } from './ensure-folder';
import { tryLock } from './file-lock';
import { asFileName } from './file-name';
import { hostFiles } from './patient-files';
import { hostProcesses, isPresent } from './process-identity';

/** What a process of another computer left unfinished is removed once nothing has come to it for this long, in milliseconds. */
const LEFTOVER_MS = 3_600_000;

/** How a file is called while it is being made: `NAME.part-PID-HEX`. */
const PART = /\.part-(\d+)(?:-[0-9a-f]{8})?$/;

export function temporaryName(path: string): string {
  return join(dirname(path), `${shortened(path)}.part-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** A name that may be as long as it is may not be longer. */
function shortened(path: string): string {
  return asFileName(basename(path));
}

/**
 * Make a file wherever the user wants it: while `work` is at it, its temporary name is noted in the data directory (`unfinished/HEX`, with
 * its owner's lock `HEX.lock`), for nobody would look for it there. If this process dies it is left to `removeUnfinishedFiles`.
 */
export async function notedAsUnfinished<Result>(temporary: string, work: () => Promise<Result>): Promise<Result> {
  const forget = await note(temporary).catch(() => undefined);
  try {
    return await work();
  } finally {
    await forget?.().catch(() => undefined);
  }
}

function notesFolder(data = dataDirectory()): string {
  return join(data, 'unfinished');
}

/** Where that cannot be written, a file can be made all the same. */
async function note(temporary: string): Promise<() => Promise<void>> {
  const folder = notesFolder();
  ensureFolder(folder);
  const file = join(folder, randomBytes(8).toString('hex'));
  const lock = await tryLock(`${file}.lock`);
  if (lock.held) throw new Error('somebody has this name');
  await writeFile(file, temporary);
  return async () => {
    await hostFiles.remove(file);
    await lock.release();
  };
}

/** Remove the files that processes which are gone were about to make, wherever that was. Resolves with how many. Throws what the host says. */
export async function removeUnfinishedFiles(data?: string): Promise<number> {
  const folder = notesFolder(data);
  let count = 0;
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of new Set(names.flatMap((one) => /^([0-9a-f]{16})(?:\.lock)?$/.exec(one)?.[1] ?? []))) {
    const file = join(folder, name);
    const lock = await tryLock(`${file}.lock`);
    if (lock.held) continue;
    try {
      const temporary = await readFile(file, 'utf8').catch(() => '');
      if (PART.test(temporary)) {
        const found = await lstat(temporary).catch(() => undefined);
        // A disk that was taken out may come back; a folder of ours that was itself unfinished does not.
        const way = relative(dirname(folder), temporary);
        const isOurs = !way.startsWith('..') && !isAbsolute(way);
        if (!found && !isOurs && !(await stat(dirname(temporary)).catch(() => undefined))) continue;
        if (found?.isFile()) {
          await hostFiles.remove(temporary);
          count++;
        }
        // As an image it had a lock of its own.
        await hostFiles.remove(`${temporary}.lock`).catch(() => undefined);
      }
      await hostFiles.remove(file);
    } finally {
      await lock.release();
    }
  }
  return count;
}

/**
 * Remove what processes that are gone left in a folder that is Hartbox's own, or with `of` what was to become that file. Only names tell
 * whose it was, so it takes an hour.
 */
export async function removeOldParts(folder: string, of?: string): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const [suffix, pid] = PART.exec(name) ?? [];
    if (pid === undefined || isPresent(Number(pid), hostProcesses())) continue;
    if (of !== undefined && name !== `${shortened(of)}${suffix}`) continue;
    const leftover = join(folder, name);
    // It may belong to a process of another computer.
    const touched = await stat(leftover).catch(() => undefined);
    if (touched && Date.now() - touched.mtimeMs > LEFTOVER_MS) await hostFiles.remove(leftover).catch(() => undefined);
  }
}
