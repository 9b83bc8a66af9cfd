import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { partOf, removeParts } from '../../resources/setup/leftover-folders.mjs';

it('removes folders that processes which are gone were putting together, and no others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hartbox-parts-'));
  const dead = spawnSync(process.execPath, ['--version']).pid;
  const kept = ['26.12.0', partOf(join(folder, '24.0.0')).slice(folder.length + 1), '22.0.0.part'];
  for (const name of [...kept, `20.0.0.${dead}.part`]) await mkdir(join(folder, name, 'package'), { recursive: true });
  await removeParts(folder);
  expect((await readdir(folder)).sort()).toEqual(kept.sort());
  await rm(folder, { recursive: true });
});
