import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { unfitFileName } from '../../host/file-name';
import { EXTERNAL_DATA, type Qcow2Header, imageError } from './qcow2/header';
import { type ImageReference, isTrusted, trustReferences } from './trusted-references';

/** Why an image may use a file: it lies in the image's folder, is one that linked clones share, or the user allows it. */
export type Permission = 'folder' | 'library' | 'user';

/** What would not be shown as it is: control characters, and those that change the direction of the text. */
const UNSHOWN = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** A name out of an image, fit to be shown: whoever reads it decides by it. */
export function shown(name: string): string {
  return name.replace(UNSHOWN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The files that an image names: its data file, its backing file. Throws VmError 'Image' if one of them is no file of this computer. */
export function referencesOf(image: string, { incompatible, dataFile, backing }: Qcow2Header): ImageReference[] {
  const found: ImageReference[] = [];
  if (incompatible & EXTERNAL_DATA && dataFile !== undefined) found.push(referenceOf(image, 'data', dataFile));
  if (backing) found.push(referenceOf(image, 'backing', backing.file));
  return found;
}

/** A name in an image is relative to the image's folder. Throws VmError 'Image' for what is no file of this computer. */
export function referenceOf(image: string, kind: ImageReference['kind'], name: string): ImageReference {
  const path = name.replace(/^file:/, '');
  const drive = process.platform === 'win32' ? /^[a-z]:/i.exec(path)?.[0] : undefined;
  // As QEMU has it: a colon before the first slash ends the name of a protocol.
  if (path === '' || /^[^/\\]*:/.test(path.slice(drive?.length ?? 0)) || shown(path) !== path)
    throw imageError(image, `has the ${KINDS[kind]} ${shown(name)}, which is no plain file. Hartbox uses files of this computer only.`, {
      code: kind === 'data' ? 'data-no-file' : 'backing-no-file',
      params: { path: image, file: shown(name) },
    });
  return { image, kind, name, file: isAbsolute(path) ? path : resolve(dirname(image), path) };
}

const KINDS = { backing: 'backing file', data: 'data file' };

/** Throws VmError 'Image' for a file that the image may not use. */
export async function mustBeAllowed(reference: ImageReference): Promise<void> {
  if ((await permissionFor(reference)) !== undefined) return;
  const { image, kind, file } = reference;
  const use = kind === 'data' ? 'The guest would read it and write to it' : 'The guest would read it';
  throw imageError(
    image,
    `has the ${KINDS[kind]} ${file}. ${use}; but by itself an image may only use what lies in its own folder (no hidden files, no absolute paths). If you know who made the image and want that, allow it: hartbox disk trust ${image}`,
    { code: kind === 'data' ? 'image-data-outside' : 'image-backing-outside', params: { path: image, file } },
  );
}

/** Undefined if the image may not use the file. What is not allowed is not even looked at: on Windows a look can call another computer. */
export async function permissionFor(reference: ImageReference): Promise<Permission | undefined> {
  if (await liesInFolder(reference)) return 'folder';
  if (await isBaseOfLibrary(reference)) return 'library';
  return (await isTrusted(reference)) ? 'user' : undefined;
}

/** Allow what needs it: the user has said so. Resolves with what was not allowed before. */
export async function allowReferences(references: readonly ImageReference[]): Promise<ImageReference[]> {
  const wanted: ImageReference[] = [];
  for (const reference of references) if ((await permissionFor(reference)) === undefined) wanted.push(reference);
  if (wanted.length > 0) await trustReferences(wanted);
  return wanted;
}

/** What an open of the file would fail with too, and say so. */
const NOT_THERE = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES'];

/** Whether the file lies in the image's folder, or below it; also where a link leads to. */
async function liesInFolder({ image, name, file }: ImageReference): Promise<boolean> {
  const folder = dirname(image);
  if (isAbsolute(name.replace(/^file:/, '')) || !isPlainInside(folder, file)) return false;
  try {
    return isPlainInside(await realpath(folder), await realpath(file));
  } catch (error) {
    return NOT_THERE.includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

/** Settings that may lie beside images, as those of a box: a guest that writes them could name any file in them. */
const SETTINGS = /\.json(\.|$)/i;

/** Hidden files are those of programs, such as keys and settings; some names are devices on Windows. */
function isPlainInside(folder: string, file: string): boolean {
  const way = relative(folder, file);
  if (way === '' || isAbsolute(way) || SETTINGS.test(way)) return false;
  return way.split(sep).every((part) => !part.startsWith('.') && !(process.platform === 'win32' && unfitFileName(part)));
}

/**
 * Whether an image of a library of boxes stands on one of the library's bases, as linked clones do (runner/bases.ts): `../../bases/X/…` from
 * `machines/Y/`, `trash/Z/` or another base. A library counts as one folder here, so that it can be moved and its boxes can be restored.
 */
async function isBaseOfLibrary({ image, kind, name, file }: ImageReference): Promise<boolean> {
  const [, up] = /^((?:\.\.\/)+)bases\/[^./][^/]*\/[^/]/.exec(name) ?? [];
  if (kind !== 'backing' || up === undefined) return false;
  try {
    const library = await realpath(resolve(dirname(image), up));
    const [room, box, inside] = relative(library, await realpath(image)).split(sep);
    if (!['machines', 'trash', 'bases'].includes(room) || box === undefined || inside === undefined) return false;
    return isPlainInside(join(library, 'bases'), await realpath(file));
  } catch {
    return false;
  }
}
