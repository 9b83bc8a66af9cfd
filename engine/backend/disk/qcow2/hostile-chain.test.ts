import { execFileSync, spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { VmError } from '../../../errors/vm-error';
import { AsyncBlockDevice } from '../async-block-device';
import { HostFile } from '../disk-file';
import { checkDisk, commitDisk, createDisk, diskInfo } from '../disk-images';
import { imageChain } from '../image-chain';
import { qcow2Image } from './create';
import { EXTERNAL_DATA } from './header';
import { Qcow2Disk } from './qcow2-disk';

/** Damaged images in all; HARTBOX_FUZZ_RUNS for the long mode. */
const RUNS = Number(process.env['HARTBOX_FUZZ_RUNS'] ?? 200);
const KiB = 1024;
const SIZE = 256 * KiB;
const CLUSTER = 4 * KiB;

let folder: string;
const at = (name: string): string => join(folder, name);

/** What stands where in an image: offsets of the structures that a mutation aims at. */
interface Shape {
  name: string;
  bytes: Buffer;
  /** Offsets of 64-bit words: the header, and the tables as they are linked. */
  words: number[];
}
const shapes: Shape[] = [];

/** The tables of an image, found as a reader finds them. */
function wordsOf(bytes: Buffer): number[] {
  const clusterBits = bytes.readUInt32BE(20);
  const clusterSize = 2 ** clusterBits;
  const words = Array.from({ length: 14 }, (_, i) => i * 8);
  const offsetAt = (word: number): number => Number(bytes.readBigUInt64BE(word) & 0xfffffffffffe00n);
  const table = (offset: number, entries: number): number[] => {
    const found = Array.from({ length: entries }, (_, i) => offset + i * 8).filter((word) => word + 8 <= bytes.length);
    words.push(...found);
    return found;
  };
  const l2 = (l1: number[]): void => {
    for (const word of l1) if (offsetAt(word) > 0) table(offsetAt(word), Math.min(64, clusterSize / 8));
  };
  l2(table(Number(bytes.readBigUInt64BE(40)), bytes.readUInt32BE(36)));
  for (const block of table(Number(bytes.readBigUInt64BE(48)), 2)) if (offsetAt(block) > 0) table(offsetAt(block), 16);
  if (bytes.readUInt32BE(60) > 0) {
    const snapshots = Number(bytes.readBigUInt64BE(64));
    table(snapshots, 12);
    l2(table(Number(bytes.readBigUInt64BE(snapshots)), bytes.readUInt32BE(snapshots + 8)));
  }
  // Header extensions and the name of the backing file.
  table(bytes.readUInt32BE(4) === 2 ? 72 : bytes.readUInt32BE(100), 24);
  return words;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-hostile-'));
  vi.stubEnv('HARTBOX_HOME', join(folder, 'data'));
  // What a power cut would lose is tested elsewhere.
  vi.spyOn(HostFile.prototype, 'sync').mockResolvedValue();
  await writeFile(at('base.raw'), Buffer.alloc(SIZE, 'base'));
  const add = async (name: string): Promise<void> => {
    const bytes = await readFile(at(name));
    shapes.push({ name, bytes, words: wordsOf(bytes) });
  };
  const text = Buffer.from('compress me please '.repeat(1000));

  for (const [name, options] of [
    ['compressed.qcow2', {}],
    ['compressed2.qcow2', { version: 2 as const }],
  ] as const) {
    await writeFile(at(name), qcow2Image({ size: SIZE, clusterSize: CLUSTER, ...options }));
    const disk = (await AsyncBlockDevice.open(at(name))) as Qcow2Disk;
    for (let offset = 0; offset < SIZE; offset += 3 * CLUSTER)
      await disk.writeCompressed(offset, new Uint8Array(text.subarray(offset % 7, (offset % 7) + CLUSTER)));
    await disk.flush();
    await disk.close();
    await add(name);
  }

  await writeFile(at('chained.qcow2'), qcow2Image({ size: SIZE, clusterSize: CLUSTER, backing: { file: 'base.raw', format: 'raw' } }));
  const chained = await AsyncBlockDevice.open(at('chained.qcow2'));
  for (let offset = 0; offset < SIZE; offset += 5 * CLUSTER) await chained.write(offset, new Uint8Array(CLUSTER).fill(5));
  await chained.close();
  await add('chained.qcow2');
  await copyFile(at('compressed.qcow2'), at('below.qcow2'));
  await writeFile(at('over.qcow2'), qcow2Image({ size: 2 * SIZE, clusterSize: 512, backing: { file: 'below.qcow2', format: 'qcow2' } }));
  await add('over.qcow2');

  // What only QEMU's tools make: internal snapshots, zstd, subclusters over a base.
  if (spawnSync('qemu-img', ['--version']).status === 0) {
    const run = (tool: string, ...args: string[]): string => execFileSync(tool, args, { cwd: folder, encoding: 'utf8' });
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', 'snapshots.qcow2', `${SIZE}`);
    for (const [i, name] of ['one', 'two'].entries()) {
      run('qemu-io', '-c', `write -P ${i + 1} ${i * 32}k 48k`, 'snapshots.qcow2');
      run('qemu-img', 'snapshot', '-c', name, 'snapshots.qcow2');
    }
    run('qemu-io', '-c', 'write -P 9 16k 64k', 'snapshots.qcow2');
    await add('snapshots.qcow2');
    await writeFile(at('text.raw'), Buffer.concat([text, text]).subarray(0, 32 * KiB));
    run('qemu-img', 'convert', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd,cluster_size=4k', 'text.raw', 'zstd.qcow2');
    await add('zstd.qcow2');
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on,cluster_size=16k', '-b', 'base.raw', '-F', 'raw', 'sub.qcow2');
    run('qemu-io', '-c', 'write -P 3 1k 3k', '-c', 'write -P 4 100k 40k', 'sub.qcow2');
    await add('sub.qcow2');
  }
});
afterAll(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Numbers that matter to tables: none, borders, other clusters, flags, compressed descriptors, far away. */
const value = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    1n << 62n,
    1n << 63n,
    (1n << 63n) | (1n << 62n),
    (1n << 64n) - 1n,
    (1n << 53n) - 512n,
    (1n << 56n) - 512n,
    (1n << 63n) - 512n,
  ),
  fc.nat(96).map((cluster) => BigInt(cluster) * 4096n),
  fc.nat(96).map((cluster) => (BigInt(cluster) * 4096n) | (1n << 63n)),
  fc.tuple(fc.nat(0xfff), fc.nat(400_000)).map(([sectors, offset]) => (1n << 62n) | (BigInt(sectors) << 50n) | BigInt(offset)),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const mutation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('word' as const), place: fc.nat(), value }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('half' as const),
      place: fc.nat(),
      value: fc.oneof(fc.nat(70), fc.nat(0xffffffff)).map(BigInt),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('copy' as const), place: fc.nat(), value: fc.nat().map(BigInt) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('byte' as const), place: fc.nat(), value: fc.nat(255).map(BigInt) }) },
);

