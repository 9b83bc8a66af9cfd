import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOLE_UNIT, copySparse, dataSeeker, lengthen, nonZeroRuns, writeFully } from './sparse-file';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-sparse-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('copySparse', () => {
  it('copies what is there, and no holes', async () => {
    const [from, to] = [join(folder, 'a'), join(folder, 'b')];
    const pieces = fc.array(fc.record({ at: fc.nat(5 << 20), length: fc.integer({ min: 1, max: 200_000 }) }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.nat(5 << 20), pieces, async (size, written) => {
        await rm(to, { force: true });
        await writeFile(from, '');
        await lengthen(from, size);
        const file = await open(from, 'r+');
        for (const { at, length } of written) await writeFully(file, Buffer.alloc(length, 7), at);
        const whole = (await file.stat()).size;
        let last = -1;
        for await (const { offset, data } of nonZeroRuns(file, { size: whole })) {
          expect(offset % HOLE_UNIT).toBe(0);
          expect(offset).toBeGreaterThan(last);
          expect(offset + data.length <= whole).toBe(true);
          last = offset;
        }
        await file.close();
        await copySparse(from, to);
        expect((await readFile(to)).equals(await readFile(from))).toBe(true);
        const most = written.reduce((sum, { length }) => sum + length + 2 * HOLE_UNIT, 0) + 4096;
        expect((await stat(to)).blocks * 512).toBeLessThanOrEqual(most);
      }),
      { numRuns: 25 },
    );
  });

  it('never overwrites, and can be ended', async () => {
    await writeFile(join(folder, 'a'), 'x');
    await writeFile(join(folder, 'b'), 'y');
    await expect(copySparse(join(folder, 'a'), join(folder, 'b'))).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(join(folder, 'b'), 'utf8')).toBe('y');
  });
});

describe('dataSeeker', () => {
  it('takes all for data where nobody knows holes, and believes a host that does', () => {
    for (const nobody of [
      dataSeeker(0, 100, 'linux', undefined),
      dataSeeker(0, 100, 'win32'),
      dataSeeker(0, 100, 'linux', { func: () => () => -1 }),
    ])
      expect([0, 50, 99].map(nobody)).toEqual([0, 50, 99]);
    // Data from 10 to 20, and from 60 to the end.
    const lseek = (_: unknown, offset: unknown, whence: unknown): number => {
      const at = Number(offset);
      if (whence === 3) return at < 10 ? 10 : at < 20 ? at : at < 60 ? 60 : at;
      return at < 10 ? at : at < 20 ? 20 : at < 60 ? at : 100;
    };
    const next = dataSeeker(0, 100, 'linux', { func: () => lseek });
    expect([0, 9, 10, 15, 20, 59, 60, 99].map(next)).toEqual([10, 10, 10, 15, 60, 60, 60, 99]);
  });
});
