import { readdir } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { ensureFolder } from '../host/ensure-folder';
import { reasonCode, reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { awaitLock } from '../host/file-lock';
import { unfitFileName } from '../host/file-name';
import { replaceFile } from '../host/new-file';
import { exists, readText } from '../host/open-file';
import { SETTINGS_VERSION, type SettingsFile, readSettings, writeSettings } from '../settings/file';
import type { BoxValuesInput } from '../settings/settings';

/** What folders of boxes look like: the same in every file system, also where case does not count. */
export const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const ID_MAX = 64;

/** A box's identity: the name of its folder, fit for every file system. */
export const vmIdSchema = z
  .string()
  .regex(ID, 'it may have small letters, digits and hyphens between them, 64 at most')
  .superRefine((id, context) => {
    const unfit = unfitFileName(id);
    if (unfit) context.addIssue({ code: 'custom', message: unfit });
  });

/** The folders of a library, and the files in a box's folder. */
export class LibraryFolders {
  readonly machines: string;
  /** Boxes that were removed, each in a folder `ID-TIME`. */
  readonly trash: string;
  /** Images that linked clones share, each in a folder of its own. */
  readonly bases: string;

  constructor(data: string) {
    this.machines = join(data, 'machines');
    this.trash = join(data, 'trash');
    this.bases = join(data, 'bases');
  }

  box(id: string): string {
    return join(this.machines, id);
  }
}

export const SETTINGS_FILE = 'config.json';
export const FLASH_FILE = 'flash-vars.fd';
/** Who runs the box, or works on it; in the place of what earlier versions locked by, so that they and this one see each other's. */
export const LOCK_FILE = 'lock';
/** Where earlier versions wrote who had their lock. */
export const OLD_OWNER_FILE = 'owner.json';

/** What is thrown where a box's folder is not there. */
export function missingBox(folder: string): VmError {
  const id = basename(folder);
  return new VmError('State', `There is no box "${id}". It may have been removed already.`, { code: 'box-missing', params: { id } });
}

/** The settings of the box in a folder. Throws VmError `Image` if its file cannot be used; the file is left as it is. */
export async function readBox(folder: string): Promise<SettingsFile> {
  const path = join(folder, SETTINGS_FILE);
  let text: string;
  try {
    text = await readText(path);
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    const missing = ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '');
    throw new VmError('Image', `The settings of the box, ${path}, ${missing ? 'are missing' : `cannot be read (${reasonOf(cause)})`}.`, {
      cause,
      code: missing ? 'settings-missing' : 'settings-unreadable',
      params: { path, reason: reasonCode(cause) },
    });
  }
  return readSettings(text, path, (file) => resolve(folder, file));
}

/**
 * Write the settings of the box in a folder, which is made if it is missing; a crash leaves the old file or the new one. One that an older
 * Hartbox wrote is kept beside it. What cannot be read (damaged, of a newer Hartbox, not ours) is not overwritten: VmError `Image`.
 */
export async function writeBox(folder: string, values: BoxValuesInput): Promise<void> {
  await changeBox(folder, () => values, { make: true });
}

/**
 * Change the settings of the box in a folder: they are read, changed and written while others that would do the same wait. `set` has what the
 * file sets, paths absolute; a value that is undefined is no longer set. Resolves with what was set before and after.
 */
export async function changeBox(
  folder: string,
  change: (set: BoxValuesInput) => BoxValuesInput,
  { make = false } = {},
): Promise<{ before: BoxValuesInput; after: SettingsFile }> {
  const path = join(folder, SETTINGS_FILE);
  try {
    if (make) ensureFolder(folder);
    else await readBox(folder);
    const lock = await awaitLock(`${path}.lock`);
    try {
      const old = await readBox(folder).catch((error: unknown) => {
        if (make && error instanceof VmError && error.code === 'settings-missing') return undefined;
        throw error;
      });
      const before = old?.set ?? {};
      const text = writeSettings(change(before), (file) => insideOf(folder, file));
      const after = readSettings(text, path, (file) => resolve(folder, file));
      if (old && old.version !== SETTINGS_VERSION) await replaceFile(join(folder, `config.v${old.version}.json`), await readText(path));
      if (old?.version !== SETTINGS_VERSION || JSON.stringify(old.set) !== JSON.stringify(after.set)) await replaceFile(path, text);
      return { before, after };
    } finally {
      await lock.release();
    }
  } catch (cause) {
    // Somebody else may have removed it meanwhile.
    if (!make && !(await exists(folder))) throw missingBox(folder);
    if (cause instanceof VmError) throw cause;
    throw new VmError(
      'Resource',
      `The settings of the box, ${path}, could not be written (${reasonOf(cause)}). Check that the disk has room and the folder is yours.`,
      { cause, code: 'settings-not-written', params: { path, reason: reasonCode(cause) } },
    );
  }
}

/** Keys whose values differ. */
export function changedKeys(before: BoxValuesInput, after: BoxValuesInput): string[] {
  const [one, other] = [before, after] as Record<string, unknown>[];
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
    (key) => JSON.stringify(one[key]) !== JSON.stringify(other[key]),
  );
}

/** Of what lies in the folder the path from there, so that the folder can be moved and copied; others absolute. */
export function insideOf(folder: string, file: string): string {
  const path = relative(folder, file);
  return path !== '' && !path.startsWith(`..${sep}`) && path !== '..' && !isAbsolute(path) ? path.split(sep).join('/') : resolve(file);
}

export function isInside(folder: string, file: string): boolean {
  return !isAbsolute(insideOf(folder, file));
}

/** A folder's name for a box of that name, which none of `taken` is. */
export function freeId(name: string, taken: ReadonlySet<string>): string {
  const words = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, ID_MAX)
    .replace(/^-+|-+$/g, '');
  const id = !words ? 'box' : unfitFileName(words) ? `box-${words}` : words;
  if (!taken.has(id)) return id;
  for (let n = 2; ; n++) {
    const next = `${id.slice(0, ID_MAX - 1 - `${n}`.length).replace(/-+$/, '')}-${n}`;
    if (!taken.has(next)) return next;
  }
}

const NAME_MAX = 64;

/** That name and `suffix`, or the first of "X 2", "X 3" … that no box of the folder has. */
export async function freeName(machines: string, name: string, suffix = ''): Promise<string> {
  const taken = new Set<string>();
  for (const id of await readdir(machines).catch(() => [])) {
    if (ID.test(id))
      await readBox(join(machines, id))
        .then(({ values }) => taken.add(values.name.toLowerCase()))
        .catch(() => undefined);
  }
  for (let n = 1; ; n++) {
    const end = `${suffix}${n === 1 ? '' : ` ${n}`}`;
    const next = `${[...name]
      .slice(0, NAME_MAX - end.length)
      .join('')
      .trim()}${end}`;
    if (!taken.has(next.toLowerCase())) return next;
  }
}
