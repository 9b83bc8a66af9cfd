import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeCpio } from '../../engine/images/cpio';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { compileForGuest } from '../support/guest-compiler';

/** Compile programs/NAME.c for the guest; see `compileForGuest`. */
export function compileProgram(folder: string, name: string, flags?: string[], libraries?: string[]): Promise<Uint8Array> {
  return compileForGuest(new URL(`programs/${name}.c`, import.meta.url), join(folder, name), flags, libraries);
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
