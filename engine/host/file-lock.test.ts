import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, readdir, realpath, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lockFile, lockHolder, shareFile, tryLock } from './file-lock';
import { hostFiles } from './patient-files';
import { hostProcesses, identityOf } from './process-identity';

/** Folders that can be written, but not listed: root, who may run this, can list all. */
const folders = vi.hoisted(() => ({ canBeListed: true }));
vi.mock(import('node:fs/promises'), async (original) => {
  const real = await original();
  const list = ((...args: Parameters<typeof real.readdir>) =>
    folders.canBeListed ? real.readdir(...args) : Promise.reject(denied())) as typeof real.readdir;
  return { ...real, readdir: list };
});

let folder: string;
let path: string;
let lock: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  // Messages show the real path; macOS has its temporary folder behind a link.
  folder = await realpath(await mkdtemp(join(tmpdir(), 'hartbox-lock-')));
  path = join(folder, 'disk.img');
  lock = `${path}.lock`;
  await writeFile(path, 'a disk');
});
afterEach(async () => {
  folders.canBeListed = true;
  vi.restoreAllMocks();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Another process, which does nothing. */
async function start(): Promise<ChildProcess & { pid: number }> {
  const script = join(folder, 'owner.mjs');
  await writeFile(script, 'process.send(0); setInterval(() => {}, 1000);');
  const child = fork(script, { stdio: 'ignore' });
  children.push(child);
  await once(child, 'message');
  return child as ChildProcess & { pid: number };
}

function denied(): Error {
  return Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
}

/** A lock whose owner is gone. */
function stale(): string {
  return JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), started: null });
}

/** A lock as that process would write it. */
function ownedBy(pid: number): string {
  return JSON.stringify(identityOf({ ...hostProcesses(), pid }));
}

