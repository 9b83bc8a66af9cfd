import { open } from 'node:fs/promises';
import { isElf } from '../images/elf';
import type { MachineConfig } from '../settings/settings';

/** The files of a machine that a debugger may read symbols from: what is an ELF file among kernel and firmware. */
export async function symbolFiles({ kernel, firmware }: Pick<MachineConfig, 'kernel' | 'firmware'>): Promise<string[]> {
  const files = [kernel, firmware].filter((file) => file !== undefined);
  const areElf = await Promise.all(files.map(beginsAsElf));
  return files.filter((_, i) => areElf[i]);
}

async function beginsAsElf(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return bytesRead === 4 && isElf(buffer);
    } finally {
      await file.close();
    }
  } catch {
    // A name of firmware that comes with Hartbox, or a file that has gone: there is nothing to read.
    return false;
  }
}
