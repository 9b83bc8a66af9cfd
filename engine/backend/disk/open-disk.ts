import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { VmError } from '../../bus/vm-error';
import type { Disk } from './disk';
import { HostFile, type HostFileOptions } from './disk-file';
import { type FileLock, lockFile, shareFile } from '../../host/file-lock';
import { guardAgainstQemu } from './qemu-lock';
import { DIRTY, EXTERNAL_DATA, HEADER_AREA, type Qcow2Header, imageError, parseHeader } from './qcow2/header';
import { hasQcow2Magic } from './qcow2/magic';
import { Qcow2Disk } from './qcow2/qcow2-disk';
import { repairRefcounts } from './qcow2/repair';
import { RawDisk } from './raw';

export type DiskFormat = 'raw' | 'qcow2';

export interface OpenDiskOptions extends HostFileOptions {
  file: string;
  /** `auto` looks at the file: what is not recognisably qcow2 is raw, and stays so (see RawDisk). */
  format?: DiskFormat | 'auto';
}

/** How an image of a chain is opened: the one that is asked for, or one below it, which others may use too. */
interface Place {
  isBacking: boolean;
  /** The images above it, as device and inode. */
  above: readonly string[];
}

/** Longer chains are more likely a mistake. */
const CHAIN_MAX = 100;

/**
 * Open a disk image of any format, with its backing files. Opened for writing, it is locked against other writers, and its backing
 * files against all writers, also of other processes.
 *
 * Throws VmError: 'Image' if a file is missing, damaged, or in a format that Hartbox does not know; 'Resource' if the host denies
 * access or somebody else writes to it.
 */
export function openDisk(options: OpenDiskOptions): Promise<Disk> {
  return openImage(options, { isBacking: false, above: [] });
}

async function openImage({ file: path, format = 'auto', readonly = false, onFull }: OpenDiskOptions, place: Place): Promise<Disk> {
  const file = await HostFile.open(path, { readonly, onFull });
  const undo: (() => Promise<void>)[] = [() => file.close()];
  try {
    const found = format === 'auto' ? await detectFormat(file) : format;
    // Numbers of NTFS need 64 bits.
    const { dev, ino } = await stat(path, { bigint: true });
    const identity = `${dev}:${ino}`;
    if (place.above.includes(identity)) throw imageError(path, 'is its own backing file, directly or through others.');
    if (place.above.length >= CHAIN_MAX)
      throw imageError(path, `is the last of ${CHAIN_MAX} backing files; that is not usual, and more are not opened.`);
    const lock = await lockImage(path, readonly, place, file);
    if (lock) undo.push(() => lock.release());
    if (found === 'raw') return new RawDisk(file, { guessed: format === 'auto', isBacking: place.isBacking, lock });

    const above = [...place.above, identity];
    let header = await readHeader(file);
    // Its refcounts were left behind by a tool that puts them off.
    if (!readonly && header.incompatible & DIRTY) {
      await repairRefcounts(file, header);
      header = await readHeader(file);
    }
    const dataFile = await openDataFile(path, header, { readonly, onFull });
    if (dataFile) undo.push(() => dataFile.close());
    const backing = header.backing && (await openImage({ ...backingOf(path, header.backing), readonly: true }, { isBacking: true, above }));
    if (backing) undo.push(() => backing.close());
    return await Qcow2Disk.open({ file, header, backing, dataFile, closed: lock && (() => lock.release()) });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** Open a qcow2 image for writing, without what lies below it: only its own clusters are to be seen. */
export async function openWithoutBacking(path: string): Promise<Qcow2Disk> {
  const file = await HostFile.open(path);
  try {
    const lock = await lockImage(path, false, { isBacking: false, above: [] }, file);
    try {
      const header = await readHeader(file);
      if (header.incompatible & EXTERNAL_DATA) throw imageError(path, 'has its data in another file, which this cannot be done with.');
      return await Qcow2Disk.open({ file, header, closed: async () => lock?.release() });
    } catch (error) {
      await lock?.release();
      throw error;
    }
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The header of a qcow2 image. Throws VmError 'Image'. */
export async function readHeader(file: HostFile): Promise<Qcow2Header> {
  const start = new Uint8Array(Math.min(HEADER_AREA, file.length));
  await file.readv(0, [start]);
  return parseHeader(file.path, start, file.length);
}

async function lockImage(path: string, readonly: boolean, { isBacking }: Place, file: HostFile): Promise<FileLock | undefined> {
  if (readonly && !isBacking) return undefined;
  const lock = isBacking ? await shareFile(path) : await lockFile(path);
  try {
    guardAgainstQemu(path, file.fd, isBacking ? 'share' : 'write');
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** A backing file as an image names it: relative to the image's folder. Throws VmError 'Image' if Hartbox cannot use it. */
export function backingOf(
  path: string,
  { file, format }: NonNullable<Qcow2Header['backing']>,
): { file: string; format: DiskFormat | 'auto' } {
  if (format !== undefined && format !== 'raw' && format !== 'qcow2')
    throw imageError(path, `has a backing file in the format ${format}; Hartbox knows raw and qcow2.`);
  const name = file.replace(/^file:/, '');
  if (/^[a-z][a-z0-9+.-]+:/i.test(name))
    throw imageError(path, `has the backing file ${name}, which is no plain file. Hartbox uses files of this computer only.`);
  return { file: isAbsolute(name) ? name : resolve(dirname(path), name), format: format ?? 'auto' };
}

async function openDataFile(path: string, header: Qcow2Header, options: HostFileOptions): Promise<HostFile | undefined> {
  if (!(header.incompatible & EXTERNAL_DATA)) return undefined;
  if (header.dataFile === undefined) throw imageError(path, 'has its data in another file, but does not say which.');
  return HostFile.open(isAbsolute(header.dataFile) ? header.dataFile : resolve(dirname(path), header.dataFile), options);
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
export async function detectFormat(file: HostFile): Promise<DiskFormat> {
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
