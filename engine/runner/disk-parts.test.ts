import { link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { diskParts } from './disk-parts';

const MIB = 2 ** 20;
let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'hartbox-parts-'));
});
afterEach(() => rm(data, { recursive: true }));

async function put(name: string, megabytes: number): Promise<void> {
  await mkdir(dirname(join(data, name)), { recursive: true });
  await writeFile(join(data, name), Buffer.alloc(megabytes * MIB, 1));
}
const found = async (): Promise<Record<string, number>> =>
  Object.fromEntries((await diskParts(data)).map(({ part, bytes }) => [part, Math.round(bytes / MIB)]));

it('counts all that the data directory holds beside the boxes, each file once', async () => {
  await put('machines/one/disk.img', 9);
  await put('trash/two-20260101t000000z/disk.img', 2);
  await put('images/debian/disk.qcow2', 3);
  await put('images/cache/packages/gcc.deb', 4);
  await put('cache/kernel.deb', 1);
  await put('default-guest/0123/Image', 5);
  await put('firmware/uboot/u-boot.bin', 6);
  await put('logs/app.log', 1);
  await put('snapshots/1', 2);
  expect(await found()).toEqual({ downloads: 5, systems: 3, trash: 2, guest: 5, firmware: 6, other: 3 });
  // A box stands on the system from now on.
  await mkdir(join(data, 'bases', 'a'), { recursive: true });
  await link(join(data, 'images/debian/disk.qcow2'), join(data, 'bases/a/disk.qcow2'));
  expect(await found()).toEqual({ bases: 3, downloads: 5, trash: 2, guest: 5, firmware: 6, other: 3 });
  expect((await diskParts(data)).map(({ path }) => path)).toContain(join(data, 'images', 'cache'));
});

it('counts what files take, not how long they are, and nothing behind links', async () => {
  await put('images/debian/disk.img', 1);
  await truncate(join(data, 'images/debian/disk.img'), 500 * MIB);
  await symlink(tmpdir(), join(data, 'images', 'elsewhere'), 'junction');
  expect(await found()).toEqual({ systems: 1 });
});

it('finds nothing where nothing is', async () => {
  expect(await diskParts(join(data, 'none'))).toEqual([]);
});
