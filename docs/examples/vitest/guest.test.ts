import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VmError } from 'hartbox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Guest } from './guest.ts';

let guest: Guest;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-example-'));
  await writeFile(join(folder, 'question'), 'who are you?');
  // Folders are shared by Linux hosts only, so far.
  const shares = process.platform === 'linux' ? [{ folder, mount: '/mnt/test' }] : [];
  guest = await Guest.boot({ memory: 256 << 20, shares });
});

afterAll(async () => {
  await guest?.stop();
  await rm(folder, { recursive: true, force: true });
});

test('says on its console what it is', async () => {
  expect(await guest.run('uname -m')).toEqual({ output: 'riscv64\n', status: 0 });
});

test('tells how a command ended', async () => {
  expect((await guest.run('cat /no/such/file')).status).toBe(1);
});

test.runIf(process.platform === 'linux')('takes files in and gives files out', async () => {
  await guest.run('tr a-z A-Z < /mnt/test/question > /mnt/test/answer; sync');
  expect(await readFile(join(folder, 'answer'), 'utf8')).toBe('WHO ARE YOU?');
});

test('refuses what cannot be, and says why', async () => {
  await expect(Guest.boot({ memory: 1 })).rejects.toBeInstanceOf(VmError);
});
