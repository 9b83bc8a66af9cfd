import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncBlockDevice } from '../async-block-device';
import type { Disk } from '../disk';
import { type Qcow2CreateOptions, qcow2Image } from './create';

/** The oracle: QEMU's own tool. */
const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;
const qemuImg = (...args: string[]): string => execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-qcow2-'));
  path = join(folder, 'disk.qcow2');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What an operation does to a disk and to an array that stands for it. */
interface Step {
  kind: 'write' | 'zero' | 'unmap' | 'discard' | 'read' | 'flush' | 'reopen';
  offset: number;
  length: number;
  seed: number;
}

/** Sizes from single bytes over sectors to several clusters, often at the borders of clusters. */
function stepsOn(size: number, clusterSize: number): fc.Arbitrary<Step[]> {
  const offset = fc.oneof(
    fc.nat(size - 1),
    fc.nat(Math.floor((size - 1) / 512)).map((sector) => sector * 512),
    fc.nat(Math.floor((size - 1) / clusterSize)).map((cluster) => cluster * clusterSize),
  );
  const length = fc.oneof(
    fc.integer({ min: 1, max: 3 * clusterSize }),
    fc.integer({ min: 1, max: 64 }).map((sectors) => sectors * 512),
    fc.integer({ min: 1, max: 4 }).map((clusters) => clusters * clusterSize),
  );
  const kind = fc.constantFrom<Step['kind'][]>('write', 'write', 'write', 'zero', 'unmap', 'discard', 'read', 'flush', 'reopen');
  return fc.array(fc.record({ kind, offset, length, seed: fc.nat(255) }), { minLength: 1, maxLength: 25 });
}

function fill(buffer: Uint8Array, seed: number): Uint8Array {
  for (let i = 0; i < buffer.length; i++) buffer[i] = (i * 7 + seed) | 1;
  return buffer;
}

/** Run steps on a disk and on an array; steps that do not overlap run at the same time. Returns the disk, open. */
async function runSteps(reopen: () => Promise<Disk>, model: Uint8Array, steps: Step[]): Promise<Disk> {
  let disk = await reopen();
  let pending: { from: number; to: number; done: Promise<void> }[] = [];
  const wait = async (): Promise<void> => {
    await Promise.all(pending.map(({ done }) => done));
    pending = [];
  };
  for (const { kind, offset, length: wanted, seed } of steps) {
    const length = Math.min(wanted, model.length - offset);
    const from = offset;
    const to = offset + length;
    if (kind === 'reopen' || kind === 'flush' || pending.some((other) => other.from < to && from < other.to)) await wait();
    if (kind === 'reopen') {
      await disk.close();
      disk = await reopen();
    } else if (kind === 'flush') {
      await disk.flush();
    } else if (kind === 'write') {
      const data = fill(new Uint8Array(length), seed);
      model.set(data, offset);
      const cut = seed % (length + 1);
      pending.push({
        from,
        to,
        done: disk.writev(
          offset,
          [data.subarray(0, cut), data.subarray(cut)].filter((part) => part.length > 0),
        ),
      });
    } else if (kind === 'read') {
      const expected = model.slice(from, to);
      const back = new Uint8Array(length);
      const done = disk.readv(offset, [back]).then(() => expect(Buffer.compare(back, expected)).toBe(0));
      pending.push({ from, to, done });
    } else if (kind === 'discard') {
      // Afterwards it reads as before or as zeroes: see which.
      const before = model.slice(from, to);
      const done = disk.discard(offset, length).then(async () => {
        const back = new Uint8Array(length);
        await disk.readv(offset, [back]);
        for (let i = 0; i < length; i++) if (back[i] !== 0 && back[i] !== before[i]) throw new Error(`byte ${offset + i} is ${back[i]}`);
        model.set(back, offset);
      });
      pending.push({ from, to, done });
    } else {
      model.fill(0, from, to);
      pending.push({ from, to, done: disk.writeZeroes(offset, length, { unmap: kind === 'unmap' }) });
    }
  }
  await wait();
  return disk;
}

async function contentOf(disk: Disk): Promise<Uint8Array> {
  const content = new Uint8Array(disk.size);
  await disk.readv(0, [content]);
  return content;
}

const SIZE = 700 * 512;
/** Sequences for each kind of image; HARTBOX_QCOW2_RUNS for the long mode. */
const RUNS = Number(process.env['HARTBOX_QCOW2_RUNS'] ?? 4);
const variants: [string, Partial<Qcow2CreateOptions>][] = [
  ['version 2', { version: 2, clusterSize: 4096 }],
  ['version 3', { clusterSize: 4096 }],
  ['the smallest clusters', { clusterSize: 512 }],
  ['usual clusters', { clusterSize: 65536 }],
  ['clusters larger than the disk', { clusterSize: 2 << 20 }],
  ['subclusters', { clusterSize: 16384, extendedL2: true }],
  ...[1, 2, 4, 8, 32, 64].map((refcountBits): [string, Partial<Qcow2CreateOptions>] => [
    `refcounts of ${refcountBits} bits`,
    { refcountBits, clusterSize: 512 },
  ]),
];

describe.each(variants)('a qcow2 disk with %s', (_, options) => {
  it('holds what was written, like an array would, and qemu-img finds nothing wrong', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOn(SIZE, Math.min(options.clusterSize ?? 65536, 65536)), async (steps) => {
        await writeFile(path, qcow2Image({ size: SIZE, ...options }));
        const model = new Uint8Array(SIZE);
        const disk = await runSteps(() => AsyncBlockDevice.open(path), model, steps);
        expect(Buffer.compare(await contentOf(disk), model)).toBe(0);
        await disk.close();
        if (!hasQemu) return;
        qemuImg('check', path);
        await writeFile(join(folder, 'model.raw'), model);
        qemuImg('compare', '-f', 'raw', '-F', 'qcow2', join(folder, 'model.raw'), path);
      }),
      { numRuns: RUNS },
    );
  });
});
