import { type Stats, closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { type FileHandle, lstat, open, stat } from 'node:fs/promises';
import { dirname, win32 } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../errors/vm-error';
import { isDeviceName } from './file-name';

/** What stands under a path, as it is called in errors. */
export type FileType = 'file' | 'folder' | 'pipe' | 'socket' | 'character device' | 'block device';

/** Makes the error about something that is no file. */
type Refuse = (type: Exclude<FileType, 'file'>) => VmError;

/** Bytes that are read at once: in between it can be ended. */
const PIECE = 1 << 20;
/** Bytes of text that somebody reads or writes by hand; what has more is something else. */
const TEXT_MAX = 1 << 24;
/** Of a pipe: bytes that are read at once, and milliseconds until it is looked at again. */
const PIPE_PIECE = 1 << 16;
const RETRY_MS = 20;

/** Where a file could not be made because its folder is not there: an error that says so. */
export async function folderMissing(path: string, cause: unknown): Promise<VmError | undefined> {
  const folder = dirname(path);
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || (await exists(folder))) return undefined;
  return new VmError('Resource', `${path} could not be made: the folder ${folder} does not exist. Make it, or choose another place.`, {
    cause,
    code: 'folder-missing',
    params: { path, folder },
  });
}

/**
 * Open a file that a user, or an image, names. It never waits for somebody else, as opening or reading a pipe would, and never touches a
 * device: some act when they are opened. `access`: O_RDONLY or O_RDWR; nothing is made.
 *
 * Throws what `refuse` makes of anything but a regular file (default: VmError 'Image'), else what the host says. Reading from what has nothing
 * to give, such as /proc/kmsg, fails with EAGAIN.
 */
export async function openFile(path: string, access: number = constants.O_RDONLY, refuse: Refuse = refusal(path)): Promise<FileHandle> {
  mustBeFile(await typeAt(path), refuse);
  const file = await open(path, access | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
  try {
    // Something else may have come in its place.
    mustBeFile(typeOf(await file.stat()), refuse);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Begin a file that a user names, at once: one of that name loses its contents, or with `isNew` is an error. As above it neither waits nor touches a
 * device, and throws the same. `mode`: who may use it.
 */
export function beginFileSync(path: string, { isNew = false, mode = 0o600 } = {}): number {
  const refuse = refusal(path);
  mustBeFile(deviceOf(path, process.platform) ?? 'file', refuse);
  const access = constants.O_WRONLY | constants.O_CREAT | (isNew ? constants.O_EXCL : 0);
  let file: number;
  try {
    file = openSync(path, access | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0), mode);
  } catch (error) {
    // A pipe that nobody reads.
    throw (error as NodeJS.ErrnoException).code === 'ENXIO' ? refuse('pipe') : error;
  }
  try {
    mustBeFile(typeOf(fstatSync(file)), refuse);
    ftruncateSync(file);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** The rest of an open file, at most `limit` bytes; undefined if there are more. `signal` ends it. Throws what the host says. */
export async function readAll(file: FileHandle, limit: number, signal?: AbortSignal): Promise<Buffer | undefined> {
  const { size } = await file.stat();
  if (size > limit) return undefined;
  // One byte more shows the end; files of /proc do not say how long they are.
  let buffer = Buffer.allocUnsafeSlow(size > 0 ? size + 1 : Math.min(limit + 1, PIECE));
  let length = 0;
  for (;;) {
    signal?.throwIfAborted();
    if (length === buffer.length) {
      if (length > limit) return undefined;
      const longer = Buffer.allocUnsafeSlow(Math.min(limit + 1, length + Math.max(PIECE, length)));
      buffer.copy(longer);
      buffer = longer;
    }
    const { bytesRead } = await file.read(buffer, length, Math.min(PIECE, buffer.length - length));
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
}

/** The text of a file of ours, or one that takes its place. Throws VmError 'Image' where it is no file or has more than `limit` bytes, else what the host says. */
export async function readText(path: string, limit = TEXT_MAX): Promise<string> {
  const file = await openFile(path);
  try {
    const bytes = await readAll(file, limit);
    if (bytes) return bytes.toString('utf8');
  } finally {
    await file.close();
  }
  throw tooLarge(path, limit);
}

/** The text of a file that a user names on the command line, which may be a pipe too, `<(pass show box)` in a shell say. Throws as `readText`. */
export async function readInput(path: string, limit = TEXT_MAX): Promise<string> {
  if (process.platform === 'win32' || (await typeAt(path)) !== 'pipe') return readText(path, limit);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const pieces: Buffer[] = [];
    for (let length = 0; length <= limit; ) {
      try {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(PIPE_PIECE));
        if (bytesRead === 0) return Buffer.concat(pieces).toString('utf8');
        pieces.push(buffer.subarray(0, bytesRead));
        length += bytesRead;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        await delay(RETRY_MS);
      }
    }
  } finally {
    await file.close();
  }
  throw tooLarge(path, limit);
}

/** The same as readText at once. */
export function readTextSync(path: string, limit = TEXT_MAX): string {
  const refuse = refusal(path);
  mustBeFile(deviceOf(path, process.platform) ?? 'file', refuse);
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
  try {
    const status = fstatSync(file);
    mustBeFile(typeOf(status), refuse);
    if (status.size > limit) throw tooLarge(path, limit);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function tooLarge(path: string, limit: number): VmError {
  return new VmError('Image', `${path} is not the file that is expected here: it has more than ${limit} bytes. Check the path.`, {
    code: 'file-too-large',
    params: { path, limitBytes: limit },
  });
}

/** Whether anything stands under a path, also a link to nowhere. Throws what the host says where it cannot tell. */
export function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    },
  );
}

/**
 * What stands under a path; links are followed. On Windows names tell, before anything is opened: pipes and devices have folders of their
 * own, and some devices names in every folder. Throws what the host says.
 */
export async function typeAt(path: string, platform: NodeJS.Platform = process.platform): Promise<FileType> {
  return deviceOf(path, platform) ?? typeOf(await stat(path));
}

/** What only a name of Windows can be. */
function deviceOf(path: string, platform: NodeJS.Platform): FileType | undefined {
  if (platform !== 'win32') return undefined;
  if (/^[\\/]{2}[^\\/]+[\\/]pipe[\\/]/i.test(path)) return 'pipe';
  return /^[\\/]{2}\.[\\/]/.test(path) || isDeviceName(win32.basename(path)) ? 'character device' : undefined;
}

export function typeOf(status: Stats): FileType {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'folder';
  if (status.isFIFO()) return 'pipe';
  if (status.isSocket()) return 'socket';
  return status.isBlockDevice() ? 'block device' : 'character device';
}

function mustBeFile(type: FileType, refuse: Refuse): void {
  if (type !== 'file') throw refuse(type);
}

function refusal(path: string): Refuse {
  return (type) => new VmError('Image', `${path} is a ${type}. Name a file.`, { code: 'not-a-file', params: { path, type } });
}