function mutated(
  { bytes, words }: Shape,
  changes: readonly { kind: 'word' | 'half' | 'copy' | 'byte'; place: number; value: bigint }[],
): Buffer {
  const now = Buffer.from(bytes);
  for (const { kind, place, value: number } of changes) {
    const word = words[place % words.length];
    if (word + 8 > now.length) continue;
    if (kind === 'word') now.writeBigUInt64BE(number, word);
    else if (kind === 'half') now.writeUInt32BE(Number(number), word + (place % 2) * 4);
    else if (kind === 'copy') now.copy(now, word, words[Number(number) % words.length], words[Number(number) % words.length] + 8);
    else now[place % now.length] = Number(number);
  }
  return now;
}

/** What may come of an image of somebody else: VmError and DeviceError, that say what is wrong. */
async function onlyVmErrors<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof VmError) || error.kind === 'Internal') throw error;
    return undefined;
  }
}

async function useAll(file: string): Promise<void> {
  await onlyVmErrors(() => diskInfo(file));
  await onlyVmErrors(() => imageChain(file));
  await onlyVmErrors(async () => {
    const disk = await AsyncBlockDevice.open(file, { format: 'qcow2' });
    try {
      const size = Math.min(disk.size, SIZE);
      const chunk = new Uint8Array(32 * KiB);
      for (let offset = 0; offset < size; offset += chunk.length) {
        const part = chunk.subarray(0, Math.min(chunk.length, size - offset));
        await onlyVmErrors(() => disk.read(offset, part));
        if (offset % (64 * KiB) === 0)
          await onlyVmErrors(() => disk.write(offset, part.subarray(0, 5 * KiB - (5 * KiB > part.length ? 5 * KiB - part.length : 0))));
      }
      if (disk instanceof Qcow2Disk)
        for (let offset = 0, runs = 0; offset < size && runs < 1000; runs++) {
          const run = await onlyVmErrors(() => disk.extent(offset));
          if (!run) break;
          expect(run.length).toBeGreaterThan(0);
          offset += run.length;
        }
      if (size > 0) await onlyVmErrors(() => disk.writeZeroes(0, Math.floor(size / 1024) * 512, { unmap: true }));
      await onlyVmErrors(() => disk.flush());
    } finally {
      await onlyVmErrors(() => disk.close());
    }
  });
  await onlyVmErrors(() => checkDisk(file));
  await onlyVmErrors(() => checkDisk(file, { repair: 'all' }));
}

