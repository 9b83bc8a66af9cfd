import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AsyncBlockDevice } from '../backend/disk/async-block-device';
import { checkDisk, commitDisk, createDisk, diskInfo } from '../backend/disk/disk-images';
import { Library } from './library';

let home: string;
let library: Library;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-clone-'));
  vi.stubEnv('HARTBOX_HOME', join(home, 'data'));
  library = new Library(join(home, 'data'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const MIB = 1 << 20;
const bases = (): Promise<string[]> => readdir(join(home, 'data', 'bases')).catch(() => []);
const diskOf = async (id: string, at = 0): Promise<string> => (await library.settings(id)).values.drives[at].file;

async function put(file: string, offset: number, text: string): Promise<void> {
  const disk = await AsyncBlockDevice.open(file);
  await disk.write(offset, Buffer.from(text));
  await disk.flush();
  await disk.close();
}

async function get(file: string, offset: number, length: number): Promise<string> {
  const disk = await AsyncBlockDevice.open(file, { readonly: true });
  const bytes = Buffer.alloc(length);
  await disk.read(offset, bytes);
  await disk.close();
  return bytes.toString();
}

async function boxWith(format: 'raw' | 'qcow2', name = 'Origin'): Promise<string> {
  const id = await library.create({ name, notes: 'remember', tags: ['a'], harts: 2 }, { disk: { size: 64 * MIB, format } });
  await put(await diskOf(id), 5 * MIB, 'origin');
  await writeFile(library.flashFile(id), 'variables');
  return id;
}

describe.each(['raw', 'qcow2'] as const)('a full clone of a box with a %s disk', (format) => {
  it('has a disk, variables, notes and tags of its own', async () => {
    const id = await boxWith(format);
    const progress: number[] = [];
    const clone = await library.clone(id, { linked: false, onProgress: (done, total) => progress.push(done / total) });
    expect(clone).toBe('origin-copy');
    const { values } = await library.settings(clone);
    expect(values).toMatchObject({ name: 'Origin copy', notes: 'remember', tags: ['a'], harts: 2 });
    expect(await readFile(library.flashFile(clone), 'utf8')).toBe('variables');
    expect(values.drives[0].file.startsWith(library.folder(clone))).toBe(true);
    await put(values.drives[0].file, 5 * MIB, 'cloned');
    expect(await get(await diskOf(id), 5 * MIB, 6)).toBe('origin');
    expect((await library.diskUse(clone)).bytes).toBeLessThan(4 * MIB);
    expect((await checkDisk(values.drives[0].file)).found.problems).toEqual([]);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(await library.clone(id, { linked: false })).toBe('origin-copy-2');
    expect((await library.settings('origin-copy-2')).values.name).toBe('Origin copy 2');
    expect(await library.clone(id, { linked: false, name: 'Mine' })).toBe('mine');
  });
});

describe('a full clone', () => {
  it('never shares a disk that is written to, and shares what is read', async () => {
    await createDisk({ file: join(home, 'data.qcow2'), size: MIB });
    await writeFile(join(home, 'install.iso'), Buffer.alloc(2048));
    const id = await library.create({
      name: 'Box',
      source: 'disk',
      flashVars: join(home, 'vars.fd'),
      drives: [
        { file: join(home, 'data.qcow2') },
        { file: join(home, 'data.qcow2'), readonly: true },
        { file: join(home, 'install.iso'), media: 'cdrom' },
      ],
    });
    await writeFile(join(home, 'vars.fd'), 'vars');
    const clone = await library.clone(id, { linked: false });
    const { drives, flashVars } = (await library.settings(clone)).values;
    const own = join(library.folder(clone), 'data.qcow2');
    expect(drives.map(({ file }) => file)).toEqual([own, own, join(home, 'install.iso')]);
    expect(flashVars).toBe(join(library.folder(clone), 'vars.fd'));
    expect(await readFile(flashVars ?? '', 'utf8')).toBe('vars');
  });

  it('is refused while the box runs, and leaves nothing when it is ended or fails', async () => {
    const id = await boxWith('raw');
    const lock = await library.lock(id, 'the test');
    await expect(library.clone(id, { linked: false })).rejects.toMatchObject({ code: 'box-running' });
    await lock.release();
    const control = new AbortController();
    await expect(library.clone(id, { linked: false, signal: control.signal, onProgress: () => control.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await rm(await diskOf(id));
    await expect(library.clone(id, { linked: false })).rejects.toMatchObject({ kind: 'Image', code: 'disk-missing' });
    expect(await readdir(library.directory)).toEqual([id]);
    await expect(library.clone('none', { linked: false })).rejects.toMatchObject({ code: 'box-missing' });
  });

  it('keeps the box from starting meanwhile, without being taken for a run', async () => {
    const id = await boxWith('raw');
    let seen: unknown;
    const clone = library.clone(id, {
      linked: false,
      onProgress: () => {
        seen ??= Promise.all([library.isRunning(id), library.lock(id, 'x').catch((error: unknown) => error)]);
      },
    });
    await clone;
    expect(await seen).toMatchObject([false, { code: 'box-busy' }]);
  });
});

describe.each(['raw', 'qcow2'] as const)('a linked clone of a box with a %s disk', (format) => {
  it('takes next to no space, and neither box sees what the other writes', async () => {
    const id = await boxWith(format);
    const clone = await library.clone(id, { linked: true });
    expect(await bases()).toHaveLength(1);
    expect((await library.diskUse(clone)).bytes).toBeLessThan(MIB);
    for (const box of [id, clone]) {
      expect(await get(await diskOf(box), 5 * MIB, 6)).toBe('origin');
      expect((await diskInfo(await diskOf(box))).backing?.exists).toBe(true);
    }
    await put(await diskOf(id), 5 * MIB, 'first!');
    await put(await diskOf(clone), 5 * MIB, 'second');
    expect(await get(await diskOf(id), 5 * MIB, 6)).toBe('first!');
    expect(await get(await diskOf(clone), 5 * MIB, 6)).toBe('second');
    expect((await readdir(library.folder(id))).sort()).toEqual([
      'config.json',
      format === 'raw' ? 'disk.img' : 'disk.qcow2',
      'flash-vars.fd',
    ]);
  });

  it('stands on the same image as one before, if nothing was written since, and on a new one if it was', async () => {
    const id = await boxWith(format);
    const first = await library.clone(id, { linked: true });
    const second = await library.clone(id, { linked: true });
    expect(await bases()).toHaveLength(1);
    await put(await diskOf(id), 5 * MIB, 'newer!');
    const third = await library.clone(id, { linked: true });
    const fourth = await library.clone(third, { linked: true });
    expect(await bases()).toHaveLength(2);
    expect(await Promise.all([first, second, third, fourth].map(async (box) => get(await diskOf(box), 5 * MIB, 6)))).toEqual([
      'origin',
      'origin',
      'newer!',
      'newer!',
    ]);
    const whole = await library.clone(third, { linked: false, name: 'Whole' });
    expect((await diskInfo(await diskOf(whole))).backing).toBeUndefined();
    expect(await get(await diskOf(whole), 5 * MIB, 6)).toBe('newer!');
  });

  it('keeps what it stands on until the last box above has gone for good, and moves with the data directory', async () => {
    const id = await boxWith(format);
    const clone = await library.clone(id, { linked: true });
    const trashId = await library.remove(id);
    await library.remove(clone);
    expect(await library.recover()).toEqual([]);
    await library.purge(trashId);
    expect(await bases()).toHaveLength(1);
    const back = await library.restore((await library.trashed())[0].trashId);
    expect(await get(await diskOf(back), 5 * MIB, 6)).toBe('origin');
    await library.restore(await library.remove(back));
    await library.remove(back);
    await library.emptyTrash();
    expect(await bases()).toEqual([]);
  });
});

describe('a linked clone', () => {
  it('is refused where a disk lies elsewhere, is a link, stands on another image, or is in use', async () => {
    await createDisk({ file: join(home, 'data.qcow2'), size: MIB });
    const outside = await library.create({ name: 'Outside', source: 'disk', drives: [{ file: join(home, 'data.qcow2') }] });
    await expect(library.clone(outside, { linked: true })).rejects.toMatchObject({
      code: 'clone-not-linked',
      message: expect.stringContaining('outside'),
    });

    const id = await library.create({ name: 'Box' }, { disk: { size: MIB } });
    const disk = await diskOf(id);
    await rm(disk);
    await createDisk({ file: disk, backing: { file: join(home, 'data.qcow2') } });
    await expect(library.clone(id, { linked: true })).rejects.toMatchObject({ message: expect.stringContaining('no base') });
    await rm(disk);
    await symlink(join(home, 'data.qcow2'), disk);
    await expect(library.clone(id, { linked: true })).rejects.toMatchObject({ message: expect.stringContaining('is a link') });
    const busy = await library.create({ name: 'Busy' }, { disk: { size: MIB } });
    const user = await AsyncBlockDevice.open(await diskOf(busy));
    await expect(library.clone(busy, { linked: true })).rejects.toMatchObject({
      kind: 'Resource',
      message: expect.stringContaining('is in use'),
    });
    await user.close();
    await rm(library.folder(busy), { recursive: true });
    expect((await readdir(library.directory)).filter((name) => name !== '.moves.lock')).toEqual(['box', 'outside']);
    expect(await bases()).toEqual([]);
  });

  it('protects its base also from root and from commit', async () => {
    const id = await boxWith('qcow2');
    const clone = await library.clone(id, { linked: true });
    const [base] = await bases();
    const file = join(home, 'data', 'bases', base, 'disk.qcow2');
    expect((await stat(file)).mode & 0o222).toBe(0);
    await expect(commitDisk(await diskOf(clone))).rejects.toThrow(/read-only: other images may stand on it/);
    await chmod(file, 0o644);
  });

  it('copies read-only disks of the folder, and disks in folders below', async () => {
    const id = await library.create({ name: 'Box', source: 'disk' });
    const folder = library.folder(id);
    await mkdir(join(folder, 'sub'));
    await createDisk({ file: join(folder, 'sub', 'a.qcow2'), size: MIB });
    await writeFile(join(folder, 'b.iso'), Buffer.alloc(4096, 7));
    await library.change(id, (set) => ({
      ...set,
      drives: [{ file: join(folder, 'sub/a.qcow2') }, { file: join(folder, 'b.iso'), media: 'cdrom' }],
    }));
    await put(join(folder, 'sub', 'a.qcow2'), 0, 'below');
    const clone = await library.clone(id, { linked: true });
    await put(await diskOf(clone), 100, 'x');
    const again = await library.clone(clone, { linked: true });
    expect(await get(await diskOf(again), 0, 5)).toBe('below');
    expect(await readFile(await diskOf(again, 1))).toEqual(Buffer.alloc(4096, 7));
    expect(existsSync(join(library.folder(again), 'sub', 'a.qcow2'))).toBe(true);
  });
});
