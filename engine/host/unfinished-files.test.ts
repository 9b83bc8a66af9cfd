import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { removeDeadLocks } from './file-lock';
import { hostProcesses, identityOf } from './process-identity';
import { notedAsUnfinished, removeOldParts, removeUnfinishedFiles, temporaryName } from './unfinished-files';

/** Of a process that has ended. */
const deadPid = spawnSync(process.execPath, ['--version']).pid;
const dead = JSON.stringify({ ...identityOf(hostProcesses()), pid: deadPid, started: '1' });
const PART = `disk.img.part-${deadPid}-0a1b2c3d`;

let home: string;
let data: string;
let place: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-unfinished-'));
  data = join(home, 'data');
  place = join(home, 'place');
  await mkdir(place);
  await mkdir(data);
  await mkdir(join(data, 'unfinished'));
  vi.stubEnv('HARTBOX_HOME', data);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const notes = (): Promise<string[]> => readdir(join(data, 'unfinished'));
/** What a process leaves that is killed while it makes a file. */
async function leave(path: string, owner = dead): Promise<void> {
  await writeFile(join(data, 'unfinished', '0123456789abcdef.lock'), owner);
  await writeFile(join(data, 'unfinished', '0123456789abcdef'), path);
}

describe('a file that is being made where the user wants it', () => {
  it('is noted until it is done, however that ends', async () => {
    const temporary = temporaryName(join(place, 'disk.img'));
    await notedAsUnfinished(temporary, async () => expect((await notes()).length).toBe(2));
    await expect(notedAsUnfinished(temporary, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await notes()).toEqual([]);
  });

  it('is removed when its process is gone', async () => {
    await writeFile(join(place, PART), 'half');
    await writeFile(join(place, `${PART}.lock`), dead);
    await leave(join(place, PART));
    expect(await removeUnfinishedFiles()).toBe(1);
    expect(await readdir(place)).toEqual([]);
    expect(await notes()).toEqual([]);
  });

  it('is left alone while its process lives', async () => {
    const path = temporaryName(join(place, 'disk.img'));
    await notedAsUnfinished(path, async () => {
      await writeFile(path, 'half');
      expect(await removeUnfinishedFiles()).toBe(0);
      expect((await readdir(place)).length).toBe(1);
    });
  });

  it('is waited for where its disk is not there', async () => {
    await leave(join(home, 'gone', PART));
    expect(await removeUnfinishedFiles()).toBe(0);
    expect(await notes()).toEqual(['0123456789abcdef']);
    await rename(place, join(home, 'gone'));
    await writeFile(join(home, 'gone', PART), 'half');
    expect(await removeUnfinishedFiles()).toBe(1);
    expect(await notes()).toEqual([]);
  });

  it('is not waited for where it was part of a box that is not there any more', async () => {
    await leave(join(data, 'machines', '.new-0123456789abcdef', PART));
    expect(await removeUnfinishedFiles()).toBe(0);
    expect(await notes()).toEqual([]);
  });

  it.each(['disk.img', 'disk.img.part', '.part-1-0a1b2c3d/disk.img'])('is not what a note calls %s', async (name) => {
    await mkdir(join(place, '.part-1-0a1b2c3d'), { recursive: true });
    await writeFile(join(place, name), 'whole');
    await leave(join(place, name));
    expect(await removeUnfinishedFiles()).toBe(0);
    expect((await readdir(place, { recursive: true })).some((one) => one === join(name))).toBe(true);
    expect(await notes()).toEqual([]);
  });

  it('is made where the data directory cannot be written', async () => {
    await rm(join(data, 'unfinished'), { recursive: true });
    await writeFile(join(data, 'unfinished'), 'no folder');
    expect(await notedAsUnfinished('x', () => Promise.resolve(7))).toBe(7);
  });
});

describe('what the dead left in a folder of our own', () => {
  it('is removed: half written files after an hour, locks at once; of the living, and of others, nothing', async () => {
    const alive = JSON.stringify(identityOf(hostProcesses()));
    const old = [`config.json.part-${deadPid}`, PART, `config.json.part-${process.pid}-0a1b2c3d`];
    const locks = {
      'a.lock': dead,
      'b.lock': alive,
      'c.lock.4711-1': dead,
      'd.lock.old-0a1b2c3d': dead,
      'e.lock': 'mine, not yours',
      clock: dead,
    };
    for (const name of [...old, `new.part-${deadPid}-0a1b2c3d`]) await writeFile(join(place, name), '');
    for (const [name, content] of Object.entries(locks)) await writeFile(join(place, name), content);
    const then = new Date(Date.now() - 2 * 3600_000);
    for (const name of old) await utimes(join(place, name), then, then);
    await removeOldParts(place);
    await removeDeadLocks(place);
    expect((await readdir(place)).sort()).toEqual(
      ['b.lock', 'clock', `config.json.part-${process.pid}-0a1b2c3d`, 'e.lock', `new.part-${deadPid}-0a1b2c3d`].sort(),
    );
  });
});