describe('an image of somebody else, with compressed clusters, snapshots, or images below it', () => {
  it('ends in nothing but errors that say why, in bounded time and memory', async () => {
    const before = process.memoryUsage().rss;
    const spent = { most: 0, by: '' };
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(mutation, { minLength: 1, maxLength: 5 }), fc.nat(9), async (which, changes, cut) => {
        const shape = shapes[which % shapes.length];
        const bytes = mutated(shape, changes);
        await writeFile(at('disk.qcow2'), cut === 0 ? bytes.subarray(0, which % bytes.length) : bytes);
        const since = performance.now();
        await useAll(at('disk.qcow2'));
        // And below a sound one.
        if (cut > 6) {
          await writeFile(at('top.qcow2'), qcow2Image({ size: SIZE, backing: { file: 'disk.qcow2', format: 'qcow2' } }));
          await onlyVmErrors(async () => {
            const disk = await AsyncBlockDevice.open(at('top.qcow2'));
            await onlyVmErrors(() => disk.read(0, new Uint8Array(SIZE)));
            await onlyVmErrors(() => disk.close());
          });
          await onlyVmErrors(() => commitDisk(at('top.qcow2')));
        }
        const took = performance.now() - since;
        if (took > spent.most)
          Object.assign(spent, {
            most: took,
            by: `${shape.name} ${JSON.stringify(changes, (_, one) => (typeof one === 'bigint' ? `${one}` : one))}`,
          });
      }),
      { numRuns: RUNS },
    );
    // Generous: with two cores and others at work an image takes some milliseconds.
    expect(spent.most, spent.by).toBeLessThan(20_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(500 << 20);
  }, 3_600_000);
});

