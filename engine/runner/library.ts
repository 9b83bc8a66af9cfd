import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDisk } from '../backend/disk/disk-images';
import { asVmError, systemError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import type { FileLock } from '../host/file-lock';
import { unfitFileName } from '../host/file-name';
import { makeFolder } from '../host/new-folder';
import { makeFile, replaceFile } from '../host/new-file';
import type { SettingsFile } from '../settings/file';
import type { BoxValues, BoxValuesInput } from '../settings/settings';
import { lockMoves } from './bases';
import { type ExportOptions, type ImportOptions, exportBox, importBox } from './box-archive';
import { FLASH_FILE, ID, LibraryFolders, SETTINGS_FILE, changeBox, changedKeys, freeId, readBox, vmIdSchema, writeBox } from './box-folder';
import { boxHolder, lockBox, lockForRemoval } from './box-lock';
import { type CloneOptions, cloneBox } from './clone';
import { type DiskUse, diskUseOf } from './disk-use';
import { type BoxImage, standOnImage } from './image-disk';
import { watchBoxes } from './library-watch';
import { type Recovery, recover } from './recovery';
import { type TrashedBox, emptyTrash, listTrash, moveToTrash, purgeBox, restoreBox } from './trash';

export type { CloneOptions, DiskUse, ExportOptions, ImportOptions, Recovery, TrashedBox };
export { vmIdSchema };

/** Folder of the box that is there from the first moment: it boots the default guest. */
export const DEFAULT_VM = 'hartbox-linux';
const DEFAULT_VM_SETTINGS: BoxValuesInput = { name: 'Hartbox Linux', icon: 'penguin' };
/** In the folder of boxes: the default VM was removed, and is not to come again by itself. */
const NO_DEFAULT = '.no-default';

/** One box of the library: the values of its settings, or why those cannot be used. */
export type BoxEntry = { id: string; values: BoxValues; error?: undefined } | { id: string; values?: undefined; error: VmError };

/** The disk of a new box: its size in bytes. */
export interface NewDisk {
  size: number;
  format?: 'qcow2' | 'raw';
}

export interface CreateOptions {
  disk?: NewDisk;
  /** What its first disk shows until it is written to; it is as large as that unless `size` says more. See standOnImage(). */
  image?: BoxImage & { size?: number };
  /** A disc in its folder, which becomes its last drive. */
  disc?: { name: string; contents: Uint8Array };
  signal?: AbortSignal;
}

/** What `change` did: what the file sets now, all values, and the keys of what was changed. */
export interface SettingsChange {
  set: BoxValuesInput;
  values: BoxValues;
  changed: string[];
}

/**
 * The VMs of this user: one folder each below `machines/` in the data directory, with a config.json. App and CLI share
 * it. A configuration that cannot be read is reported with its VM and never overwritten. See README.md, "Boxes on disk".
 */
export class Library {
  readonly directory: string;
  private readonly folders: LibraryFolders;

  constructor(dataDirectory: string) {
    this.folders = new LibraryFolders(dataDirectory);
    this.directory = this.folders.machines;
  }

  folder(id: string): string {
    return this.folders.box(id);
  }

  configFile(id: string): string {
    return join(this.folder(id), SETTINGS_FILE);
  }

  /** Where a box keeps the variables of its firmware. */
  flashFile(id: string): string {
    return join(this.folder(id), FLASH_FILE);
  }

  /** All VMs, the default one first, the others by name. Throws VmError `Resource` if the directory cannot be used. */
  async list(): Promise<BoxEntry[]> {
    await this.ensureDefault();
    const folders = (await inWords(readdir(this.directory, { withFileTypes: true }), 'The library could not be read')).filter((entry) =>
      entry.isDirectory(),
    );
    const ids = folders.map((entry) => entry.name).filter((name) => ID.test(name));
    const entries = await Promise.all(ids.map((id) => this.entry(id)));
    const rank = (entry: BoxEntry): string => (entry.id === DEFAULT_VM ? '' : (entry.values?.name ?? entry.id).toLowerCase());
    return entries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  }

  /** The VM that a person means by a name or folder name. Throws VmError `Config` if there is none or more than one. */
  async find(nameOrId: string): Promise<BoxEntry> {
    const entries = await this.list();
    const exact = entries.find((entry) => entry.id === nameOrId);
    if (exact) return exact;
    const named = entries.filter((entry) => entry.values?.name.toLowerCase() === nameOrId.toLowerCase());
    if (named.length === 1) return named[0];
    if (named.length > 1) {
      throw VmError.config(`There are several boxes called "${nameOrId}". Say which one: ${named.map((entry) => entry.id).join(', ')}.`, {
        code: 'box-ambiguous',
        params: { name: nameOrId, ids: named.map((entry) => entry.id).join(', ') },
      });
    }
    const known = entries.map((entry) => (entry.values ? `"${entry.values.name}"` : entry.id)).join(', ');
    throw VmError.config(`There is no box called "${nameOrId}". ${known ? `There are: ${known}` : 'There is none'}.`, {
      code: 'box-unknown',
      params: { name: nameOrId },
    });
  }

  /** A box's settings. Throws VmError `Image` if its file cannot be used; the file is left as it is. */
  settings(id: string): Promise<SettingsFile> {
    return readBox(this.folder(id));
  }

  /**
   * Write all of a box's settings, new or changed; a crash leaves the old file or the new one, never half of one. A file that an older
   * Hartbox wrote is kept beside it; one that cannot be read is not overwritten (VmError `Image`).
   */
  async save(id: string, values: BoxValuesInput): Promise<void> {
    const named = vmIdSchema.safeParse(id);
    if (!named.success)
      throw VmError.config(`A box's folder cannot be called "${id}": ${named.error.issues[0].message}. Choose another name.`, {
        code: 'box-folder-unfit',
        params: { path: this.folder(id) },
      });
    await writeBox(this.folder(id), values);
  }

  /**
   * Change a box's settings: `change` gets what its file sets and returns what it is to set; a value that is undefined is no longer set, so
   * that the default counts. Others that would change them wait, so that nothing is lost.
   */
  async change(id: string, change: (set: BoxValuesInput) => BoxValuesInput): Promise<SettingsChange> {
    const { before, after } = await changeBox(this.folder(id), change);
    return { set: after.set, values: after.values, changed: changedKeys(before, after.set) };
  }

  /** Give a box another name. Its folder, and so its id, stays. */
  async rename(id: string, name: string): Promise<void> {
    await this.change(id, (set) => ({ ...set, name }));
  }

  /** Make a box. A new disk lies in its folder, behind the drives that `values` name. Resolves with its id, which is made of the name. */
  async create(values: BoxValuesInput, options: CreateOptions = {}): Promise<string> {
    // Whoever counts what stands on a base must not miss this box.
    const moves = options.image && (await lockMoves(this.folders));
    try {
      return await this.createBox(values, options);
    } finally {
      await moves?.release();
    }
  }

  private createBox(values: BoxValuesInput, { disk, image, disc, signal }: CreateOptions): Promise<string> {
    const name = values.name ?? 'Hartbox';
    return this.making(name, async (folder) => {
      signal?.throwIfAborted();
      const drives = [...(values.drives ?? [])];
      if (image) drives.unshift({ file: await standOnImage(this.folders, folder, image, image.size) });
      if (disk) {
        const { size, format = 'qcow2' } = disk;
        const file = join(folder, format === 'raw' ? 'disk.img' : 'disk.qcow2');
        await createDisk({ file, size, format });
        // Said, so that a guest may write whatever it likes to the start of a raw disk.
        drives.push({ file, ...(format === 'raw' && { format }) });
      }
      if (disc) {
        const file = join(folder, disc.name);
        await makeFile(file, (temporary) => writeFile(temporary, disc.contents));
        drives.push({ file, format: 'raw', readonly: true });
      }
      await writeBox(folder, { ...values, ...(drives.length > 0 && { drives }) });
      signal?.throwIfAborted();
    });
  }

  /**
   * Make a box like another one, which must not run meanwhile. Resolves with its id. README.md says what a full and what a linked clone is.
   * Throws VmError `Config` where a linked one is not possible; says why.
   */
  clone(id: string, options: CloneOptions): Promise<string> {
    return inWords(cloneBox(this.folders, id, options), 'The clone could not be made');
  }

  /**
   * Remove a box; not while it runs. It stays in the trash, whole, until somebody deletes it for good. Resolves with its name there, for
   * `restore`.
   */
  async remove(id: string): Promise<string> {
    const lock = await lockForRemoval(this.folder(id));
    try {
      if (id === DEFAULT_VM) await inWords(replaceFile(join(this.directory, NO_DEFAULT), ''), 'The box could not be removed');
      return await inWords(moveToTrash(this.folders, id), 'The box could not be removed');
    } finally {
      await lock.release();
    }
  }

  /** The boxes in the trash, the last removed first. */
  trashed(): Promise<TrashedBox[]> {
    return inWords(listTrash(this.folders), 'The trash could not be read');
  }

  /** Bring a box back from the trash. Resolves with its id: another one where its own was taken. */
  restore(trashId: string): Promise<string> {
    return inWords(restoreBox(this.folders, trashId), 'The box could not be restored');
  }

  /** Delete a box in the trash for good. */
  purge(trashId: string): Promise<void> {
    return inWords(purgeBox(this.folders, trashId), 'The box could not be deleted');
  }

  /** Delete what has been in the trash for so many days, or all. Resolves with what was deleted. */
  emptyTrash(options: { olderThanDays?: number } = {}): Promise<TrashedBox[]> {
    return inWords(emptyTrash(this.folders, options), 'The trash could not be emptied');
  }

  /** Write a box, which must not run meanwhile, into one file that other computers can import. Throws VmError `Config` if there is one already. */
  export(id: string, file: string, options: ExportOptions = {}): Promise<void> {
    return inWords(exportBox(this.folders, id, file, options), 'The box could not be exported');
  }

  /** Make a box of such a file. Resolves with its id. Throws VmError `Image` for files that are damaged, of a newer Hartbox, or none of ours. */
  import(file: string, options: ImportOptions = {}): Promise<string> {
    return inWords(importBox(this.folders, file, options), 'The box could not be imported');
  }

  /** What a box's folder takes on the host's disk. */
  diskUse(id: string): Promise<DiskUse> {
    return inWords(diskUseOf(this.folder(id)), 'The box could not be measured');
  }

  /**
   * Tell `listener` the ids of boxes that appeared or vanished, whose settings changed, or which were started or ended, by whatever process.
   * Returns what ends that. Begin to watch first, then list.
   */
  watch(listener: (ids: string[]) => void): () => void {
    return watchBoxes(this.directory, listener);
  }

  /**
   * Clean up what processes that are gone have left half done; to be called at the start. Every box is whole without it. Resolves with what
   * was done.
   */
  recover(): Promise<Recovery[]> {
    return recover(this.folders);
  }

  /** Whether a process that is alive runs the box. */
  async isRunning(id: string): Promise<boolean> {
    const holder = await boxHolder(this.folder(id));
    return holder !== undefined && !holder.isWork;
  }

  /**
   * Take the box for this process until `release`. Throws VmError `Resource` if another process runs it. The lock of a
   * process that died is taken over.
   */
  lock(id: string, program: string): Promise<FileLock> {
    return lockBox(this.folder(id), program);
  }

  private making(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
    return inWords(
      makeFolder(this.directory, (taken) => freeId(name, taken), fill),
      'The box could not be made',
    );
  }

  private async entry(id: string): Promise<BoxEntry> {
    const unfit = unfitFileName(id);
    if (unfit)
      return {
        id,
        error: VmError.config(`The box's folder ${this.folder(id)} needs another name: ${unfit}. Rename it.`, {
          code: 'box-folder-unfit',
          params: { path: this.folder(id) },
        }),
      };
    try {
      return { id, values: (await this.settings(id)).values };
    } catch (error) {
      return { id, error: asVmError(error) };
    }
  }

  private async ensureDefault(): Promise<void> {
    for (const path of [this.configFile(DEFAULT_VM), join(this.directory, NO_DEFAULT)]) {
      if (await stat(path).catch((error: NodeJS.ErrnoException) => error.code !== 'ENOENT')) return;
    }
    await this.save(DEFAULT_VM, DEFAULT_VM_SETTINGS);
  }
}

/** What the host refuses, as VmError `Resource`. */
async function inWords<Result>(work: Promise<Result>, failed: string): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw systemError(error, failed) ?? error;
  }
}
