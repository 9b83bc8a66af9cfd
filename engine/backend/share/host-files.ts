// By descriptors, which only Linux has: nobody there refuses a rename because a scanner holds the file.
// eslint-disable-next-line no-restricted-imports
import fs, { type BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { guestDescriptors } from '../../host/guest-descriptors';
import { quickly } from '../../host/quick-calls';
import { refusal } from './linux-errors';

/** What a share asks of Node, by descriptors: those of node:fs/promises have handles that close when they are forgotten. */

/** A path as the host takes it: of a text each character is a byte, so that names need not be UTF-8. */
export type HostPath = string | Buffer;

/** Linux: only a place in the tree; what is there is not opened. */
export const O_PATH = 0o10000000;

const { O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_NOCTTY } = fs.constants;

const asyncOpen = promisify(fs.open) as (path: HostPath, flags: number, mode?: number) => Promise<number>;
const rawOpen = (path: HostPath, flags: number, mode?: number): Promise<number> =>
  taking(() =>
    quickly(
      () => fs.openSync(path, flags, mode),
      () => asyncOpen(path, flags, mode),
    ),
  );

/** Open something, for which the guest has a descriptor that `give` takes back. ENFILE where it has no more. */
export async function taking<T>(open: () => Promise<T>): Promise<T> {
  if (!guestDescriptors.take()) throw refusal('ENFILE');
  try {
    return await open();
  } catch (error) {
    guestDescriptors.give();
    throw error;
  }
}

export const give = (): void => guestDescriptors.give();

/** What lies there, without opening it, and without following a link. */
export const openPlace = (path: HostPath): Promise<number> => rawOpen(path, O_PATH | O_NOFOLLOW);
export const openFolderPlace = (path: HostPath): Promise<number> => rawOpen(path, O_PATH | O_NOFOLLOW | O_DIRECTORY);
/** Never waits, and takes no terminal. */
export const openFile = (path: HostPath, flags: number, mode?: number): Promise<number> =>
  rawOpen(path, flags | O_NONBLOCK | O_NOCTTY, mode);

export const lstat = (path: HostPath): Promise<BigIntStats> =>
  quickly(
    () => {
      // An error of Node's own takes as long as five calls.
      const status = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (!status) throw refusal('ENOENT');
      return status;
    },
    () => new Promise((resolve, reject) => fs.lstat(path, { bigint: true }, (error, status) => (error ? reject(error) : resolve(status)))),
  );
export const fstat = (fd: number): Promise<BigIntStats> =>
  quickly(
    () => fs.fstatSync(fd, { bigint: true }),
    () => new Promise((resolve, reject) => fs.fstat(fd, { bigint: true }, (error, status) => (error ? reject(error) : resolve(status)))),
  );

export const readlink = (path: HostPath): Promise<string> =>
  quickly(
    () => fs.readlinkSync(path, 'latin1'),
    () => new Promise((resolve, reject) => fs.readlink(path, 'latin1', (error, target) => (error ? reject(error) : resolve(target)))),
  );

/** Whatever it says: the descriptor is gone. */
export function close(fd: number): Promise<void> {
  return quickly(
    () => fs.closeSync(fd),
    () => new Promise<void>((resolve) => fs.close(fd, () => resolve())),
  )
    .catch(() => undefined)
    .finally(give);
}

/** As many bytes as there are, at most what fits; the host may give fewer at a time. */
export async function readAll(fd: number, buffers: Uint8Array[], position: number): Promise<number> {
  return moveAll(buffers, (rest, done) => move(fs.readvSync, fs.readv, fd, rest, position + done));
}

/** At `position`; in a file opened for appending at its end. */
export async function writeAll(fd: number, buffers: Uint8Array[], position: number): Promise<number> {
  return moveAll(buffers, (rest, done) => move(fs.writevSync, fs.writev, fd, rest, position + done));
}

/** Bytes that are moved at once: of more, copying alone takes longer than to have a thread do it. */
const SMALL = 64 << 10;

type MoveSync = (fd: number, buffers: Uint8Array[], position: number) => number;
type MoveLater = (
  fd: number,
  buffers: Uint8Array[],
  position: number,
  callback: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void;

function move(atOnce: MoveSync, later: MoveLater, fd: number, buffers: Uint8Array[], position: number): Promise<number> {
  const byThreads = (): Promise<number> =>
    new Promise((resolve, reject) => later(fd, buffers, position, (error, count) => (error ? reject(error) : resolve(count))));
  const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
  return bytes > SMALL ? byThreads() : quickly(() => atOnce(fd, buffers, position), byThreads);
}

/** Linux takes so many pieces at once (IOV_MAX). */
const PIECES_MAX = 1024;

async function moveAll(buffers: Uint8Array[], moved: (rest: Uint8Array[], done: number) => Promise<number>): Promise<number> {
  let rest = buffers;
  let done = 0;
  while (rest.length > 0) {
    const now = rest.length > PIECES_MAX ? rest.slice(0, PIECES_MAX) : rest;
    let count: number;
    try {
      count = await moved(now, done);
    } catch (error) {
      // What was moved before is moved.
      if (done > 0) return done;
      throw error;
    }
    if (count === 0) return done;
    done += count;
    rest = behind(rest, count);
  }
  return done;
}

function behind(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      rest.push(skip > 0 ? buffer.subarray(skip) : buffer);
      skip = 0;
    }
  }
  return rest;
}

