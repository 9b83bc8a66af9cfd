import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { readImageFile, unpack } from './image-file';

const directory = mkdtempSync(join(tmpdir(), 'hartbox-image-'));
afterAll(() => rmSync(directory, { recursive: true }));

const LIMIT = 1 << 20;
const contents = Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) >>> 7);
const file = (bytes: Uint8Array) => ({ what: 'kernel', path: 'Image', bytes });

describe('readImageFile', () => {
  const path = join(directory, 'kernel');

  it('reads a file', async () => {
    writeFileSync(path, contents);
    const read = await readImageFile('kernel', path, LIMIT);
    expect(Buffer.compare(read.bytes, contents)).toBe(0);
  });

  it.each([
    ['missing', join(directory, 'none'), LIMIT, /The kernel .*none does not exist/],
    ['a folder', directory, LIMIT, /The kernel .* is a folder; give the path of a file/],
    ['too large', path, 99_999, /larger than the box's memory/],
  ])('refuses one that is %s', async (_, where, limit, message) => {
    await expect(readImageFile('kernel', where, limit)).rejects.toThrow(message);
  });

  it('refuses an empty one', async () => {
    const empty = join(directory, 'empty');
    writeFileSync(empty, '');
    await expect(readImageFile('initrd', empty, LIMIT)).rejects.toThrow(/The initrd .* is empty/);
  });
});

describe('unpack', () => {
  const zstd = spawnSync('zstd', ['-q', '-c'], { input: contents });
  const formats: [string, Uint8Array][] = [['gzip', gzipSync(contents)]];
  if (zstd.status === 0) formats.push(['zstd', zstd.stdout]);

  function zboot(payload: Uint8Array, compression: string): Uint8Array {
    const bytes = new Uint8Array(64 + payload.length);
    const view = new DataView(bytes.buffer);
    bytes.set(Buffer.from('MZ\0\0zimg'));
    view.setUint32(8, 64, true);
    view.setUint32(12, payload.length, true);
    bytes.set(Buffer.from(compression), 24);
    bytes.set(payload, 64);
    return bytes;
  }

  it('leaves a file alone that is not packed', async () => {
    expect((await unpack(file(contents), LIMIT)).bytes).toBe(contents);
  });

  describe.each(formats)('%s', (format, packed) => {
    it('gives the contents, also from an EFI zboot image', async () => {
      for (const bytes of [packed, zboot(packed, format)]) {
        expect(Buffer.compare((await unpack(file(bytes), LIMIT)).bytes, contents)).toBe(0);
      }
    });

    it('refuses truncated data, and more than fits', async () => {
      for (const length of [10, packed.length >> 1, packed.length - 1]) {
        await expect(unpack(file(packed.slice(0, length)), LIMIT)).rejects.toThrow(/truncated|corrupt/);
      }
      await expect(unpack(file(packed), 50_000)).rejects.toThrow(/larger than the box's memory/);
    });

    it('ends with an Image error or some bytes, whatever the damage', async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
          const bytes = packed.slice();
          bytes[at] ^= flip;
          await unpack(file(bytes), LIMIT).catch((error: unknown) => {
            expect(error).toBeInstanceOf(VmError);
          });
        }),
        { numRuns: 60 },
      );
    });
  });

  it('refuses a zboot image that is cut, or packed in another way', async () => {
    await expect(unpack(file(zboot(contents, 'lzma')), LIMIT)).rejects.toThrow(/compressed with lzma/);
    await expect(unpack(file(zboot(gzipSync(contents), 'gzip').slice(0, 500)), LIMIT)).rejects.toThrow(/truncated/);
  });
});
