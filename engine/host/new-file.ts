import { randomBytes } from 'node:crypto';
import { type FileHandle, chmod, chown, link, open, readdir, realpath, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { VmError } from '../bus/vm-error';
import { unfitFileName } from './file-name';
import { hostFiles } from './patient-files';
import { hostProcesses, isPresent } from './process-identity';

/** What a process that no longer lives left unfinished is removed once nothing has come to it for this long, in milliseconds. */
const LEFTOVER_MS = 3_600_000;

/**
 * Make a file that appears under its name only when it is complete: `fill` writes it under another name beside, then it is flushed and
 * renamed. Whatever happens meanwhile, a file that was there before stays as it was. Without `replace` there may be none.
 *
 * Throws VmError: 'Config' if there is a file already or no file may be called so, 'Resource' if the host refuses; what `fill` throws comes through.
 */
export async function makeFile(path: string, fill: (temporary: string) => Promise<void>, { replace = false } = {}): Promise<void> {
  // On every system: a box goes from one to another with its files.
  const unfit = unfitFileName(basename(path));
  if (unfit) throw VmError.config(`${path} cannot be made under this name: ${unfit}. Choose another name.`);
  if (!replace && (await exists(path))) throw alreadyThere(path);
  try {
    await make(path, fill, replace ? (temporary) => hostFiles.rename(temporary, path) : (temporary) => moveToFree(temporary, path));
  } catch (error) {
    throw error instanceof VmError || !(error as NodeJS.ErrnoException).code ? error : refused(path, error);
  }
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
  await make(target, (temporary) => writeFile(temporary, data), move);
}

async function make(path: string, fill: (temporary: string) => Promise<void>, move: (temporary: string) => Promise<void>): Promise<void> {
  await removeLeftovers(path);
  const temporary = `${path}.part-${process.pid}-${randomBytes(4).toString('hex')}`;
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

/** Processes that were killed could not tidy up. */
async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.part-`;
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = (name.startsWith(prefix) && /^(\d+)(?:-[0-9a-f]{8})?$/.exec(name.slice(prefix.length))) || [];
    if (pid === undefined || isPresent(Number(pid), hostProcesses())) continue;
    const leftover = join(folder, name);
    // It may belong to a process of another computer.
    const touched = await stat(leftover).catch(() => undefined);
    if (touched && Date.now() - touched.mtimeMs > LEFTOVER_MS) await hostFiles.remove(leftover).catch(() => undefined);
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function alreadyThere(path: string): VmError {
  return VmError.config(`${path} exists already. Choose another name, or delete it first.`);
}

function refused(path: string, cause: unknown): VmError {
  return new VmError(
    'Resource',
    `${path} could not be made: ${(cause as Error).message}. Check that its folder is yours and the disk has room.`,
    {
      cause,
    },
  );
}
