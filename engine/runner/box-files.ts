import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type DiskInfo, convertDisk } from '../backend/disk/disk-images';
import { VmError } from '../errors/vm-error';
import { shareFile } from '../host/file-lock';
import { asFileName } from '../host/file-name';
import { type CopyOptions, copySparse } from '../host/sparse-file';
import type { DriveConfig } from '../settings/drive';
import { type SettingsFile, mapPaths } from '../settings/file';
import type { BoxValuesInput } from '../settings/settings';
import { FLASH_FILE, LOCK_FILE, OLD_OWNER_FILE, SETTINGS_FILE, insideOf, isInside } from './box-folder';
import { qcow2Info } from './box-images';

/** Settings that no copy for another computer has. */
const OF_THIS_COMPUTER = ['semihostingFolder', 'soundFile', 'watchdogDump', 'aiModels', 'shares', 'build', 'buildFolder'] as const;

/** A file of a box that a copy of the box has too. */
export interface BoxFile {
  from: string;
  /** Path in the copy's folder, with slashes. */
  to: string;
  /** Bytes that copying it is about to read. */
  size: number;
  isImage: boolean;
  /** It shows what other files have: its copy is an image that has all itself. */
  isFlattened: boolean;
  /** The drive that may be written to, of which the copy needs a disk of its own. */
  writable?: DriveConfig;
  info?: DiskInfo;
}

/** What a copy of a box consists of. */
export interface BoxCopy {
  files: BoxFile[];
  /** What the copy's settings set when it lies in that folder. */
  settings: (folder: string) => BoxValuesInput;
}

export function isWritable(drive: DriveConfig): boolean {
  return !drive.readonly && drive.media === 'disk';
}

/**
 * What a copy of the box in a folder takes along: what its settings name in the folder, the variables of its firmware, and of what lies
 * elsewhere all that is written to; with `all` also what is only read, so that the copy stands alone.
 *
 * Throws VmError: 'Image' if a disk is missing or damaged, 'Config' if one cannot be copied.
 */
export async function filesOf(folder: string, { set, values }: SettingsFile, { all = false } = {}): Promise<BoxCopy> {
  const files: BoxFile[] = [];
  const names = new Map<string, string>();
  const taken = new Set([SETTINGS_FILE, LOCK_FILE, OLD_OWNER_FILE, 'manifest.json']);
  const nameFor = (path: string): string => {
    const known = names.get(path);
    if (known !== undefined) return known;
    const parts = (isInside(folder, path) ? insideOf(folder, path) : basename(path)).split('/').map(asFileName);
    const [, stem, ending] = /^(.+?)((?:\.[^./]*)?)$/s.exec(parts.join('/')) as RegExpExecArray;
    let name = `${stem}${ending}`;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${stem}-${n}${ending}`;
    taken.add(name.toLowerCase());
    names.set(path, name);
    return name;
  };

  for (const drive of values.drives) {
    const { file, format } = drive;
    if (names.has(file) || !(all || isInside(folder, file) || isWritable(drive))) continue;
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile())
      throw new VmError(
        'Image',
        `The disk ${file} ${found ? 'is no file' : 'is missing'}, so the box cannot be copied. Bring it back, or take the drive out of the settings first.`,
        { code: 'disk-missing', params: { path: file } },
      );
    const info = format === 'raw' ? undefined : await qcow2Info(file);
    const isFlattened = info !== undefined && (info.backing !== undefined || info.qcow2?.dataFile !== undefined);
    if (isFlattened && info.qcow2?.snapshots.length)
      throw VmError.config(
        `The disk ${file} has snapshots over another image, which a copy of it would lose. Delete them first (qemu-img snapshot -d).`,
        { code: 'snapshots-lost', params: { path: file } },
      );
    files.push({
      from: file,
      to: nameFor(file),
      size: isFlattened ? info.size : found.size,
      isImage: true,
      isFlattened,
      ...(isWritable(drive) && { writable: drive }),
      ...(info && { info }),
    });
  }

  const others: string[] = [];
  mapPaths(
    {
      ...set,
      drives: undefined,
      flashVars: undefined,
      semihostingFolder: undefined,
      soundFile: undefined,
      watchdogDump: undefined,
      aiModels: undefined,
      shares: undefined,
      buildFolder: undefined,
    },
    (path) => {
      if (all || isInside(folder, path)) others.push(path);
      return path;
    },
  );
  const flash = values.flashVars ?? join(folder, FLASH_FILE);
  for (const path of new Set([...others, flash])) {
    if (names.has(path)) continue;
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.push({ from: path, to: nameFor(path), size: found.size, isImage: false, isFlattened: false });
    // Firmware makes the file of its variables.
    else if (path === flash) nameFor(path);
    else if (all)
      throw new VmError(
        'Image',
        `${path}, which the box needs, ${found ? 'is no file' : 'is missing'}. Bring it back, or take it out of the settings first.`,
        { code: 'file-missing', params: { path } },
      );
  }

  return {
    files,
    settings: (copy) =>
      // What may be written to of this computer is no other's, nor are its commands: to whom the box is given has to allow that.
      mapPaths(all ? { ...set, ...Object.fromEntries(OF_THIS_COMPUTER.map((key) => [key, undefined])) } : set, (path) => {
        const name = names.get(path) ?? (isInside(folder, path) ? insideOf(folder, path) : undefined);
        return name === undefined ? path : join(copy, name);
      }),
  };
}

/** Copy one file. While it lasts nobody can write to an image. */
export async function copyBoxFile({ from, isImage, isFlattened }: BoxFile, to: string, options: CopyOptions): Promise<void> {
  if (isFlattened) return convertDisk({ from, fromFormat: 'qcow2', to, format: 'qcow2', ...options });
  const share = isImage ? await shareFile(from) : undefined;
  try {
    await copySparse(from, to, options);
  } finally {
    await share?.release();
  }
}

/** Progress over several files. */
export function progressOver(files: readonly BoxFile[], onProgress: CopyOptions['onProgress']): (file: BoxFile) => (done: number) => void {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  return (file) => {
    const before = files.slice(0, files.indexOf(file)).reduce((sum, { size }) => sum + size, 0);
    return (done) => onProgress?.(before + done, total);
  };
}
