import { existsSync } from 'node:fs';
import { type FileHandle, chmod, mkdtemp, open, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncBlockDevice } from './async-block-device';
import { atOnce } from './disk-file';
import { RamDisk } from './ram';
import type { RawDisk } from './raw';

let folder: string;
let path: string;
const SIZE = 3 << 20;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-disk-'));
  path = join(folder, 'disk.img');
  await writeFile(path, new Uint8Array(SIZE));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe.each<[string, () => Promise<AsyncBlockDevice>]>([
  ['a raw disk', () => AsyncBlockDevice.open(path)],
  ['a RAM disk', async () => new RamDisk(SIZE)],
])('%s', (_, create) => {
  it('holds what was written, like an array would', async () => {
    const disk = await create();
    const model = new Uint8Array(SIZE);
    const sector = fc.nat(SIZE / 512 - 1);
    const steps = fc.record({
      kind: fc.constantFrom('write', 'write', 'zero', 'read'),
      sector,
      sectors: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 4500 })),
      pieces: fc.integer({ min: 1, max: 5 }),
      seed: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 8 }), async (list) => {
        for (const { kind, sector: at, sectors, pieces, seed } of list) {
          const offset = at * 512;
          const length = Math.min(sectors * 512, SIZE - offset);
          const buffer = new Uint8Array(new SharedArrayBuffer(length));
          const cut = Math.ceil(length / pieces);
          const views = Array.from({ length: pieces }, (__, i) => buffer.subarray(i * cut, (i + 1) * cut)).filter(
            (view) => view.length > 0,
          );
          if (kind === 'write') {
            for (let i = 0; i < length; i++) buffer[i] = (i * 31 + seed) & 0xff;
            model.set(buffer, offset);
            await disk.writev(offset, views);
          } else if (kind === 'zero') {
            model.fill(0, offset, offset + length);
            await disk.writeZeroes(offset, length);
          } else {
            await disk.readv(offset, views);
            expect(Buffer.compare(buffer, model.subarray(offset, offset + length))).toBe(0);
          }
        }
        await disk.flush();
      }),
      { numRuns: 30 },
    );
    const all = new Uint8Array(SIZE);
    await disk.readv(0, [all]);
    expect(Buffer.compare(all, model)).toBe(0);
    await disk.close();
  });

  it('reads into more buffers than the host takes at once', async () => {
    const disk = await create();
    const data = Uint8Array.from({ length: 2048 * 512 }, (__, i) => (i / 512) & 0xff);
    const split = (bytes: Uint8Array): Uint8Array[] => Array.from({ length: 2048 }, (__, i) => bytes.subarray(i * 512, (i + 1) * 512));
    await disk.writev(512, split(data));
    const back = new Uint8Array(data.length);
    await disk.readv(512, split(back));
    expect(Buffer.compare(back, data)).toBe(0);
    await disk.close();
  });
});

describe('a RAM disk', () => {
  it('refuses sizes that are no whole sectors', () => {
    for (const size of [0, 100, -512, 512.5, NaN]) expect(() => new RamDisk(size)).toThrow('512-byte sectors');
  });
});

