import { describe, expect, it } from 'vitest';
import { encodePng } from '../../engine/gpu/png';
import { cleanPng, sizeOfPng } from './clean-png';

describe('a picture of a guest', () => {
  it('says how large it is', async () => {
    const png = await encodePng(300, 2, new Uint32Array(600));
    expect(sizeOfPng(png)).toEqual({ width: 300, height: 2 });
    // Within a larger piece of memory.
    const whole = new Uint8Array(png.length + 5);
    whole.set(png, 5);
    expect(sizeOfPng(whole.subarray(5))).toEqual({ width: 300, height: 2 });
    expect(sizeOfPng(whole)).toBeUndefined();
    expect(sizeOfPng(png.subarray(0, 20))).toBeUndefined();
    expect(sizeOfPng(new Uint8Array(100))).toBeUndefined();
  });

  it('is not taken apart where it is larger than it looks', async () => {
    const png = Uint8Array.from(await encodePng(1, 1, new Uint32Array(1)));
    new DataView(png.buffer).setUint32(16, 30_000);
    new DataView(png.buffer).setUint32(20, 30_000);
    expect(await cleanPng(png)).toBeNull();
  });
});
