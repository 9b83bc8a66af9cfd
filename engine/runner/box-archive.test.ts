import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDisk, diskInfo } from '../backend/disk/disk-images';
import { qcow2Image } from '../backend/disk/qcow2/create';
import { VmError } from '../errors/vm-error';
import { TAR_END, tarHeader, tarPadding } from '../images/tar-writer';
import { Library } from './library';

let home: string;
let library: Library;
let other: Library;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-archive-'));
  library = new Library(join(home, 'data'));
  other = new Library(join(home, 'other'));
});

afterEach(() => rm(home, { recursive: true, force: true }));

const MIB = 1 << 20;
const archive = (): string => join(home, 'box.hartbox');

async function writeAt(file: string, offset: number, data: Uint8Array): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(data, 0, data.length, offset);
  await handle.close();
}

const noise = (length: number): Buffer => {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
};

describe('a box that is exported and imported', () => {
  it('has its settings, disks and variables again, without what was outside', async () => {
    const kernel = join(home, 'Image');
    await writeFile(kernel, 'a kernel');
    const id = await library.create(
      { name: 'Größe 1', notes: 'n', source: 'kernel', kernel, drives: [{ file: join(home, 'x.iso'), media: 'cdrom' }] },
      { disk: { size: 64 * MIB, format: 'raw' } },
    );
    await writeFile(join(home, 'x.iso'), noise(4096));
    await writeFile(library.flashFile(id), 'vars');
    const disk = (await library.settings(id)).values.drives[1].file;
    await writeAt(disk, 5 * MIB + 3, noise(300_000));
    await writeAt(disk, 64 * MIB - 1, Buffer.from([1]));
    const progress: number[] = [];
    await library.export(id, archive(), { onProgress: (done, total) => progress.push(done / total) });
    expect(progress.at(-1)).toBe(1);
    expect((await stat(archive())).size).toBeLessThan(500_000);
    expect((await readdir(library.folder(id))).sort()).toEqual(['config.json', 'disk.img', 'flash-vars.fd']);

    const made = await other.import(archive());
    expect(made).toBe('gro-e-1');
    const { values } = await other.settings(made);
    expect(values).toMatchObject({ name: 'Größe 1', notes: 'n', source: 'kernel' });
    const folder = other.folder(made);
    expect([values.kernel, ...values.drives.map(({ file }) => file)]).toEqual(
      ['Image', 'x.iso', 'disk.img'].map((name) => join(folder, name)),
    );
    expect((await readFile(join(folder, 'disk.img'))).equals(await readFile(disk))).toBe(true);
    expect((await readFile(join(folder, 'x.iso'))).equals(noise(4096))).toBe(true);
    expect(await readFile(other.flashFile(made), 'utf8')).toBe('vars');
    expect((await other.diskUse(made)).bytes).toBeLessThan(2 * MIB);
    expect((await other.settings(await other.import(archive()))).values.name).toBe('Größe 1 2');
    expect((await other.settings(await other.import(archive(), { name: 'Mine' }))).values.name).toBe('Mine');
  });

  it('takes a linked clone as a whole, and an image with snapshots of its own as it is', async () => {
    const id = await library.create({ name: 'Box' }, { disk: { size: MIB } });
    const clone = await library.clone(id, { linked: true });
    await library.export(clone, archive());
    const made = await other.import(archive());
    const [{ file }] = (await other.settings(made)).values.drives;
    expect(await diskInfo(file)).toMatchObject({ format: 'qcow2', size: MIB });
    expect((await diskInfo(file)).backing).toBeUndefined();
    expect((await checkDisk(file)).found.problems).toEqual([]);
    expect((await readdir(library.directory)).filter((name) => name.startsWith('.new'))).toEqual([]);
  });

  it('is something that tar unpacks too', async () => {
    if (spawnSync('tar', ['--version']).stdout.toString('latin1').includes('GNU') === false) return;
    const id = await library.create({ name: 'Box' }, { disk: { size: 8 * MIB, format: 'raw' } });
    const [{ file }] = (await library.settings(id)).values.drives;
    await writeAt(file, 3 * MIB, noise(70_000));
    await library.export(id, archive());
    await mkdir(join(home, 'out'));
    expect(spawnSync('tar', ['-xzf', archive(), '-C', join(home, 'out')]).stderr.toString()).toBe('');
    expect((await readFile(join(home, 'out', 'disk.img'))).equals(await readFile(file))).toBe(true);
  });

  it('leaves no file when it is ended or fails, and overwrites none unasked', async () => {
    const id = await library.create({ name: 'Box' }, { disk: { size: 8 * MIB, format: 'raw' } });
    await expect(library.export(id, archive(), { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    await expect(library.export(id, join(home, 'none', 'x.hartbox'))).rejects.toMatchObject({ kind: 'Resource' });
    const lock = await library.lock(id, 'the test');
    await expect(library.export(id, archive())).rejects.toMatchObject({ code: 'box-running' });
    await lock.release();
    expect((await readdir(home)).sort()).toEqual(['data']);
    await writeFile(archive(), 'mine');
    await expect(library.export(id, archive())).rejects.toMatchObject({ kind: 'Config' });
    await library.export(id, archive(), { replace: true });
    await other.import(archive());
    await expect(other.import(archive(), { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(other.directory)).toEqual(['box']);
  });

  it('says what is missing', async () => {
    const id = await library.create({ name: 'Box', source: 'disk', drives: [{ file: join(home, 'gone.iso'), media: 'cdrom' }] });
    await expect(library.export(id, archive())).rejects.toMatchObject({ code: 'disk-missing' });
  });
});

type Entry = { path: string; data: Buffer | string; header?: Partial<Parameters<typeof tarHeader>[0]>; type?: string };
const sha = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

function tarOf(entries: Entry[]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(({ path, data, header, type }) => {
      const bytes = Buffer.from(data);
      const head = Buffer.from(tarHeader({ path, size: bytes.length, ...header }));
      if (type !== undefined) {
        head.write(type, 156, 'latin1');
        head.write('        ', 148, 'latin1');
        head.write(
          `${head
            .reduce((sum, byte) => sum + byte, 0)
            .toString(8)
            .padStart(6, '0')}\0 `,
          148,
          'latin1',
        );
      }
      return [head, bytes, tarPadding(bytes.length)];
    }),
    TAR_END,
  ]);
}

const SETTINGS = JSON.stringify({
  version: 2,
  hardware: { drives: [{ file: 'disk.img' }] },
  boot: { source: 'disk' },
  app: { name: 'Box' },
});
const DISK = noise(4096);

function hostile(
  change: (parts: { manifest: Record<string, unknown> & { files: Record<string, unknown>[] }; entries: Entry[] }) => void,
  settings = SETTINGS,
  disk: Buffer = DISK,
): Buffer {
  const parts = {
    manifest: {
      format: 'hartbox-box',
      version: 1,
      name: 'Box',
      hartbox: '0',
      files: [
        { path: 'config.json', size: settings.length, stored: settings.length, sha256: sha(settings), sparse: false },
        { path: 'disk.img', size: disk.length, stored: disk.length, sha256: sha(disk), sparse: false },
      ] as Record<string, unknown>[],
    },
    entries: [
      { path: 'config.json', data: settings },
      { path: 'disk.img', data: disk },
    ] as Entry[],
  };
  change(parts);
  return gzipSync(tarOf([{ path: 'manifest.json', data: JSON.stringify(parts.manifest) }, ...parts.entries]));
}

const called =
  (name: string): Parameters<typeof hostile>[0] =>
  ({ manifest, entries }) => {
    manifest.files[1].path = name;
    entries[1].path = name;
  };
const sparse =
  (map: string, size: number, data = ''): Parameters<typeof hostile>[0] =>
  ({ manifest, entries }) => {
    const stored = Buffer.concat([Buffer.from(map.padEnd(512, '\0')), Buffer.from(data)]);
    Object.assign(manifest.files[1], { size, stored: stored.length, sha256: sha(stored), sparse: true });
    entries[1] = { path: 'GNUSparseFile.0/disk.img', data: stored };
  };
const withSettings = (hardware: object, boot: object = { source: 'disk' }, app: object = {}): string =>
  JSON.stringify({ version: 2, hardware, boot, app: { name: 'Box', ...app } });

describe('an archive', () => {
  it('is imported when there is nothing wrong with it', async () => {
    await writeFile(
      archive(),
      hostile(() => undefined),
    );
    expect(await other.import(archive())).toBe('box');
    await writeFile(archive(), hostile(sparse('2\n1000\n3\n2048\n0\n', 2048, 'abc')));
    const id = await other.import(archive());
    const content = await readFile(join(other.folder(id), 'disk.img'));
    expect(content.length).toBe(2048);
    expect(content.toString('latin1', 1000, 1003)).toBe('abc');
  });

  it.each<[string, Buffer | string, string]>([
    ['that is empty', '', 'archive-damaged'],
    ['that is text', 'hello', 'archive-foreign'],
    ['that is another gzip', gzipSync('hello'), 'archive-damaged'],
    ['that is another tar', gzipSync(tarOf([{ path: 'x', data: 'y' }])), 'archive-foreign'],
    ['with a manifest of something else', gzipSync(tarOf([{ path: 'manifest.json', data: '{"format":"docker"}' }])), 'archive-foreign'],
    ['with a manifest that is no JSON', gzipSync(tarOf([{ path: 'manifest.json', data: '{' }])), 'archive-damaged'],
    ['of a newer Hartbox', hostile(({ manifest }) => (manifest['version'] = 2)), 'archive-newer'],
    ['with settings of a newer Hartbox', hostile(() => undefined, JSON.stringify({ version: 99 })), 'settings-newer'],
    ['with wrong settings', hostile(() => undefined, withSettings({ harts: 99 })), 'too-large'],
    ['without files', hostile(({ manifest }) => (manifest.files = [])), 'archive-damaged'],
    ['that leads out', hostile(called('../disk.img')), 'archive-damaged'],
    ['that leads out in the middle', hostile(called('a/../../disk.img')), 'archive-damaged'],
    ['with an absolute path', hostile(called('/tmp/disk.img')), 'archive-damaged'],
    ['with a path of Windows', hostile(called('a\\disk.img')), 'archive-damaged'],
    ['with a drive letter', hostile(called('c:disk.img')), 'archive-damaged'],
    ['with a hidden file', hostile(called('.profile')), 'archive-damaged'],
    ['with a lock', hostile(called('lock')), 'archive-damaged'],
    ['with a device of Windows', hostile(called('nul.img')), 'archive-damaged'],
    ['with a file twice', hostile(called('CONFIG.json')), 'archive-damaged'],
    ['with a file as folder', hostile(called('config.json/x')), 'archive-damaged'],
    ['with a path that is too long', hostile(called('x'.repeat(300))), 'archive-damaged'],
    ['with a symbolic link', hostile(({ entries }) => (entries[1].type = '2')), 'archive-damaged'],
    ['with a hard link', hostile(({ entries }) => (entries[1].type = '1')), 'archive-damaged'],
    ['with a device', hostile(({ entries }) => (entries[1].type = '3')), 'archive-damaged'],
    ['with a folder', hostile(({ entries }) => (entries[1].type = '5')), 'archive-damaged'],
    ['with another file than it says', hostile(({ entries }) => (entries[1].path = 'other')), 'archive-damaged'],
    ['with a wrong checksum', hostile(({ manifest }) => (manifest.files[1]['sha256'] = sha('x'))), 'archive-damaged'],
    ['with a larger file than it says', hostile(({ entries }) => (entries[1].data = noise(8192))), 'archive-damaged'],
    ['with more files than it says', hostile(({ entries }) => entries.push({ path: 'x', data: '' })), 'archive-damaged'],
    ['with fewer files than it says', hostile(({ entries }) => entries.pop()), 'archive-damaged'],
    [
      'that unpacks to more than it says',
      gzipSync(Buffer.concat([gunzipSync(hostile(() => undefined)), Buffer.alloc(4 * MIB)])),
      'archive-damaged',
    ],
    [
      'with endless headers',
      gzipSync(tarOf(Array.from({ length: 4000 }, () => ({ path: 'L', data: Buffer.alloc(1024, 97), type: 'L' })))),
      'archive-damaged',
    ],
    [
      'that wants more than the disk has',
      hostile(({ manifest }) => Object.assign(manifest.files[1], { size: 2 ** 49, stored: 2 ** 49 })),
      'import-no-room',
    ],
    ['with sizes that do not fit', hostile(({ manifest }) => (manifest.files[1]['size'] = 5)), 'archive-damaged'],
    ['with a map that leads out of the file', hostile(sparse('1\n2048\n3\n', 2048, 'abc')), 'archive-damaged'],
    ['with a map that overlaps itself', hostile(sparse('2\n0\n3\n2\n1\n', 2048, 'abcd')), 'archive-damaged'],
    ['with a map that is no map', hostile(sparse('x\n', 2048)), 'archive-damaged'],
    ['with a map without end', hostile(sparse('1'.repeat(511), 2048)), 'archive-damaged'],
    ['with a map that is cut', hostile(sparse('400\n1\n1\n', 2048)), 'archive-damaged'],
    ['with a map with many runs', hostile(sparse('99999999\n', 2048)), 'archive-damaged'],
    ['with fewer bytes than its map', hostile(sparse('1\n0\n9\n', 2048, 'abc')), 'archive-damaged'],
    ['with more bytes than its map', hostile(sparse('1\n0\n2\n', 2048, 'abc')), 'archive-damaged'],
    [
      'whose settings name a file of this computer',
      hostile(() => undefined, withSettings({ drives: [{ file: '/etc/passwd' }] })),
      'archive-outside',
    ],
    [
      'whose settings name a file beside',
      hostile(() => undefined, withSettings({ drives: [{ file: '../x/disk.img' }] })),
      'archive-outside',
    ],
    [
      'whose settings name a kernel of this computer',
      hostile(() => undefined, withSettings({}, { kernel: '/boot/vmlinuz' })),
      'archive-outside',
    ],
    [
      'whose settings name firmware variables of this computer',
      hostile(() => undefined, withSettings({}, { flashVars: '/etc/passwd' })),
      'archive-outside',
    ],
    [
      'whose settings name an item of this computer',
      hostile(() => undefined, withSettings({ fwCfg: [{ name: 'opt/x', file: '/etc/passwd' }] })),
      'archive-outside',
    ],
    [
      'whose settings let programs write to a folder of this computer',
      hostile(() => undefined, withSettings({ semihosting: true, semihostingFolder: '/tmp' })),
      'archive-outside',
    ],
    [
      'whose settings let programs write over the box',
      hostile(() => undefined, withSettings({ semihosting: true, semihostingFolder: '.' })),
      'archive-outside',
    ],
    [
      'whose settings have a command of this computer',
      hostile(() => undefined, withSettings({}, { source: 'disk' }, { build: 'touch /tmp/was-here' })),
      'archive-outside',
    ],
    [
      'whose settings share a folder of this computer',
      hostile(() => undefined, withSettings({ shares: [{ folder: '/tmp' }] })),
      'archive-outside',
    ],
    [
      'whose settings share the folder of the box',
      hostile(() => undefined, withSettings({ shares: [{ folder: '.' }] })),
      'archive-outside',
    ],
    [
      'whose settings have the guest talk to a program of this computer',
      hostile(() => undefined, withSettings({ network: [{ connection: 'stream', connect: 'unix:/run/docker.sock' }] })),
      'archive-outside',
    ],
    [
      'whose settings put the guest on a switch of this user',
      hostile(() => undefined, withSettings({ network: [{ connection: 'switch', name: 'lan' }] })),
      'archive-outside',
    ],
    [
      "whose settings open this computer's own address to the guest",
      hostile(() => undefined, withSettings({ network: [{ connection: 'nat', hostAccess: true }] })),
      'archive-outside',
    ],
    [
      'whose settings have firmware write its variables over them',
      hostile(() => undefined, withSettings({}, { flashVars: 'Config.json' })),
      'archive-damaged',
    ],
  ])('%s is refused and leaves nothing', async (_, bytes, code) => {
    await writeFile(archive(), bytes);
    const error = await other.import(archive()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(VmError);
    if (code !== 'too-large') expect(error).toMatchObject({ code });
    expect((error as VmError).kind).not.toBe('Internal');
    expect(await readdir(other.directory).catch(() => [])).toEqual([]);
    expect(await readdir(home)).not.toContain('disk.img');
  });

  it('with an image that stands on a file of this computer is refused', async () => {
    const image = qcow2Image({ size: MIB, backing: { file: '/etc/passwd', format: 'raw' } });
    await writeFile(
      archive(),
      hostile(() => undefined, SETTINGS, Buffer.from(image)),
    );
    await expect(other.import(archive())).rejects.toMatchObject({
      code: 'archive-outside',
      message: expect.stringContaining('/etc/passwd'),
    });
    expect(await readdir(other.directory)).toEqual([]);
  });

  it('brings no consent along: neither to the clipboard, nor to start by itself, nor to be reached by other computers', async () => {
    const network = [{ connection: 'nat', forward: ['2222:22', '*:8080:80', 'udp:[::]:5353:53', '192.0.2.1:443:443'] }];
    const settings = withSettings(
      { drives: [{ file: 'disk.img' }], clipboard: true, crypto: true, network },
      { source: 'disk' },
      { guestClipboard: true, autostart: true, guestTitle: true },
    );
    await writeFile(
      archive(),
      hostile(() => undefined, settings),
    );
    const { values } = await other.settings(await other.import(archive()));
    expect(values).toMatchObject({ clipboard: false, guestClipboard: false, autostart: false, crypto: true, guestTitle: true });
    expect(values.network[0].forward).toEqual(['2222:22', '8080:80', 'udp:5353:53', '443:443']);
  });

  it('that is missing, or a folder, is said to be so', async () => {
    await expect(other.import(join(home, 'none'))).rejects.toMatchObject({ kind: 'Resource', code: 'ENOENT' });
    await expect(other.import(home)).rejects.toMatchObject({ kind: 'Image', code: 'not-a-file', params: { type: 'folder' } });
  });

  it('cut anywhere is refused and leaves nothing', async () => {
    const whole = hostile(() => undefined);
    for (let length = 0; length < whole.length; length += 37) {
      await writeFile(archive(), whole);
      await truncate(archive(), length);
      await expect(other.import(archive())).rejects.toMatchObject({ kind: 'Image' });
    }
    expect(await readdir(other.directory).catch(() => [])).toEqual([]);
  });

  it('changed at will never hangs, crashes, or becomes half a box', async () => {
    const whole = hostile(sparse('2\n1000\n3\n2048\n0\n', 2048, 'abc'));
    const tar = gunzipSync(whole);
    const edit = fc.record({ at: fc.nat(), insert: fc.uint8Array({ maxLength: 8 }), remove: fc.nat(16) });
    const edited = (bytes: Buffer, edits: { at: number; insert: Uint8Array; remove: number }[]): Buffer =>
      edits.reduce((now, { at, insert, remove }) => {
        const where = at % (now.length + 1);
        return Buffer.concat([now.subarray(0, where), insert, now.subarray(where + remove)]);
      }, bytes);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(edit, { minLength: 1, maxLength: 3 }), async (inside, edits) => {
        await writeFile(archive(), inside ? gzipSync(edited(tar, edits)) : edited(whole, edits));
        const result = await other.import(archive()).catch((error: unknown) => error);
        if (typeof result === 'string') {
          expect((await other.settings(result)).values.drives).toHaveLength(1);
          await rm(other.folder(result), { recursive: true });
        } else {
          expect(result).toBeInstanceOf(VmError);
          expect((result as VmError).kind).not.toBe('Internal');
        }
        expect(await readdir(other.directory).catch(() => [])).toEqual([]);
      }),
      { numRuns: process.env['HARTBOX_LONG'] ? 3000 : 150 },
    );
  }, 120_000);
});
