import { describe, expect, it } from 'vitest';
import { OWN_FORMAT, type PixelFormat, PixelWriter } from './pixel-format';

/** R, G, B from the lowest byte on. */
const PIXELS = Uint32Array.of(0xff030201, 0xfff0e0d0);
const noVnc: PixelFormat = { ...OWN_FORMAT, redShift: 0, blueShift: 16 };

describe('PixelWriter', () => {
  it.each<[string, PixelFormat, number[]]>([
    ['our own format', OWN_FORMAT, [3, 2, 1, 255, 0xf0, 0xe0, 0xd0, 255]],
    ['that of noVNC, which takes the fourth byte for how opaque a pixel is', noVnc, [1, 2, 3, 255, 0xd0, 0xe0, 0xf0, 255]],
    ['one that is big-endian', { ...OWN_FORMAT, isBigEndian: true }, [255, 1, 2, 3, 255, 0xd0, 0xe0, 0xf0]],
    ['16 bits', { ...OWN_FORMAT, bytes: 2, redMax: 31, greenMax: 63, blueMax: 31, redShift: 11, greenShift: 5 }, [0, 0, 0xfd, 0xce]],
  ])('writes %s, wherever it is put', (_, format, bytes) => {
    for (const at of [0, 4, 7]) {
      const target = new Uint8Array(20);
      const writer = new PixelWriter(format);
      expect(writer.writeAll(PIXELS, target, at)).toBe(at + bytes.length);
      expect([...target.subarray(at, at + bytes.length)]).toEqual(bytes);
      expect(target[at + bytes.length]).toBe(0);
      target.fill(0);
      expect(writer.write(PIXELS[1], target, writer.write(PIXELS[0], target, at))).toBe(at + bytes.length);
      expect([...target.subarray(at, at + bytes.length)]).toEqual(bytes);
    }
  });
});