/** A call of Node's that there is in both ways, at once and by threads. */
function both<Given extends readonly unknown[]>(
  atOnce: (...given: Given) => void,
  later: (...given: Given) => Promise<void>,
): (...given: Given) => Promise<void> {
  return (...given) =>
    quickly(
      () => atOnce(...given),
      () => later(...given),
    );
}

export const chmod = both<[path: HostPath, mode: number]>(fs.chmodSync, promisify(fs.chmod));
export const chown = both<[path: HostPath, uid: number, gid: number]>(fs.chownSync, promisify(fs.chown));
export const lchown = both<[path: HostPath, uid: number, gid: number]>(fs.lchownSync, promisify(fs.lchown));
export const lutimes = both<[path: HostPath, accessed: number, modified: number]>(fs.lutimesSync, promisify(fs.lutimes));
export const mkdir = both<[path: HostPath, mode: number]>(fs.mkdirSync, promisify(fs.mkdir));
export const rmdir = both<[path: HostPath]>(fs.rmdirSync, promisify(fs.rmdir));
export const symlink = both<[target: HostPath, path: HostPath]>(fs.symlinkSync, promisify(fs.symlink));
export const link = both<[from: HostPath, to: HostPath]>(fs.linkSync, promisify(fs.link));
export const rename = both<[from: HostPath, to: HostPath]>(fs.renameSync, promisify(fs.rename));
export const unlink = both<[path: HostPath]>(fs.unlinkSync, promisify(fs.unlink));
// These may have much to free.
export const truncate = promisify(fs.truncate) as (path: HostPath, length: number) => Promise<void>;
export const ftruncate = promisify(fs.ftruncate) as (fd: number, length: number) => Promise<void>;
export const fsync = promisify(fs.fsync);
export const fdatasync = promisify(fs.fdatasync);

export const statfs = (path: HostPath): Promise<fs.BigIntStatsFs> =>
  new Promise((resolve, reject) => fs.statfs(path, { bigint: true }, (error, status) => (error ? reject(error) : resolve(status))));

/** The path of an open descriptor itself. */
export function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The path of a name in an open folder. The name has been checked. */
export function pathIn(folder: number, name: string): HostPath {
  const path = `/proc/self/fd/${folder}/${name}`;
  return /^[\x00-\x7f]*$/.test(name) ? path : Buffer.from(path, 'latin1');
}
