import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import fs, {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FuseClient } from '../../../test/support/fuse-client';
import { NinePClient } from '../../../test/support/nine-p-client';
import { u32 } from '../../../test/support/nine-p-message';
import { type ShareClient, ShareError, type ShareProtocol } from '../../../test/support/share-client';
import { SharedFolder } from './shared-folder';

const SECRET = 'SECRET of the host';

let parent: string;
let folder: SharedFolder;
let client: ShareClient;

const protocols: ShareProtocol[] = [
  { name: '9P', attach: (shared) => NinePClient.attached(shared) },
  { name: 'virtio-fs', attach: (shared) => FuseClient.attached(shared) },
];
/** What nobody may reach, and what is shared. */
const outside = (...names: string[]): string => join(parent, 'outside', ...names);
const shared = (...names: string[]): string => join(parent, 'shared', ...names);

/** All that lies outside, with what is in it. */
function portrait(path: string): unknown {
  const { mode, uid, gid, mtimeMs, nlink } = lstatSync(path);
  const what = { mode, uid, gid, mtimeMs, nlink };
  if (lstatSync(path).isSymbolicLink()) return { ...what, target: readlinkSync(path) };
  if (lstatSync(path).isFile()) return { ...what, text: readFileSync(path, 'latin1') };
  return { ...what, names: Object.fromEntries(readdirSync(path).map((name) => [name, portrait(join(path, name))])) };
}

let before: unknown;
async function share(protocol: ShareProtocol): Promise<void> {
  parent = mkdtempSync(join(tmpdir(), 'hartbox-escape-'));
  mkdirSync(outside('below'), { recursive: true });
  mkdirSync(shared('folder/deep'), { recursive: true });
  writeFileSync(outside('secret'), SECRET, { mode: 0o600 });
  writeFileSync(outside('below/secret'), SECRET);
  writeFileSync(shared('file'), 'shared');
  writeFileSync(shared('folder/secret'), 'shared');
  writeFileSync(shared('folder/deep/secret'), 'shared');
  // As a guest can make them too.
  symlinkSync(outside('secret'), shared('to-file'));
  symlinkSync('../outside/secret', shared('to-file-relative'));
  symlinkSync(outside('below'), shared('to-folder'));
  symlinkSync(outside('new'), shared('to-nothing'));
  symlinkSync('..', shared('folder/up'));
  before = portrait(outside());
  folder = await SharedFolder.open({ path: shared() });
  client = await protocol.attach(folder);
}

async function unshare(): Promise<void> {
  vi.restoreAllMocks();
  await client.close();
  expect(folder.held).toMatchObject({ nodes: 1, files: 0 });
  await folder.close();
  rmSync(parent, { recursive: true, force: true });
}

/** What came back, all together; refusals are as good. */
async function attempt(...steps: (() => Promise<unknown>)[]): Promise<string> {
  const seen: string[] = [];
  for (const step of steps) {
    try {
      const answer = await step();
      if (Buffer.isBuffer(answer) || typeof answer === 'string') seen.push(answer.toString('latin1'));
    } catch (error) {
      if (!(error instanceof ShareError)) throw error;
      seen.push(`error ${error.errno}`);
    }
  }
  return seen.join('\n');
}

function expectNothingReached(seen: string): void {
  expect(seen).not.toContain(SECRET);
  expect(portrait(outside())).toEqual(before);
}

/** Names that are none, or lead elsewhere where somebody takes them for a path. */
const names: [string, () => string][] = [
  ['the folder above', () => '..'],
  ['the folder itself', () => '.'],
  ['nothing', () => ''],
  ['a path up', () => '../outside/secret'],
  ['a path down and up', () => 'folder/../../outside/secret'],
  ['a path down', () => 'folder/secret'],
  ['a whole path', () => outside('secret')],
  ['a name with a NUL', () => `file\0${outside('secret')}`],
  ['a path up behind a NUL', () => `\0/../../outside/secret`],
  ['a path of descriptors', () => '/proc/self/root/etc/passwd'],
  ['a name that is too long', () => '../'.repeat(100)],
];

