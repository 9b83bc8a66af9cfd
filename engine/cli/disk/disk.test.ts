import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AsyncBlockDevice, convertDisk } from '../../index';
import { qcow2Image } from '../../backend/disk/qcow2/create';
import { UsageError } from '../usage-error';
import { dispatch } from '../dispatch';
import { denseText } from './report';

const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;
const qemuImg = (...args: string[]): string =>
  execFileSync('qemu-img', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const MiB = 1 << 20;

const disk = (args: string[]): Promise<number> => dispatch(['disk', ...args]);

let folder: string;
let home: string;
let output = '';
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-disk-cli-'));
  // What is allowed to images is kept there.
  home = await mkdtemp(join(tmpdir(), 'hartbox-disk-cli-home-'));
  vi.stubEnv('HARTBOX_HOME', home);
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const path of [folder, home]) await rm(path, { recursive: true, force: true });
});

/** Run `hartbox disk …`; the exit code, and what it printed as JSON. */
async function json(...args: string[]): Promise<{ code: number; value: Record<string, never> }> {
  output = '';
  const code = await disk([...args, '--json']);
  return { code, value: JSON.parse(output) };
}

/** A disk with text, zeroes and noise. */
async function fill(name: string): Promise<void> {
  const image = await AsyncBlockDevice.open(at(name));
  await image.write(64 << 10, Buffer.from('much the same '.repeat(50_000)));
  await image.write(3 * MiB, randomBytes(MiB));
  await image.write(image.size - 512, new Uint8Array(512).fill(9));
  await image.close();
}

async function contentOf(name: string): Promise<Uint8Array> {
  const image = await AsyncBlockDevice.open(at(name), { readonly: true });
  const content = new Uint8Array(image.size);
  await image.read(0, content);
  await image.close();
  return content;
}

