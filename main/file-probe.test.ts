import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeFile } from './file-probe';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-probe-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

function withBytes(...parts: [at: number, text: string][]): Buffer {
  const bytes = Buffer.alloc(40_000);
  for (const [at, text] of parts) bytes.write(text, at, 'latin1');
  return bytes;
}

function elf(entry: bigint, machine = 243): Buffer {
  const bytes = withBytes([0, '\x7fELF\x02\x01\x01']);
  bytes.writeUInt16LE(machine, 18);
  bytes.writeBigUInt64LE(entry, 24);
  return bytes;
}

describe('probeFile', () => {
  it.each<[string, Buffer | string, object]>([
    ['a.img', withBytes([32_769, 'CD001']), { kind: 'iso' }],
    ['a.iso', 'short', { kind: 'iso' }],
    ['a.bin', withBytes([0, 'QFI\xfb']), { kind: 'disk', format: 'qcow2' }],
    ['a.bin', withBytes([510, '\x55\xaa']), { kind: 'disk', format: 'raw' }],
    ['a.bin', withBytes([512, 'EFI PART']), { kind: 'disk', format: 'raw' }],
    ['a.RAW', 'anything', { kind: 'disk', format: 'raw' }],
    ['Image', withBytes([0, 'MZ'], [48, 'RISCV\0\0\0RSC\x05']), { kind: 'kernel', format: 'Linux Image' }],
    ['vmlinuz-6.12', '\x1f\x8bxxxx', { kind: 'kernel', format: 'gzip' }],
    ['backup.tar.gz', '\x1f\x8bxxxx', { kind: 'unknown' }],
    ['vmlinux', elf(0xffffffff80000000n), { kind: 'kernel', format: 'ELF' }],
    ['program', elf(0x80000000n), { kind: 'elf', format: 'ELF' }],
    ['ls', elf(0x1000n, 62), { kind: 'unsupported', format: 'ELF' }],
    ['a.vmdk', 'KDMV', { kind: 'unsupported', format: 'VMDK' }],
    ['a.vhdx', 'vhdxfile', { kind: 'unsupported', format: 'VHDX' }],
    ['notes.txt', 'Hello', { kind: 'unknown' }],
    ['uImage', withBytes([0, '\x27\x05\x19\x56']), { kind: 'kernel', format: 'uImage' }],
    ['image.itb', withBytes([0, '\xd0\x0d\xfe\xed']), { kind: 'kernel', format: 'FIT' }],
    ['board.dtb', withBytes([0, '\xd0\x0d\xfe\xed']), { kind: 'unknown' }],
    ['program.hex', ':0200000480007A\n:00000001FF\n', { kind: 'elf', format: 'Intel hex' }],
    ['empty.iso', '', { problem: 'empty' }],
  ])('looks into %s', async (name, bytes, found) => {
    const path = join(folder, name);
    await writeFile(path, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    expect(await probeFile(path)).toMatchObject({ path, ...found });
  });

  it('says why nothing can be said', async () => {
    await mkdir(join(folder, 'folder.iso'));
    expect(await probeFile(join(folder, 'folder.iso'))).toMatchObject({ problem: 'folder' });
    expect(await probeFile(join(folder, 'none'))).toMatchObject({ problem: 'missing' });
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    expect(await probeFile(path)).toMatchObject({ problem: 'special' });
  });
});