describe('a lock', () => {
  it('holds against another process while that lives, and no longer', async () => {
    const child = await start();
    await writeFile(lock, ownedBy(child.pid));
    await expect(lockFile(path)).rejects.toThrow(`process ${child.pid} has it open`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const taken = await lockFile(path);
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ pid: process.pid });
    await taken.release();
    expect(await readdir(folder)).not.toContain('disk.img.lock');
  });

  it.skipIf(process.platform === 'win32')('holds while its owner is stopped, however long (Windows stops no processes)', async () => {
    const child = await start();
    await writeFile(lock, ownedBy(child.pid));
    await utimes(lock, 0, 0);
    child.kill('SIGSTOP');
    await expect(lockFile(path)).rejects.toThrow(`process ${child.pid} has it open`);
    expect(await lockHolder(lock)).toMatchObject({ who: `process ${child.pid}` });
  });

  it('names its owner, where it runs, and what to delete if it is gone', async () => {
    const host = hostProcesses();
    await writeFile(lock, JSON.stringify({ ...identityOf(host), machine: 'another', boot: 'another', host: 'tower', program: 'the app' }));
    await expect(lockFile(path)).rejects.toThrow(`the app (process ${process.pid} on the computer tower) has it open`);
    await expect(lockFile(path)).rejects.toThrow(`delete ${lock}`);
    await writeFile(lock, JSON.stringify({ ...identityOf(host), pids: 'pid:[1]' }));
    await expect(lockFile(path, { ...host, pids: 'pid:[2]' })).rejects.toThrow(`process ${process.pid} of another container`);
    await writeFile(lock, JSON.stringify(identityOf(host)));
    await expect(lockFile(path)).rejects.toThrow('another drive of this process');
  });

  it('of an earlier version is respected, and taken over when its owner is gone', async () => {
    await writeFile(lock, JSON.stringify({ pid: 1, host: 'elsewhere.example', started: null }));
    await expect(lockFile(path)).rejects.toThrow('process 1 on the computer elsewhere.example');
    await writeFile(lock, JSON.stringify({ pid: process.pid, host: hostname(), started: hostProcesses().startOf(process.pid) ?? null }));
    await expect(lockFile(path)).rejects.toThrow('another drive of this process');
    await writeFile(lock, stale());
    await (await lockFile(path)).release();
  });

  it('that was never written to its end is taken over', async () => {
    await writeFile(lock, '');
    await (await lockFile(path)).release();
  });

  it('is not taken from an owner who is slow to write it', async () => {
    const file = await open(lock, 'wx');
    const attempt = lockFile(path);
    setTimeout(() => void file.writeFile(ownedBy(process.pid)).then(() => file.close()), 100);
    await expect(attempt).rejects.toThrow('in use');
  });

  it('has one winner when many find a stale one at once', async () => {
    await writeFile(lock, stale());
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => lockFile(path)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is not removed by one who held it before in the same process', async () => {
    const first = await lockFile(path);
    await rm(lock);
    const second = await lockFile(path);
    await first.release();
    await expect(lockFile(path)).rejects.toThrow('another drive of this process');
    await second.release();
    expect(await readdir(folder)).toEqual(['disk.img']);
  });

  it('stays with who took it while another was about to remove a stale one', async () => {
    await writeFile(lock, stale());
    const rename = hostFiles.rename.bind(hostFiles);
    const next = ownedBy(process.ppid);
    vi.spyOn(hostFiles, 'rename').mockImplementationOnce(async (from, to) => {
      await writeFile(lock, next);
      await rename(from, to);
    });
    await expect(lockFile(path)).rejects.toThrow(`process ${process.ppid} has it open`);
    expect(await readFile(lock, 'utf8')).toBe(next);
    expect((await readdir(folder)).sort()).toEqual(['disk.img', 'disk.img.lock']);
  });

  it('is not given back to who lost it where a third has it by now', async () => {
    await writeFile(lock, stale());
    const rename = hostFiles.rename.bind(hostFiles);
    const third = ownedBy(process.ppid);
    vi.spyOn(hostFiles, 'rename').mockImplementationOnce(async (from, to) => {
      await writeFile(lock, ownedBy(process.pid));
      await rename(from, to);
      await writeFile(lock, third);
    });
    await expect(lockFile(path)).rejects.toThrow(`process ${process.ppid} has it open`);
    expect(await readFile(lock, 'utf8')).toBe(third);
  });

  it('is left to who is about to take it over, whatever the clock of the file system says', async () => {
    await writeFile(lock, stale());
    const takeover = `${lock}.takeover`;
    await mkdir(takeover);
    await utimes(takeover, 0, 0);
    const attempt = lockFile(path);
    await delay(300);
    expect(await readdir(folder)).toContain('disk.img.lock.takeover');
    await rm(takeover, { recursive: true });
    await (await attempt).release();
  });

  it('is taken over in the place of one who died over that', async () => {
    await writeFile(lock, stale());
    const takeover = `${lock}.takeover`;
    await mkdir(takeover);
    const later = new Date(Date.now() + 3_600_000);
    await utimes(takeover, later, later);
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
    await (await lockFile(path)).release();
    expect(await readdir(folder)).toEqual(['disk.img']);
  });

  it('says why a stale one stays', async () => {
    // A name with room for the lock, not for the takeover.
    const long = join(folder, 'd'.repeat(248));
    await writeFile(long, '');
    await writeFile(`${long}.lock`, stale());
    await expect(lockFile(long)).rejects.toThrow(
      /^(?!.*could not be locked).*the lock of a process that is gone, could not be taken away: .*Make its folder writable/,
    );
  });

  it('does not stay where nobody can tell who shares the file', async () => {
    folders.canBeListed = false;
    await expect(lockFile(path)).rejects.toMatchObject({ kind: 'Resource', message: expect.stringContaining('Make its folder readable') });
    folders.canBeListed = true;
    expect(await readdir(folder)).toEqual(['disk.img']);
  });

  it('is not removed by one who held it before', async () => {
    const first = await lockFile(path);
    await rm(lock);
    await writeFile(lock, JSON.stringify({ ...identityOf(hostProcesses()), program: 'the next' }));
    await first.release();
    expect(await readFile(lock, 'utf8')).toContain('the next');
  });
});

