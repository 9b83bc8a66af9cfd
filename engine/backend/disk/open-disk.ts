import { stat } from 'node:fs/promises';
import { VmError } from '../../errors/vm-error';
import { type FileLock, lockFile, shareFile } from '../../host/file-lock';
import type { Disk } from './disk';
import type { DiskFormat } from './disk-format';
import { HostFile, type HostFileOptions } from './disk-file';
import { mustBeAllowed, referencesOf, shown } from './image-reference';
import { guardAgainstQemu } from './qemu-lock';
import { DIRTY, EXTERNAL_DATA, HEADER_AREA, type Qcow2Header, imageError, parseHeader } from './qcow2/header';
import { hasQcow2Magic } from './qcow2/magic';
import { Qcow2Disk } from './qcow2/qcow2-disk';
import { repairRefcounts } from './qcow2/repair';
import { RawDisk } from './raw';

export interface OpenDiskOptions extends HostFileOptions {
  file: string;
  /** `auto` looks at the file: what is not recognisably qcow2 is raw, and stays so (see RawDisk). */
  format?: DiskFormat | 'auto';
  /** Keep writers away, although it is only read. */
  share?: boolean;
}

/** How an image of a chain is opened: the one that is asked for, or one below it, which others may use too. */
interface Place {
  isBacking: boolean;
  /** How its files are locked: against all others, or against writers. */
  lock: 'write' | 'share' | undefined;
  /** The images above it, as device and inode. */
  above: readonly string[];
}

/** Longer chains are more likely a mistake. */
export const CHAIN_MAX = 100;

/**
 * Open a disk image of any format, with its data file and its backing files. Opened for writing, both it and its data file are locked
 * against other writers, and its backing files against all writers, also of other processes.
 *
 * Throws VmError: 'Image' if a file is missing, damaged, in a format that Hartbox does not know, or names another one that it may not use
 * (image-reference.ts); 'Resource' if the host denies access or somebody else writes to it.
 */
export function openDisk(options: OpenDiskOptions): Promise<Disk> {
  return openImage(options, { isBacking: false, lock: options.readonly ? (options.share ? 'share' : undefined) : 'write', above: [] });
}

async function openImage({ file: path, format = 'auto', readonly = false, onFull }: OpenDiskOptions, place: Place): Promise<Disk> {
  const file = await HostFile.open(path, { readonly, onFull });
  const undo: (() => Promise<void>)[] = [() => file.close()];
  try {
    const found = format === 'auto' ? await detectFormat(file) : format;
    const identity = await identityOf(path);
    if (place.above.includes(identity))
      throw imageError(path, 'is its own backing file, directly or through others.', { code: 'backing-circle', params: { path } });
    if (place.above.length >= CHAIN_MAX)
      throw imageError(path, `is the last of ${CHAIN_MAX} backing files; that is not usual, and more are not opened.`, {
        code: 'backing-chain',
        params: { path, most: CHAIN_MAX },
      });
    const lock = await lockImage(path, file.fd, place.lock);
    if (lock) undo.push(() => lock.release());
    if (found === 'raw') return new RawDisk(file, { guessed: format === 'auto', isBacking: place.isBacking, lock });

    const above = [...place.above, identity];
    let header = await readHeader(file);
    // Its refcounts were left behind by a tool that puts them off.
    if (!readonly && header.incompatible & DIRTY) {
      await repairRefcounts(file, header);
      header = await readHeader(file);
    }
    const data = await openDataFile(path, header, { readonly, onFull }, { ...place, above });
    if (data) undo.push(data.close);
    const below = await backingOf(path, header);
    const backing = below && (await openImage({ ...below, readonly: true }, { isBacking: true, lock: 'share', above }));
    if (backing) undo.push(() => backing.close());
    const closed = async (): Promise<void> => {
      await data?.lock?.release();
      await lock?.release();
    };
    return await Qcow2Disk.open({ file, header, backing, dataFile: data?.file, closed });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** Open a qcow2 image for writing, without what lies below it: only its own clusters are to be seen. */
export async function openWithoutBacking(path: string): Promise<Qcow2Disk> {
  const file = await HostFile.open(path);
  try {
    const lock = await lockImage(path, file.fd, 'write');
    try {
      const header = await readHeader(file);
      if (header.incompatible & EXTERNAL_DATA)
        throw imageError(path, 'has its data in another file, which this cannot be done with.', {
          code: 'disk-external-data',
          params: { path },
        });
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

async function lockImage(path: string, fd: number, intent: Place['lock']): Promise<FileLock | undefined> {
  if (intent === undefined) return undefined;
  const lock = intent === 'share' ? await shareFile(path) : await lockFile(path);
  try {
    guardAgainstQemu(path, fd, intent);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Numbers of NTFS need 64 bits. */
export async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * The backing file of an image, if it has one. Throws VmError 'Image' if Hartbox cannot use it, or the user has not allowed it.
 */
export async function backingOf(path: string, header: Qcow2Header): Promise<{ file: string; format: DiskFormat | 'auto' } | undefined> {
  const reference = referencesOf(path, header).find(({ kind }) => kind === 'backing');
  if (!reference) return undefined;
  const format = header.backing?.format;
  if (format !== undefined && format !== 'raw' && format !== 'qcow2')
    throw imageError(path, `has a backing file in the format ${shown(format)}; Hartbox knows raw and qcow2.`, {
      code: 'backing-format',
      params: { path, format: shown(format) },
    });
  await mustBeAllowed(reference);
  return { file: reference.file, format: format ?? 'auto' };
}

/** The file in which an image has its data, if that is another one; it is locked as the image is. */
async function openDataFile(
  path: string,
  header: Qcow2Header,
  options: HostFileOptions,
  place: Place,
): Promise<{ file: HostFile; lock: FileLock | undefined; close: () => Promise<void> } | undefined> {
  if (!(header.incompatible & EXTERNAL_DATA)) return undefined;
  const reference = referencesOf(path, header).find(({ kind }) => kind === 'data');
  if (!reference)
    throw imageError(path, 'has its data in another file, but does not say which.', { code: 'qcow2-damaged', params: { path } });
  await mustBeAllowed(reference);
  const file = await HostFile.open(reference.file, options);
  try {
    if (place.above.includes(await identityOf(reference.file)))
      throw imageError(path, `has the data file ${reference.file}, which is itself or an image above it.`, {
        code: 'data-circle',
        params: { path, file: reference.file },
      });
    const lock = await lockImage(reference.file, file.fd, place.lock);
    return {
      file,
      lock,
      close: async () => {
        await file.close();
        await lock?.release();
      },
    };
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
    { code: 'disk-foreign', params: { path: file.path, format: foreign[1] } },
  );
}
