import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskInfo } from '../backend/disk/disk-images';
import { DEFAULT_VM, Library } from './library';

let home: string;
let library: Library;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-library-'));
  library = new Library(home);
});

afterEach(() => rm(home, { recursive: true, force: true }));

describe('Library', () => {
  it('has the default VM from the first moment, with no kernel of its own', async () => {
    const [entry] = await library.list();
    expect(entry.id).toBe(DEFAULT_VM);
    expect(entry.values).toMatchObject({ name: 'Hartbox Linux', memory: 512 * 2 ** 20, harts: 1 });
    expect(entry.values?.kernel).toBeUndefined();
  });

  it('reads back what was saved, the default VM first and the others by name', async () => {
    await library.save('zebra', { name: 'Alpha', harts: 2 });
    await library.save('ant', { name: 'beta' });
    expect((await library.list()).map((entry) => entry.values?.name)).toEqual(['Hartbox Linux', 'Alpha', 'beta']);
    expect((await library.settings('zebra')).values).toMatchObject({ harts: 2 });
  });

  it('keeps a damaged file, reports it with its VM, and leaves the other VMs alone', async () => {
    await library.list();
    await library.save('other', { name: 'Other' });
    await writeFile(library.configFile(DEFAULT_VM), '{"version":1,"machine":');
    const [broken, other] = await library.list();
    expect(broken.error?.kind).toBe('Image');
    expect(broken.error?.message).toContain(library.configFile(DEFAULT_VM));
    expect(other.values?.name).toBe('Other');
    expect(await readFile(library.configFile(DEFAULT_VM), 'utf8')).toBe('{"version":1,"machine":');
  });

  it('says which value is wrong', async () => {
    await mkdir(library.folder('odd'), { recursive: true });
    await writeFile(library.configFile('odd'), JSON.stringify({ version: 1, machine: { name: 'Odd', harts: 99 } }));
    await expect(library.settings('odd')).rejects.toThrow(/harts: expected a whole number from 1 to 16/);
  });

  it('does not touch a file of a newer Hartbox', async () => {
    await mkdir(library.folder('new'), { recursive: true });
    await writeFile(library.configFile('new'), JSON.stringify({ version: 3, cells: [] }));
    await expect(library.settings('new')).rejects.toThrow(/newer Hartbox/);
  });

  it('keeps the file of an older Hartbox beside the new one', async () => {
    await mkdir(library.folder('old'), { recursive: true });
    const old = JSON.stringify({ version: 1, machine: { name: 'Old', kernel: './Image', drives: [{ file: '/data/disk' }] } });
    await writeFile(library.configFile('old'), old);
    const { set, version } = await library.settings('old');
    expect(version).toBe(1);
    expect(set).toMatchObject({ source: 'kernel', kernel: join(library.folder('old'), 'Image'), drives: [{ file: '/data/disk' }] });
    await library.save('old', set);
    expect(await readFile(join(library.folder('old'), 'config.v1.json'), 'utf8')).toBe(old);
    expect(JSON.parse(await readFile(library.configFile('old'), 'utf8'))).toMatchObject({ version: 2, boot: { kernel: 'Image' } });
    await library.save('old', { ...set, harts: 2 });
    expect((await readdir(library.folder('old'))).sort()).toEqual(['config.json', 'config.v1.json']);
  });

  it('ignores folders that are no VMs, and leaves no temporary files behind', async () => {
    await library.list();
    await mkdir(join(library.directory, '..evil'), { recursive: true });
    expect(await library.list()).toHaveLength(1);
    expect(await readdir(library.folder(DEFAULT_VM))).toEqual(['config.json']);
  });

  it('finds a VM by its name in any case or by its folder, and lists the names otherwise', async () => {
    expect((await library.find('hartbox LINUX')).id).toBe(DEFAULT_VM);
    expect((await library.find(DEFAULT_VM)).id).toBe(DEFAULT_VM);
    await expect(library.find('nope')).rejects.toThrow(/no box called "nope".*"Hartbox Linux"/);
  });

  it('refuses names that would lead out of the library', async () => {
    await expect(library.save('../escape', { name: 'x' })).rejects.toThrow();
    expect(existsSync(join(home, 'escape'))).toBe(false);
  });

  it.each(['nul', 'com1', 'aux'])('refuses the name %s, which Windows could not have, and shows a VM that has it', async (id) => {
    await expect(library.save(id, { name: 'x' })).rejects.toMatchObject({
      kind: 'Config',
      message: expect.stringContaining(`device called ${id.toUpperCase()}`),
    });
    if (process.platform === 'win32') return;
    await mkdir(library.folder(id), { recursive: true });
    expect((await library.list()).find((entry) => entry.id === id)?.error?.message).toMatch(/needs another name.*Rename it/);
  });

  it('refuses names that differ only in case, and says what a name may have', async () => {
    await expect(library.save('Zebra', { name: 'x' })).rejects.toThrow(/"Zebra": it may have small letters/);
  });
});

