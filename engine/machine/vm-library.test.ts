import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_VM, VmLibrary } from './vm-library';

let home: string;
let library: VmLibrary;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-library-'));
  library = new VmLibrary(home);
});

afterEach(() => rm(home, { recursive: true, force: true }));

describe('VmLibrary', () => {
  it('has the default VM from the first moment, with no kernel of its own', async () => {
    const [entry] = await library.list();
    expect(entry.id).toBe(DEFAULT_VM);
    expect(entry.config).toMatchObject({ name: 'Hartbox Linux', memory: 512 * 2 ** 20, harts: 1 });
    expect(entry.config?.kernel).toBeUndefined();
  });

  it('reads back what was saved, the default VM first and the others by name', async () => {
    await library.save('zebra', { name: 'Alpha', harts: 2 });
    await library.save('ant', { name: 'beta' });
    expect((await library.list()).map((entry) => entry.config?.name)).toEqual(['Hartbox Linux', 'Alpha', 'beta']);
    expect(await library.config('zebra')).toMatchObject({ harts: 2 });
  });

  it('keeps a damaged file, reports it with its VM, and leaves the other VMs alone', async () => {
    await library.list();
    await library.save('other', { name: 'Other' });
    await writeFile(library.configFile(DEFAULT_VM), '{"version":1,"machine":');
    const [broken, other] = await library.list();
    expect(broken.error?.kind).toBe('Image');
    expect(broken.error?.message).toContain(library.configFile(DEFAULT_VM));
    expect(other.config?.name).toBe('Other');
    expect(await readFile(library.configFile(DEFAULT_VM), 'utf8')).toBe('{"version":1,"machine":');
  });

  it('says which value is wrong', async () => {
    await mkdir(library.folder('odd'), { recursive: true });
    await writeFile(library.configFile('odd'), JSON.stringify({ version: 1, machine: { name: 'Odd', harts: 99 } }));
    await expect(library.config('odd')).rejects.toThrow(/machine\.harts/);
  });

  it('does not touch a file of a newer Hartbox', async () => {
    await mkdir(library.folder('new'), { recursive: true });
    await writeFile(library.configFile('new'), JSON.stringify({ version: 2, cells: [] }));
    await expect(library.config('new')).rejects.toThrow(/newer Hartbox/);
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
    await expect(library.find('nope')).rejects.toThrow(/no VM called "nope".*"Hartbox Linux"/);
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

describe('VmLibrary.lock', () => {
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
