import { fstatSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { resolve as absolute, toNamespacedPath } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { hostLibrary } from './host-library';

/** The part of a file, from `start` to before `end`, that became a hole: it reads as zeroes. Empty where the two are the same. */
export interface Hole {
  start: number;
  end: number;
}

/** Holes in one open file. */
export interface FileHoles {
  /**
   * Give the space of a range inside the file back; the file's length stays. Resolves with the part of the range that reads as zeroes
   * now. That may be less than was asked for, or nothing: hosts make holes of whole blocks, and file systems refuse. Each byte of the
   * rest is as it was, or zero. Never rejects.
   */
  punch(offset: number, length: number): Promise<Hole>;
  /** Not while a `punch` is under way. */
  close(): void;
}

/** Get ready to make holes in a file that is open for writing. Resolves with undefined where the host or the file system cannot. */
export type OpenHoles = (path: string, fd: number) => Promise<FileHoles | undefined>;

/** A function of a C library as koffi makes it. It runs in the thread pool when called by `async`, which variadic functions lack. */
interface NativeFunction {
  (...args: unknown[]): unknown;
  async?: (...args: unknown[]) => void;
}

export interface NativeLibrary {
  func(definition: string): NativeFunction;
}

let host: OpenHoles | undefined;

/** How this host makes holes in files: not at all where the optional package koffi is missing. */
export function hostHoles(): OpenHoles {
  host ??= holesOf(process.platform, hostLibrary());
  return host;
}

export function holesOf(platform: NodeJS.Platform, library: NativeLibrary | undefined): OpenHoles {
  const ways: Partial<Record<NodeJS.Platform, (library: NativeLibrary) => OpenHoles>> = {
    linux: linuxHoles,
    darwin: macHoles,
    win32: windowsHoles,
  };
  return (library && ways[platform]?.(library)) ?? (async () => undefined);
}

/** fallocate(2): FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE. */
const PUNCH_KEEP_SIZE = 3;
/** Where no file has anything, not even one that somebody else makes longer meanwhile. */
const FAR_BEYOND_END = 2 ** 40;

/** Linux zeroes the edges of a range itself; a file system that cannot make holes refuses also where there is nothing. */
function linuxHoles(library: NativeLibrary): OpenHoles {
  // By this name offsets have 64 bits on all processors.
  const fallocate = library.func('int fallocate64(int fd, int mode, int64_t offset, int64_t length)');
  return async (_, fd) => {
    const punch = async (offset: number, length: number): Promise<boolean> =>
      (await call(fallocate, fd, PUNCH_KEEP_SIZE, offset, length)) === 0;
    if (!(await punch(fstatSync(fd).size + FAR_BEYOND_END, 4096))) return undefined;
    return {
      punch: async (offset, length) => ({ start: offset, end: (await punch(offset, length)) ? offset + length : offset }),
      close: () => undefined,
    };
  };
}

/** fcntl(2) of macOS. */
const F_PUNCHHOLE = 99;
/** APFS has blocks of this size; larger ones are respected. */
const MAC_BLOCK = 4096;
/** Bytes that one call takes: nothing else happens in this thread meanwhile. */
const MAC_PIECE = 16 << 20;

/**
 * macOS makes holes of whole blocks of the file system, and refuses others. Its fcntl is variadic: it has to be declared so, for on ARM
 * such arguments travel in another way than named ones, and can be called in this thread only.
 */
function macHoles(library: NativeLibrary): OpenHoles {
  const fcntl = library.func('int fcntl(int fd, int command, ...)');
  return async (path, fd) => {
    const block = await statfs(path).then(
      ({ bsize }) => Math.max(MAC_BLOCK, bsize),
      () => MAC_BLOCK,
    );
    // struct fpunchhole: flags and a reserved word, 32 bits each; offset; length.
    const punch = (offset: number, length: number): boolean => fcntl(fd, F_PUNCHHOLE, 'int64_t *', [0, offset, length]) === 0;
    return {
      async punch(offset, length) {
        const start = Math.ceil(offset / block) * block;
        const end = Math.floor((offset + length) / block) * block;
        let at = start;
        while (at < end) {
          const piece = Math.min(end - at, Math.max(MAC_PIECE, block));
          if (!punch(at, piece)) break;
          at += piece;
          if (at < end) await nextTurn();
        }
        return at > start ? { start, end: at } : { start: offset, end: offset };
      },
      close: () => undefined,
    };
  };
}

const GENERIC_READ_WRITE = 0xc000_0000;
/** To read, to write and to delete: all that Node allows others too. */
const FILE_SHARE_ALL = 7;
const OPEN_EXISTING = 3;
const FSCTL_SET_SPARSE = 0x0009_00c4;
const FSCTL_SET_ZERO_DATA = 0x0009_80c8;

/**
 * On Windows a file takes all its space at once, and a write far behind all that was written before fills up what lies between, unless it
 * is marked as sparse: so it is here. In a sparse file zeroed ranges lose the whole allocation units in them (64 KiB on NTFS); the edges
 * are zeroed too. FAT and exFAT have no sparse files.
 *
 * Node's file descriptors mean something to Node's own C library only, so the file is opened once more.
 */
function windowsHoles(library: NativeLibrary): OpenHoles {
  const createFile = library.func(
    'intptr_t __stdcall CreateFileW(str16 path, uint32_t access, uint32_t share, void *security, uint32_t disposition, uint32_t flags, intptr_t model)',
  );
  const deviceIoControl = library.func(
    'int __stdcall DeviceIoControl(intptr_t file, uint32_t code, int64_t *input, uint32_t inputBytes, void *output, uint32_t outputBytes, _Out_ uint32_t *returned, void *overlapped)',
  );
  const closeHandle = library.func('int __stdcall CloseHandle(intptr_t handle)');
  return async (path) => {
    const file = createFile(toNamespacedPath(absolute(path)), GENERIC_READ_WRITE, FILE_SHARE_ALL, null, OPEN_EXISTING, 0, 0);
    if (Number(file) === -1) return undefined;
    const control = async (code: number, input: [number, number] | null): Promise<boolean> =>
      Boolean(await call(deviceIoControl, file, code, input, input ? 16 : 0, null, 0, [0], null));
    if (!(await control(FSCTL_SET_SPARSE, null))) {
      closeHandle(file);
      return undefined;
    }
    return {
      async punch(offset, length) {
        const end = offset + length;
        // FILE_ZERO_DATA_INFORMATION: the first byte, and the first behind the last.
        return { start: offset, end: (await control(FSCTL_SET_ZERO_DATA, [offset, end])) ? end : offset };
      },
      close: () => void closeHandle(file),
    };
  };
}

/** Call a function in the thread pool. Resolves with its result; undefined if it could not be called. */
function call(native: NativeFunction, ...args: unknown[]): Promise<unknown> {
  return new Promise((resolve) => {
    if (native.async) native.async(...args, (error: unknown, result: unknown) => resolve(error ? undefined : result));
    else resolve(undefined);
  });
}
