import { describe, expect, it } from 'vitest';
import { edid } from './edid';

const timing = (bytes: Uint8Array) => {
  const [hActive, hBlank, h, vActive, vBlank, v] = bytes.subarray(56);
  const clock = (bytes[54] | (bytes[55] << 8)) * 1e4;
  const [width, across] = [hActive | ((h >> 4) << 8), hBlank | ((h & 15) << 8)];
  const [height, down] = [vActive | ((v >> 4) << 8), vBlank | ((v & 15) << 8)];
  return { width, height, refresh: clock / ((width + across) * (height + down)) };
};

describe('edid', () => {
  it.each([
    [640, 480, 60],
    [1280, 800, 60],
    [1921, 1081, 75],
    [3840, 2160, 60],
    [64, 64, 30],
    [4088, 4088, 120],
  ])('tells of %i×%i at %i Hz', (width, height, refresh) => {
    const bytes = edid({ width, height, refresh, density: 96 }, 1);
    expect(bytes.reduce((sum, byte) => sum + byte, 0) % 256).toBe(0);
    const told = timing(bytes);
    expect(told).toMatchObject({ width, height });
    // What does not fit into the pixel clock is slower.
    if (width * height * refresh < 6e8) expect(Math.abs(told.refresh - refresh)).toBeLessThan(0.5);
    else expect(told.refresh).toBeGreaterThan(30);
    const [widthMm, heightMm] = [bytes[66] | ((bytes[68] >> 4) << 8), bytes[67] | ((bytes[68] & 15) << 8)];
    expect(Math.abs((widthMm / 25.4) * 96 - width)).toBeLessThan(3);
    expect(Math.abs((heightMm / 25.4) * 96 - height)).toBeLessThan(3);
  });

  it('says who it is', () => {
    const bytes = edid({ width: 1280, height: 800, refresh: 60, density: 96 }, 2);
    expect(Buffer.from(bytes.subarray(77, 84)).toString('latin1')).toBe('Hartbox');
    expect([...bytes.subarray(8, 10)]).toEqual([0x20, 0x58]);
    expect(() => edid({ width: 4096, height: 800, refresh: 60, density: 96 }, 2)).toThrow('4096×800');
  });
});
