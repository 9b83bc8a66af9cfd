import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncBlockDevice } from '../async-block-device';
import { HostFile } from '../disk-file';
import { hostLibrary } from '../../../host/host-library';
import { readHeader } from '../open-disk';
import { readBitmaps } from './bitmaps';
import { examine } from './check';
import { qcow2Image } from './create';
import { Qcow2Disk } from './qcow2-disk';
import { repair } from './repair';
import { readSnapshots } from './snapshots';

/** The oracle: QEMU's own tools. */
const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;
const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const qemuImg = (...args: string[]): string => run('qemu-img', ...args);
/** `write -P 5 0 64k` and the like, on an image. */
const qemuIo = (image: string, ...commands: string[]): string => run('qemu-io', ...commands.flatMap((command) => ['-c', command]), image);

const KiB = 1024;
const MiB = KiB * KiB;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-qemu-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (name: string, readonly = false): Promise<AsyncBlockDevice> => AsyncBlockDevice.open(join(folder, name), { readonly });

async function expectBytes(disk: AsyncBlockDevice, offset: number, length: number, value: number): Promise<void> {
  const back = new Uint8Array(length).fill(~value);
  await disk.read(offset, back);
  const wrong = back.findIndex((byte) => byte !== value);
  expect(wrong < 0 ? undefined : `byte ${offset + wrong} is ${back[wrong]}, not ${value}`).toBeUndefined();
}

/** The image shows the same disk to us as to QEMU. */
async function expectSame(name: string): Promise<void> {
  qemuImg('convert', '-O', 'raw', name, 'oracle.raw');
  const expected = await readFile(join(folder, 'oracle.raw'));
  const disk = await open(name, true);
  const content = new Uint8Array(disk.size);
  await disk.read(0, content);
  await disk.close();
  expect(Buffer.compare(content.subarray(0, expected.length), expected)).toBe(0);
}

/** Write here and there, so that clusters of all kinds change. */
async function scribble(name: string): Promise<void> {
  const disk = await open(name);
  await Promise.all(
    [100, 70 * KiB, 200 * KiB - 512, 3 * MiB + 5].map((offset, i) => disk.write(offset, new Uint8Array(9000 + i * 40_000).fill(0xe0 + i))),
  );
  await disk.writeZeroes(MiB, 100 * KiB, { unmap: true });
  await disk.discard(2 * MiB, 256 * KiB);
  await disk.flush();
  await disk.close();
}

const created: [string, string[]][] = [
  ['nothing special', []],
  ['compat 0.10', ['compat=0.10']],
  ['clusters of 512 bytes', ['cluster_size=512']],
  ['clusters of 2 MiB', ['cluster_size=2M']],
  ['preallocated metadata', ['preallocation=metadata']],
  ['preallocation falloc', ['preallocation=falloc']],
  ['preallocation full', ['preallocation=full']],
  ['lazy refcounts', ['lazy_refcounts=on']],
  ['refcounts of 1 bit', ['refcount_bits=1']],
  ['refcounts of 64 bits', ['refcount_bits=64', 'cluster_size=4k']],
  ['zstd', ['compression_type=zstd']],
  ['subclusters', ['extended_l2=on', 'cluster_size=128k']],
  ['subclusters, preallocated', ['extended_l2=on', 'preallocation=metadata']],
  ['an external data file', ['data_file=data.raw']],
  ['an external raw data file', ['data_file=data.raw', 'data_file_raw=on']],
];

