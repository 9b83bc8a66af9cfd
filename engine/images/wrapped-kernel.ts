import type { ImageFile } from './image-file';
import { isDeviceTree } from './device-tree-file';
import { isFit, readFit } from './fit';
import { isUImage, readUImage, UIMAGE } from './uimage';

/** What a kernel file brings: the kernel itself, unpacked, and what a wrapper of U-Boot says about it and has beside it. */
export interface KernelFile {
  kernel: ImageFile;
  /** Where a flat kernel is to lie, and to begin. */
  address?: number;
  entry?: number;
  initrd?: ImageFile;
  /** Made for this board (its root is compatible with `riscv-virtio`); others are left out. */
  deviceTree?: ImageFile;
}

/** Take a kernel out of a uImage or FIT; any other file is the kernel itself. `limit` bounds what is unpacked, in bytes. Throws VmError 'Image'. */
export async function unwrapKernel(file: ImageFile, limit: number): Promise<KernelFile> {
  if (isUImage(file.bytes)) return readUImage(file, UIMAGE.kernels, limit);
  if (isDeviceTree(file.bytes) && isFit(file)) return readFit(file, limit);
  return { kernel: file };
}

/** Take an initial file system out of a uImage; any other file is one itself. The kernel unpacks it. Throws VmError 'Image'. */
export async function unwrapInitrd(file: ImageFile, limit: number): Promise<ImageFile> {
  return isUImage(file.bytes) ? (await readUImage(file, UIMAGE.ramdisks, limit)).kernel : file;
}
