import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hostLibrary } from '../../host/host-library';
import { AsyncBlockDevice } from './async-block-device';
import { commitDisk, convertDisk, createDisk, diskInfo } from './disk-images';
import { imageChain } from './image-chain';
import { allowReferences } from './image-reference';
import { qcow2Image } from './qcow2/create';
import { EXTERNAL_DATA } from './qcow2/header';
import { trustedReferences, withdrawTrust } from './trusted-references';

const SIZE = 1 << 20;
let home: string;
/** In the folder of the image, and beside that folder. */
const inside = (name: string): string => join(home, 'images', name);
const outside = (name: string): string => join(home, 'private', name);

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-reference-'));
  vi.stubEnv('HARTBOX_HOME', join(home, 'data'));
  await mkdir(inside('sub'), { recursive: true });
  await mkdir(outside('.'));
  for (const path of [inside('base'), inside('sub/base'), inside('.hidden'), inside('config.json'), outside('base')])
    await writeFile(path, new Uint8Array(SIZE).fill(7));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

/** Made by somebody else: an image over a file. */
async function overlay(name: string, backing: string, format: 'raw' | 'qcow2' = 'raw'): Promise<string> {
  await writeFile(inside(name), qcow2Image({ size: SIZE, backing: { file: backing, format } }));
  return inside(name);
}

/** Made by somebody else: an image that has its data in a file (qcow2 specification, "External data file name"). */
async function withData(name: string, data: string): Promise<string> {
  const image = Buffer.from(qcow2Image({ size: SIZE }));
  image.writeUInt32BE(EXTERNAL_DATA, 76);
  const at = image.readUInt32BE(100);
  image.fill(0, at, at + 1024);
  image.writeUInt32BE(0x44415441, at);
  image.writeUInt32BE(Buffer.byteLength(data), at + 4);
  image.write(data, at + 8);
  await writeFile(inside(name), image);
  return inside(name);
}

const makers = { backing: overlay, data: withData };
const refusals = { backing: 'image-backing-outside', data: 'image-data-outside' };

async function use(image: string, readonly = false): Promise<number> {
  const disk = await AsyncBlockDevice.open(image, { readonly });
  const bytes = new Uint8Array(512);
  await disk.read(0, bytes);
  if (!readonly) await disk.write(512, new Uint8Array(512).fill(9));
  await disk.close();
  return bytes[0];
}
const allowAll = async (image: string): Promise<unknown> => allowReferences(await imageChain(image));

