import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Recordings } from './recordings';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-recordings-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('writes what the page makes, piece by piece, to the files that were named', async () => {
  const recordings = new Recordings();
  const paths = [join(folder, 'a.webm'), join(folder, 'b.webm')];
  const [a, b] = [await recordings.begin(paths[0]), await recordings.begin(paths[1])];
  await Promise.all([
    recordings.write(a, Buffer.from('one ')),
    recordings.write(b, Buffer.from('three')),
    recordings.write(a, Buffer.from('two')),
  ]);
  expect(await recordings.end(a)).toBe(paths[0]);
  await recordings.endAll();
  expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(['one two', 'three']);
  for (const id of [a, b, 99]) await expect(recordings.write(id, Buffer.from('x'))).rejects.toThrow(/no recording/);
  await expect(recordings.begin(join(folder, 'none', 'c.webm'))).rejects.toMatchObject({ kind: 'Resource', code: 'ENOENT' });
});