describe('hartbox disk', () => {
  it('takes the format from the ending of the name, unless it is given', async () => {
    for (const [name, format] of [
      ['a.img', 'raw'],
      ['a.RAW', 'raw'],
      ['a.qcow2', 'qcow2'],
      ['a', 'qcow2'],
      ['a.disk', 'qcow2'],
    ]) {
      await disk(['create', at(name), '1M']);
      expect((await json('info', at(name))).value['format']).toBe(format);
    }
    await disk(['create', at('b.img'), '1M', '-f', 'qcow2']);
    expect((await json('info', at('b.img'))).value['format']).toBe('qcow2');
    await disk(['convert', at('a.qcow2'), at('c.raw')]);
    expect((await json('info', at('c.raw'))).value['format']).toBe('raw');
    await disk(['convert', at('c.raw'), at('d.vmdk'), '-f', 'raw']);
    expect((await stat(at('d.vmdk'))).size).toBe(MiB);
  });

  it.each(['vmdk', 'vdi', 'vhd', 'VHDX'])('makes no file of the name x.%s, which would not be what it says', async (ending) => {
    await disk(['create', at('a'), '1M']);
    await expect(disk(['create', at(`x.${ending}`), '1M'])).rejects.toMatchObject({
      kind: 'Config',
      message: expect.stringContaining('.qcow2'),
    });
    await expect(disk(['convert', at('a'), at(`x.${ending}`)])).rejects.toMatchObject({ kind: 'Config' });
    expect(await readdir(folder)).toEqual(['a']);
  });

  it.each([
    ['check', 'none', 'Image', /does not exist/],
    ['info', 'none', 'Image', /does not exist/],
    ['check', 'x'.repeat(300), 'Resource', /too long/],
    ['info', 'x'.repeat(300), 'Resource', /too long/],
    ['check', 'a/b', 'Resource', /is a file where a folder is needed/],
  ])('says plainly what is wrong with the file for %s %#', async (command, name, kind, message) => {
    await writeFile(at('a'), '');
    await expect(disk([command, at(name)])).rejects.toMatchObject({ kind, message: expect.stringMatching(message) });
  });

  it('makes images and tells what they are', async () => {
    expect(await disk(['create', at('a.qcow2'), '20G'])).toBe(0);
    expect(await json('info', at('a.qcow2'))).toMatchObject({
      code: 0,
      value: { format: 'qcow2', size: 20 * 1024 * MiB, qcow2: { version: 3, clusterSize: 65536, snapshots: [], bitmaps: [] } },
    });
    expect(await json('create', '-f', 'raw', at('b.raw'), '10M')).toMatchObject({ value: { format: 'raw', size: 10 * MiB } });
    expect((await stat(at('b.raw'))).blocks).toBeLessThan(100);
    expect((await json('info', at('b.raw'))).value['allocated']).toBeLessThan(51_200);
    const { value } = await json('create', at('c.qcow2'), '--backing', at('a.qcow2'), '--extended-l2', '--cluster-size', '128K');
    expect(value).toMatchObject({
      size: 20 * 1024 * MiB,
      backing: { file: at('a.qcow2'), format: 'qcow2', exists: true },
      qcow2: { extendedL2: true, clusterSize: 131072 },
    });
    output = '';
    expect(await disk(['info', at('c.qcow2')])).toBe(0);
    expect(output).toMatch(/Backing file +.*a\.qcow2/);
    if (hasQemu) for (const name of ['a', 'c']) expect(qemuImg('check', `${name}.qcow2`)).toMatch(/No errors/);
  });

  it('does not make an image over another file, and leaves nothing behind', async () => {
    await writeFile(at('a.qcow2'), 'precious');
    await expect(disk(['create', at('a.qcow2'), '1G'])).rejects.toMatchObject({
      kind: 'Config',
      message: expect.stringMatching(/exists already/),
    });
    await expect(disk(['create', at('b.qcow2'), '100'])).rejects.toMatchObject({ kind: 'Config' });
    await expect(disk(['create', at('none/b.qcow2'), '1G'])).rejects.toMatchObject({ kind: 'Resource' });
    expect(await readFile(at('a.qcow2'), 'utf8')).toBe('precious');
    expect(await readdir(folder)).toEqual(['a.qcow2']);
  });

  it('says of a new raw image that it takes all its space, where files are not sparse', () => {
    const image = { file: 'a.raw', format: 'raw' as const, size: 20 * MiB, allocated: 20 * MiB };
    expect(denseText(image, 'linux')).toMatch(/a\.raw takes all its 20 MiB at once: its file system has no sparse files\. .*qcow2/);
    expect(denseText(image, 'win32')).toMatch(/koffi/);
    expect(denseText({ ...image, allocated: MiB }, 'win32')).toBe('');
    expect(denseText({ ...image, format: 'qcow2' })).toBe('');
  });

  it('does not put an image in the place of what is no file', async () => {
    await disk(['create', '-f', 'raw', at('a.raw'), '9M']);
    await mkdir(at('device'));
    await expect(disk(['convert', '--force', at('a.raw'), at('device')])).rejects.toMatchObject({
      kind: 'Config',
      message: expect.stringContaining('no file'),
    });
  });

  it('converts there and back, sparse and compressed', async () => {
    await disk(['create', '-f', 'raw', at('a.raw'), '9M']);
    await fill('a.raw');
    const expected = await contentOf('a.raw');
    const targets: [string, string[]][] = [
      ['a.qcow2', []],
      ['b.qcow2', ['-c']],
      ['c.qcow2', ['-c', '--cluster-size', '4K', '--refcount-bits', '4']],
      ['d.qcow2', ['--extended-l2', '--compress']],
      ['e.qcow2', ['--compat', '2', '-c']],
      ['f.raw', ['-f', 'raw']],
    ];
    for (const [name, options] of targets) {
      expect(await disk(['convert', at('a.raw'), at(name), ...options])).toBe(0);
      expect(Buffer.compare(await contentOf(name), expected), name).toBe(0);
      expect(await disk(['check', at(name)]), name).toBe(0);
      if (!hasQemu) continue;
      if (!name.endsWith('.raw')) qemuImg('check', name);
      qemuImg('compare', 'a.raw', name);
    }
    const size = async (name: string): Promise<number> => (await stat(at(name))).blocks * 512;
    expect(await size('a.qcow2')).toBeLessThan(3 * MiB);
    expect(await size('b.qcow2')).toBeLessThan(1.5 * MiB);
    expect(await disk(['convert', at('b.qcow2'), at('g.raw'), '-f', 'raw'])).toBe(0);
    expect(Buffer.compare(await readFile(at('g.raw')), expected)).toBe(0);
    expect(await size('g.raw')).toBeLessThan(3 * MiB);
  });

  it('leaves the target as it was when it is stopped', async () => {
    await disk(['create', '-f', 'raw', at('a.raw'), '9M']);
    await writeFile(at('b.qcow2'), 'precious');
    const interruption = new AbortController();
    const onProgress = (): void => interruption.abort();
    await expect(
      convertDisk({ from: at('a.raw'), to: at('b.qcow2'), replace: true, onProgress, signal: interruption.signal }),
    ).rejects.toThrow();
    expect(await readFile(at('b.qcow2'), 'utf8')).toBe('precious');
    expect((await readdir(folder)).sort()).toEqual(['a.raw', 'b.qcow2']);
  });

  it('resizes, and does not cut off without being told', async () => {
    await disk(['create', at('a.qcow2'), '1M']);
    expect(await json('resize', at('a.qcow2'), '+3M')).toMatchObject({ value: { size: 4 * MiB } });
    await expect(disk(['resize', at('a.qcow2'), '1M'])).rejects.toThrow(/lost/);
    await expect(disk(['resize', '--shrink', at('a.qcow2'), '1M'])).rejects.toMatchObject({ kind: 'Config' });
    await disk(['create', '-f', 'raw', at('a.raw'), '4M']);
    expect(await json('resize', at('a.raw'), '1M', '--shrink')).toMatchObject({ value: { size: MiB } });
  });

  it('commits an image to what lies below it', async () => {
    for (const format of ['raw', 'qcow2']) {
      await disk(['create', '-f', format, at(`base.${format}`), '6M']);
      await fill(`base.${format}`);
      await disk(['create', at(`${format}.top`), '8M', '-b', at(`base.${format}`)]);
      const top = await AsyncBlockDevice.open(at(`${format}.top`));
      await top.write(5 * MiB, new Uint8Array(2 * MiB).fill(3));
      await top.writeZeroes(64 << 10, MiB);
      await top.close();
      const expected = await contentOf(`${format}.top`);
      expect(await json('commit', at(`${format}.top`))).toMatchObject({ code: 0, value: { backing: at(`base.${format}`) } });
      expect(Buffer.compare(await contentOf(`${format}.top`), expected)).toBe(0);
      expect(Buffer.compare(await contentOf(`base.${format}`), expected)).toBe(0);
      const { found } = (await json('check', at(`${format}.top`))).value as unknown as { found: object };
      expect(found).toMatchObject({ corruptions: 0, leaks: 0, allocatedClusters: 0 });
    }
  });

  it('tells damage by its exit code, and repairs it', async () => {
    await disk(['create', at('a.qcow2'), '9M', '--cluster-size', '64K']);
    await fill('a.qcow2');
    const bytes = await readFile(at('a.qcow2'));
    // In the refcount block, cluster 2: a cluster in use, and one that is not.
    bytes.writeUInt16BE(2, 131072 + 2 * 6);
    await writeFile(at('a.qcow2'), bytes);
    expect(await json('check', at('a.qcow2'))).toMatchObject({ code: 3, value: { found: { corruptions: 0, leaks: 1 } } });
    bytes.writeUInt16BE(0, 131072 + 2 * 5);
    await writeFile(at('a.qcow2'), bytes);
    expect(await disk(['check', at('a.qcow2')])).toBe(1);
    expect(output).toMatch(/is damaged/);
    expect(await json('check', '--repair=leaks', at('a.qcow2'))).toMatchObject({ code: 1 });
    expect(await json('check', '--repair', at('a.qcow2'))).toMatchObject({ code: 0, value: { left: { corruptions: 0, leaks: 0 } } });
    expect(await json('check', at('a.qcow2'))).toMatchObject({ code: 0 });
    if (hasQemu) qemuImg('check', 'a.qcow2');
  });

  it('does nothing to an image in use', async () => {
    await disk(['create', at('a.qcow2'), '9M']);
    const user = await AsyncBlockDevice.open(at('a.qcow2'));
    for (const args of [
      ['check', at('a.qcow2')],
      ['check', '--repair', at('a.qcow2')],
      ['resize', at('a.qcow2'), '10M'],
      ['convert', at('a.qcow2'), at('b.qcow2')],
    ])
      await expect(disk(args), args.join(' ')).rejects.toMatchObject({ kind: 'Resource', message: expect.stringMatching(/in use/) });
    await user.close();
  });

  it.each([
    [['create', 'x'], /expects a SIZE/],
    [['create', 'x', '10', '--format', 'vmdk'], /raw or qcow2/],
    [['create', 'x', 'y', 'z'], /'z' is too much/],
    [['create', '-f', 'raw', 'x', '10M', '--cluster-size', '4K'], /qcow2 images only/],
    [['info'], /expects a FILE/],
    [['resize', 'x'], /expects a SIZE/],
    [['resize', 'x', 'huge'], /huge/],
    [['check', '--repair=some', 'x'], /leaks/],
    [['nothing'], /no command 'disk nothing'/],
    [[], /expects a command/],
  ])('explains what is wrong with %j', async (args, message) => {
    const error = await disk(args).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
  });

  it.each(['create', 'info', 'check', 'resize', 'convert', 'commit'])('helps with %s', async (command) => {
    expect(await disk([command, '--help'])).toBe(0);
    expect(output).toMatch(/Usage: hartbox disk/);
  });
});