/** What can be asked with a name. */
const requests: [string, (name: string) => Promise<unknown>][] = [
  ['walk to, open and read', async (name) => client.readFile(0, name)],
  ['walk through', async (name) => client.readFile(0, name, 'secret')],
  ['make a file', async (name) => client.create(0, name)],
  ['make and cut a file', async (name) => client.create(0, name, 0o1002)],
  ['make a folder', (name) => client.mkdir(0, name)],
  ['make a link', (name) => client.symlink(0, name, 'x')],
  ['make a FIFO', (name) => client.mknod(0, name, 0o010666)],
  ['remove a file', (name) => client.unlink(0, name)],
  ['remove a folder', (name) => client.rmdir(0, name)],
  ['rename from', (name) => client.rename(0, name, 0, 'taken')],
  ['rename to', (name) => client.rename(0, 'file', 0, name)],
  ['give another name,', async (name) => client.link(await client.walk(0, 'file'), 0, name)],
];

/** What only 9P has. */
const ninePRequests: [string, (client: NinePClient, name: string) => Promise<unknown>][] = [
  ['rename to, by fid,', async (nineP, name) => nineP.call(20, u32(await nineP.walk(0, 'file')), u32(0), name)],
  ['attach to', (nineP, name) => nineP.call(104, u32(nineP.newFid()), u32(0xffffffff), 'root', name === '' ? '..' : name, u32(0))],
];

const cases = requests.flatMap(([what, request]) => names.map(([which, name]) => ({ what, request, which, name })));
const ninePCases = ninePRequests.flatMap(([what, request]) => names.map(([which, name]) => ({ what, request, which, name })));

