import { type FileHandle, chmod, chown, link, open, realpath, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { reasonCode, reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { unfitFileName } from './file-name';
import { exists, folderMissing, typeAt } from './open-file';
import { hostFiles } from './patient-files';
import { notedAsUnfinished, removeOldParts, removeUnfinishedFiles, temporaryName } from './unfinished-files';

/**
 * Make a file that appears under its name only when it is complete: `fill` writes it under another name beside, then it is flushed and
 * renamed. Whatever happens meanwhile, a file that was there before stays as it was. Without `replace` there may be none.
 *
 * Throws VmError: 'Config' if there is a file already or no file may be called so, 'Resource' if the host refuses, or with `replace` no file is what is there; what `fill` throws comes through.
 */
export async function makeFile(path: string, fill: (temporary: string) => Promise<void>, { replace = false } = {}): Promise<void> {
  // On every system: a box goes from one to another with its files.
  const unfit = unfitFileName(basename(path));
  if (unfit)
    throw VmError.config(`${path} cannot be made under this name: ${unfit}. Choose another name.`, {
      code: 'file-name-unfit',
      params: { path },
    });
  try {
    if (!replace && (await exists(path))) throw alreadyThere(path);
    const target = replace ? await replaceable(path) : path;
    const temporary = temporaryName(resolve(target));
    const move = replace ? hostFiles.rename.bind(hostFiles, temporary, target) : () => moveToFree(temporary, target);
    await removeUnfinishedFiles().catch(() => undefined);
    await notedAsUnfinished(temporary, () => make(target, temporary, fill, move));
  } catch (error) {
    // What was ended has a code too.
    const isOurs = error instanceof VmError || (error as Error).name === 'AbortError' || !(error as NodeJS.ErrnoException).code;
    throw isOurs ? error : ((await folderMissing(path, error)) ?? refused(path, error));
  }
}

/** The file that is to be replaced: a link stays one. Throws VmError 'Resource' for what is no file: a device would be one no more. */
async function replaceable(path: string): Promise<string> {
  const target = await realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (target === undefined) return path;
  const type = await typeAt(target);
  if (type === 'file') return target;
  throw new VmError('Resource', `${path} is a ${type}, in whose place no file is put. Name a file.`, {
    code: 'not-replaceable',
    params: { path, type },
  });
}

/** Write a file, new or changed, that is whole or as it was before. Throws what the host says. */
export async function replaceFile(path: string, data: string | Uint8Array): Promise<void> {
  // A link stays one, and who may read the file may read the new one.
  const target = await realpath(path).catch(() => path);
  const before = await stat(target).catch(() => undefined);
  const move = async (temporary: string): Promise<void> => {
    if (before && process.platform !== 'win32') {
      await chmod(temporary, before.mode & 0o7777);
      // Root may be at it, for somebody else.
      if (process.getuid?.() === 0) await chown(temporary, before.uid, before.gid);
    }
    await hostFiles.rename(temporary, target);
  };
  await make(target, temporaryName(target), (temporary) => writeFile(temporary, data), move);
}

async function make(
  path: string,
  temporary: string,
  fill: (temporary: string) => Promise<void>,
  move: (temporary: string) => Promise<void>,
): Promise<void> {
  await removeOldParts(dirname(path), path);
  try {
    await (await open(temporary, 'wx')).close();
    await fill(temporary);
    await syncFile(temporary);
    await move(temporary);
  } catch (error) {
    await hostFiles.remove(temporary).catch(() => undefined);
    throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  const file: FileHandle = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Where the file system has links, also another process cannot have made the file meanwhile. */
async function moveToFree(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw alreadyThere(path);
    // Without links the name may have been taken while the file was written; what remains is the moment between these two.
    if (await exists(path)) throw alreadyThere(path);
    await hostFiles.rename(temporary, path);
    return;
  }
  // The file is made; a second name that stays is no reason to say otherwise, and later removed as a leftover.
  await hostFiles.remove(temporary).catch(() => undefined);
}

function alreadyThere(path: string): VmError {
  return VmError.config(`${path} exists already. Choose another name, or delete it first.`, { code: 'file-exists', params: { path } });
}

function refused(path: string, cause: unknown): VmError {
  return new VmError('Resource', `${path} could not be made: ${reasonOf(cause)}. Check that its folder is yours and the disk has room.`, {
    cause,
    code: 'file-not-made',
    params: { path, reason: reasonCode(cause) },
  });
}
