import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RamDisk } from '../backend/disk/ram';
import { type IsoFile, isoImage } from '../images/iso-image';
import { builtFile } from '../threads/built-file';

class Disc extends RamDisk {
  override readonly name = 'guest tools';
  override readonly readonly = true;
}

/**
 * The disc of guest tools: sources of drivers for devices that Linux does not know, and of what programs use the AI device by. They lie as files
 * beside the built code (electron.vite.config.ts puts them there), as the drivers have a licence of their own.
 */
export async function guestToolsDisc(): Promise<RamDisk> {
  const image = isoImage('HARTBOX_TOOLS', await filesIn(builtFile('guest-tools')));
  const disc = new Disc(image.length);
  await disc.writev(0, [image]);
  return disc;
}

/** Without `recursive`, which Electron's archives may not know. */
async function filesIn(folder: string, prefix = ''): Promise<IsoFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    const name = prefix + entry.name;
    return entry.isDirectory() ? await filesIn(path, `${name}/`) : [{ name, contents: await readFile(path) }];
  });
  return (await Promise.all(found)).flat();
}