describe.each(['backing', 'data'] as const)('an image of somebody else, with a %s file', (kind) => {
  const make = makers[kind];
  const refused = { kind: 'Image', code: refusals[kind] };

  it.each(['base', './base', 'sub/base', 'sub/../base', 'file:base'])('may use %s, which lies in its folder', async (name) => {
    await use(await make('disk', name));
    expect(await trustedReferences()).toEqual([]);
  });

  it.each([
    ['another folder', () => '../private/base'],
    ['an absolute path', () => outside('base')],
    ['an absolute path in its folder', () => inside('base')],
    ['an absolute path behind file:', () => `file:${outside('base')}`],
    ['a hidden file', () => '.hidden'],
    ['the settings of a box', () => 'config.json'],
    ['the folder itself from outside', () => '../images/../private/base'],
    ['a device', () => '/dev/null'],
    ['a file that is not there', () => '../private/none'],
  ])('may not use %s until the user allows it', async (_, name) => {
    const image = await make('disk', name());
    const before = await readFile(outside('base'));
    await expect(use(image)).rejects.toMatchObject({ ...refused, message: expect.stringContaining(`hartbox disk trust ${image}`) });
    await expect(use(image, true)).rejects.toMatchObject(refused);
    await expect(convertDisk({ from: image, to: inside('copy.img') })).rejects.toMatchObject(refused);
    if (kind === 'backing') await expect(commitDisk(image)).rejects.toMatchObject(refused);
    expect(before.equals(await readFile(outside('base')))).toBe(true);
  });

  it.each([
    'nbd://localhost/x',
    'ssh://host/x',
    'json:{"driver":"file","filename":"/etc/passwd"}',
    'fat:rw:/',
    'host_device:/dev/sda',
    'a\0b',
    '\u202ebase',
    '',
  ])('cannot use %j at all', async (name) => {
    if (kind === 'backing' && name === '') return;
    const image = await make('disk', name);
    await expect(use(image)).rejects.toMatchObject({ kind: 'Image', code: kind === 'data' ? 'data-no-file' : 'backing-no-file' });
    await expect(imageChain(image)).rejects.toMatchObject({ kind: 'Image' });
    expect((await diskInfo(image)).format).toBe('qcow2');
  });

  it('may not use a link in its folder that leads out of it, nor one to what is hidden', async () => {
    await symlink(outside('base'), inside('link'));
    await symlink('.hidden', inside('other'));
    await symlink('sub/base', inside('fine'));
    await expect(use(await make('disk', 'link'))).rejects.toMatchObject(refused);
    await expect(use(await make('disk', 'other'))).rejects.toMatchObject(refused);
    await use(await make('disk', 'fine'));
    await symlink(outside('.'), inside('folder'));
    await expect(use(await make('disk', 'folder/base'))).rejects.toMatchObject(refused);
  });

  it('is asked about again when it names another file, when it lies elsewhere, and when it is withdrawn', async () => {
    const image = await make('disk', '../private/base');
    await allowAll(image);
    expect(await imageChain(image)).toMatchObject([{ kind, name: '../private/base', file: outside('base'), permission: 'user' }]);
    await use(image);

    await make('disk', '../private/../private/base');
    await expect(use(image)).rejects.toMatchObject(refused);
    await make('disk', '../private/base');
    await use(image);

    await rename(image, inside('moved'));
    await expect(use(inside('moved'))).rejects.toMatchObject(refused);
    await rename(inside('moved'), image);

    await rename(outside('base'), outside('secret'));
    await symlink('secret', outside('base'));
    await expect(use(image)).rejects.toMatchObject(refused);
    await rm(outside('base'));
    await rename(outside('secret'), outside('base'));
    await use(image);

    expect(await withdrawTrust(image)).toMatchObject([{ kind, file: outside('base') }]);
    await expect(use(image)).rejects.toMatchObject(refused);
    expect(await withdrawTrust(image)).toEqual([]);
  });

  it('is the same by a link, and keeps nothing for images that were deleted', async () => {
    const image = await make('disk', '../private/base');
    await allowAll(image);
    await symlink('disk', inside('link'));
    await use(inside('link'));
    await rm(image);
    await allowAll(await make('other', '../private/base'));
    expect(await trustedReferences()).toMatchObject([{ image: inside('other') }]);
  });
});

describe('what is allowed', () => {
  it('is reading where a backing file was allowed', async () => {
    await allowAll(await overlay('disk', '../private/base'));
    await expect(use(await withData('disk', '../private/base'))).rejects.toMatchObject({ code: 'image-data-outside' });
  });

  it('holds for one image of a chain only', async () => {
    await overlay('middle', '../private/base');
    const top = await overlay('top', 'middle', 'qcow2');
    await expect(use(top)).rejects.toMatchObject({ code: 'image-backing-outside', params: { path: inside('middle') } });
    expect(await imageChain(top)).toMatchObject([
      { image: top, file: inside('middle'), permission: 'folder' },
      { image: inside('middle'), file: outside('base'), permission: undefined },
    ]);
    await allowAll(top);
    expect(await use(top)).toBe(7);
  });

  it('is what the user has named: an image made over a file', async () => {
    await createDisk({ file: inside('disk.qcow2'), backing: { file: outside('base'), format: 'raw' } });
    expect(await use(inside('disk.qcow2'))).toBe(7);
    expect(await trustedReferences()).toHaveLength(1);
    await createDisk({ file: inside('other.qcow2'), backing: { file: inside('disk.qcow2') } });
    await commitDisk(inside('disk.qcow2'));
    expect(await use(inside('disk.qcow2'))).toBe(7);
  });

  it('survives that many allow at once', async () => {
    const images = await Promise.all(Array.from({ length: 20 }, (_, i) => overlay(`disk${i}`, '../private/base')));
    await Promise.all(images.map(allowAll));
    expect(await trustedReferences()).toHaveLength(20);
  });

  it('is nothing, with a reason, where the list is damaged', async () => {
    await mkdir(join(home, 'data'));
    await writeFile(join(home, 'data', 'trusted-images.json'), '{"trusted": 1}');
    const image = await overlay('disk', '../private/base');
    await expect(use(image)).rejects.toMatchObject({ kind: 'Image', code: 'trust-damaged' });
    await expect(allowAll(image)).rejects.toMatchObject({ code: 'trust-damaged' });
    expect(await use(await overlay('disk', 'base'))).toBe(7);
  });
});

