import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireFolder } from './package-files';

let home: string;
let root: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-packages-'));
  root = join(home, 'default-guest');
  await mkdir(root);
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe('a folder that one process makes', () => {
  it('is waited for until it is free', async () => {
    const release = await acquireFolder(root, undefined, () => undefined);
    let waits = 0;
    const next = acquireFolder(root, undefined, () => {
      waits++;
      void release();
    });
    await (await next)();
    expect(waits).toBe(1);
    expect(await readdir(home)).toEqual(['default-guest']);
  });

  it('is the same by any name', async () => {
    const other = join(home, 'link');
    await symlink(root, other, 'junction');
    const release = await acquireFolder(other, undefined, () => undefined);
    await expect(acquireFolder(root, undefined, () => undefined, 0)).rejects.toMatchObject({
      kind: 'Resource',
      message: expect.stringMatching(/held by this process/),
    });
    await release();
  });

  it('is not waited for by one who was told to stop', async () => {
    const release = await acquireFolder(root, undefined, () => undefined);
    const controller = new AbortController();
    const next = acquireFolder(root, controller.signal, () => controller.abort(new Error('stopped')));
    await expect(next).rejects.toThrow('stopped');
    await release();
  });
});
