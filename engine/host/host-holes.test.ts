import { type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeLinux, fakeMac, fakeWindows } from '../../test/support/fake-host-library';
import { type FileHoles, holesOf } from './host-holes';

const MiB = 1 << 20;
let folder: string;
let path: string;
let file: FileHandle;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-holes-'));
  path = join(folder, 'file');
  await writeFile(path, new Uint8Array(MiB).fill(7));
  file = await open(path, 'r+');
});
afterEach(async () => {
  await file.close();
  await rm(folder, { recursive: true, force: true });
});

const holesWith = (platform: NodeJS.Platform, library?: Parameters<typeof holesOf>[1]): Promise<FileHoles | undefined> =>
  holesOf(platform, library)(path, file.fd);

describe('holes on macOS', () => {
  it('are the whole blocks of a range, and no more is promised', async () => {
    const library = fakeMac();
    const holes = await holesWith('darwin', library);
    expect(await holes!.punch(100, 10_000)).toEqual({ start: 4096, end: 8192 });
    expect(await holes!.punch(8192, 8192)).toEqual({ start: 8192, end: 16_384 });
    expect(library.holes).toEqual([
      { offset: 4096, length: 4096 },
      { offset: 8192, length: 8192 },
    ]);
    const { start, end } = await holes!.punch(4097, 8000);
    expect(start).toBe(end);
    expect(library.holes).toHaveLength(2);
  });

  it('are made in pieces, between which other things get their turn', async () => {
    const library = fakeMac();
    const holes = await holesWith('darwin', library);
    const seen = new Set<number>();
    const look = (): void => {
      seen.add(library.holes.length);
      if (library.holes.length < 3) setImmediate(look);
    };
    setImmediate(look);
    expect(await holes!.punch(0, 40 * MiB)).toEqual({ start: 0, end: 40 * MiB });
    expect([...seen]).toEqual(expect.arrayContaining([1, 2]));
    expect(library.holes.map(({ length }) => length / MiB)).toEqual([16, 16, 8]);
  });

  it('end where the file system refuses', async () => {
    let left = 1;
    const holes = await holesWith('darwin', fakeMac({ refuses: () => left-- === 0 }));
    expect(await holes!.punch(0, 40 * MiB)).toEqual({ start: 0, end: 16 * MiB });
    const { start, end } = await (await holesWith('darwin', fakeMac({ refuses: () => true })))!.punch(0, MiB);
    expect(start).toBe(end);
    // Blocks that are larger than the file system said.
    const other = await (await holesWith('darwin', fakeMac({ block: 65_536 })))!.punch(4096, MiB - 4096);
    expect(other.start).toBe(other.end);
  });
});

describe('holes on Windows', () => {
  it('need a sparse file, which is opened once more and closed again', async () => {
    const library = fakeWindows();
    const holes = await holesWith('win32', library);
    expect(library.handles.size).toBe(1);
    expect(await holes!.punch(100, 10_000)).toEqual({ start: 100, end: 10_100 });
    expect(library.holes).toEqual([{ offset: 100, length: 10_000 }]);
    holes!.close();
    expect(library.handles.size).toBe(0);
  });

  it('are not to be had where the file system has no sparse files, or the file is locked', async () => {
    for (const library of [fakeWindows({ hasSparseFiles: false }), fakeWindows({ canOpen: false })]) {
      expect(await holesWith('win32', library)).toBeUndefined();
      expect(library.handles.size).toBe(0);
    }
  });

  it('are not promised where they were refused', async () => {
    const holes = await holesWith('win32', fakeWindows({ refuses: () => true }));
    const { start, end } = await holes!.punch(0, MiB);
    expect(start).toBe(end);
    holes!.close();
  });
});

describe('holes on Linux', () => {
  it('have the edges that were asked for', async () => {
    const library = fakeLinux();
    const holes = await holesWith('linux', library);
    expect(library.holes).toEqual([]);
    expect(await holes!.punch(100, 10_000)).toEqual({ start: 100, end: 10_100 });
  });

  it('are not to be had where the file system says so, and not promised where it refuses later', async () => {
    expect(await holesWith('linux', fakeLinux({ refuses: () => true }))).toBeUndefined();
    let calls = 0;
    const holes = await holesWith('linux', fakeLinux({ refuses: () => calls++ > 0 }));
    const { start, end } = await holes!.punch(0, MiB);
    expect(start).toBe(end);
  });
});

it('has no holes without koffi, nor on other hosts', async () => {
  for (const platform of ['linux', 'darwin', 'win32'] as const) expect(await holesWith(platform)).toBeUndefined();
  expect(await holesWith('freebsd', fakeLinux())).toBeUndefined();
});
