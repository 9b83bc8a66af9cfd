import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readPng } from '../../test/support/png-reader';
import { encodePng } from './png';

describe('encodePng', () => {
  it.each([
    [1, 1],
    [3, 5],
    [640, 2],
  ])('keeps every pixel of %i×%i', async (width, height) => {
    const pixels = Uint32Array.from({ length: width * height }, (_, i) => (0xff000000 | (i * 0x123457)) >>> 0);
    const file = await encodePng(width, height, pixels);
    expect(readPng(file)).toEqual({ width, height, pixels });
  });

  it('says its colours, and ends as it should', async () => {
    const file = Buffer.from(await encodePng(2, 1, Uint32Array.of(0xff0000ff, 0xff00ff00)));
    expect(file.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    expect([...file.subarray(24, 29)]).toEqual([8, 2, 0, 0, 0]);
    expect(file.subarray(-12).toString('hex')).toBe('0000000049454e44ae426082');
    expect([...inflateSync(file.subarray(41, -16))]).toEqual([2, 255, 0, 0, 0, 255, 0]);
  });
});
