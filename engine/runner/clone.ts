import { randomBytes } from 'node:crypto';
import { chmod, link, lstat, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { ensureFolder } from '../host/ensure-folder';
import { createDisk, isUntouched } from '../backend/disk/disk-images';
import { reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { type FileLock, lockFile } from '../host/file-lock';
import { makeFolder, syncFolder } from '../host/new-folder';
import { hostFiles } from '../host/patient-files';
import type { CopyOptions } from '../host/sparse-file';
import { isBase, lockMoves, removeUnusedBases } from './bases';
import { type BoxCopy, type BoxFile, copyBoxFile, filesOf, progressOver } from './box-files';
import { type LibraryFolders, changeBox, freeId, freeName, insideOf, isInside, readBox, writeBox } from './box-folder';
import { backingFile } from './box-images';
import { lockForWork } from './box-lock';

export interface CloneOptions extends CopyOptions {
  /** "X copy", or the first of "X copy 2", "X copy 3" … that is free, unless given. */
  name?: string;
  /** Whether its disks show those of the origin as they are now, and keep only what changes. */
  linked: boolean;
}

/** Each read of a disk may have to go through so many images; a longer chain is slow, and better made one again. */
const CHAIN_MAX = 20;

/** Make a box like another one. Resolves with its id. See Library.clone. */
export async function cloneBox(folders: LibraryFolders, id: string, { name, linked, ...options }: CloneOptions): Promise<string> {
  const origin = folders.box(id);
  const lock = await lockForWork(origin, 'clone');
  try {
    const settings = await readBox(origin);
    const called = name ?? (await freeName(folders.machines, settings.values.name, ' copy'));
    const copy = await filesOf(origin, settings);
    const clone = { folders, origin, copy, name: called, options };
    return linked ? await linkedClone(clone) : await fullClone(clone);
  } finally {
    await lock.release();
  }
}

interface Clone {
  folders: LibraryFolders;
  origin: string;
  copy: BoxCopy;
  name: string;
  options: CopyOptions;
}

function fullClone({ folders: { machines }, copy, name, options }: Clone): Promise<string> {
  return makeClone(machines, name, async (folder) => {
    await copyFiles(copy.files, folder, options);
    return copy.settings(folder);
  });
}

/**
 * The origin's disks become bases, and both boxes get an empty image over each. The order is what makes it safe: the base is a second name of
 * the origin's disk (a hard link); then an image over it takes the disk's place in the origin by one rename; only then the clone appears. So
 * there is never a box whose base somebody writes to.
 */
async function linkedClone({ folders, origin, copy, name, options }: Clone): Promise<string> {
  const disks = copy.files.filter((file) => file.writable);
  for (const disk of disks) await mustBeLinkable(folders, origin, disk);
  let moves: FileLock | undefined;
  try {
    return await makeClone(folders.machines, name, async (folder) => {
      await copyFiles(
        copy.files.filter((file) => !file.writable),
        folder,
        options,
      );
      moves = await lockMoves(folders);
      for (const disk of disks) {
        options.signal?.throwIfAborted();
        // Nobody may go on writing to the image, which is a base from now on, though by a name that it had before.
        const lock = await lockFile(disk.from);
        try {
          const base = await baseOf(folders, origin, folder, disk);
          const target = join(folder, disk.to);
          ensureFolder(dirname(target));
          await createDisk({ file: target, format: 'qcow2', backing: { ...base, recorded: wayTo(folders, disk.to, base.file) } });
        } finally {
          await lock.release();
        }
      }
      const set = copy.settings(folder);
      const isOverlay = (file: string): boolean => disks.some((disk) => join(folder, disk.to) === file);
      return {
        ...set,
        drives: set.drives?.map((drive) => (drive.format === 'raw' && isOverlay(drive.file) ? { ...drive, format: 'auto' } : drive)),
      };
    });
  } finally {
    await moves?.release();
    // Of one that failed.
    await removeUnusedBases(folders);
  }
}

/** The image on which the clone's disk is to stand, and the origin's stands afterwards. */
async function baseOf(
  folders: LibraryFolders,
  origin: string,
  folder: string,
  { from, info, to, writable }: BoxFile,
): Promise<{ file: string; format: 'raw' | 'qcow2' }> {
  const below = await backingFile(from);
  if (info?.backing && below !== undefined && (await isUntouched(from)))
    return { file: below, format: info.backing.format === 'raw' ? 'raw' : 'qcow2' };

  const inside = insideOf(origin, from);
  const name = await makeFolder(
    folders.bases,
    () => randomBytes(8).toString('hex'),
    async (base) => {
      ensureFolder(dirname(join(base, inside)));
      await link(from, join(base, inside)).catch((cause: unknown) => {
        throw notLinked(`its file system has no links for files: ${reasonOf(cause)}`, from, 'no-links', cause);
      });
    },
  );
  const base = { file: join(folders.bases, name, inside), format: info ? ('qcow2' as const) : ('raw' as const) };

  // What stands in the disk's place from now on is qcow2.
  if (writable?.format === 'raw')
    await changeBox(origin, (set) => ({
      ...set,
      drives: set.drives?.map((drive) => (drive.file === from ? { ...drive, format: 'auto' } : drive)),
    }));
  const overlay = join(folder, `.${basename(to)}`);
  await createDisk({ file: overlay, format: 'qcow2', backing: { ...base, recorded: wayTo(folders, inside, base.file) } });
  await chmod(overlay, (await stat(from)).mode & 0o7777);
  await hostFiles.rename(overlay, from);
  await syncFolder(dirname(from));
  await chmod(base.file, 0o444);
  return base;
}

/** The way from an image in a box's folder to a base, which is the same from all boxes, whatever the folder is called while it is made. */
function wayTo({ machines }: LibraryFolders, image: string, base: string): string {
  return relative(dirname(join(machines, 'box', image)), base)
    .split(sep)
    .join('/');
}

/** Throws VmError 'Config' where an image cannot become the base of others, and says why. */
async function mustBeLinkable({ bases }: LibraryFolders, origin: string, { from, to, info }: BoxFile): Promise<void> {
  if (!isInside(origin, from)) throw notLinked(`its disk ${from} lies outside its folder, where others may use it`, from, 'outside-box');
  if (!(await lstat(from)).isFile()) throw notLinked(`its disk ${from} is a link to a file elsewhere`, from, 'is-link');
  if (insideOf(origin, from) !== to) throw notLinked(`its disk ${from} has a name that not every system allows`, from, 'unfit-name');
  if (info?.qcow2?.dirty || info?.qcow2?.corrupt)
    throw notLinked(`its disk ${from} was not closed properly: check it first (hartbox disk check --repair)`, from, 'not-closed');
  if (info?.qcow2?.snapshots.length || info?.qcow2?.bitmaps.length)
    throw notLinked(`its disk ${from} has snapshots or bitmaps, which it would lose`, from, 'has-snapshots');
  if (info?.qcow2?.dataFile !== undefined) throw notLinked(`its disk ${from} has its data in another file`, from, 'external-data');
  let depth = 0;
  for (let below = await backingFile(from); below !== undefined; below = await backingFile(below)) {
    if (depth === 0 && !isBase(bases, below))
      throw notLinked(`its disk ${from} stands on ${below}, which is no base of the library`, from, 'foreign-base');
    if (++depth >= CHAIN_MAX)
      throw notLinked(`its disk ${from} stands on ${depth} images already, and would become slow`, from, 'long-chain');
  }
}

function notLinked(why: string, path: string, reason: string, cause?: unknown): VmError {
  return VmError.config(`A linked clone of this box is not possible: ${why}. Make a full clone.`, {
    cause,
    code: 'clone-not-linked',
    params: { path, reason },
  });
}

function makeClone(machines: string, name: string, fill: (folder: string) => Promise<BoxCopyValues>): Promise<string> {
  return makeFolder(
    machines,
    (taken) => freeId(name, taken),
    async (folder) => writeBox(folder, { ...(await fill(folder)), name }),
  );
}
type BoxCopyValues = ReturnType<BoxCopy['settings']>;

async function copyFiles(files: BoxFile[], folder: string, { onProgress, signal }: CopyOptions): Promise<void> {
  const progress = progressOver(files, onProgress);
  for (const file of files) {
    signal?.throwIfAborted();
    const target = join(folder, file.to);
    ensureFolder(dirname(target));
    await copyBoxFile(file, target, { onProgress: progress(file), signal });
    // Blocks that are shared tell nothing.
    progress(file)(file.size);
  }
}
