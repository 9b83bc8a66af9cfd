import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessage, generateKey, readPrivateKey, sign } from 'openpgp';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeXz } from '../../test/support/archive-writers';
import { cutAfter, type FileServer, startFileServer } from '../../test/support/file-server';
import { createDisk, diskInfo } from '../backend/disk/disk-images';
import { Library } from '../runner/library';
import { type CatalogueEntry, parseCatalogue } from './catalogue';
import { createImageBox, seedOptions } from './image-box';
import { ImageStore } from './image-store';
import type { ImageProgress } from './progress';

const patience = { idle: 2000, floor: 0, tries: 2, pause: 5 };
let server: FileServer;
let keys: { publicKey: string; privateKey: string };
let home = '';
let catalogue: readonly CatalogueEntry[];
let store: ImageStore;

beforeAll(async () => {
  keys = await generateKey({ userIDs: [{ name: 'Publisher' }], format: 'armored' });
});
beforeEach(async () => {
  server = await startFileServer();
  home = await mkdtemp(join(tmpdir(), 'hartbox-images-'));
  const entry = (id: string, file: string, more: object = {}) => ({
    id,
    name: `Image ${id}`,
    kind: 'download',
    icon: 'disk',
    downloadBytes: 1000,
    diskBytes: 1000,
    url: `${server.url}/${file}`,
    checksums: { url: `${server.url}/SUMS`, algorithm: 'sha512' },
    seed: 'cloud-init',
    box: { memory: 2 ** 29, firmware: 'edk2', screens: 1, input: ['tablet'], clipboard: true },
    ...more,
  });
  const images = [
    entry('disk', 'disk.img'),
    entry('packed', 'packed.img.xz', { packing: 'xz' }),
    entry('disc', 'disc.iso', { medium: 'disc', seed: 'none' }),
    entry('signed', 'disk.img', {
      checksums: { url: `${server.url}/SUMS`, algorithm: 'sha512', signature: { url: `${server.url}/SUMS.gpg`, key: keys.publicKey } },
    }),
    entry('future', 'disk.img', { needs: { profile: 'RVA23', extensions: ['v', 'zba'] } }),
  ];
  catalogue = parseCatalogue(JSON.stringify({ version: 1, images }), 'test');
  store = new ImageStore(home, catalogue);
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

/** Puts files onto the server, with their checksums. */
function publish(files: Record<string, Uint8Array>): void {
  const sums = Object.entries(files).map(([name, data]) => `${createHash('sha512').update(data).digest('hex')}  ${name}\n`);
  server.files.set('/SUMS', Buffer.from(sums.join('')));
  for (const [name, data] of Object.entries(files)) server.files.set(`/${name}`, data);
}

async function qcow2(size: number): Promise<Uint8Array> {
  const file = join(home, 'given.qcow2');
  await createDisk({ file, size });
  const data = await readFile(file);
  await rm(file);
  return data;
}

describe('images that are fetched', () => {
  it('are checked, kept, and not asked for again', async () => {
    publish({ 'disk.img': await qcow2(2 ** 20) });
    const told: ImageProgress[] = [];
    const image = await store.fetch('disk', { patience, onProgress: (progress) => told.push(progress) });
    expect(image).toMatchObject({ file: 'disk.qcow2', format: 'qcow2', size: 2 ** 20 });
    expect(told.map(({ phase }) => phase)).toEqual(expect.arrayContaining(['index', 'download']));
    expect(told.at(-1)?.share).toBe(1);
    const requests = server.requests.length;
    expect((await store.fetch('disk', { patience })).path).toBe(image.path);
    expect(server.requests).toHaveLength(requests);
    expect((await store.list()).map(({ entry, stored }) => [entry.id, stored !== undefined])).toEqual([
      ['disk', true],
      ['packed', false],
      ['disc', false],
      ['signed', false],
      ['future', false],
    ]);
    expect(await readdir(join(home, 'images'))).toEqual(['cache', 'disk']);
  });

  it('are said to be being made while some process is at it, and no longer where it died', async () => {
    publish({ 'disk.img': Buffer.alloc(4096, 'x') });
    const seen: string[][] = [];
    const busy = async (): Promise<string[]> =>
      (await new ImageStore(home, catalogue).list()).filter(({ isBeingMade }) => isBeingMade).map(({ entry }) => entry.id);
    const looks: Promise<unknown>[] = [];
    await store.fetch('disk', { patience, onProgress: () => looks.push(busy().then((ids) => seen.push(ids))) });
    await Promise.all(looks);
    expect(seen).toContainEqual(['disk']);
    expect(await busy()).toEqual([]);
    await writeFile(join(home, 'images', '.making'), 'disk');
    expect(await busy()).toEqual([]);
  });

  it('go on where they were broken off, also in another process', async () => {
    const data = Buffer.alloc(300_000, 'x');
    publish({ 'disk.img': data });
    server.faults.push(undefined, undefined, cutAfter(data, 100_000), (_, response) => response.destroy());
    await expect(store.fetch('disk', { patience })).rejects.toMatchObject({ code: 'image-not-reached' });
    // What came last may be lost with the connection.
    const kept = await store.cacheBytes();
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(100_000);
    const image = await new ImageStore(home, catalogue).fetch('disk', { patience });
    expect(server.requests.at(-1)).toBe(`/disk.img bytes=${kept}-`);
    expect(await readFile(image.path)).toEqual(data);
    expect(image.format).toBe('raw');
  });

  it('are unpacked, with holes where nothing is', async () => {
    const data = Buffer.alloc(16 << 20);
    data.fill('data', 4 << 20, 5 << 20);
    publish({ 'packed.img.xz': makeXz(data) });
    const image = await store.fetch('packed', { patience });
    expect(Buffer.compare(await readFile(image.path), data)).toBe(0);
    if (process.platform === 'linux') expect((await stat(image.path)).blocks * 512).toBeLessThan(4 << 20);
    expect(await store.cacheBytes()).toBe(0);
  });

  it('are believed only where the list of checksums is signed by the key of its publisher, if it is to be signed', async () => {
    publish({ 'disk.img': Buffer.alloc(4096, 'x') });
    const signed = async (text: string, { privateKey }: { privateKey: string }): Promise<void> => {
      const signingKeys = await readPrivateKey({ armoredKey: privateKey });
      const signature = await sign({ message: await createMessage({ binary: Buffer.from(text) }), signingKeys, detached: true });
      server.files.set('/SUMS.gpg', Buffer.from(signature));
    };
    const list = String(server.files.get('/SUMS'));
    const refused = { kind: 'Network', code: 'checksums-not-signed' };
    server.files.set('/SUMS.gpg', Buffer.from('no signature'));
    await expect(store.fetch('signed', { patience })).rejects.toMatchObject(refused);
    await signed(`${list} `, keys);
    await expect(store.fetch('signed', { patience })).rejects.toMatchObject(refused);
    await signed(list, await generateKey({ userIDs: [{ name: 'Publisher' }], format: 'armored' }));
    await expect(store.fetch('signed', { patience })).rejects.toMatchObject(refused);
    expect(server.requests.some((request) => request.startsWith('/disk.img'))).toBe(false);
    await signed(list, keys);
    expect(await store.fetch('signed', { patience })).toMatchObject({ format: 'raw' });
  });

  it('are refused where the checksum is another, there is none, or the harts cannot run them', async () => {
    publish({ 'disk.img': Buffer.from('one') });
    server.files.set('/disk.img', Buffer.from('two'));
    await expect(store.fetch('disk', { patience })).rejects.toThrow(/its length or hash differs/);
    publish({ 'other.img': Buffer.from('one') });
    await expect(store.fetch('disk', { patience })).rejects.toMatchObject({ code: 'image-no-checksum' });
    await expect(store.fetch('future', { patience })).rejects.toMatchObject({
      code: 'image-needs-extensions',
      params: expect.objectContaining({ missing: 'v' }),
    });
    await expect(store.fetch('unknown')).rejects.toMatchObject({ code: 'image-unknown' });
    expect((await readdir(join(home, 'images'))).filter((name) => name !== 'cache')).toEqual([]);
  });

  it('say whose server cannot be reached', async () => {
    await server.close();
    await expect(store.fetch('disk', { patience })).rejects.toThrow(
      /Image disk comes from 127\.0\.0\.1, which did not give it.*Check the network/,
    );
    server = await startFileServer();
  });

  it('end when they are told to, and leave nothing but what goes on next time', async () => {
    const data = Buffer.alloc(300_000, 'x');
    publish({ 'disk.img': data });
    const abort = new AbortController();
    const reason = new Error('enough');
    server.faults.push(undefined, undefined, (_, response) => {
      response.writeHead(200, { 'content-length': data.length });
      response.write(data.subarray(0, 50_000), () => setTimeout(() => abort.abort(reason), 50));
    });
    await expect(store.fetch('disk', { patience, signal: abort.signal })).rejects.toBe(reason);
    expect((await readdir(join(home, 'images'))).filter((name) => name !== 'cache')).toEqual([]);
    expect(await store.cacheBytes()).toBe(50_000);
  });

  it('are made anew only where there is something new', async () => {
    publish({ 'disk.img': Buffer.alloc(4096, 'old') });
    const before = await store.fetch('disk', { patience });
    expect((await store.fetch('disk', { patience, update: true })).made).toBe(before.made);
    publish({ 'disk.img': Buffer.alloc(4096, 'new') });
    const after = await store.fetch('disk', { patience, update: true });
    expect(after.identity).not.toBe(before.identity);
    expect((await readFile(after.path, 'utf8')).slice(0, 3)).toBe('new');
    expect((await readdir(join(home, 'images'))).sort()).toEqual(['cache', 'disk']);
  });

  it('go, and what was fetched for others too', async () => {
    publish({ 'disk.img': Buffer.alloc(4096, 'x') });
    await store.fetch('disk', { patience });
    await writeFile(join(home, 'images', 'cache', 'package.deb'), Buffer.alloc(1000));
    expect(await store.cacheBytes()).toBe(1000);
    await store.clearCache();
    expect(await store.cacheBytes()).toBe(0);
    await store.remove('disk');
    expect((await store.find('disk')).stored).toBeUndefined();
    await expect(store.remove('disk')).rejects.toMatchObject({ code: 'image-not-here' });
  });
});

describe('boxes of an image', () => {
  it('share it, outlive it, and let it go with the last of them', async () => {
    publish({ 'disk.img': Buffer.alloc(1 << 20, 'base') });
    const image = await store.fetch('disk', { patience });
    const library = new Library(home);
    const { entry } = await store.find('disk');
    const seed = seedOptions(entry, 'Ärger Nr. 1', { user: 'alice' });
    expect(seed).toMatchObject({ hostname: 'arger-nr-1', user: 'alice' });
    const ids: string[] = [];
    for (const name of ['One', 'Two']) ids.push(await createImageBox(library, entry, image, { values: { name, memory: 2 ** 30 }, seed }));
    expect(ids).toEqual(['one', 'two']);
    const { values } = await library.settings('two');
    expect(values).toMatchObject({ source: 'disk', firmware: 'edk2', memory: 2 ** 30, screens: 1, input: ['tablet'], clipboard: true });
    expect(values.drives).toMatchObject([
      { file: join(library.folder('two'), 'disk.qcow2') },
      { file: join(library.folder('two'), 'seed.iso'), format: 'raw', readonly: true },
    ]);
    const disk = await diskInfo(values.drives[0].file);
    // Grown for the guest to grow into, and as good as empty.
    expect(disk.size).toBe(20 * 2 ** 30);
    expect(disk.allocated).toBeLessThan(1 << 20);
    const bases = join(home, 'bases');
    expect(await readdir(bases)).toEqual([image.identity]);

    await store.remove('disk');
    expect(await diskInfo(values.drives[0].file)).toMatchObject({ backing: { exists: true, format: 'raw' } });
    // A linked clone of such a box stands on the same.
    await library.clone('two', { linked: true, name: 'Three' });
    for (const id of ['one', 'two', 'three']) {
      expect(await readdir(bases)).not.toEqual([]);
      await library.remove(id);
      await library.emptyTrash();
    }
    expect(await readdir(bases)).toEqual([]);
  });

  it('of a disc have an empty disk before it', async () => {
    publish({ 'disc.iso': Buffer.alloc(65536, 'iso') });
    const library = new Library(home);
    const { entry } = await store.find('disc');
    const id = await createImageBox(library, entry, await store.fetch('disc', { patience }), { values: { name: 'Installer' } });
    const { drives } = (await library.settings(id)).values;
    expect(drives.map(({ media }) => media)).toEqual(['cdrom', 'disk']);
    expect(seedOptions(entry, 'x', { user: 'alice' })).toEqual({});
  });

  it('say what does not fit of their user', async () => {
    const { entry } = await store.find('disk');
    expect(() => seedOptions(entry, 'x', { user: 'root' })).toThrow(
      expect.objectContaining({ code: 'seed-wrong', params: { key: 'user' } }),
    );
    expect(() => seedOptions(entry, 'x', { locale: 'german' })).toThrow(/This locale cannot be set up.*de_DE\.UTF-8/);
  });
});
