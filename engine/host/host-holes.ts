import { hostLibrary } from './host-library';

/** fallocate(2): FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE. */
const PUNCH_KEEP_SIZE = 3;
/** fcntl(2) of macOS; its ranges are whole blocks of the file system. */
const F_PUNCHHOLE = 99;
const MAC_BLOCK = 4096;

export interface HostHoles {
  /** Give the space of a range of an open file back; it reads as zeroes then. Resolves with false where the file system cannot. */
  punch(fd: number, offset: number, length: number): Promise<boolean>;
}

let holes: HostHoles | null | undefined;

/** How this host makes holes in files; undefined where it cannot, or where the optional package koffi is missing. */
export function hostHoles(): HostHoles | undefined {
  if (holes === undefined) holes = find() ?? null;
  return holes ?? undefined;
}

function find(): HostHoles | undefined {
  const library = hostLibrary();
  if (!library) return undefined;
  /** koffi's functions run in the thread pool when called by `async`. */
  type Asynchronous = { async: (...args: unknown[]) => void };
  const call = (native: Asynchronous, ...args: unknown[]): Promise<boolean> =>
    new Promise((resolve) => native.async(...args, (error: unknown, result: number) => resolve(!error && result === 0)));
  if (process.platform === 'linux') {
    const fallocate = library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
    return { punch: (fd, offset, length) => call(fallocate, fd, PUNCH_KEEP_SIZE, offset, length) };
  }
  const fcntl = library.func('int fcntl(int fd, int command, ...)');
  return {
    punch: async (fd, offset, length) => {
      const start = Math.ceil(offset / MAC_BLOCK) * MAC_BLOCK;
      const end = Math.floor((offset + length) / MAC_BLOCK) * MAC_BLOCK;
      if (start >= end) return true;
      // struct fpunchhole: flags, reserved, offset, length.
      const range = Buffer.alloc(24);
      range.writeBigInt64LE(BigInt(start), 8);
      range.writeBigInt64LE(BigInt(end - start), 16);
      return call(fcntl, fd, F_PUNCHHOLE, 'void *', range);
    },
  };
}
