import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeFile, replaceFile } from './new-file';
import { hostFiles } from './patient-files';

const links = vi.hoisted(() => ({ areThere: true }));
vi.mock(import('node:fs/promises'), async (original) => {
  const real = await original();
  const link: typeof real.link = (from, to) =>
    links.areThere ? real.link(from, to) : Promise.reject(Object.assign(new Error('EPERM: no links'), { code: 'EPERM' }));
  return { ...real, link };
});

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-new-file-'));
  path = join(folder, 'config.json');
});
afterEach(async () => {
  links.areThere = true;
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

describe('replaceFile', () => {
  it('makes a file and replaces it, and nothing else stays', async () => {
    await replaceFile(path, 'one');
    await replaceFile(path, 'two');
    expect(await readFile(path, 'utf8')).toBe('two');
    expect(await readdir(folder)).toEqual(['config.json']);
  });

  it('leaves nothing behind when it fails', async () => {
    await mkdir(join(path, 'in the way'), { recursive: true });
    await expect(replaceFile(path, 'one')).rejects.toHaveProperty('code');
    expect(await readdir(folder)).toEqual(['config.json']);
  });

  it('ends with one of two contents when two write at once', async () => {
    await Promise.all(['one', 'two'].map((text) => replaceFile(path, text)));
    expect(['one', 'two']).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['config.json']);
  });

  it.skipIf(process.platform === 'win32')('keeps a link and who may read the file (Windows has no modes)', async () => {
    const target = join(folder, 'elsewhere.json');
    await writeFile(target, 'one');
    await chmod(target, 0o600);
    await symlink(target, path);
    await replaceFile(path, 'two');
    expect(await readFile(target, 'utf8')).toBe('two');
    expect((await stat(target)).mode & 0o777).toBe(0o600);
  });

  it('removes what a process that was killed left, but not what may be in use', async () => {
    const old = ['config.json.part-4194305', 'config.json.part-4194305-0a1b2c3d'];
    const used = [`config.json.part-${process.pid}-0a1b2c3d`, 'config.json.part-mine', 'other.json.part-4194305'];
    for (const name of [...old, ...used]) {
      await writeFile(join(folder, name), '');
      await utimes(join(folder, name), 0, 0);
    }
    await writeFile(join(folder, 'config.json.part-4194306'), 'of another computer, perhaps');
    await replaceFile(path, 'one');
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'config.json.part-4194306', ...used].sort());
  });
});

describe('makeFile', () => {
  it('never replaces a file unless told to, not even one that comes meanwhile', async () => {
    await writeFile(path, 'there');
    await expect(makeFile(path, async () => undefined)).rejects.toMatchObject({ kind: 'Config' });
    await rm(path);
    const fill = async (temporary: string): Promise<void> => {
      await writeFile(temporary, 'ours');
      await writeFile(path, 'theirs');
    };
    await expect(makeFile(path, fill)).rejects.toThrow(/exists already/);
    expect(await readFile(path, 'utf8')).toBe('theirs');
    await makeFile(path, fill, { replace: true });
    expect(await readFile(path, 'utf8')).toBe('ours');
    expect(await readdir(folder)).toEqual(['config.json']);
  });

  it('replaces no file that came meanwhile where the file system has no links either', async () => {
    links.areThere = false;
    await makeFile(path, (temporary) => writeFile(temporary, 'ours'));
    expect(await readFile(path, 'utf8')).toBe('ours');
    await rm(path);
    await expect(makeFile(path, () => writeFile(path, 'theirs'))).rejects.toThrow(/exists already/);
    expect(await readFile(path, 'utf8')).toBe('theirs');
    expect(await readdir(folder)).toEqual(['config.json']);
  });

  it('has made the file though its other name stays', async () => {
    vi.spyOn(hostFiles, 'remove').mockRejectedValue(Object.assign(new Error('EBUSY'), { code: 'EBUSY' }));
    await makeFile(path, (temporary) => writeFile(temporary, 'ours'));
    expect(await readFile(path, 'utf8')).toBe('ours');
  });

  it('makes no file that Windows could not have', async () => {
    for (const replace of [true, false]) {
      await expect(makeFile(join(folder, 'nul.img'), async () => undefined, { replace })).rejects.toThrow(
        /device called NUL.*another name/,
      );
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('explains what the host refuses', async () => {
    await expect(makeFile(join(folder, 'nowhere', 'x'), async () => undefined)).rejects.toThrow(
      /could not be made: the folder .*nowhere does not exist\. Make it/,
    );
  });
});

describe.skipIf(process.platform === 'win32')('makeFile in the place of another', () => {
  const make = (at: string): Promise<void> => makeFile(at, (temporary) => writeFile(temporary, 'new'), { replace: true });

  it('leaves a link one, and replaces what it leads to', async () => {
    const target = join(folder, 'target');
    await writeFile(target, 'old');
    await symlink('target', path);
    await make(path);
    expect(await readFile(target, 'utf8')).toBe('new');
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'target']);
  });

  it('puts no file in the place of a pipe, a folder or a device', async () => {
    execFileSync('mkfifo', [path]);
    await expect(make(path)).rejects.toMatchObject({ kind: 'Resource', code: 'not-replaceable', params: { type: 'pipe' } });
    expect((await stat(path)).isFIFO()).toBe(true);
    // As nobody in particular may write to /dev, a device of our own stands for all: a link to one.
    const device = join(folder, 'device');
    await symlink('/dev/null', device);
    await expect(make(device)).rejects.toMatchObject({ params: { type: 'character device' } });
    await expect(make(folder)).rejects.toMatchObject({ params: { type: 'folder' } });
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'device']);
  });
});
