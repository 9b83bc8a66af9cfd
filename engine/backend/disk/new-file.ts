import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { VmError } from '../../bus/vm-error';

/**
 * Make a file that appears under its name only when it is complete: `fill` writes it under another name beside, then it is flushed and
 * renamed. Whatever happens meanwhile, a file that was there before stays as it was. Without `replace` there may be none.
 *
 * Throws VmError: 'Config' if there is a file already, 'Resource' if the host refuses; what `fill` throws comes through.
 */
export async function makeFile(path: string, fill: (temporary: string) => Promise<void>, { replace = false } = {}): Promise<void> {
  if (!replace && (await exists(path))) throw alreadyThere(path);
  const temporary = `${path}.part-${process.pid}`;
  try {
    await (await open(temporary, 'wx').catch((cause: unknown) => Promise.reject(refused(path, cause)))).close();
    await fill(temporary);
    await syncFile(temporary);
    if (replace) await rename(temporary, path);
    else await moveToFree(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof VmError || !(error as NodeJS.ErrnoException).code ? error : refused(path, error);
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
    await rename(temporary, path);
    return;
  }
  await rm(temporary);
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
