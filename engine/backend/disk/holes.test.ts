import { fstatSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeLinux, fakeMac, fakeWindows } from '../../../test/support/fake-host-library';
import { type OpenHoles, hostHoles, holesOf } from '../../host/host-holes';
import type { Disk } from './disk';
import { lengthen } from '../../host/sparse-file';
import { HostFile } from './disk-file';
import { readHeader } from './open-disk';
import { qcow2Image } from './qcow2/create';
import { Qcow2Disk } from './qcow2/qcow2-disk';
import { RawDisk } from './raw';

const SIZE = 96 << 10;
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-holes-'));
  path = join(folder, 'disk.img');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Refuses every other hole. */
const moody = (): (() => boolean) => {
  let calls = 0;
  return () => calls++ % 2 === 1;
};
const hosts: [string, () => OpenHoles][] = [
  ['this host', hostHoles],
  ['Linux where holes fail now and then', () => holesOf('linux', fakeLinux({ refuses: moody() }))],
  ['macOS', () => holesOf('darwin', fakeMac())],
  ['macOS with large blocks', () => holesOf('darwin', fakeMac({ block: 16_384 }))],
  ['macOS where holes fail now and then', () => holesOf('darwin', fakeMac({ refuses: moody() }))],
  ['macOS on a file system without holes', () => holesOf('darwin', fakeMac({ refuses: () => true }))],
  ['Windows', () => holesOf('win32', fakeWindows())],
  ['Windows where holes fail now and then', () => holesOf('win32', fakeWindows({ refuses: moody() }))],
  ['Windows on a file system without sparse files', () => holesOf('win32', fakeWindows({ hasSparseFiles: false }))],
  ['a host without koffi', () => holesOf('win32', undefined)],
];
const formats: [string, (openHoles: OpenHoles) => Promise<Disk>][] = [
  [
    'raw disk',
    async (openHoles) => {
      await writeFile(path, new Uint8Array(SIZE));
      return new RawDisk(await HostFile.open(path, { openHoles }));
    },
  ],
  ...[512, 4096, 65_536].map((clusterSize): [string, (openHoles: OpenHoles) => Promise<Disk>] => [
    `qcow2 disk with clusters of ${clusterSize} bytes`,
    async (openHoles) => {
      await writeFile(path, qcow2Image({ size: SIZE, clusterSize }));
      const file = await HostFile.open(path, { openHoles });
      return Qcow2Disk.open({ file, header: await readHeader(file) });
    },
  ]),
];

const offset = fc.oneof(
  fc.nat(SIZE - 1),
  fc.nat(SIZE / 512 - 1).map((sector) => sector * 512),
  fc.nat(SIZE / 4096 - 1).map((block) => block * 4096),
);
const step = fc.record({
  kind: fc.constantFrom('write', 'write', 'zero', 'unmap', 'unmap', 'discard', 'flush'),
  offset,
  length: fc.oneof(
    fc.integer({ min: 1, max: SIZE }),
    offset.map((bytes) => bytes + 1),
    fc.constant(32_768),
  ),
});

describe.each(hosts)('on %s', (_, host) => {
  it.each(formats)('what was zeroed of a %s reads as zeroes, and nothing else changes', async (__, make) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
        const disk = await make(host());
        const model = new Uint8Array(SIZE).fill(255);
        await disk.write(0, model);
        const content = new Uint8Array(SIZE);
        for (const [i, { kind, offset: from, length: wanted }] of steps.entries()) {
          const length = Math.min(wanted, SIZE - from);
          if (kind === 'flush') await disk.flush();
          else if (kind === 'write') {
            await disk.write(from, new Uint8Array(length).fill(i + 1));
            model.fill(i + 1, from, from + length);
          } else if (kind === 'discard') {
            await disk.discard(from, length);
            await disk.read(0, content);
            // Each byte as it was, or zero.
            for (let at = from; at < from + length; at++) if (content[at] === 0) model[at] = 0;
          } else {
            await disk.writeZeroes(from, length, { unmap: kind === 'unmap' });
            model.fill(0, from, from + length);
          }
          await disk.read(0, content);
          expect(Buffer.compare(content, model)).toBe(0);
        }
        await disk.close();
      }),
      { numRuns: 15 },
    );
  });
});

it('a disk claims to give space back only where the host can', async () => {
  const claims = async (openHoles: OpenHoles): Promise<boolean> => {
    const disk = await formats[0][1](openHoles);
    await disk.close();
    return disk.discards;
  };
  expect(await claims(holesOf('win32', fakeWindows()))).toBe(true);
  expect(await claims(holesOf('win32', fakeWindows({ hasSparseFiles: false })))).toBe(false);
  expect(await claims(holesOf('linux', fakeLinux({ refuses: () => true })))).toBe(false);
  expect(await claims(holesOf('darwin', undefined))).toBe(false);
});

it('what can be a hole of a range to be zeroed is not written', async () => {
  const library = fakeMac();
  const disk = await formats[0][1](holesOf('darwin', library));
  const file = disk['file' as never] as HostFile;
  const writev = vi.spyOn(file, 'writev');
  await disk.writeZeroes(4000, 10_000, { unmap: true });
  expect(library.holes).toEqual([{ offset: 4096, length: 8192 }]);
  expect(writev.mock.calls.map(([at, buffers]) => [at, buffers.reduce((sum, { length }) => sum + length, 0)])).toEqual([
    [4000, 96],
    [12_288, 1712],
  ]);
  await disk.close();
});

it('a file waits with closing until its holes are made', async () => {
  await writeFile(path, new Uint8Array(SIZE));
  const done: string[] = [];
  const openHoles: OpenHoles = async () => ({
    async punch(start, length) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      done.push('hole');
      return { start, end: start + length };
    },
    close: () => void done.push('closed'),
  });
  const file = await HostFile.open(path, { openHoles });
  const punching = file.punch(0, 4096);
  await file.close();
  expect(done).toEqual(['hole', 'closed']);
  await punching;
});

it('a hole never makes a file longer, and what lies behind its end counts as zeroes', async () => {
  await writeFile(path, new Uint8Array(5000).fill(1));
  const library = fakeMac();
  const file = await HostFile.open(path, { openHoles: holesOf('darwin', library) });
  expect(await file.punch(4096, 8192)).toEqual({ start: 4096, end: 4096 });
  expect(await file.punch(0, 8192)).toEqual({ start: 0, end: 4096 });
  expect(await file.punch(8192, 4096)).toEqual({ start: 8192, end: 12_288 });
  expect(library.holes).toEqual([{ offset: 0, length: 4096 }]);
  await file.close();
  expect((await stat(path)).size).toBe(5000);
});

it('a new raw image is made ready for holes before it gets its length', async () => {
  await writeFile(path, '');
  const done: string[] = [];
  await lengthen(path, 1 << 20, async (name, fd) => {
    done.push(`${name === path} at ${fstatSync(fd).size}`);
    return { punch: () => Promise.reject(new Error('nothing to punch')), close: () => void done.push('closed') };
  });
  expect(done).toEqual(['true at 0', 'closed']);
  expect((await stat(path)).size).toBe(1 << 20);
});