describe('the lock of an earlier version, a folder', () => {
  const owner = (): string => join(folder, 'owner.json');
  const take = () => tryLock(lock, { program: 'the test', oldOwnerFile: owner() });

  it('is taken over when its owner is gone, with what named it', async () => {
    await mkdir(lock);
    await writeFile(owner(), JSON.stringify({ pid: 2 ** 22 + 1, program: 'a ghost' }));
    await utimes(lock, 0, 0);
    expect(await lockHolder(lock, { oldOwnerFile: owner() })).toBeUndefined();
    const taken = await take();
    expect(taken.held).toBeUndefined();
    expect((await stat(lock)).isFile()).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['disk.img', 'disk.img.lock']);
  });

  it('holds while its owner lives, however long it was not touched', async () => {
    const child = await start();
    await mkdir(lock);
    await writeFile(owner(), JSON.stringify({ pid: child.pid, program: 'the old app' }));
    await utimes(lock, 0, 0);
    expect((await take()).held).toMatchObject({ who: `the old app (process ${child.pid})`, lock });
    expect(await lockHolder(lock, { oldOwnerFile: owner() })).toBeDefined();
  });

  it.runIf(process.platform === 'linux')('is taken over from a later process with its owner’s number', async () => {
    const child = await start();
    await mkdir(lock);
    await writeFile(owner(), JSON.stringify({ pid: child.pid, program: 'the old app' }));
    await utimes(lock, 0, 0);
    await utimes(owner(), new Date(), new Date(Date.now() - 3_600_000));
    expect((await take()).held).toBeUndefined();
  });

  it('holds while it is touched though its owner’s number is unknown here, as on another computer', async () => {
    await mkdir(lock);
    await writeFile(owner(), JSON.stringify({ pid: 2 ** 22 + 1, program: 'the old app' }));
    expect((await take()).held).toMatchObject({ who: `the old app (process ${2 ** 22 + 1})`, lock });
  });

  it('holds while it is touched where nobody says who has it', async () => {
    await mkdir(lock);
    expect((await tryLock(lock)).held).toMatchObject({ who: 'an earlier version of Hartbox', lock });
    await utimes(lock, 0, 0);
    expect((await tryLock(lock)).held).toBeUndefined();
  });
});

describe('a shared file', () => {
  it('is shared by many, and by no writer', async () => {
    const shares = [await shareFile(path), await shareFile(path)];
    await expect(lockFile(path)).rejects.toThrow(/uses it as a backing file/);
    for (const share of shares) await share.release();
    const writer = await lockFile(path);
    await expect(shareFile(path)).rejects.toThrow(/writes to it, so what others read of it/);
    await writer.release();
    expect(await readdir(folder)).toEqual(['disk.img']);
  });

  it('leaves the share of another process with the same number alone', async () => {
    const first = await shareFile(path);
    const [, number] = /-(\d+)$/.exec((await readdir(folder)).sort().at(-1) ?? '') ?? [];
    const next = `${lock}.${process.pid}-${Number(number) + 1}`;
    await writeFile(next, 'of another container');
    const second = await shareFile(path);
    await first.release();
    await second.release();
    expect(await readFile(next, 'utf8')).toBe('of another container');
  });

  it('is free again when who shared it is gone', async () => {
    await writeFile(`${lock}.5-1`, stale());
    await (await lockFile(path)).release();
    expect(await readdir(folder)).toEqual(['disk.img']);
  });

  it('is free again though what a dead one left cannot be removed', async () => {
    await writeFile(`${lock}.5-1`, stale());
    vi.spyOn(hostFiles, 'remove').mockRejectedValueOnce(denied());
    await (await lockFile(path)).release();
    expect((await readdir(folder)).sort()).toEqual(['disk.img', 'disk.img.lock.5-1']);
  });

  it('is used at once where no share can be made', async () => {
    // A name with room for the lock, not for a share.
    const long = join(folder, 'd'.repeat(250));
    await writeFile(long, '');
    const patiently = vi.spyOn(hostFiles, 'patiently');
    await (await shareFile(long)).release();
    expect(patiently).not.toHaveBeenCalled();
  });

  it.skipIf(process.platform === 'win32')('is the same by any link (Windows asks for rights to make one)', async () => {
    const link = join(folder, 'link.img');
    await symlink(path, link);
    const writer = await lockFile(path);
    await expect(lockFile(link)).rejects.toMatchObject({ kind: 'Resource' });
    await writer.release();
  });
});