describe.skipIf(!hasQemu)('an image that qemu-img made', () => {
  it.each(created)('with %s is read, written and kept sound', async (_, options) => {
    qemuImg('create', '-q', '-f', 'qcow2', ...options.flatMap((option) => ['-o', option]), 'disk.qcow2', '5M');
    qemuIo('disk.qcow2', 'write -P 1 64k 300k', 'write -z 100k 50k', 'write -P 2 2M 64k', 'write -P 3 4M 1M', 'discard 4M 256k');
    await expectSame('disk.qcow2');
    await scribble('disk.qcow2');
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
    qemuIo('disk.qcow2', 'write -P 9 1M 700k', 'read -P 0xe0 100 9000');
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
  });

  it.each(['zlib', 'zstd'])('with clusters compressed by %s is read, and written where it was compressed', async (method) => {
    qemuImg('create', '-q', '-f', 'raw', 'disk.raw', '5M');
    const text = Buffer.from('compress me please '.repeat(200_000)).subarray(0, 3 * MiB);
    await writeFile(join(folder, 'disk.raw'), Buffer.concat([text, Buffer.alloc(2 * MiB)]));
    qemuImg('convert', '-c', '-O', 'qcow2', '-o', `compression_type=${method}`, 'disk.raw', 'disk.qcow2');
    await expectSame('disk.qcow2');
    await scribble('disk.qcow2');
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
    const disk = await open('disk.qcow2');
    await disk.write(0, new Uint8Array(5 * MiB).fill(5));
    await disk.close();
    qemuImg('check', 'disk.qcow2');
    qemuIo('disk.qcow2', 'read -P 5 0 5M');
  });

  it.each([[[]], [['-o', 'extended_l2=on']], [['-o', 'compat=0.10']]])('over others shows what they have (%s)', async (options) => {
    qemuImg('create', '-q', '-f', 'raw', 'base.raw', '3M');
    qemuIo('base.raw', 'write -P 1 0 3M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'middle.qcow2', '4M');
    qemuIo('middle.qcow2', 'write -P 2 1M 1M', 'write -z 100k 64k');
    qemuImg('create', '-q', '-f', 'qcow2', ...options, '-b', 'middle.qcow2', '-F', 'qcow2', 'top.qcow2', '5M');
    qemuIo('top.qcow2', 'write -P 3 1500k 3k');
    await expectSame('top.qcow2');
    const before = await readFile(join(folder, 'middle.qcow2'));
    await scribble('top.qcow2');
    qemuImg('check', 'top.qcow2');
    await expectSame('top.qcow2');
    expect(Buffer.compare(await readFile(join(folder, 'middle.qcow2')), before)).toBe(0);
  });

  it('with snapshots keeps them', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', 'disk.qcow2', '5M');
    qemuIo('disk.qcow2', 'write -P 1 0 5M');
    qemuImg('snapshot', '-c', 'first', 'disk.qcow2');
    qemuIo('disk.qcow2', 'write -P 2 1M 1M');
    qemuImg('snapshot', '-c', 'second one', 'disk.qcow2');
    const file = await HostFile.open(join(folder, 'disk.qcow2'), { readonly: true });
    const { snapshots } = await readSnapshots(file, await readHeader(file));
    await file.close();
    expect(snapshots).toMatchObject([
      { id: '1', name: 'first', vmState: 0, size: 5 * MiB },
      { id: '2', name: 'second one', vmState: 0, size: 5 * MiB },
    ]);
    await scribble('disk.qcow2');
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
    qemuImg('snapshot', '-a', 'first', 'disk.qcow2');
    qemuIo('disk.qcow2', 'read -P 1 0 5M');
    qemuImg('snapshot', '-a', 'second one', 'disk.qcow2');
    qemuIo('disk.qcow2', 'read -P 1 0 1M', 'read -P 2 1M 1M', 'read -P 1 2M 3M');
    qemuImg('check', 'disk.qcow2');
  });

  it('with bitmaps keeps those that are off, and marks those that should have recorded its writes', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', 'disk.qcow2', '5M');
    qemuImg('bitmap', '--add', 'disk.qcow2', 'on');
    qemuImg('bitmap', '--add', '--disable', 'disk.qcow2', 'off');
    const flags = async (): Promise<unknown> => {
      const file = await HostFile.open(join(folder, 'disk.qcow2'), { readonly: true });
      const bitmaps = await readBitmaps(file, await readHeader(file));
      await file.close();
      return Object.fromEntries(bitmaps.map(({ name, inUse, auto }) => [name, { inUse, auto }]));
    };
    expect(await flags()).toEqual({ on: { inUse: false, auto: true }, off: { inUse: false, auto: false } });
    // To open it and to read changes nothing.
    await (await open('disk.qcow2')).close();
    expect(await flags()).toMatchObject({ on: { inUse: false } });
    await scribble('disk.qcow2');
    expect(await flags()).toEqual({ on: { inUse: true, auto: true }, off: { inUse: false, auto: false } });
    const info = JSON.parse(qemuImg('info', '--output=json', 'disk.qcow2'));
    expect(info['format-specific'].data.bitmaps).toMatchObject([{ flags: ['in-use', 'auto'] }, { flags: [] }]);
    qemuImg('check', 'disk.qcow2');
  });

  it('grows, and shows nothing of what lies below or behind', async () => {
    qemuImg('create', '-q', '-f', 'raw', 'base.raw', '4M');
    qemuIo('base.raw', 'write -P 1 0 4M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', '-o', 'cluster_size=4k', 'disk.qcow2', '1M');
    const disk = await open('disk.qcow2');
    const sizes: number[] = [];
    disk.onResize((size) => sizes.push(size));
    await expect(disk.resize(512)).rejects.toMatchObject({ kind: 'Config' });
    await disk.resize(100 * MiB);
    expect(sizes).toEqual([100 * MiB]);
    await expectBytes(disk, 0, MiB, 1);
    await expectBytes(disk, MiB, 5 * MiB, 0);
    await disk.write(99 * MiB, new Uint8Array(MiB).fill(7));
    await disk.close();
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
    expect(JSON.parse(qemuImg('info', '--output=json', 'disk.qcow2'))['virtual-size']).toBe(100 * MiB);
  });

  it.skipIf(process.platform === 'win32')(
    'that was not closed has its refcounts repaired (on Windows qemu-io cannot kill itself)',
    async () => {
      qemuImg('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', 'disk.qcow2', '5M');
      spawnSync('qemu-io', ['-c', 'write -P 4 0 1M', '-c', 'flush', '-c', 'sigraise 9', 'disk.qcow2'], { cwd: folder });
      expect(JSON.parse(qemuImg('info', '--output=json', 'disk.qcow2'))['dirty-flag']).toBe(true);
      await scribble('disk.qcow2');
      qemuImg('check', 'disk.qcow2');
      expect(JSON.parse(qemuImg('info', '--output=json', 'disk.qcow2'))['dirty-flag']).toBe(false);
      await expectSame('disk.qcow2');
    },
  );

  it('gives space back that the guest discards', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', 'disk.qcow2', '20M');
    const disk = await open('disk.qcow2');
    await disk.write(0, new Uint8Array(20 * MiB).fill(1));
    await disk.flush();
    const before = (await stat(join(folder, 'disk.qcow2'))).blocks * 512;
    await disk.discard(MiB, 15 * MiB);
    await disk.flush();
    await disk.close();
    expect(before - (await stat(join(folder, 'disk.qcow2'))).blocks * 512).toBeGreaterThan(14 * MiB);
    qemuImg('check', 'disk.qcow2');
  });

  it('is checked and repaired like qemu-img does', async () => {
    await writeFile(join(folder, 'disk.qcow2'), qcow2Image({ size: 5 * MiB, clusterSize: 4096 }));
    await scribble('disk.qcow2');
    const path = join(folder, 'disk.qcow2');
    const file = await HostFile.open(path);
    const header = await readHeader(file);
    const before = await examine(file, header);
    expect(before.result).toMatchObject({ corruptions: 0, leaks: 0 });
    // Somewhere in the refcounts, and a flag.
    const table = new Uint8Array(8);
    await file.readv(header.refcountTableOffset, [table]);
    const block = new DataView(table.buffer).getUint32(4);
    await file.writev(block + 2 * 6, [Uint8Array.of(0, 0, 0, 5)]);
    await file.writev(block + 2 * 9, [Uint8Array.of(0, 2)]);
    const { result } = await examine(file, header);
    const theirs = JSON.parse(spawnSync('qemu-img', ['check', '--output=json', path], { encoding: 'utf8' }).stdout);
    expect(theirs).toMatchObject({ leaks: result.leaks });
    expect(result.corruptions).toBeGreaterThan(0);
    const { after } = await repair(file, header);
    expect(after).toMatchObject({ corruptions: 0, leaks: 0 });
    await file.close();
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
  });

  it('has its refcounts made anew where their table is lost', async () => {
    await writeFile(join(folder, 'disk.qcow2'), qcow2Image({ size: 50 * MiB, clusterSize: 512 }));
    await scribble('disk.qcow2');
    const file = await HostFile.open(join(folder, 'disk.qcow2'));
    const header = await readHeader(file);
    await file.writev(header.refcountTableOffset, [new Uint8Array(64).fill(0x77)]);
    const { before, after } = await repair(file, header);
    expect(before.corruptions).toBeGreaterThan(0);
    expect(after).toMatchObject({ corruptions: 0, leaks: 0 });
    await file.close();
    qemuImg('check', 'disk.qcow2');
    await expectSame('disk.qcow2');
  });

  it('is refused where Hartbox cannot do it justice', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', 'disk.qcow2', '5M');
    const good = await readFile(join(folder, 'disk.qcow2'));
    const refused = async (change: (view: DataView) => void, message: RegExp): Promise<void> => {
      const bytes = Buffer.from(good);
      change(new DataView(bytes.buffer, bytes.byteOffset));
      await writeFile(join(folder, 'disk.qcow2'), bytes);
      await expect(open('disk.qcow2')).rejects.toMatchObject({ kind: 'Image', message: expect.stringMatching(message) });
    };
    await refused((view) => view.setUint32(76, 1 << 20), /does not know: bit 20/);
    await refused((view) => view.setUint32(72, 1), /does not know: bit 32/);
    await refused((view) => view.setUint32(32, 1), /encrypted/);
    await refused((view) => view.setUint32(4, 1), /version 1/);
    await refused((view) => view.setUint32(76, 2), /marked as damaged/);
    await refused((view) => view.setUint32(40, 1), /L1 table/);
    qemuImg('create', '-q', '-f', 'qcow2', 'base.qcow2', '5M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'top.qcow2', '5M');
    qemuImg('rebase', '-q', '-u', '-b', 'top.qcow2', '-F', 'qcow2', 'base.qcow2');
    await expect(open('top.qcow2')).rejects.toMatchObject({ kind: 'Image', message: expect.stringMatching(/its own backing file/) });
    qemuImg('rebase', '-q', '-u', '-b', 'nbd://localhost', '-F', 'raw', 'base.qcow2');
    await expect(open('base.qcow2')).rejects.toMatchObject({ kind: 'Image', message: expect.stringMatching(/no plain file/) });
  });

  it('clears features that only those who maintain them may leave set, and keeps unknown compatible ones', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', 'disk.qcow2', '5M');
    const bytes = await readFile(join(folder, 'disk.qcow2'));
    bytes[80] = 0x10;
    bytes[88] = 0x10;
    bytes[95] = 0x80;
    await writeFile(join(folder, 'disk.qcow2'), bytes);
    await scribble('disk.qcow2');
    const after = await readFile(join(folder, 'disk.qcow2'));
    expect([after[80], after[88], after[95]]).toEqual([0x10, 0, 0]);
  });

  it.runIf(process.platform === 'linux')(
    'is not written to while QEMU writes it, nor QEMU’s backing file (elsewhere QEMU shows no locks)',
    async () => {
      qemuImg('create', '-q', '-f', 'qcow2', 'disk.qcow2', '5M');
      qemuImg('create', '-q', '-f', 'qcow2', '-b', 'disk.qcow2', '-F', 'qcow2', 'top.qcow2', '5M');
      const qemu = spawn('qemu-io', ['disk.qcow2'], { cwd: folder });
      await once(qemu.stdout, 'data');
      await expect(open('disk.qcow2')).rejects.toMatchObject({ kind: 'Resource', message: expect.stringMatching(/QEMU/) });
      await expect(open('top.qcow2')).rejects.toMatchObject({ kind: 'Resource', message: expect.stringMatching(/QEMU/) });
      qemu.stdin.end('quit\n');
      await once(qemu, 'exit');
      const top = await open('top.qcow2');
      if (hostLibrary()) {
        for (const name of ['top.qcow2', 'disk.qcow2']) expect(() => qemuIo(name, 'write 0 512'), name).toThrow(/lock/);
      }
      await top.close();
      qemuIo('top.qcow2', 'write 0 512');
    },
  );
});

