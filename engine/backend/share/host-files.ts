// By descriptors, which only Linux has: nobody there refuses a rename because a scanner holds the file.
// eslint-disable-next-line no-restricted-imports
import fs, { type BigIntStats } from 'node:fs';
import { promisify } from 'node:util';

/** What a share asks of Node, by descriptors: those of node:fs/promises have handles that close when they are forgotten. */

/** A path as the host takes it: of a text each character is a byte, so that names need not be UTF-8. */
export type HostPath = string | Buffer;

/** Linux: only a place in the tree; what is there is not opened. */
export const O_PATH = 0o10000000;

const { O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_NOCTTY } = fs.constants;
const rawOpen = promisify(fs.open) as (path: HostPath, flags: number, mode?: number) => Promise<number>;

/** What lies there, without opening it, and without following a link. */
export const openPlace = (path: HostPath): Promise<number> => rawOpen(path, O_PATH | O_NOFOLLOW);
export const openFolderPlace = (path: HostPath): Promise<number> => rawOpen(path, O_PATH | O_NOFOLLOW | O_DIRECTORY);
/** Never waits, and takes no terminal. */
export const openFile = (path: HostPath, flags: number, mode?: number): Promise<number> =>
  rawOpen(path, flags | O_NONBLOCK | O_NOCTTY, mode);

export const lstat = (path: HostPath): Promise<BigIntStats> =>
  new Promise((resolve, reject) => fs.lstat(path, { bigint: true }, (error, status) => (error ? reject(error) : resolve(status))));
export const fstat = (fd: number): Promise<BigIntStats> =>
  new Promise((resolve, reject) => fs.fstat(fd, { bigint: true }, (error, status) => (error ? reject(error) : resolve(status))));

export const readlink = (path: HostPath): Promise<string> =>
  new Promise((resolve, reject) => fs.readlink(path, 'latin1', (error, target) => (error ? reject(error) : resolve(target))));

/** Whatever it says: the descriptor is gone. */
export function close(fd: number): Promise<void> {
  return new Promise((resolve) => fs.close(fd, () => resolve()));
}

/** As many bytes as there are, at most what fits; the host may give fewer at a time. */
export async function readAll(fd: number, buffers: Uint8Array[], position: number): Promise<number> {
  return moveAll(buffers, (rest, done, resolve, reject) =>
    fs.readv(fd, rest, position + done, (error, count) => (error ? reject(error) : resolve(count))),
  );
}

/** At `position`; in a file opened for appending at its end. */
export async function writeAll(fd: number, buffers: Uint8Array[], position: number): Promise<number> {
  return moveAll(buffers, (rest, done, resolve, reject) =>
    fs.writev(fd, rest, position + done, (error, count) => (error ? reject(error) : resolve(count))),
  );
}

type Move = (rest: Uint8Array[], done: number, resolve: (count: number) => void, reject: (error: Error) => void) => void;

/** Linux takes so many pieces at once (IOV_MAX). */
const PIECES_MAX = 1024;

async function moveAll(buffers: Uint8Array[], move: Move): Promise<number> {
  let rest = buffers;
  let done = 0;
  while (rest.length > 0) {
    const now = rest.length > PIECES_MAX ? rest.slice(0, PIECES_MAX) : rest;
    let count: number;
    try {
      count = await new Promise<number>((resolve, reject) => move(now, done, resolve, reject));
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

export const chmod = promisify(fs.chmod) as (path: HostPath, mode: number) => Promise<void>;
export const chown = promisify(fs.chown) as (path: HostPath, uid: number, gid: number) => Promise<void>;
export const lchown = promisify(fs.lchown) as (path: HostPath, uid: number, gid: number) => Promise<void>;
export const truncate = promisify(fs.truncate) as (path: HostPath, length: number) => Promise<void>;
export const ftruncate = promisify(fs.ftruncate) as (fd: number, length: number) => Promise<void>;
export const lutimes = promisify(fs.lutimes) as (path: HostPath, accessed: number, modified: number) => Promise<void>;
export const mkdir = promisify(fs.mkdir) as (path: HostPath, mode: number) => Promise<void>;
export const rmdir = promisify(fs.rmdir) as (path: HostPath) => Promise<void>;
export const unlink = promisify(fs.unlink) as (path: HostPath) => Promise<void>;
export const symlink = promisify(fs.symlink) as (target: HostPath, path: HostPath) => Promise<void>;
export const link = promisify(fs.link) as (from: HostPath, to: HostPath) => Promise<void>;
export const rename = promisify(fs.rename) as (from: HostPath, to: HostPath) => Promise<void>;
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