// Elsewhere nothing is shared.
describe.skipIf(process.platform !== 'linux').each(protocols)('a guest that wants out of its share by $name', (protocol) => {
  const isNineP = protocol.name === '9P';
  beforeEach(() => share(protocol));
  afterEach(unshare);

  it.each(cases)('does not $what by $which', async ({ request, name }) => {
    expectNothingReached(await attempt(() => request(name())));
    // By virtio-fs a name ends at its NUL, and is that of a file of the share.
    if (!isNineP && name().startsWith('file\0')) return;
    // What is not a single name was refused, and made nothing in the share either.
    expect(readdirSync(shared()).sort()).toEqual(['file', 'folder', 'to-file', 'to-file-relative', 'to-folder', 'to-nothing']);
  });

  it.runIf(isNineP).each(ninePCases)('does not $what by $which', async ({ request, name }) => {
    expectNothingReached(await attempt(() => request(client as NinePClient, name())));
    expect(readdirSync(shared()).sort()).toEqual(['file', 'folder', 'to-file', 'to-file-relative', 'to-folder', 'to-nothing']);
  });

  const links = ['to-file', 'to-file-relative', 'to-nothing', 'to-folder'];
  const ways: [string, (fid: number, name: string) => Promise<unknown>][] = [
    ['open it', (fid) => client.open(fid)],
    ['open it for writing, cut', (fid) => client.open(fid, 0o1001)],
    ['open it and read', async (fid) => (await attempt(() => client.open(fid))) + (await client.read(fid)).toString('latin1')],
    ['list it', async (fid) => (await client.list(fid)).toString('latin1')],
    ['make a file by its name', (_, name) => client.create(0, name, 0o1002)],
    ['make a file in it', (fid) => client.create(fid, 'new')],
    ['walk through it', (fid) => client.readFile(fid, 'secret')],
    ['walk up from it', async (fid) => client.names(await client.walk(fid, '..', '..'))],
    ['change its mode', (fid) => client.setattr(fid, { mode: 0o777 })],
    ['change its length', (fid) => client.setattr(fid, { size: 0 })],
    ['change its times', (fid) => client.setattr(fid, { accessed: 1, modified: 1 })],
    ['give it away', (fid) => client.setattr(fid, { uid: 1, gid: 1 })],
    ['give it another name, and read that', async (fid) => client.link(fid, 0, 'hard').then(() => client.readFile(0, 'hard'))],
    ['rename it, and read it', async (_, name) => client.rename(0, name, 0, 'moved').then(() => client.readFile(0, 'moved'))],
    ['rename a file over it', (_, name) => client.rename(0, 'file', 0, name)],
    ['rename a file into it', async (fid) => client.rename(0, 'file', fid, 'secret')],
    ['rename a file out of it', async (fid) => client.rename(fid, 'secret', 0, 'mine').then(() => client.readFile(0, 'mine'))],
    ['remove what is in it', (fid) => client.unlink(fid, 'secret')],
    ['remove it as a folder', (_, name) => client.rmdir(0, name)],
    ['read its attributes', (fid) => client.attributes(fid)],
    ['set an attribute', (fid) => client.setAttribute(fid, 'user.x', Uint8Array.of(1))],
  ];
  it.each(links.flatMap((link) => ways.map(([what, way]) => ({ link, what, way }))))(
    'cannot follow the link $link: $what',
    async ({ link, way }) => {
      const fid = await client.walk(0, link);
      expectNothingReached(await attempt(() => way(fid, link)));
    },
  );

  it('makes links that lead anywhere, and does not follow them either', async () => {
    await client.symlink(0, 'mine', outside('secret'));
    await client.symlink(0, 'proc', '/proc/self/root');
    expectNothingReached(
      await attempt(
        () => client.readFile(0, 'mine'),
        () => client.readFile(0, 'proc', 'etc', 'hostname'),
        () => client.readFile(0, 'proc'),
      ),
    );
    expect(readlinkSync(shared('mine'))).toBe(outside('secret'));
  });

  it.runIf(!isNineP)('does not go up by names: its kernel does that', async () => {
    for (const path of [['..'], ['folder', '..'], ['.'], ['folder', 'deep', '..']])
      await expect(client.walk(0, ...path)).rejects.toMatchObject({ errno: 22 });
  });

  it.runIf(isNineP)('comes no higher than the root', async () => {
    const fid = await client.walk(0, 'folder', '..', '..', '..', '..');
    expect((await client.names(fid)).sort()).toEqual([
      '.',
      '..',
      'file',
      'folder',
      'to-file',
      'to-file-relative',
      'to-folder',
      'to-nothing',
    ]);
    expect(await client.names(await client.walk(0, 'folder', 'deep', '..'))).toContain('up');
  });

  it('finds no link where a folder was that it knows', async () => {
    const fid = await client.walk(0, 'folder');
    renameSync(shared('folder'), shared('away'));
    symlinkSync(outside('below'), shared('folder'));
    expectNothingReached(
      await attempt(
        () => client.readFile(fid, 'secret'),
        () => client.readFile(0, 'folder', 'secret'),
        () => client.create(fid, 'new'),
      ),
    );
  });

  it('finds no link where a file was that it knows', async () => {
    const fids = [await client.walk(0, 'file'), await client.walk(0, 'file'), await client.walk(0, 'file')];
    unlinkSync(shared('file'));
    symlinkSync(outside('secret'), shared('file'));
    const seen = await attempt(
      () => client.open(fids[0]),
      () => client.open(fids[1], 0o1001),
      () => client.setattr(fids[2], { mode: 0o777 }),
    );
    expectNothingReached(seen);
  });

  it('does not take another file for one that it knows', async () => {
    const fid = await client.walk(0, 'file');
    unlinkSync(shared('file'));
    linkSync(outside('secret'), shared('file'));
    before = portrait(outside());
    expectNothingReached(
      await attempt(
        () => client.open(fid),
        () => client.read(fid),
      ),
    );
  });

  it('reads on in a folder that moved within the share, and not in one that was moved out of it', async () => {
    const fid = await client.walk(0, 'folder');
    const deep = await client.walk(fid, 'deep');
    expect(await client.readFile(deep, 'secret')).toBe('shared');
    renameSync(shared('folder'), outside('folder'));
    writeFileSync(outside('folder/deep/secret'), SECRET);
    before = portrait(outside());
    const now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now + 2000);
    expectNothingReached(
      await attempt(
        () => client.readFile(deep, 'secret'),
        () => client.readFile(fid, 'secret'),
        () => client.create(deep, 'new'),
        () => client.unlink(deep, 'secret'),
        () => client.names(deep),
      ),
    );
  });

  it('keeps its root where that is renamed, and finds no link in its place', async () => {
    renameSync(shared(), join(parent, 'renamed'));
    symlinkSync(outside(), shared());
    expectNothingReached(
      await attempt(
        () => client.readFile(0, 'secret'),
        () => client.readFile(0, 'below', 'secret'),
      ),
    );
    expect(await client.readFile(0, 'file')).toBe('shared');
  });

  it('opens no FIFO, no socket and no device, and waits for none', async () => {
    execFileSync('mkfifo', [shared('fifo')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(shared('socket'), resolve));
    const specials = ['fifo', 'socket'];
    if (process.getuid?.() === 0) {
      try {
        execFileSync('mknod', [shared('null'), 'c', '1', '3'], { stdio: 'ignore' });
        specials.push('null');
      } catch {
        // Not in every container.
      }
    }
    for (const name of specials) {
      for (const flags of [0, 1, 2, 0o1001]) {
        const fid = await client.walk(0, name);
        await expect(client.open(fid, flags)).rejects.toMatchObject({ errno: 6 });
        await expect(client.create(0, name, flags)).rejects.toMatchObject({ errno: 6 });
        await client.clunk(fid);
      }
    }
    server.close();
  });

  it('makes no devices', async () => {
    for (const type of [0o020000, 0o060000]) await expect(client.mknod(0, 'device', type | 0o666)).rejects.toMatchObject({ errno: 1 });
    expect(existsSync(shared('device'))).toBe(false);
  });

  it('sets no bits that make programs somebody else', async () => {
    const fid = await client.create(0, 'program', 2, 0o6755);
    await client.setattr(fid, { mode: 0o6755 });
    expect(lstatSync(shared('program')).mode & 0o7777).toBe(0o755);
  });

  it('sets no attributes that mean something to the host', async () => {
    for (const name of ['security.capability', 'trusted.overlay.opaque', 'system.posix_acl_access', 'user']) {
      const fid = await client.walk(0, 'file');
      await expect(client.setAttribute(fid, name, Uint8Array.of(1))).rejects.toMatchObject({ errno: 95 });
    }
  });

  it('reaches nothing while links and folders change places under it', { timeout: 120_000 }, async () => {
    mkdirSync(shared('swap'));
    writeFileSync(shared('swap/secret'), 'shared');
    symlinkSync(outside('below'), shared('swap-link'));
    symlinkSync(outside('secret'), shared('file-link'));
    const seen: string[] = [];
    let reached = 0;
    // On a thread of its own: between any two calls of the share.
    const end = new Int32Array(new SharedArrayBuffer(4));
    const pairs = [
      ['swap', 'swap-link'],
      ['file', 'file-link'],
    ].map((names) => [...names, 'swap-third'].map((name) => shared(name)));
    const swapper = new Worker(SWAPPER, { eval: true, workerData: { end, pairs } });
    await once(swapper, 'online');
    const storm = async (): Promise<void> => {
      // Long enough that it was there now and then.
      for (let i = 0; i < 40 || (reached === 0 && i < 5000); i++) {
        const got = await attempt(
          () => client.readFile(0, 'swap', 'secret'),
          () => client.readFile(0, 'file'),
          async () => client.clunk(await client.create(0, 'file', 2)),
          async () => client.clunk(await client.create(await client.walk(0, 'swap'), `new-${i}`, 2)),
          async () => client.unlink(await client.walk(0, 'swap'), `new-${i}`),
          async () => client.setattr(await client.walk(0, 'file'), { mode: 0o600 }),
          async () => client.rename(await client.walk(0, 'swap'), 'nothing', 0, 'nothing'),
        );
        if (got.includes('shared')) reached++;
        seen.push(got);
      }
    };
    await Promise.all([storm(), storm(), storm()]);
    Atomics.store(end, 0, 1);
    await once(swapper, 'exit');
    expectNothingReached(seen.join('\n'));
    expect(reached).toBeGreaterThan(0);
  });
});

