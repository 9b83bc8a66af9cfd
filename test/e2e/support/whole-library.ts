import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect } from '@playwright/test';
import { AsyncBlockDevice } from '../../../engine/backend/disk/async-block-device';
import { checkDisk } from '../../../engine/backend/disk/disk-images';
import { readBox } from '../../../engine/runner/box-folder';
import { Library } from '../../../engine/runner/library';

/** What the disks of all boxes begin with that come from the first one. */
const CONTENT = Buffer.from('what must never be lost '.repeat(100_000));
const DISK_BYTES = 4 << 20;

/** The box that others are made of: its disk holds something. */
export async function makeOrigin(library: Library, guest: { source: 'elf'; kernel: string; memory: number }): Promise<void> {
  // Without the box that would be there by itself.
  await writeFile(join(library.directory, '.no-default'), '');
  await library.create({ name: 'Origin', ...guest }, { disk: { size: DISK_BYTES } });
  const disk = await AsyncBlockDevice.open((await library.settings('origin')).values.drives[0].file);
  await disk.write(0, CONTENT);
  await disk.flush();
  await disk.close();
}

/** What lies half made or half removed in a library's folders. */
export async function halfDone(data: string): Promise<string[]> {
  const names = await Promise.all(['machines', 'trash', 'bases'].map((part) => readdir(join(data, part)).catch((): string[] => [])));
  return names.flat().filter((name) => /^\.(new|old)-[0-9a-f]{16}$/.test(name));
}

export interface BoxPlace {
  place: 'library' | 'trash' | 'both';
  notes: string;
  tag: string;
  /** All other settings. */
  rest: string;
}

/** Where each box is, and what its settings are. */
export async function placesOf(library: Library): Promise<Map<string, BoxPlace>> {
  const places = new Map<string, BoxPlace>();
  const add = async (id: string, place: 'library' | 'trash', folder: string): Promise<void> => {
    const { notes, tags, drives, kernel = '', ...others } = (await readBox(folder)).values;
    // Where files lie goes with the folder; of what format a disk is a linked clone changes for its origin.
    const rest = JSON.stringify({ ...others, kernel: basename(kernel), drives: drives.length });
    places.set(id, { place: places.has(id) ? 'both' : place, notes, tag: tags.join(), rest });
  };
  for (const { id } of await library.list()) await add(id, 'library', library.folder(id));
  for (const { id, trashId } of await library.trashed()) await add(id, 'trash', join(library.directory, '..', 'trash', trashId));
  return places;
}

/** All settings can be read, all disks are in order, and what was on them is there. */
export async function expectWhole(library: Library): Promise<void> {
  for (const { id, values, error } of await library.list()) {
    expect(error, id).toBeUndefined();
    // A disk that runs is checked when it does not.
    if (!values || (await library.isRunning(id))) continue;
    for (const { file } of values.drives) {
      expect((await checkDisk(file)).found.corruptions, `damage of ${file}`).toBe(0);
      const disk = await AsyncBlockDevice.open(file, { readonly: true });
      const isNew = disk.size < CONTENT.length;
      const content = Buffer.alloc(isNew ? disk.size : CONTENT.length);
      await disk.read(0, content);
      await disk.close();
      expect(content.equals(isNew ? Buffer.alloc(content.length) : CONTENT), `content of ${file}`).toBe(true);
    }
  }
}

/** A box can be made of the file, and is whole. */
export async function expectArchive(file: string, folder: string, { mayMiss = false } = {}): Promise<void> {
  if (mayMiss && !(await stat(file).catch(() => undefined))) return;
  const scratch = await mkdtemp(join(folder, 'scratch-'));
  try {
    const library = new Library(scratch);
    await library.import(file);
    await expectWhole(library);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
