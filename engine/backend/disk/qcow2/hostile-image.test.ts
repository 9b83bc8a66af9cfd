import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { VmError } from '../../../errors/vm-error';
import { AsyncBlockDevice } from '../async-block-device';
import { HostFile } from '../disk-file';
import { readHeader } from '../open-disk';
import { examine } from './check';
import { qcow2Image } from './create';
import { Refcounts } from './refcounts';
import { repair } from './repair';

/** Damaged images for each shape; HARTBOX_FUZZ_RUNS for the long mode. */
const RUNS = Number(process.env['HARTBOX_FUZZ_RUNS'] ?? 60);
const KiB = 1024;
const SIZE = 300 * KiB;

let folder: string;
let path: string;
const good: Uint8Array[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-hostile-'));
  path = join(folder, 'disk.qcow2');
  for (const options of [{ clusterSize: 512 }, { clusterSize: 4096, version: 2 as const }, { clusterSize: 16384, extendedL2: true }]) {
    await writeFile(path, qcow2Image({ size: SIZE, ...options }));
    const disk = await AsyncBlockDevice.open(path);
    for (let offset = 0; offset < SIZE; offset += 20 * KiB) await disk.write(offset, new Uint8Array(9 * KiB).fill(offset / KiB));
    await disk.writeZeroes(50 * KiB, 40 * KiB);
    await disk.close();
    good.push(await readFile(path));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Numbers that matter to tables: borders, other tables, flags, far away. */
const value = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 512, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x40000000, 0xc0000001),
  fc.nat(64).map((cluster) => cluster * 512),
  fc.nat(40).map((cluster) => cluster * 4096),
  fc.nat(0xffffffff),
);
/** Mostly in the tables, which come first. */
const place = fc.oneof(fc.nat(27), fc.nat(2048), fc.nat(32 * KiB)).map((word) => word * 4);
const damage = fc.array(fc.record({ place, value }), { minLength: 1, maxLength: 6 });

async function expectOnlyVmErrors(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof VmError) || error.kind === 'Internal') throw error;
    expect(error.message.length).toBeGreaterThan(40);
  }
}

