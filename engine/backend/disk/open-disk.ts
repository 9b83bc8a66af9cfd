import type { Disk } from './disk';
import { HostFile, type HostFileOptions } from './disk-file';
import { lockFile } from './file-lock';
import { VmError } from '../../bus/vm-error';
import { hasQcow2Magic } from './qcow2/magic';
import { RawDisk } from './raw';

export type DiskFormat = 'raw' | 'qcow2';

export interface OpenDiskOptions extends HostFileOptions {
  file: string;
  /** `auto` looks at the file: what is not recognisably qcow2 is raw, and stays so (see RawDisk). */
  format?: DiskFormat | 'auto';
}

/**
 * Open a disk image of any format. Opened for writing, it is locked against other writers, also of other processes.
 *
 * Throws VmError: 'Image' if the file is missing, damaged, or in a format that Hartbox does not know; 'Resource' if the host denies
 * access or somebody else writes to it.
 */
export async function openDisk({ file: path, format = 'auto', readonly = false, onFull }: OpenDiskOptions): Promise<Disk> {
  const file = await HostFile.open(path, { readonly, onFull });
  try {
    const found = format === 'auto' ? await detectFormat(file) : format;
    if (found === 'qcow2') throw new VmError('Image', `${path} is a qcow2 image. Convert it to raw: qemu-img convert -O raw ${path} NEW`);
    const lock = readonly ? undefined : await lockFile(path);
    try {
      return new RawDisk(file, { guessed: format === 'auto', lock });
    } catch (error) {
      await lock?.release();
      throw error;
    }
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Formats that are surely not raw, by their first bytes. */
const FOREIGN: [magic: string, name: string][] = [
  ['KDMV', 'VMDK'],
  ['# Disk DescriptorFile', 'VMDK'],
  ['<<< ', 'VDI'],
  ['vhdxfile', 'VHDX'],
  ['conectix', 'VPC'],
  ['QED\0', 'QED'],
  ['WithoutFreeSpace', 'Parallels'],
  ['WithouFreSpacExt', 'Parallels'],
];

/** What a file is by its first bytes. Throws VmError 'Image' for formats that Hartbox does not know. */
async function detectFormat(file: HostFile): Promise<DiskFormat> {
  const start = new Uint8Array(64);
  await file.readv(0, [start]);
  if (hasQcow2Magic(start)) return 'qcow2';
  const text = Buffer.from(start).toString('latin1');
  const foreign = FOREIGN.find(([magic]) => text.startsWith(magic));
  if (!foreign) return 'raw';
  throw new VmError(
    'Image',
    `${file.path} looks like a ${foreign[1]} image. Hartbox knows raw and qcow2: convert it (qemu-img convert -O qcow2 ${file.path} NEW), or say format=raw if it is raw all the same.`,
  );
}
