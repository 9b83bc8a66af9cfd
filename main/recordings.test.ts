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
  const [a, b] = [await recordings.begin(paths[0], 1), await recordings.begin(paths[1], 1)];
  const pieces = Array.from({ length: 20 }, (_, i) => Buffer.alloc((20 - i) << 14, 'a'.charCodeAt(0) + i));
  const long = await recordings.begin(join(folder, 'long.webm'), 1);
  await Promise.all(pieces.map((piece) => recordings.write(long, piece)));
  expect(readFileSync(await recordings.end(long)).equals(Buffer.concat(pieces))).toBe(true);
  await Promise.all([
    recordings.write(a, Buffer.from('one ')),
    recordings.write(b, Buffer.from('three')),
    recordings.write(a, Buffer.from('two')),
  ]);
  expect(await recordings.end(a)).toBe(paths[0]);
  const other = await recordings.begin(join(folder, 'other.webm'), 2);
  await recordings.endAll(1);
  await recordings.write(other, Buffer.from('goes on'));
  await recordings.endAll(2);
  expect(readFileSync(join(folder, 'other.webm'), 'utf8')).toBe('goes on');
  expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(['one two', 'three']);
  for (const id of [a, b, other, 99]) await expect(recordings.write(id, Buffer.from('x'))).rejects.toThrow(/no recording/);
  await expect(recordings.begin(join(folder, 'none', 'c.webm'), 1)).rejects.toMatchObject({ kind: 'Resource', code: 'ENOENT' });
});
