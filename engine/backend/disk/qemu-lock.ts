import { fstatSync, readFileSync } from 'node:fs';
import { VmError } from '../../bus/vm-error';

/**
 * QEMU locks single bytes of an image (its block/file-posix.c): byte 100 + n for a permission that it uses, byte 200 + n for one that it
 * denies others; n = 0 is reading a consistent state, 1 is writing.
 */
const USES_WRITE = 101;
const DENIES_CONSISTENT_READ = 200;
const DENIES_WRITE = 201;

/**
 * Look whether QEMU or one of its tools has an image open in a way that does not go together with ours. Throws VmError 'Resource' then.
 * Linux only: elsewhere QEMU takes no such locks, or nobody tells. It sees who is there now, and does not keep those away who come later.
 */
export function guardAgainstQemu(path: string, fd: number, intent: 'write' | 'share'): void {
  let locks: string;
  let inode: string;
  try {
    locks = readFileSync('/proc/locks', 'latin1');
    inode = String(fstatSync(fd, { bigint: true }).ino);
  } catch {
    return;
  }
  const conflicts = intent === 'write' ? [DENIES_WRITE, USES_WRITE, DENIES_CONSISTENT_READ] : [USES_WRITE, DENIES_CONSISTENT_READ];
  for (const line of locks.split('\n')) {
    // "4: OFDLCK ADVISORY  READ -1 08:01:1234 100 103"
    const [, place, from, to] = /^\d+: OFDLCK\s+ADVISORY\s+\w+\s+-?\d+ \w+:\w+:(\d+) (\d+) (\d+|EOF)$/.exec(line) ?? [];
    if (place !== inode) continue;
    if (!conflicts.some((byte) => Number(from) <= byte && (to === 'EOF' || byte <= Number(to)))) continue;
    throw new VmError(
      'Resource',
      `${path} is in use by QEMU or one of its tools. Wait until that has ended${intent === 'write' ? ', or attach it readonly' : '; it changes the image'}.`,
    );
  }
}
