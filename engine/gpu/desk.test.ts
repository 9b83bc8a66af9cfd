import { describe, expect, it } from 'vitest';
import { onDesk } from './desk';
import { Scanout } from './scanout';

/** Screens of these sizes; `at`: what they show lies there in one picture. */
function screens(sizes: ([number, number] | undefined)[], at?: { width: number; height: number; places: [number, number][] }): Scanout[] {
  const of = {};
  return sizes.map((size, i) => {
    const scanout = new Scanout({ width: 640, height: 480 });
    if (!size) return scanout;
    const [x, y] = at?.places[i] ?? [0, 0];
    scanout.show({
      width: size[0],
      height: size[1],
      readRow: () => undefined,
      ...(at && { within: { of, x, y, width: at.width, height: at.height } }),
    });
    return scanout;
  });
}

/** The pixel of the desktop that is meant by one of a screen: its left, its right, its top and its bottom edge. */
function edges(scanouts: Scanout[], screen: number, width: number, height: number): number[] {
  const [left, right, top, bottom] = onDesk(
    scanouts,
    screen,
    [0, 32767].flatMap((value) => [{ type: 3, code: 0, value }]).concat([0, 32767].map((value) => ({ type: 3, code: 1, value }))),
  );
  const pixel = ({ value }: { value: number }, of: number): number => Math.round((value * (of - 1)) / 32767);
  return [pixel(left, width), pixel(right, width), pixel(top, height), pixel(bottom, height)];
}

describe('where one points on one of several screens', () => {
  it('is there on the only one that shows something', () => {
    const events = [{ type: 3, code: 0, value: 99 }];
    expect(onDesk(screens([[640, 480]]), 0, events)).toBe(events);
    expect(onDesk(screens([[640, 480], undefined]), 0, events)).toBe(events);
    expect(onDesk(screens([[640, 480], undefined, [640, 480]]), 1, events)).toBe(events);
    expect(onDesk([], 3, events)).toBe(events);
  });

  it('is to the right of those before it', () => {
    const three = screens([[640, 480], undefined, [1024, 768], [800, 600]]);
    expect(edges(three, 0, 2464, 768)).toEqual([0, 639, 0, 479]);
    expect(edges(three, 2, 2464, 768)).toEqual([640, 1663, 0, 767]);
    expect(edges(three, 3, 2464, 768)).toEqual([1664, 2463, 0, 599]);
  });

  it('is where X has put it in the one picture of all', () => {
    const places: [number, number][] = [
      [0, 100],
      [640, 0],
    ];
    const sizes: [number, number][] = [
      [640, 480],
      [1024, 768],
    ];
    const two = screens(sizes, { width: 1664, height: 768, places });
    expect(edges(two, 0, 1664, 768)).toEqual([0, 639, 100, 579]);
    expect(edges(two, 1, 1664, 768)).toEqual([640, 1663, 0, 767]);
    // Both show the same.
    const clones = screens([sizes[0], sizes[0]], { width: 640, height: 480, places: [] });
    expect(edges(clones, 1, 640, 480)).toEqual([0, 639, 0, 479]);
  });

  it('leaves all else as it is', () => {
    const events = [
      { type: 1, code: 0x110, value: 1 },
      { type: 2, code: 8, value: -1 },
      { type: 3, code: 0x39, value: 7 },
    ];
    const two = screens([
      [640, 480],
      [640, 480],
    ]);
    expect(onDesk(two, 1, events)).toEqual(events);
    expect(onDesk(two, 1, [{ type: 3, code: 0x35, value: 0 }])[0].value).toBeGreaterThan(16_000);
  });
});
