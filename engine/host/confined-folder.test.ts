import { constants, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfinedFolder } from './confined-folder';

let home: string;
let confined: ConfinedFolder;
const READ = constants.O_RDONLY;
const MAKE = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hartbox-confined-'));
  mkdirSync(join(home, 'allowed/folder'), { recursive: true });
  writeFileSync(join(home, 'secret'), 'secret');
  writeFileSync(join(home, 'allowed/file'), 'file');
  writeFileSync(join(home, 'allowed/folder/inside'), 'inside');
  symlinkSync('../secret', join(home, 'allowed/link'));
  symlinkSync(join(home, 'secret'), join(home, 'allowed/absolute'));
  symlinkSync('..', join(home, 'allowed/up'));
  symlinkSync('folder', join(home, 'allowed/alias'));
  symlinkSync('../made-outside', join(home, 'allowed/dangling'));
});
afterEach(async () => {
  await confined.close();
  rmSync(home, { recursive: true });
});

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  );
async function textOf(name: string): Promise<string> {
  const file = await confined.openFile(name, READ);
  try {
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
const opened = (name: string, flags = READ) => codeOf(confined.openFile(name, flags).then((file) => file.close()));

// As Linux does it, and as the others have to.
describe.each([process.platform, 'darwin'] as const)('a confined folder (%s)', (platform) => {
  beforeEach(async () => {
    confined = await ConfinedFolder.open(join(home, 'allowed'), platform);
  });

  it('gives what lies below it, whatever slashes and dots there are', async () => {
    for (const name of ['file', '/file', './/file']) expect(await textOf(name)).toBe('file');
    expect(await textOf('folder/./inside')).toBe('inside');
  });

  it('makes, cuts, renames and removes files', async () => {
    const file = await confined.openFile('folder/new', MAKE);
    await file.write('long text');
    await file.close();
    await (await confined.openFile('folder/new', MAKE)).close();
    expect(readFileSync(join(home, 'allowed/folder/new'), 'utf8')).toBe('');
    await confined.rename('folder/new', 'file');
    await confined.remove('file');
    expect(readdirSync(join(home, 'allowed')).sort()).toEqual(['absolute', 'alias', 'dangling', 'folder', 'link', 'up']);
  });

  it.each([
    ['../secret', 'EACCES'],
    ['folder/../../secret', 'EACCES'],
    ['link', 'ELOOP'],
    ['absolute', 'ELOOP'],
    ['dangling', 'ELOOP'],
    ['a\0b', 'EACCES'],
    ['folder', 'EISDIR'],
    ['/', 'EISDIR'],
    ['', 'ENOENT'],
    ['none', 'ENOENT'],
    ['none/file', 'ENOENT'],
    ['file/x', 'ENOTDIR'],
    ['up/secret', 'ENOTDIR'],
    ['alias/inside', 'ENOTDIR'],
    ['x'.repeat(5000), 'ENAMETOOLONG'],
    ['a/'.repeat(100), 'ENAMETOOLONG'],
  ])('refuses %j with %s', async (name, code) => {
    const codes = [
      await opened(name),
      await opened(name, MAKE & ~constants.O_CREAT),
      await codeOf(confined.remove(name)),
      await codeOf(confined.rename(name, 'x')),
    ];
    // A link that leads nowhere inside is no folder either way.
    for (const one of codes) expect([code, ...(code === 'ENOTDIR' ? ['ELOOP'] : [])]).toContain(one);
    expect(readFileSync(join(home, 'secret'), 'utf8')).toBe('secret');
    expect(readdirSync(home).sort()).toEqual(['allowed', 'secret']);
  });

  it('makes nothing through a link, nor renames over one', async () => {
    expect(await opened('dangling', MAKE)).toBe('ELOOP');
    expect(await opened('up/made', MAKE)).toMatch(/ENOTDIR|ELOOP/);
    expect(await codeOf(confined.rename('file', 'link'))).toBe('ELOOP');
    expect(readdirSync(home).sort()).toEqual(['allowed', 'secret']);
  });

  it.skipIf(process.platform === 'win32')('never waits for a pipe', async () => {
    spawnSync('mkfifo', [join(home, 'allowed/pipe')]);
    expect(await opened('pipe')).toBe('EACCES');
    expect(await opened('pipe', MAKE)).toBe('EACCES');
  });

  it('leaves no file open', async () => {
    const before = process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
    for (const name of ['link', 'folder', 'none', 'up/secret', 'folder/inside', 'file']) await opened(name);
    await codeOf(confined.rename('none', 'folder/x'));
    const after = process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
    expect(after).toBe(before);
  });
});

describe.skipIf(process.platform !== 'linux')('while somebody exchanges folders and links', () => {
  it('never gives what lies outside', async () => {
    confined = await ConfinedFolder.open(join(home, 'allowed'));
    mkdirSync(join(home, 'outside'));
    writeFileSync(join(home, 'outside/inside'), 'secret');
    const folder = join(home, 'allowed/folder');
    let isRunning = true;
    const attacker = (async () => {
      while (isRunning) {
        await rename(folder, join(home, 'away'));
        await symlink(join(home, 'outside'), folder);
        await rm(folder);
        await rename(join(home, 'away'), folder);
      }
    })();
    const seen = new Set<string>();
    for (let i = 0; i < 2000; i++) seen.add(await textOf('folder/inside').catch((error: NodeJS.ErrnoException) => error.code ?? ''));
    isRunning = false;
    await attacker;
    expect([...seen]).not.toContain('secret');
    expect([...seen]).toContain('inside');
  });
});

describe('a folder that cannot be used', () => {
  it('is said to be so', async () => {
    confined = await ConfinedFolder.open(home);
    expect(await codeOf(ConfinedFolder.open(join(home, 'secret')))).toBe('ENOTDIR');
    expect(await codeOf(ConfinedFolder.open(join(home, 'none')))).toBe('ENOENT');
  });

  it('is refused names that Windows takes for devices and streams', async () => {
    confined = await ConfinedFolder.open(join(home, 'allowed'), 'win32');
    for (const name of ['con', 'file:stream', 'NUL.txt', 'a\\..\\b', 'file.', 'c:']) expect(await opened(name, MAKE)).toBe('EACCES');
  });
});