describe('an image that somebody damaged on purpose', () => {
  it('never hangs, crashes or takes memory; it is refused, or gives I/O errors', async () => {
    const before = process.memoryUsage().rss;
    await fc.assert(
      fc.asyncProperty(fc.nat(2), damage, fc.nat(), async (shape, changes, cutAt) => {
        const bytes = Buffer.from(good[shape]);
        for (const change of changes) if (change.place + 4 <= bytes.length) bytes.writeUInt32BE(change.value, change.place);
        await writeFile(path, cutAt % 5 === 0 ? bytes.subarray(0, cutAt % bytes.length) : bytes);
        await expectOnlyVmErrors(async () => {
          const disk = await AsyncBlockDevice.open(path, { format: 'qcow2' });
          try {
            const chunk = new Uint8Array(16 * KiB);
            const size = Math.min(disk.size, SIZE);
            for (let offset = 0; offset < size; offset += chunk.length) {
              const part = chunk.subarray(0, Math.min(chunk.length, size - offset));
              await expectOnlyVmErrors(() => disk.read(offset, part));
              if (offset % (48 * KiB) === 0) await expectOnlyVmErrors(() => disk.write(offset, part));
            }
            if (size > 0) await expectOnlyVmErrors(() => disk.writeZeroes(0, size, { unmap: true }));
            await expectOnlyVmErrors(() => disk.flush());
          } finally {
            await expectOnlyVmErrors(() => disk.close());
          }
        });
        await expectOnlyVmErrors(async () => {
          const file = await HostFile.open(path);
          try {
            const header = await readHeader(file);
            const found = await examine(file, header);
            const { after } = await repair(file, header);
            if (found.beyondRepair === 0) expect(after.corruptions).toBe(0);
          } finally {
            await file.close();
          }
        });
      }),
      { numRuns: RUNS },
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(400 << 20);
  }, 600_000);

  it('is stopped from being written once it is found out, and says how to repair it', async () => {
    const bytes = Buffer.from(good[1]);
    const l1 = Number(bytes.readBigUInt64BE(40));
    const l2 = Number(bytes.readBigUInt64BE(l1) & 0xfffffffffffe00n);
    // The disk's first cluster would be where the L1 table is.
    bytes.writeBigUInt64BE(BigInt(l1) | (1n << 63n), l2);
    await writeFile(path, bytes);
    const disk = await AsyncBlockDevice.open(path);
    await expect(disk.write(0, new Uint8Array(512))).rejects.toMatchObject({
      code: 'IoError',
      message: expect.stringMatching(/damaged.*hartbox disk check/),
    });
    await expect(disk.write(100 * KiB, new Uint8Array(512))).rejects.toMatchObject({ code: 'IoError' });
    await disk.close();
    expect(Buffer.compare((await readFile(path)).subarray(l1, l1 + 4096), bytes.subarray(l1, l1 + 4096))).toBe(0);
  });

  it('is closed in no time where the guest was led to write far behind its end, and is as long as it was', async () => {
    const bytes = Buffer.from(good[0]);
    const l2 = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(40))) & 0xfffffffffffe00n);
    // So far that looking at cluster after cluster takes a while, and every file system has files of that size.
    bytes.writeBigUInt64BE((1n << 30n) | (1n << 63n), l2);
    await writeFile(path, bytes);
    const looks = vi.spyOn(Refcounts.prototype, 'get');
    const disk = await AsyncBlockDevice.open(path);
    await disk.write(0, new Uint8Array(512).fill(1));
    expect((await stat(path)).size).toBe(2 ** 30 + 512);
    await disk.close();
    expect(looks.mock.calls.length).toBeLessThan(1000);
    looks.mockRestore();
    expect((await stat(path)).size).toBe(bytes.length);
  });

  it('takes memory for what it refers to, not for what lies between', async () => {
    const tables = 8000;
    const bytes = Buffer.from(qcow2Image({ size: tables * 32 * KiB, clusterSize: 512 }));
    const l1 = Number(bytes.readBigUInt64BE(40));
    for (let i = 0; i < tables; i++) bytes.writeBigUInt64BE((1n << 32n) + BigInt(i) * (32n << 20n), l1 + 8 * i);
    // Its refcounts are to be made anew before it is used.
    bytes.writeUInt32BE(1, 76);
    await writeFile(path, bytes);
    await truncate(path, (300 << 10) * 2 ** 20);
    const file = await HostFile.open(path);
    try {
      const before = process.memoryUsage().arrayBuffers;
      const { references, result } = await examine(file, await readHeader(file));
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 << 20);
      expect([...references.entries()].length).toBe(Math.ceil((l1 + 8 * tables) / 512) + tables);
      expect(result.corruptions).toBeGreaterThan(tables);
    } finally {
      await file.close();
    }
  });

  it('is refused where it has tables for bitmaps without end', async () => {
    const bytes = Buffer.alloc(64 * KiB);
    bytes.set(qcow2Image({ size: SIZE, clusterSize: 512 }));
    const directory = 32 * KiB;
    const count = 1000;
    // A header extension, and bitmaps that share a table of 512 MiB.
    const at = bytes.readUInt32BE(100);
    for (const [i, value] of [0x23852875, 24, count, 0, 0, count * 32, 0, directory, 0].entries()) bytes.writeUInt32BE(value, at + 4 * i);
    bytes.writeUInt32BE(1, 92);
    for (let i = 0; i < count; i++) {
      bytes.writeBigUInt64BE(64n << 10n, directory + 32 * i);
      bytes.writeUInt32BE(1 << 26, directory + 32 * i + 8);
      bytes.writeUInt16BE(1, directory + 32 * i + 18);
    }
    await writeFile(path, bytes);
    await truncate(path, 1 << 30);
    const file = await HostFile.open(path);
    try {
      await expect(examine(file, await readHeader(file))).rejects.toMatchObject({
        kind: 'Image',
        message: expect.stringContaining('1000 bitmaps'),
      });
    } finally {
      await file.close();
    }
  });
});
