import { describe, expect, it } from 'vitest';
import { layOut, sizeFor } from './screen-layout';

const picture = { width: 1280, height: 800 };

describe('layOut', () => {
  it('shows pixel by pixel in the middle, on a screen of high resolution too', () => {
    expect(layOut(picture, { width: 1480, height: 1000 }, 1, 'native')).toEqual({ left: 100, top: 100, width: 1280, height: 800, zoom: 1 });
    expect(layOut(picture, { width: 740, height: 500 }, 2, 'native')).toEqual({ left: 50, top: 50, width: 640, height: 400, zoom: 1 });
    // What does not fit in is scrolled.
    expect(layOut(picture, { width: 640, height: 480 }, 1, 'native')).toEqual({ left: 0, top: 0, width: 1280, height: 800, zoom: 1 });
  });

  it('fills the window with one side', () => {
    expect(layOut(picture, { width: 640, height: 480 }, 1, 'fit')).toEqual({ left: 0, top: 40, width: 640, height: 400, zoom: 0.5 });
    expect(layOut(picture, { width: 1600, height: 2000 }, 1, 'fit')).toMatchObject({ width: 1600, height: 1000, zoom: 1.25 });
  });

  it('does not blur a picture that has the size of the window but for rounding', () => {
    expect(layOut(picture, { width: 1281.4, height: 801 }, 1, 'fit')).toMatchObject({ width: 1280, zoom: 1 });
  });

  it('multiplies pixels by whole numbers where there is room for it, and shrinks where there is not', () => {
    expect(layOut(picture, { width: 3000, height: 3000 }, 1, 'whole')).toMatchObject({ width: 2560, height: 1600, zoom: 2 });
    expect(layOut(picture, { width: 1500, height: 1500 }, 2, 'whole')).toMatchObject({ width: 1280, height: 800, zoom: 2 });
    expect(layOut(picture, { width: 640, height: 480 }, 1, 'whole')).toMatchObject({ width: 640, zoom: 0.5 });
  });

  it('begins at a pixel of the screen', () => {
    const { left, top } = layOut({ width: 801, height: 601 }, { width: 1000.2, height: 800.4 }, 1.25, 'native');
    expect(left * 1.25).toBe(Math.round(left * 1.25));
    expect(top * 1.25).toBe(Math.round(top * 1.25));
  });
});

describe('sizeFor', () => {
  it('is what the picture then fills the place with', () => {
    expect(sizeFor({ width: 1101, height: 700.5 }, 1, 'fit')).toEqual({ width: 1100, height: 700, density: 96 });
    expect(sizeFor({ width: 1100, height: 700 }, 1.5, 'native')).toEqual({ width: 1650, height: 1050, density: 144 });
    const place = { width: 1100, height: 700 };
    const half = sizeFor(place, 2, 'whole');
    expect(half).toEqual({ width: 1100, height: 700, density: 96 });
    expect(layOut(half, place, 2, 'whole')).toEqual({ left: 0, top: 0, width: 1100, height: 700, zoom: 2 });
  });
});
