import { describe, expect, it } from 'vitest';
import { reachablePlace } from './window-place';

const screen = { x: 0, y: 24, width: 1280, height: 936 };
const right = { x: 1280, y: 0, width: 1920, height: 1080 };
const size = { width: 1000, height: 700, maximized: false };

describe('reachablePlace', () => {
  it('is where the window was, also on a second display or partly beside one', () => {
    expect(reachablePlace({ ...size, x: 100, y: 50 }, [screen])).toEqual({ x: 100, y: 50, width: 1000, height: 700 });
    expect(reachablePlace({ ...size, x: 1400, y: 10 }, [screen, right])).toMatchObject({ x: 1400, y: 10 });
    expect(reachablePlace({ ...size, x: -800, y: 50 }, [screen])).toMatchObject({ x: -800, y: 50 });
  });

  it.each([
    ['its display is gone', 1400, 10],
    ['too little is on the display', -900, 50],
    ['its upper edge is below', 100, 950],
    ['its upper edge is above', 100, -300],
  ])('leaves the place to the system where %s', (_why, x, y) => {
    expect(reachablePlace({ ...size, x, y }, [screen])).toEqual({ width: 1000, height: 700 });
  });

  it('is no larger than the display', () => {
    expect(reachablePlace({ ...size, width: 3000, height: 2000 }, [screen])).toEqual({ width: 1280, height: 936 });
    expect(reachablePlace({ x: 0, y: 24, maximized: false, width: 3000, height: 2000 }, [screen])).toMatchObject({
      width: 1280,
      height: 936,
    });
  });
});