describe('an image at the limits', () => {
  /** An image of these fields, in a sparse file of that length. */
  async function made(
    fields: { size?: bigint; clusterBits?: number; l1Size?: number; refcountOrder?: number; l1Offset?: bigint; tableOffset?: bigint },
    length = 1 << 20,
  ): Promise<string> {
    const bytes = Buffer.from(qcow2Image({ size: 1 << 20 }));
    if (fields.clusterBits !== undefined) bytes.writeUInt32BE(fields.clusterBits, 20);
    if (fields.size !== undefined) bytes.writeBigUInt64BE(fields.size, 24);
    if (fields.l1Size !== undefined) bytes.writeUInt32BE(fields.l1Size, 36);
    if (fields.l1Offset !== undefined) bytes.writeBigUInt64BE(fields.l1Offset, 40);
    if (fields.tableOffset !== undefined) bytes.writeBigUInt64BE(fields.tableOffset, 48);
    if (fields.refcountOrder !== undefined) bytes.writeUInt32BE(fields.refcountOrder, 96);
    const file = await open(at('limit.qcow2'), 'w');
    await file.write(bytes, 0, bytes.length, 0);
    await file.truncate(Math.max(length, bytes.length));
    await file.close();
    return at('limit.qcow2');
  }

  it.each([
    ['a disk of 8 EiB', { size: (1n << 63n) - 512n }],
    ['a disk of 16 EiB', { size: (1n << 64n) - 512n }],
    ['a disk of 8 EiB with the largest L1 table that the field can hold', { size: (1n << 63n) - 512n, l1Size: 0xffffffff }],
    [
      'a disk of 2 EiB in clusters of 2 MiB, whose L1 table would have 32 MiB',
      { size: 1n << 61n, clusterBits: 21, l1Size: 1 << 22, l1Offset: 1n << 22n, tableOffset: 1n << 21n },
    ],
    ['an L1 table of 32 GiB', { l1Size: 0xffffffff }],
    ['clusters of 2^8 bytes', { clusterBits: 8 }],
    ['clusters of 2^22 bytes', { clusterBits: 22 }],
    ['clusters of 2^63 bytes', { clusterBits: 63 }],
    ['clusters of 2^4294967295 bytes', { clusterBits: 0xffffffff }],
    ['refcounts of 2^7 bits', { refcountOrder: 7 }],
    ['refcounts of 2^31 bits', { refcountOrder: 31 }],
    ['refcounts of 2^32 bits', { refcountOrder: 32 }],
    ['refcounts of 2^4294967295 bits', { refcountOrder: 0xffffffff }],
  ])('that claims %s is refused, without memory for what it claims', async (_, fields) => {
    // The longest table that an image may have is in the file, as a hole.
    const file = await made(fields, 64 << 20);
    const before = process.memoryUsage();
    await expect(AsyncBlockDevice.open(file)).rejects.toMatchObject({ kind: 'Image' });
    await onlyVmErrors(() => checkDisk(file));
    await onlyVmErrors(() => diskInfo(file));
    const { rss, arrayBuffers } = process.memoryUsage();
    expect(arrayBuffers - before.arrayBuffers).toBeLessThan(16 << 20);
    expect(rss - before.rss).toBeLessThan(100 << 20);
  });

  it('is refused where its disk is larger than numbers count exactly, though its tables fit', async () => {
    for (const size of [2n ** 53n, 1n << 61n]) {
      const file = await made({ size, clusterBits: 21, l1Size: 1 << 22, l1Offset: 1n << 22n, tableOffset: 1n << 21n }, 64 << 20);
      await expect(AsyncBlockDevice.open(file)).rejects.toMatchObject({ kind: 'Image', code: 'disk-beyond-limit' });
    }
  });

  it('of 8 PiB less one sector works, up to its last sector', async () => {
    const size = 2 ** 53 - 512;
    await createDisk({ file: at('large.qcow2'), size, clusterSize: 2 << 20 });
    const disk = await AsyncBlockDevice.open(at('large.qcow2'));
    expect(disk.size).toBe(size);
    await disk.write(size - 512, new Uint8Array(512).fill(1));
    const back = new Uint8Array(512);
    await disk.read(size - 512, back);
    expect(back[511]).toBe(1);
    await disk.close();
    expect((await checkDisk(at('large.qcow2'))).found.corruptions).toBe(0);
  });

  it('with compressed data that unpacks to more than a cluster gives an I/O error', async () => {
    await copyFile(at('compressed.qcow2'), at('bomb.qcow2'));
    const bytes = await readFile(at('bomb.qcow2'));
    const bomb = deflateRawSync(Buffer.alloc(64 << 20));
    const l1 = Number(bytes.readBigUInt64BE(40));
    const l2 = Number(bytes.readBigUInt64BE(l1) & 0xfffffffffffe00n);
    const end = Math.ceil(bytes.length / 512) * 512;
    // 4 KiB clusters: bits 0 to 57 are the offset, from bit 58 on the number of further sectors (qcow2 specification, "Compressed Clusters").
    bytes.writeBigUInt64BE((1n << 62n) | (15n << 58n) | BigInt(end), l2);
    await writeFile(at('bomb.qcow2'), Buffer.concat([bytes, Buffer.alloc(end - bytes.length), bomb]));
    const disk = await AsyncBlockDevice.open(at('bomb.qcow2'), { readonly: true });
    const before = process.memoryUsage().arrayBuffers;
    await expect(disk.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'IoError' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
    await disk.close();
  });

  it('whose read fails in a part while the table of the next is looked for fails that read, not the process', async () => {
    await writeFile(at('parts.qcow2'), qcow2Image({ size: SIZE, clusterSize: 512 }));
    const maker = (await AsyncBlockDevice.open(at('parts.qcow2'))) as Qcow2Disk;
    await maker.writeCompressed(0, new Uint8Array(512).fill(1));
    await maker.write(32 * KiB, new Uint8Array(512).fill(2));
    await maker.close();
    const bytes = await readFile(at('parts.qcow2'));
    const l2 = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(40))) & 0xfffffffffffe00n);
    bytes.writeBigUInt64BE((1n << 62n) | (1n << 50n), l2);
    await writeFile(at('parts.qcow2'), bytes);
    const disk = await AsyncBlockDevice.open(at('parts.qcow2'), { readonly: true });
    // Vitest fails for what nobody catches.
    await expect(disk.read(0, new Uint8Array(64 * KiB))).rejects.toBeInstanceOf(VmError);
    await disk.close();
  });

  it('with a data file is fuzzed no further than its folder', async () => {
    const bytes = Buffer.from(qcow2Image({ size: SIZE }));
    bytes.writeUInt32BE(EXTERNAL_DATA, 76);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ maxLength: 30 }),
          fc
            .array(fc.constantFrom('..', '.', '/', 'a', 'etc', 'passwd', '\\', ':', 'C:', '\0', '~'), { maxLength: 8 })
            .map((parts) => parts.join('/')),
        ),
        async (name) => {
          const header = bytes.readUInt32BE(100);
          bytes.fill(0, header, header + 1024);
          bytes.writeUInt32BE(0x44415441, header);
          bytes.writeUInt32BE(Buffer.byteLength(name), header + 4);
          bytes.write(name, header + 8);
          await writeFile(at('data.qcow2'), bytes);
          await expect(AsyncBlockDevice.open(at('data.qcow2'))).rejects.toBeInstanceOf(VmError);
        },
      ),
      { numRuns: 300 },
    );
  });
});
