import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeCpio } from '../../engine/images/cpio';
import type { DefaultGuest } from '../../engine/images/default-guest';

/** Compile programs/NAME.c for the guest, statically linked; `libraries` such as `-lm`. */
export async function compileProgram(folder: string, name: string, flags: string[] = [], libraries: string[] = []): Promise<Uint8Array> {
  const binary = join(folder, name);
  const source = fileURLToPath(new URL(`programs/${name}.c`, import.meta.url));
  await promisify(execFile)('riscv64-linux-gnu-gcc', ['-O2', '-static', '-march=rv64gc', ...flags, '-o', binary, source, ...libraries]);
  return readFile(binary);
}

/** The default guest's initramfs with a program in it, which the guest's shell finds as /bench/NAME. Returns its path. */
export async function initrdWith(guest: DefaultGuest, folder: string, name: string, program: Uint8Array): Promise<string> {
  const extra = writeCpio([
    { type: 'directory', path: 'bench' },
    { type: 'file', path: `bench/${name}`, mode: 0o755, data: program },
  ]);
  const initrd = join(folder, 'initrd.cpio');
  await writeFile(initrd, Buffer.concat([await readFile(guest.initrd), extra]));
  return initrd;
}
