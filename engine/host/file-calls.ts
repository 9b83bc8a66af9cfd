import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type koffi from 'koffi';
import { hostLibrary } from './host-library';
import { quickly } from './quick-calls';

/** A point in time to the nanosecond; `now`: the host's own; undefined: leave it. */
export type FileTime = { seconds: number; nanoseconds: number } | 'now' | undefined;

/** What Linux does with files and Node has no call for. All reject with an error that has a `code`, as Node's own do, and follow the last link of a path unless they say otherwise. */
export interface FileCalls {
  /** Set the times of a file, of the link itself where it is one: Node rounds them to microseconds. */
  setTimes(path: string | Buffer, accessed: FileTime, modified: FileTime): Promise<void>;
  /** Make a FIFO or a socket, by the mode's type. */
  makeNode(path: string | Buffer, mode: number): Promise<void>;
  /** Rename by Linux's RENAME_NOREPLACE (1) and RENAME_EXCHANGE (2); follows no link. */
  rename(from: string | Buffer, to: string | Buffer, flags: number): Promise<void>;
  /** fallocate(2). */
  allocate(fd: number, mode: number, offset: number, length: number): Promise<void>;
  /** Where the next data or hole is: SEEK_DATA (3), SEEK_HOLE (4). */
  seek(fd: number, offset: number, whence: number): Promise<number>;
  /** copy_file_range(2) from a place in one file to one in another: bytes copied, which may be fewer. */
  copyRange(from: number, offset: number, to: number, toOffset: number, length: number): Promise<number>;
  getAttribute(path: string, name: string): Promise<Uint8Array>;
  setAttribute(path: string, name: string, value: Uint8Array, flags: number): Promise<void>;
  /** Names, each with a NUL behind it. */
  listAttributes(path: string): Promise<Uint8Array>;
  removeAttribute(path: string, name: string): Promise<void>;
}

/** Linux: the largest value of an extended attribute, and the longest list of names. */
export const ATTRIBUTE_MAX = 65536;

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

interface NativeFunction {
  (...args: unknown[]): number;
  async(...args: unknown[]): void;
}

let calls: FileCalls | undefined | null = null;

/** Undefined where the optional package koffi is missing, and on hosts other than Linux. */
export function fileCalls(): FileCalls | undefined {
  if (calls === null) calls = process.platform === 'linux' ? linuxCalls() : undefined;
  return calls;
}

function linuxCalls(): FileCalls | undefined {
  const library = hostLibrary();
  if (!library) return undefined;
  const { errno } = createRequire(import.meta.url)('koffi') as typeof koffi;
  const func = (definition: string): NativeFunction => library.func(definition);
  /** What may take long, in the thread pool; the host's answer, which is not negative. */
  const threaded = (name: string, definition: string): ((...args: unknown[]) => Promise<number>) => {
    const native = func(definition);
    return (...args) =>
      new Promise((resolve, reject) => {
        native.async(...args, (failure: Error | null, result: number) => {
          if (failure) reject(failure);
          else if (result < 0) reject(systemError(errno(), name));
          else resolve(Number(result));
        });
      });
  };
  const call = (name: string, definition: string): ((...args: unknown[]) => Promise<number>) => {
    const native = func(definition);
    const byThreads = threaded(name, definition);
    return (...args) =>
      quickly(
        () => {
          const result = native(...args);
          if (result < 0) throw systemError(errno(), name);
          return Number(result);
        },
        () => byThreads(...args),
      );
  };
  // Bytes of a path as they are: names need not be UTF-8.
  const utimensat = call('utimensat', 'int utimensat(int at, const uint8_t *path, const int64_t *times, int flags)');
  const mknod = call('mknod', 'int mknod(const uint8_t *path, uint32_t mode, uint64_t device)');
  const renameat2 = call('renameat2', 'int renameat2(int at, const uint8_t *from, int to_at, const uint8_t *to, uint32_t flags)');
  const fallocate = threaded('fallocate', 'int fallocate64(int fd, int mode, int64_t offset, int64_t length)');
  const lseek = call('lseek', 'int64_t lseek64(int fd, int64_t offset, int whence)');
  const copyFileRange = threaded(
    'copy_file_range',
    'intptr_t copy_file_range(int from, int64_t *offset, int to, int64_t *to_offset, size_t length, uint32_t flags)',
  );
  const getxattr = call('getxattr', 'intptr_t getxattr(const uint8_t *path, const uint8_t *name, _Out_ uint8_t *value, size_t size)');
  const setxattr = call('setxattr', 'int setxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)');
  const listxattr = call('listxattr', 'intptr_t listxattr(const uint8_t *path, _Out_ uint8_t *list, size_t size)');
  const removexattr = call('removexattr', 'int removexattr(const uint8_t *path, const uint8_t *name)');
  const fill = async (read: (buffer: Uint8Array) => Promise<number>): Promise<Uint8Array> => {
    const buffer = new Uint8Array(ATTRIBUTE_MAX);
    return buffer.slice(0, await read(buffer));
  };
  return {
    setTimes: async (path, accessed, modified) => {
      await utimensat(AT_FDCWD, text(path), BigInt64Array.of(...timespec(accessed), ...timespec(modified)), AT_SYMLINK_NOFOLLOW);
    },
    makeNode: async (path, mode) => void (await mknod(text(path), mode, 0)),
    rename: async (from, to, flags) => void (await renameat2(AT_FDCWD, text(from), AT_FDCWD, text(to), flags)),
    allocate: async (fd, mode, offset, length) => void (await fallocate(fd, mode, offset, length)),
    seek: (fd, offset, whence) => lseek(fd, offset, whence),
    copyRange: (from, offset, to, toOffset, length) =>
      copyFileRange(from, BigInt64Array.of(BigInt(offset)), to, BigInt64Array.of(BigInt(toOffset)), length, 0),
    getAttribute: (path, name) => fill((buffer) => getxattr(text(path), text(name), buffer, buffer.length)),
    setAttribute: async (path, name, value, flags) => void (await setxattr(text(path), text(name), value, value.length, flags)),
    listAttributes: (path) => fill((buffer) => listxattr(text(path), buffer, buffer.length)),
    removeAttribute: async (path, name) => void (await removexattr(text(path), text(name))),
  };
}

function timespec(time: FileTime): [bigint, bigint] {
  if (time === undefined) return [0n, BigInt(UTIME_OMIT)];
  if (time === 'now') return [0n, BigInt(UTIME_NOW)];
  return [BigInt(time.seconds), BigInt(time.nanoseconds)];
}

/** With a NUL behind it; of a text each character is a byte. */
function text(path: string | Buffer): Uint8Array {
  return Buffer.concat([typeof path === 'string' ? Buffer.from(path, 'latin1') : path, Uint8Array.of(0)]);
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

function systemError(errno: number, call: string): NodeJS.ErrnoException {
  const code = names.get(errno) ?? `E${errno}`;
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -errno, syscall: call });
}