describe('opening a raw disk', () => {
  it('says that a file is missing', async () => {
    await expect(AsyncBlockDevice.open(join(folder, 'none.img'))).rejects.toMatchObject({
      kind: 'Image',
      message: expect.stringContaining('does not exist'),
    });
  });

  it.each([0, 511, 1000])('refuses a file of %i bytes', async (size) => {
    await truncate(path, size);
    await expect(AsyncBlockDevice.open(path)).rejects.toMatchObject({ kind: 'Image', message: expect.stringContaining(`${size} bytes`) });
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it('refuses folders', async () => {
    await expect(AsyncBlockDevice.open(folder)).rejects.toMatchObject({ kind: 'Image' });
    await expect(AsyncBlockDevice.open(folder, { readonly: true })).rejects.toMatchObject({ kind: 'Image' });
  });

  it.skipIf(process.getuid?.() === 0)('says that a file may not be written', async () => {
    await chmod(path, 0o400);
    await expect(AsyncBlockDevice.open(path)).rejects.toMatchObject({ kind: 'Resource', message: expect.stringContaining('readonly') });
  });

  it('does not change what it opened readonly', async () => {
    const disk = await AsyncBlockDevice.open(path, { readonly: true });
    await expect(disk.writev(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: 'IoError' });
    await disk.flush();
    await disk.close();
  });

  it('detects the format, and does not take what it does not know for raw', async () => {
    await writeFile(path, Buffer.concat([Buffer.from('KDMV'), Buffer.alloc(1020)]));
    await expect(AsyncBlockDevice.open(path)).rejects.toMatchObject({ kind: 'Image', message: expect.stringContaining('VMDK') });
    const disk = await AsyncBlockDevice.open(path, { format: 'raw' });
    expect(disk).toMatchObject({ format: 'raw', size: 1024 });
    await disk.close();
  });

  it('does not let a guest turn a disk whose format was guessed into qcow2', async () => {
    const start = new Uint8Array(512);
    start.set([0x51, 0x46, 0x49, 0xfb]);
    const guessed = await AsyncBlockDevice.open(path);
    await expect(guessed.write(0, start)).rejects.toMatchObject({ code: 'IoError', message: expect.stringContaining('format=raw') });
    await guessed.write(0, start.subarray(0, 3));
    await expect(guessed.writev(3, [start.subarray(3, 4), start.subarray(4)])).rejects.toMatchObject({ code: 'IoError' });
    await guessed.write(1, start.subarray(0, 511));
    await guessed.close();
    const raw = await AsyncBlockDevice.open(path, { format: 'raw' });
    await raw.write(0, start);
    await raw.close();
  });

  it('reads and writes any bytes inside the disk, and none outside', async () => {
    const disk = await AsyncBlockDevice.open(path);
    await disk.write(SIZE - 3, Uint8Array.of(1, 2, 3));
    const back = new Uint8Array(4);
    await disk.read(SIZE - 4, back);
    expect([...back]).toEqual([0, 1, 2, 3]);
    for (const offset of [-1, SIZE - 3, SIZE, 0.5, NaN, 2 ** 60]) {
      await expect(disk.read(offset, back)).rejects.toMatchObject({ code: 'InvalidParameter' });
      await expect(disk.write(offset, back)).rejects.toMatchObject({ code: 'InvalidParameter' });
    }
    await disk.close();
  });

  it('grows and shrinks, and tells it', async () => {
    const disk = await AsyncBlockDevice.open(path);
    const sizes: number[] = [];
    const end = disk.onResize((size) => sizes.push(size));
    await disk.resize(SIZE + 4096);
    await disk.resize(512);
    end();
    await disk.resize(1024);
    expect(sizes).toEqual([SIZE + 4096, 512]);
    await expect(disk.resize(100)).rejects.toMatchObject({ kind: 'Config' });
    await disk.close();
  });

  it('gives space back to the host, where that can punch holes', async () => {
    const disk = await AsyncBlockDevice.open(path);
    if (disk.discards) {
      await disk.write(0, new Uint8Array(SIZE).fill(7));
      await disk.flush();
      const before = (await stat(path)).blocks;
      await disk.discard(100, 1 << 20);
      await disk.writeZeroes(2 << 20, 1 << 20, { unmap: true });
      expect(before - (await stat(path)).blocks).toBeGreaterThanOrEqual((2 << 20) / 512 - 16);
      const back = new Uint8Array(SIZE);
      await disk.read(0, back);
      const kept = back.subarray((1 << 20) + 100, 2 << 20);
      expect(Buffer.compare(kept, new Uint8Array(kept.length).fill(7))).toBe(0);
      expect(back.subarray(2 << 20).every((byte) => byte === 0)).toBe(true);
    }
    await disk.close();
  });

  it('reports a file that shrinks while in use', async () => {
    const disk = await AsyncBlockDevice.open(path);
    await truncate(path, 512);
    await expect(disk.readv(1024, [new Uint8Array(512)])).rejects.toMatchObject({
      code: 'IoError',
      message: expect.stringContaining('truncated'),
    });
    await disk.close();
  });

  it.skipIf(!existsSync('/dev/full'))('says that the host has no space left', async () => {
    const disk = await AsyncBlockDevice.open(path);

    const full = await open('/dev/full', 'r+');
    const file = (disk as RawDisk)['file'] as unknown as { handle: FileHandle };
    const { handle } = file;
    file.handle = full;
    await expect(disk.writev(0, [new Uint8Array(512)])).rejects.toMatchObject({
      code: 'IoError',
      message: expect.stringContaining('disk is full'),
    });
    await full.close();
    file.handle = handle;
    await disk.close();
  });
});

type Readv = (fd: number, buffers: Uint8Array[], at: number, done: (error: NodeJS.ErrnoException | null, read: number) => void) => void;
type Writev = (fd: number, buffers: Uint8Array[], at: number, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;

describe('a transfer', () => {
  it('has no more buffers and bytes at a time than hosts take', () => {
    const of = (...lengths: number[]): Uint8Array[] => lengths.map((length) => new Uint8Array(length));
    const lengths = (buffers: Uint8Array[]): number[] => buffers.map(({ length }) => length);
    expect(atOnce(of(3, 4))).toHaveLength(2);
    expect(lengths(atOnce(of(3, 4, 2, 1), 9))).toEqual([3, 4, 2]);
    expect(lengths(atOnce(of(3, 4, 3), 9))).toEqual([3, 4]);
    expect(lengths(atOnce(of(10, 1), 9))).toEqual([9]);
    expect(atOnce(Array.from({ length: 1500 }, () => new Uint8Array(1)))).toHaveLength(1024);
  });

  it('goes on after an interruption, and where the host stopped', async () => {
    const disk = await AsyncBlockDevice.open(path);
    const data = Uint8Array.from({ length: 4096 }, (_, i) => i % 251);
    await disk.write(512, data);
    const { host } = (disk as RawDisk)['file'] as unknown as { host: { readv: Readv } };
    const { readv } = host;
    let calls = 0;
    host.readv = (fd, buffers, at, done) => {
      if (calls++ % 2 === 0) setImmediate(done, Object.assign(new Error('interrupted'), { code: 'EINTR' }), 0);
      else readv(fd, [buffers[0].subarray(0, 1500)], at, done);
    };
    const back = new Uint8Array(data.length);
    await disk.read(512, back);
    expect(Buffer.compare(back, data)).toBe(0);
    expect(calls).toBe(6);
    await disk.close();
  });

  it('says that a file system takes no file that long', async () => {
    const disk = await AsyncBlockDevice.open(path, { onFull: async () => true });
    const { host } = (disk as RawDisk)['file'] as unknown as { host: { writev: Writev } };
    host.writev = (_, __, ___, done) => setImmediate(done, Object.assign(new Error('too large'), { code: 'EFBIG' }), 0);
    await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'IoError', message: expect.stringContaining('4 GiB') });
    await disk.close();
  });
});

describe('a write for which the host has no space', () => {
  it('is tried again as often as it is told to be, and goes on where it stopped', async () => {
    let asked = 0;
    const disk = await AsyncBlockDevice.open(path, {
      onFull: async (error) => {
        expect(error.message).toMatch(/disk is full/);
        return ++asked < 3;
      },
    });
    const { host } = (disk as RawDisk)['file'] as unknown as { host: { writev: Writev } };
    const write = host.writev;
    let calls = 0;
    host.writev = (fd, buffers, at, done) => {
      // The first bytes find room.
      if (calls++ === 0) write(fd, [buffers[0].subarray(0, 700)], at, done);
      else if (calls < 4) setImmediate(done, Object.assign(new Error('no space'), { code: 'ENOSPC' }), 0);
      else write(fd, buffers, at, done);
    };
    const data = Uint8Array.from({ length: 4096 }, (_, i) => i % 251);
    await disk.write(1024, data);
    expect(asked).toBe(2);
    expect(Buffer.compare((await readFile(path)).subarray(1024, 1024 + 4096), data)).toBe(0);
    calls = 1;
    await expect(disk.write(0, data)).rejects.toMatchObject({ code: 'IoError', message: expect.stringMatching(/disk is full/) });
    await disk.close();
  });
});

describe('the lock of a disk', () => {
  it('admits one writer, and any number of readers', async () => {
    const writer = await AsyncBlockDevice.open(path);
    await expect(AsyncBlockDevice.open(path)).rejects.toMatchObject({ kind: 'Resource', message: expect.stringContaining('in use') });
    const readers = await Promise.all([1, 2, 3].map(() => AsyncBlockDevice.open(path, { readonly: true })));
    await Promise.all(readers.map((reader) => reader.close()));
    await writer.close();
    await (await AsyncBlockDevice.open(path)).close();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it.skipIf(process.platform === 'win32')('sees through symbolic links (Windows asks for rights to make one)', async () => {
    const other = join(folder, 'other.img');
    await symlink(path, other);
    const writer = await AsyncBlockDevice.open(path);
    await expect(AsyncBlockDevice.open(other)).rejects.toMatchObject({ kind: 'Resource' });
    await writer.close();
  });
});