describe('hartbox disk trust', () => {
  /** Made by somebody else, in a folder of its own: it stands on a file of this computer. */
  async function foreign(): Promise<string> {
    await mkdir(at('images'));
    await writeFile(at('secret'), new Uint8Array(MiB));
    await writeFile(at('images/disk.qcow2'), qcow2Image({ size: MiB, backing: { file: '../secret', format: 'raw' } }));
    return at('images/disk.qcow2');
  }
  const run = async (...args: string[]): Promise<string> => {
    output = '';
    expect(await disk(args)).toBe(0);
    return output;
  };

  it('allows what an image names outside of its folder, shows it, and withdraws it', async () => {
    const image = await foreign();
    expect(await run('info', image)).toMatch(`${at('secret')}, the backing file of ${image}: not allowed (hartbox disk trust ${image})`);
    await expect(disk(['convert', image, at('copy.img')])).rejects.toMatchObject({ code: 'image-backing-outside' });

    expect(await run('trust', image)).toMatch(/^Allowed from now on:\n.*secret/);
    expect(await run('info', image)).toMatch(/secret, the backing file of .*: allowed\n/);
    expect(await run('trust')).toMatch(/secret/);
    expect((await json('info', image)).value).toMatchObject({ references: [{ image, file: at('secret'), permission: 'user' }] });
    expect(await disk(['convert', image, at('copy.img')])).toBe(0);
    expect(await run('trust', image)).toMatch(/nothing that it may not use already/);

    expect(await run('trust', image, '--withdraw')).toMatch(/No longer allowed:\n.*secret/);
    expect(await run('trust')).toMatch(/Nothing is allowed/);
    await expect(disk(['convert', image, at('copy2.img')])).rejects.toMatchObject({ code: 'image-backing-outside' });
  });

  it('goes one image at a time, so that nothing is allowed that was not shown', async () => {
    const below = await foreign();
    await mkdir(at('other'));
    await writeFile(at('other/top.qcow2'), qcow2Image({ size: MiB, backing: { file: '../images/disk.qcow2', format: 'qcow2' } }));
    expect(await run('trust', at('other/top.qcow2'))).toMatch(
      /^Allowed from now on:\n.*images\/disk\.qcow2.*\nNot yet allowed.*\n.*secret/,
    );
    await expect(disk(['convert', at('other/top.qcow2'), at('copy.img')])).rejects.toMatchObject({ params: { path: below } });
    expect(await run('trust', at('other/top.qcow2'))).toMatch(/secret/);
    expect(await disk(['convert', at('other/top.qcow2'), at('copy.img')])).toBe(0);
  });

  it('is not needed for what was made here, and shows names without what would disguise them', async () => {
    await mkdir(at('images'));
    await disk(['create', at('base.qcow2'), '1M']);
    await disk(['create', at('images/top.qcow2'), '--backing', at('base.qcow2')]);
    expect(await disk(['convert', at('images/top.qcow2'), at('copy.img')])).toBe(0);
    await writeFile(at('evil.qcow2'), qcow2Image({ size: MiB, backing: { file: 'a\u001b[2J\u202eb', format: 'raw' } }));
    expect(await run('info', at('evil.qcow2'))).toContain('a\\u001b[2J\\u202eb');
  });
});
