import { constants, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DescriptorShare } from '../../host/guest-descriptors';
import type { OpenFile } from './open-file';
import { SharedFolder } from './shared-folder';

const few = vi.hoisted(() => ({ most: 40, share: undefined as DescriptorShare | undefined }));
vi.mock('../../host/guest-descriptors', async (original) => {
  const real = await original<typeof import('../../host/guest-descriptors')>();
  few.share = new real.DescriptorShare(few.most);
  return { ...real, guestDescriptors: few.share };
});

const open = (): number => readdirSync('/proc/self/fd').length;
const tooMany = expect.objectContaining({ code: 'ENFILE' });

/** How many are free: all are taken, and given back. */
function free(): number {
  let count = 0;
  while (few.share?.take()) count++;
  for (let i = 0; i < count; i++) few.share?.give();
  return count;
}

describe.skipIf(process.platform !== 'linux')('a guest that opens what it can', () => {
  let path: string;
  let folder: SharedFolder;

  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'hartbox-share-'));
    for (let i = 0; i < 60; i++) {
      mkdirSync(join(path, `folder${i}`, 'below'), { recursive: true });
      writeFileSync(join(path, `file${i}`), '');
    }
    folder = await SharedFolder.open({ path });
  });
  afterEach(async () => {
    await folder.close();
    expect(free()).toBe(few.most);
    rmSync(path, { recursive: true });
  });

  it('leaves descriptors to others, and goes on when it has closed some', async () => {
    const before = open();
    const files: OpenFile[] = [];
    const openOne = async (name: string): Promise<void> => {
      const { node } = await folder.lookup(folder.root, name);
      files.push(await folder.openFile(node, constants.O_RDONLY));
    };
    await expect(
      (async () => {
        for (let i = 0; i < 60; i++) await openOne(`file${i}`);
      })(),
    ).rejects.toEqual(tooMany);
    // The last one goes from folder to folder.
    for (let i = 0; i < 60; i++) await folder.lookup((await folder.lookup(folder.root, `folder${i}`)).node, 'below');
    await expect(folder.create(folder.root, 'new', constants.O_WRONLY, 0o600, { uid: 0, gid: 0 })).rejects.toEqual(tooMany);
    await expect(folder.list(folder.root, folder.listing())).rejects.toEqual(tooMany);
    expect(open() - before).toBe(few.most - 1);
    expect(free()).toBe(0);
    for (const file of files) await file.close();
    await folder.list(folder.root, folder.listing());
    await openOne('file59');
    await files[files.length - 1].close();
  });

  it('may know more folders than it may have open', async () => {
    for (let times = 0; times < 2; times++)
      for (let i = 0; i < 60; i++) {
        const { node } = await folder.lookup(folder.root, `folder${i}`);
        expect((await folder.lookup(node, 'below')).status.isDirectory()).toBe(true);
      }
  });
});