describe('what the host refuses', () => {
  it('is said in plain words', async () => {
    await writeFile(join(home, 'file'), '');
    const inFile = new Library(join(home, 'file'));
    for (const work of [() => inFile.list(), () => inFile.create({ name: 'x' }), () => inFile.save('x', { name: 'x' })])
      await expect(work()).rejects.toMatchObject({
        kind: 'Resource',
        message: expect.stringMatching(/is a file(, and a folder is needed there| where a folder is needed)/),
      });
    expect(await inFile.recover()).toEqual([]);
    const deep = new Library(join(home, 'x'.repeat(300)));
    await expect(deep.list()).rejects.toMatchObject({ kind: 'Resource', message: expect.stringContaining('too long') });
  });
});

describe('Library.create', () => {
  it.each([
    ['Debian 13 (test)', 'debian-13-test'],
    ['Ünïcode Ärger', 'unicode-arger'],
    ['箱', 'box'],
    ['CON', 'box-con'],
    ['-- ..', 'box'],
    ['x'.repeat(64), 'x'.repeat(64)],
  ])('makes of the name %s the id %s', async (name, id) => {
    expect(await library.create({ name })).toBe(id);
    expect((await library.settings(id)).values.name).toBe(name.trim());
  });

  it('gives boxes of the same name ids of their own, whoever makes them at once', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => library.create({ name: 'Same' })));
    expect(ids.sort()).toEqual(['same', 'same-2', 'same-3', 'same-4', 'same-5', 'same-6']);
    expect((await readdir(library.directory)).sort()).toEqual(ids);
  });

  it('puts a new disk into the folder, behind the other drives', async () => {
    const id = await library.create(
      { name: 'Disks', source: 'disk', drives: [{ file: '/data/a.iso', media: 'cdrom' }] },
      { disk: { size: 1 << 20 } },
    );
    const [, drive] = (await library.settings(id)).values.drives;
    expect(drive.file).toBe(join(library.folder(id), 'disk.qcow2'));
    expect(await diskInfo(drive.file)).toMatchObject({ format: 'qcow2', size: 1 << 20 });
    expect(await readFile(library.configFile(id), 'utf8')).toContain('"file": "disk.qcow2"');
    const raw = await library.create({ name: 'Raw' }, { disk: { size: 1 << 20, format: 'raw' } });
    expect((await library.settings(raw)).values.drives).toMatchObject([{ file: join(library.folder(raw), 'disk.img'), format: 'raw' }]);
  });

  it('leaves nothing when it fails or is ended', async () => {
    await expect(library.create({ name: 'x'.repeat(65) })).rejects.toMatchObject({ kind: 'Config' });
    await expect(library.create({ name: 'x' }, { disk: { size: 5 } })).rejects.toMatchObject({ kind: 'Config' });
    await expect(library.create({ name: 'x' }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(library.directory)).toEqual([]);
  });
});

