import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FlashFile } from './flash-file';

const SIZE = 1 << 20;
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-flash-'));
  path = join(folder, 'vm', 'vars.fd');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('begins with its template, zeros behind, in a file that takes little room', async () => {
  const file = await FlashFile.open(path, { size: SIZE, template: Uint8Array.of(1, 2, 3) });
  expect([...file.contents]).toEqual([1, 2, 3]);
  await file.close();
  expect(statSync(path).size).toBe(SIZE);
  expect(statSync(path).blocks * 512).toBeLessThan(SIZE / 2);
  expect(readdirSync(join(folder, 'vm'))).toEqual(['vars.fd']);
});

it('is erased without a template', async () => {
  const file = await FlashFile.open(path, { size: SIZE });
  expect(file.contents.length).toBe(SIZE);
  expect(file.contents.every((byte) => byte === 0xff)).toBe(true);
  await file.close();
});

it('has changes in the file at once, also for a process that never closes it', async () => {
  const file = await FlashFile.open(path, { size: SIZE });
  file.write(100, Uint8Array.of(7, 8));
  expect([...readFileSync(path).subarray(99, 103)]).toEqual([0xff, 7, 8, 0xff]);
  await file.close();
  const again = await FlashFile.open(path, { size: SIZE, template: Uint8Array.of(1) });
  expect([...again.contents.subarray(99, 103)]).toEqual([0xff, 7, 8, 0xff]);
  await again.close();
});

it('belongs to one machine at a time', async () => {
  const file = await FlashFile.open(path, { size: SIZE });
  await expect(FlashFile.open(path, { size: SIZE })).rejects.toThrow(/in use/);
  await file.close();
  await (await FlashFile.open(path, { size: SIZE })).close();
});

it('refuses a file of another size, and leaves it as it is', async () => {
  const other = join(folder, 'other');
  writeFileSync(other, 'not flash');
  await expect(FlashFile.open(other, { size: SIZE })).rejects.toMatchObject({
    kind: 'Image',
    message: expect.stringMatching(/9 bytes.*1048576/),
  });
  expect(readFileSync(other, 'utf8')).toBe('not flash');
  expect(readdirSync(folder)).toEqual(['other']);
});
