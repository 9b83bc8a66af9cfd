import { fstatSync, readFileSync } from 'node:fs';
import { VmError } from '../../errors/vm-error';
import { hostLibrary } from '../../host/host-library';

/**
 * QEMU locks single bytes of an image (its block/file-posix.c): byte 100 + n for a permission that it uses, byte 200 + n for one that it
 * denies others; n = 0 is reading a consistent state, 1 is writing, 3 is resizing.
 */
const USES_READ = 100;
const USES_WRITE = 101;
const USES_RESIZE = 103;
const DENIES_READ = 200;
const DENIES_WRITE = 201;
const DENIES_RESIZE = 203;

/** fcntl(2) of Linux: take a lock that belongs to the open file. */
const F_OFD_SETLK = 37;
const FLOCK_BYTES = 32;

/**
 * Look whether QEMU or one of its tools has an image open in a way that does not go together with ours, and take the locks that it
 * respects; they go when the file is closed. Throws VmError 'Resource' if it is there.
 *
 * Linux only: elsewhere QEMU takes no such locks. Without the package koffi it does not see ours.
 */
export function guardAgainstQemu(path: string, fd: number, intent: 'write' | 'share'): void {
  let locks: string;
  let inode: string;
  let hasOtherNames: boolean;
  try {
    locks = readFileSync('/proc/locks', 'latin1');
    const status = fstatSync(fd, { bigint: true });
    inode = String(status.ino);
    hasOtherNames = status.nlink > 1n;
  } catch {
    return;
  }
  const conflicts = intent === 'write' ? [DENIES_WRITE, USES_WRITE, DENIES_READ] : [USES_WRITE, DENIES_READ];
  for (const line of locks.split('\n')) {
    // "4: OFDLCK ADVISORY  READ -1 08:01:1234 100 103"
    const [, place, from, to] = /^\d+: OFDLCK\s+ADVISORY\s+\w+\s+-?\d+ \w+:\w+:(\d+) (\d+) (\d+|EOF)$/.exec(line) ?? [];
    if (place !== inode) continue;
    if (!conflicts.some((byte) => Number(from) <= byte && (to === 'EOF' || byte <= Number(to)))) continue;
    // Our own locks look the same; by the same name the lock's file would have told.
    if (hasOtherNames)
      throw new VmError(
        'Resource',
        `${path} has another name (a hard link), and is in use by that: another box, or QEMU, has it open. Stop that${intent === 'write' ? ', or attach it readonly' : ''}.`,
        { code: 'image-by-other-name', params: { path } },
      );
    throw new VmError(
      'Resource',
      `${path} is in use by QEMU or one of its tools. Wait until that has ended${intent === 'write' ? ', or attach it readonly' : '; it changes the image'}.`,
      { code: 'image-in-qemu', params: { path } },
    );
  }
  const used = intent === 'write' ? [USES_READ, USES_WRITE, USES_RESIZE] : [USES_READ];
  for (const byte of [...used, DENIES_WRITE, DENIES_RESIZE]) shareByte(fd, byte);
}

function shareByte(fd: number, byte: number): void {
  const fcntl = process.platform === 'linux' ? hostLibrary()?.func('int fcntl(int fd, int command, ...)') : undefined;
  if (!fcntl) return;
  // struct flock: type (0: read lock), whence (0: start), offset, length.
  const lock = Buffer.alloc(FLOCK_BYTES);
  lock.writeBigInt64LE(BigInt(byte), 8);
  lock.writeBigInt64LE(1n, 16);
  fcntl(fd, F_OFD_SETLK, 'void *', lock);
}