describe('Library.change', () => {
  it('changes what is set, says what that was, and takes undefined as the default', async () => {
    const id = await library.create({ name: 'Box', harts: 4, kernel: '/boot/Image' });
    const { set, values, changed } = await library.change(id, (old) => ({
      ...old,
      harts: undefined,
      notes: 'hello',
      kernel: '/boot/Image',
    }));
    expect(changed.sort()).toEqual(['harts', 'notes']);
    expect(set).toEqual({ name: 'Box', notes: 'hello', kernel: '/boot/Image', source: 'kernel' });
    expect(values.harts).toBe(1);
    expect((await library.change(id, (old) => old)).changed).toEqual([]);
  });

  it('loses nothing when many change at once', async () => {
    const id = await library.create({ name: 'Box' });
    const again = new Library(home);
    await Promise.all(
      Array.from({ length: 16 }, (_, i) => [library, again][i % 2].change(id, (set) => ({ ...set, tags: [...(set.tags ?? []), `t${i}`] }))),
    );
    expect((await library.settings(id)).values.tags).toHaveLength(16);
    expect((await readdir(library.folder(id))).sort()).toEqual(['config.json']);
  });

  it.each([
    ['damaged', '{"version":2,'],
    ['newer', '{"version":3,"app":{"name":"x"}}'],
    ['foreign', '{"compilerOptions":{}}'],
    ['wrong', '{"version":2,"hardware":{"harts":99}}'],
  ])('never overwrites a %s file', async (_, text) => {
    const id = await library.create({ name: 'Box' });
    await writeFile(library.configFile(id), text);
    await expect(library.change(id, (set) => ({ ...set, harts: 2 }))).rejects.toMatchObject({ kind: 'Image' });
    await expect(library.save(id, { name: 'x' })).rejects.toMatchObject({ kind: 'Image' });
    expect(await readFile(library.configFile(id), 'utf8')).toBe(text);
  });

  it('says that there is no such box, and makes none', async () => {
    await expect(library.change('none', (set) => set)).rejects.toMatchObject({ code: 'box-missing' });
    expect(existsSync(library.folder('none'))).toBe(false);
  });

  it('refuses wrong values and leaves the file as it was', async () => {
    const id = await library.create({ name: 'Box' });
    await expect(library.change(id, (set) => ({ ...set, harts: 99 }))).rejects.toMatchObject({ kind: 'Config' });
    expect((await library.settings(id)).set).toEqual({ name: 'Box', source: 'linux' });
  });

  it('renames without moving, so that what lies in the folder is found', async () => {
    const id = await library.create({ name: 'Before', kernel: join(library.folder('before'), 'Image') });
    await library.rename(id, 'After');
    expect((await library.find('after')).id).toBe('before');
  });
});

describe('Library.remove', () => {
  it('takes a box out of the library and back', async () => {
    const id = await library.create({ name: 'Box' }, { disk: { size: 1 << 20 } });
    const trashId = await library.remove(id);
    expect((await library.list()).map((entry) => entry.id)).toEqual([DEFAULT_VM]);
    const [trashed] = await library.trashed();
    expect(trashed).toMatchObject({ trashId, id, name: 'Box' });
    expect(trashed.size).toBeGreaterThan(1000);
    expect(Math.abs(trashed.time - Date.now())).toBeLessThan(5000);
    await library.restore(trashId);
    expect((await library.settings(id)).values.name).toBe('Box');
    expect((await readdir(library.folder(id))).sort()).toEqual(['config.json', 'disk.qcow2']);
    expect(await library.trashed()).toEqual([]);
    await expect(library.restore(trashId)).rejects.toMatchObject({ kind: 'State', code: 'not-in-trash' });
  });

  it('restores under another id where the old one was taken, and keeps boxes apart in the trash', async () => {
    for (let i = 0; i < 3; i++) await library.remove(await library.create({ name: 'Box', harts: i + 1 }));
    const trashed = await library.trashed();
    expect(trashed.map(({ id }) => id)).toEqual(['box', 'box', 'box']);
    expect(await library.restore(trashed[0].trashId)).toBe('box');
    expect(await library.restore(trashed[1].trashId)).toBe('box-2');
    await library.purge(trashed[2].trashId);
    expect(await library.trashed()).toEqual([]);
  });

  it('is refused while the box runs', async () => {
    const id = await library.create({ name: 'Box' });
    const lock = await library.lock(id, 'the test');
    await expect(library.remove(id)).rejects.toMatchObject({ kind: 'Resource', code: 'box-running' });
    await lock.release();
    await library.remove(id);
    await expect(library.remove(id)).rejects.toMatchObject({ code: 'box-missing' });
  });

  it('empties the trash of what is old', async () => {
    await library.remove(await library.create({ name: 'Old' }));
    await library.remove(await library.create({ name: 'Young' }));
    const trash = join(home, 'trash');
    const [old] = (await readdir(trash)).filter((name) => name.startsWith('old-'));
    await rename(join(trash, old), join(trash, 'old-20200102t030405z'));
    expect((await library.trashed()).at(-1)?.time).toBe(Date.UTC(2020, 0, 2, 3, 4, 5));
    expect((await library.emptyTrash({ olderThanDays: 30 })).map(({ id }) => id)).toEqual(['old']);
    expect((await library.emptyTrash()).map(({ id }) => id)).toEqual(['young']);
    expect(await readdir(trash)).toEqual([]);
  });

  it('removes the default box too, which stays away then', async () => {
    await library.list();
    const trashId = await library.remove(DEFAULT_VM);
    expect(await library.list()).toEqual([]);
    await library.restore(trashId);
    expect((await library.list()).map(({ id }) => id)).toEqual([DEFAULT_VM]);
  });

  it('removes a box whose settings are damaged', async () => {
    const id = await library.create({ name: 'Box' });
    await writeFile(library.configFile(id), '{');
    await library.remove(id);
    expect(await library.trashed()).toMatchObject([{ id, name: id }]);
  });

  it.each(['../machines', 'x', '..', '.', '', 'box-20200102t030405z/..', '../machines/box-20200102t030405z'])(
    'has no %s in the trash',
    async (trashId) => {
      await library.create({ name: 'Box' });
      await expect(library.purge(trashId)).rejects.toMatchObject({ code: 'not-in-trash' });
      await expect(library.restore(trashId)).rejects.toMatchObject({ code: 'not-in-trash' });
      expect(existsSync(library.configFile('box'))).toBe(true);
    },
  );
});

