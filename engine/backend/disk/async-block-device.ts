import type { Disk } from './disk';
import { openDisk, type OpenDiskOptions } from './open-disk';

export type { OpenDiskOptions };
export { SECTOR } from './disk';

/** A disk of any format, as devices and embedders use it; see `Disk` for what its methods promise. */
export type AsyncBlockDevice = Disk;

export const AsyncBlockDevice = {
  /** Open a disk image: `const disk = await AsyncBlockDevice.open('/path/to/disk.img')`. See `openDisk`. */
  open: (path: string, options: Omit<OpenDiskOptions, 'file'> = {}): Promise<AsyncBlockDevice> => openDisk({ file: path, ...options }),
};
