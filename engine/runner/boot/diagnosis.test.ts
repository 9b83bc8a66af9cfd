import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ConsoleLines } from './console-lines';
import { BootDiagnosis } from './diagnosis';

/** What is said of a console, in its order. */
function said(text: string | Buffer): [code: string | undefined, params: unknown][] {
  const [lines, diagnosis] = [new ConsoleLines(), new BootDiagnosis()];
  return lines
    .add(Buffer.from(text))
    .map((line) => diagnosis.read(line))
    .filter((found) => found !== undefined)
    .map(({ code, params }) => [code, params]);
}
const log = (name: string): Promise<Buffer> => readFile(new URL(`logs/${name}.txt`, import.meta.url));

describe('what keeps a guest from starting', () => {
  /** Consoles of guests that were started so (Debian's kernel 6.12, U-Boot and EDK2), shortened. */
  it.each<[log: string, how: string, code: string, params?: Record<string, string>]>([
    ['noroot', 'root= names a disk that is not there, without an initrd', 'boot-disk-missing', { device: '/dev/vda1' }],
    ['noinit', 'the initrd has no such program, and the root disk is not there', 'boot-disk-missing', { device: '/dev/nosuch' }],
    ['x86init', 'the initrd is that of a PC', 'boot-wrong-architecture', { program: '/init' }],
    ['ends', 'the first program ends by exit(3)', 'boot-init-ended', { how: 'exit code 3' }],
    ['vector', 'the first program begins with a vector instruction', 'boot-init-illegal'],
    ['x86uboot', 'the disk is that of a PC, by U-Boot', 'boot-nothing'],
    ['x86edk2', 'the disk is that of a PC, by EDK2', 'boot-nothing'],
    ['oom', 'a program takes all memory', 'guest-memory', { program: 'tail' }],
  ])('%s: %s', async (name, _how, code, params) => {
    expect(said(await log(name))).toEqual([[code, params]]);
  });

  it('says nothing of a guest that is silent, for that takes a clock', async () => {
    expect(said(await log('lowmem'))).toEqual([]);
  });

  it.each<[line: string, code: string, params?: Record<string, string>]>([
    ['[    2.7] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)', 'boot-no-root'],
    ['[    2.7] VFS: Unable to mount root fs on "/dev/vda1" or unknown-block(254,1)', 'boot-root-unmountable', { device: '/dev/vda1' }],
    ['ALERT!  UUID=0815-4711 does not exist.  Dropping to a shell!', 'boot-disk-missing', { device: 'UUID=0815-4711' }],
    ['systemd[1]: Timed out waiting for device /dev/sdb1.', 'boot-disk-missing', { device: '/dev/sdb1' }],
    [
      '[    2.0] Initramfs unpacking failed: invalid magic at start of compressed archive',
      'boot-initrd-damaged',
      { why: 'invalid magic at start of compressed archive' },
    ],
    ['[    2.0] Initramfs unpacking failed: write error', 'boot-memory'],
    ['You are in emergency mode. After logging in, type "journalctl -xb" to view', 'boot-emergency'],
    ['Bad Linux RISCV Image magic!', 'boot-foreign-kernel'],
    ['[    9.1] Kernel panic - not syncing: Fatal exception in interrupt', 'boot-panic', { why: 'Fatal exception in interrupt' }],
    ['[    9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b', 'boot-init-ended', { how: 'signal 11' }],
    ['-sh: ./hello: cannot execute: Exec format error', 'boot-wrong-architecture', { program: './hello' }],
  ])('%s', (line, code, params) => {
    expect(said(`${line}\n`)).toEqual([[code, params]]);
  });

  it('says the first reason, not what follows from it; and it again after a reset', () => {
    const diagnosis = new BootDiagnosis();
    const read = (line: string): string | undefined => diagnosis.read(line)?.code;
    expect(read('VFS: Cannot open root device "/dev/vda1" or unknown-block(0,0): error -19')).toBe('boot-disk-missing');
    expect(read('Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)')).toBeUndefined();
    diagnosis.reset();
    expect(read('VFS: Cannot open root device "/dev/vda1" or unknown-block(0,0): error -19')).toBe('boot-disk-missing');
  });

  it('goes on looking where the guest goes on', () => {
    const diagnosis = new BootDiagnosis();
    expect(diagnosis.read('Out of memory: Killed process 7 (cc1) total-vm')?.code).toBe('guest-memory');
    expect(diagnosis.read('Kernel panic - not syncing: hung_task: blocked tasks')?.code).toBe('boot-panic');
  });
});