describe('Library.diskUse', () => {
  it('counts blocks, not lengths', async () => {
    const id = await library.create({ name: 'Box' }, { disk: { size: 1 << 30, format: 'raw' } });
    const { bytes, files } = await library.diskUse(id);
    expect(bytes).toBeLessThan(1 << 20);
    expect(files).toMatchObject([{ path: library.configFile(id) }, { path: join(library.folder(id), 'disk.img'), virtualSize: 1 << 30 }]);
    const qcow2 = await library.create({ name: 'Other' }, { disk: { size: 1 << 30 } });
    expect((await library.diskUse(qcow2)).files[1]).toMatchObject({ virtualSize: 1 << 30 });
  });
});

describe('Library.recover', () => {
  it('cleans up what the dead left half done, says so, and leaves boxes alone', async () => {
    const id = await library.create({ name: 'Box' });
    await mkdir(join(library.directory, '.new-0123456789abcdef'));
    await writeFile(join(library.directory, '.new-0123456789abcdef', 'disk.qcow2'), 'x');
    await mkdir(join(home, 'trash', '.old-0123456789abcdef'), { recursive: true });
    await mkdir(join(home, 'bases', 'unused'), { recursive: true });
    await writeFile(join(home, 'bases', 'unused', 'disk.img'), 'x');
    expect((await library.recover()).map(({ message }) => message)).toEqual([
      'A box that was only half made was cleaned away.',
      'The deletion of a box was finished.',
      'An image that no clone uses was deleted.',
    ]);
    expect(await readdir(library.directory)).toEqual([id]);
    expect([await readdir(join(home, 'trash')), await readdir(join(home, 'bases'))]).toEqual([[], []]);
    expect(await library.recover()).toEqual([]);
  });

  it('takes away what a dead process left with the box that it ran, says which, and keeps nobody from starting it', async () => {
    const id = await library.create({ name: 'The box' });
    const live = await library.lock(id, 'hartbox run');
    const lock = await readFile(join(library.folder(id), 'lock'), 'utf8');
    expect(await library.recover()).toEqual([]);
    await live.release();
    const dead = JSON.stringify({ ...JSON.parse(lock), pid: 2 ** 22 + 1, started: '1' });
    await writeFile(join(library.folder(id), 'lock'), dead);
    await writeFile(join(library.folder(id), 'control.json'), '{}');
    const [, taken] = await Promise.all([library.recover(), library.lock(id, 'hartbox run')]);
    await taken.release();
    await writeFile(join(library.folder(id), 'lock'), dead);
    await writeFile(join(library.folder(id), 'control.json'), '{}');
    expect(await library.recover()).toMatchObject([{ what: 'interrupted', count: 1, names: ['The box'] }]);
    expect(await readdir(library.folder(id))).toEqual(['config.json']);
    expect(await library.recover()).toEqual([]);
    await writeFile(join(library.folder(id), 'lock'), dead.replace('hartbox run', 'an export of it'));
    expect(await library.recover()).toEqual([]);
    expect(await readdir(library.folder(id))).toEqual(['config.json']);
  });

  it('keeps a base while an image does not tell what it stands on', async () => {
    const id = await library.create({ name: 'Box' }, { disk: { size: 1 << 20 } });
    const clone = await library.clone(id, { linked: true });
    const disk = join(library.folder(clone), 'disk.qcow2');
    await library.purge((await library.remove(id).then(() => library.trashed()))[0].trashId);
    const whole = await readFile(disk);
    await writeFile(disk, Buffer.concat([whole.subarray(0, 4), Buffer.from([0, 0, 0, 99]), whole.subarray(8)]));
    expect(await library.recover()).toEqual([]);
    expect(await readdir(join(home, 'bases'))).toHaveLength(1);
    await writeFile(disk, whole);
    expect((await diskInfo(disk)).backing?.exists).toBe(true);
  });
});

