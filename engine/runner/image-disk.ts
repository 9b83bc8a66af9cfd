import { chmod, copyFile, link } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { createDisk } from '../backend/disk/disk-images';
import { exists } from '../host/open-file';
import { makeFolder } from '../host/new-folder';
import type { LibraryFolders } from './box-folder';

/** An image that boxes are made of. */
export interface BoxImage {
  /** For reading. */
  path: string;
  format: 'qcow2' | 'raw';
  /** Names its contents: 16 hexadecimal digits. */
  identity: string;
}

const DISK = 'disk.qcow2';

/**
 * Makes `disk.qcow2` in the folder of a new box: it shows what the image has, and keeps what becomes different. The image becomes a base (see
 * bases.ts) by a second name, so that it may go from where it lies; a second box of the same image takes the same base. To be called under
 * the lock of lockMoves(). `size`: bytes, where the disk is to be larger than the image.
 */
export async function standOnImage(folders: LibraryFolders, folder: string, image: BoxImage, size?: number): Promise<string> {
  const name = basename(image.path);
  const base = join(folders.bases, image.identity, name);
  if (!(await exists(base))) {
    await makeFolder(
      folders.bases,
      () => image.identity,
      async (temporary) => {
        const to = join(temporary, name);
        // Not every file system has links.
        await link(image.path, to).catch(() => copyFile(image.path, to));
      },
    );
    await chmod(base, 0o444);
  }
  const disk = join(folder, DISK);
  const recorded = relative(dirname(join(folders.machines, 'box', DISK)), base)
    .split(sep)
    .join('/');
  await createDisk({
    file: disk,
    format: 'qcow2',
    ...(size !== undefined && { size }),
    backing: { file: base, format: image.format, recorded },
  });
  return disk;
}