/** Lets two names change places, again and again, mostly for some 50 µs. */
const SWAPPER = `
const { renameSync } = require('node:fs');
const { end, pairs } = require('node:worker_threads').workerData;
while (Atomics.load(end, 0) === 0) {
  for (const [one, other, third] of pairs) {
    renameSync(one, third);
    renameSync(other, one);
    renameSync(third, other);
    Atomics.wait(end, 0, 0, 0.05);
  }
}
`;

describe('a share on another host', () => {
  it('is refused, with a reason', async () => {
    await expect(SharedFolder.open({ path: tmpdir(), platform: 'darwin' })).rejects.toMatchObject({ kind: 'Resource', code: 'share-host' });
    await expect(SharedFolder.open({ path: tmpdir(), platform: 'win32' })).rejects.toMatchObject({ kind: 'Resource', code: 'share-host' });
  });
  it.skipIf(process.platform !== 'linux')('needs a folder', async () => {
    await expect(SharedFolder.open({ path: join(tmpdir(), 'hartbox-nowhere') })).rejects.toMatchObject({ code: 'share-folder' });
    await expect(SharedFolder.open({ path: process.execPath })).rejects.toMatchObject({ code: 'share-folder' });
    expect(fs.existsSync(join(tmpdir(), 'hartbox-nowhere'))).toBe(false);
  });
});