describe('Library.watch', () => {
  it('tells of boxes made, changed, started, removed and restored, by others too', async () => {
    const seen: string[][] = [];
    const end = library.watch((ids) => void seen.push(ids));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const other = new Library(home);
    const told = async (work: () => Promise<unknown>, ids: string[]): Promise<void> => {
      seen.length = 0;
      await work();
      await expect.poll(() => seen.flat(), { timeout: 4000 }).toEqual(ids);
    };
    await told(() => other.create({ name: 'Box' }), ['box']);
    await told(() => other.change('box', (set) => ({ ...set, harts: 2 })), ['box']);
    let lock = { release: async (): Promise<void> => undefined };
    await told(async () => (lock = await other.lock('box', 'the test')), ['box']);
    await told(() => lock.release(), ['box']);
    let trashId = '';
    await told(async () => (trashId = await other.remove('box')), ['box']);
    await told(() => other.restore(trashId), ['box']);
    await told(() => other.change('box', (set) => ({ ...set, harts: 3 })), ['box']);
    end();
    seen.length = 0;
    await other.create({ name: 'Late' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen).toEqual([]);
  });

  it('survives that the whole library goes and comes again', async () => {
    await library.create({ name: 'Box' });
    const seen: string[] = [];
    const end = library.watch((ids) => void seen.push(...ids));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await rm(library.directory, { recursive: true });
    await expect.poll(() => seen, { timeout: 4000 }).toEqual(['box']);
    await library.create({ name: 'New' });
    await expect.poll(() => seen, { timeout: 4000 }).toEqual(['box', 'new']);
    end();
  });
});

describe('Library.lock', () => {
  it('lets a VM run once at a time and says who has it', async () => {
    await library.list();
    const lock = await library.lock(DEFAULT_VM, 'the test');
    await expect(library.lock(DEFAULT_VM, 'another')).rejects.toThrow(`already being run by the test (process ${process.pid})`);
    expect(await library.isRunning(DEFAULT_VM)).toBe(true);
    await lock.release();
    expect(await library.isRunning(DEFAULT_VM)).toBe(false);
    await (await library.lock(DEFAULT_VM, 'another')).release();
  });

  it('takes over the lock of a process that was killed', async () => {
    await library.list();
    const child = spawn(process.execPath, ['-e', '']);
    const { pid } = child;
    await once(child, 'exit');
    await library.lock(DEFAULT_VM, 'a ghost');
    const lock = join(library.folder(DEFAULT_VM), 'lock');
    await writeFile(lock, (await readFile(lock, 'utf8')).replace(`"pid":${process.pid}`, `"pid":${pid}`));
    expect(await library.isRunning(DEFAULT_VM)).toBe(false);
    await (await library.lock(DEFAULT_VM, 'the test')).release();
    expect(await readdir(library.folder(DEFAULT_VM))).toEqual(['config.json']);
  });

  it('respects the lock of an earlier version while that runs, and removes what is left of one', async () => {
    await library.list();
    const lock = join(library.folder(DEFAULT_VM), 'lock');
    const owner = join(library.folder(DEFAULT_VM), 'owner.json');
    await mkdir(lock);
    await writeFile(owner, JSON.stringify({ pid: process.pid, program: 'the old app' }));
    expect(await library.isRunning(DEFAULT_VM)).toBe(true);
    await expect(library.lock(DEFAULT_VM, 'the test')).rejects.toThrow(`run by the old app (process ${process.pid})`);
    await writeFile(owner, JSON.stringify({ pid: 2 ** 22 + 1, program: 'the old app' }));
    // Who touched it a moment ago may run where its number is unknown here.
    expect(await library.isRunning(DEFAULT_VM)).toBe(true);
    await utimes(lock, 0, 0);
    expect(await library.isRunning(DEFAULT_VM)).toBe(false);
    await (await library.lock(DEFAULT_VM, 'the test')).release();
    expect(await readdir(library.folder(DEFAULT_VM))).toEqual(['config.json']);
  });
});