describe('a chain of images', () => {
  it('is opened up to a hundred, and no further', async () => {
    await overlay('0', 'base');
    for (let i = 1; i < 100; i++) await overlay(`${i}`, `${i - 1}`, 'qcow2');
    expect(await use(inside('98'))).toBe(7);
    await expect(use(inside('99'))).rejects.toMatchObject({ kind: 'Image', code: 'backing-chain' });
    expect(await imageChain(inside('99'))).toHaveLength(100);
  });

  it('that leads back to itself is refused, and shown once', async () => {
    await overlay('a', 'b', 'qcow2');
    await overlay('b', 'sub/../a', 'qcow2');
    await expect(use(inside('a'))).rejects.toMatchObject({ code: 'backing-circle' });
    expect(await imageChain(inside('a'))).toHaveLength(2);
    const own = await overlay('own', 'own', 'qcow2');
    await expect(use(own)).rejects.toMatchObject({ code: 'backing-circle' });
  });

  it('shows what it is made of, as far as it is there', async () => {
    const top = await overlay('top', 'none', 'qcow2');
    expect(await imageChain(top)).toMatchObject([{ name: 'none', permission: 'folder' }]);
    expect((await diskInfo(top)).backing).toEqual({ file: 'none', format: 'qcow2', exists: false });
    // Whether a file is there that it may not use is not looked at.
    expect((await diskInfo(await overlay('top', '../private/base'))).backing).toEqual({ file: '../private/base', format: 'raw' });
    await writeFile(inside('none'), 'QFI\xfb, and no more');
    await overlay('top', 'none', 'qcow2');
    expect(await imageChain(top)).toHaveLength(1);
    expect(await imageChain(inside('base'))).toEqual([]);
  });
});

describe('a data file', () => {
  it('has one writer, and is not written to while an image below others has its data there', async () => {
    const image = await withData('disk', 'base');
    const writer = await AsyncBlockDevice.open(image);
    for (const other of [inside('base'), await withData('second', 'base'), await overlay('over', 'base')])
      await expect(AsyncBlockDevice.open(other)).rejects.toMatchObject({ kind: 'Resource' });
    // As an image is: whoever only looks does not disturb.
    expect(await use(image, true)).toBe(0);
    await writer.close();

    const over = await AsyncBlockDevice.open(await overlay('over', 'disk', 'qcow2'));
    for (const other of [inside('base'), inside('second')])
      await expect(AsyncBlockDevice.open(other)).rejects.toMatchObject({ kind: 'Resource', code: 'image-is-backing' });
    await over.close();
    await (await AsyncBlockDevice.open(inside('base'))).close();
  });

  it('is kept from change while its image is copied', async () => {
    const image = await withData('disk', 'base');
    let met: unknown;
    const disk = await AsyncBlockDevice.open(image, { readonly: true, share: true });
    await AsyncBlockDevice.open(inside('base')).catch((error: unknown) => {
      met = error;
    });
    await disk.close();
    expect(met).toMatchObject({ code: 'image-is-backing' });
  });

  it('is none that the image or one above it is', async () => {
    await expect(use(await withData('disk', 'disk'))).rejects.toMatchObject({ code: 'data-circle' });
    const top = await overlay('top', 'disk', 'qcow2');
    await withData('disk', 'top');
    await expect(use(top)).rejects.toMatchObject({ code: 'data-circle' });
    // Nothing is left locked.
    await withData('disk', 'base');
    await use(top);
  });

  it.runIf(process.platform === 'linux' && hostLibrary() !== undefined)('is locked for QEMU too', async () => {
    const disk = await AsyncBlockDevice.open(await withData('disk', 'base'));
    const { ino } = await import('node:fs').then(({ statSync }) => statSync(inside('base')));
    const locks = (await readFile('/proc/locks', 'latin1')).split('\n').filter((line) => line.includes(`:${ino} `));
    await disk.close();
    expect(locks.length).toBeGreaterThan(0);
  });
});