describe('a qcow2 disk', () => {
  it('keeps writers away from its backing file', async () => {
    await writeFile(join(folder, 'base.raw'), new Uint8Array(MiB));
    await writeFile(join(folder, 'top.qcow2'), qcow2Image({ size: MiB, backing: { file: 'base.raw', format: 'raw' } }));
    const top = await open('top.qcow2');
    const other = await open('base.raw', true);
    await expect(open('base.raw')).rejects.toMatchObject({ kind: 'Resource', message: expect.stringMatching(/backing file/) });
    await top.close();
    await other.close();
    const base = await open('base.raw');
    await expect(open('top.qcow2')).rejects.toMatchObject({ kind: 'Resource', message: expect.stringMatching(/writes to it/) });
    await base.close();
  });

  it('moves data between file and buffers without a copy', async () => {
    await writeFile(join(folder, 'disk.qcow2'), qcow2Image({ size: 8 * MiB }));
    const disk = await open('disk.qcow2');
    expect(disk).toBeInstanceOf(Qcow2Disk);
    // The tables are in memory then.
    await disk.write(0, new Uint8Array(512));
    const guest = new SharedArrayBuffer(4 * MiB);
    const pages = Array.from({ length: 16 }, (_, i) => new Uint8Array(guest, i * 256 * KiB, 64 * KiB).fill(i + 1));
    const passed = { guest: 0, other: 0 };
    const file = (disk as Qcow2Disk)['file'];
    for (const method of ['readv', 'writev'] as const) {
      const real = file[method].bind(file) as (offset: number, buffers: Uint8Array[]) => Promise<never>;
      file[method] = (offset: number, buffers: Uint8Array[]) => {
        for (const buffer of buffers) passed[buffer.buffer === guest ? 'guest' : 'other'] += buffer.length;
        return real(offset, buffers);
      };
    }
    await disk.writev(MiB, pages);
    await disk.writev(MiB, pages);
    await disk.readv(MiB, pages);
    expect(passed).toEqual({ guest: 3 * MiB, other: 0 });
    await disk.close();
  });
});
