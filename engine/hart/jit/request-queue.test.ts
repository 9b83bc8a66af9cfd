import { describe, expect, it } from 'vitest';
import type { HotSpot } from './compiler';
import { RequestQueue } from './request-queue';

const spot = (page: number, inlining = false): HotSpot => ({
  ...{ record: 0, version: 0, slot: 0, address: 0, records: 0, host: 0, hart: 0, hot: 1 },
  page,
  inlining,
  neighbours: new Float64Array(0),
});
const pages = (spots: HotSpot[]): number[] => spots.map(({ page }) => page);

describe('RequestQueue', () => {
  it('gives what was asked for last, several at a time, and those with calls inlined alone and later', () => {
    const queue = new RequestQueue();
    for (let page = 0; page < 16; page++) queue.add(spot(page, page >= 14));
    expect(pages(queue.take())).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(pages(queue.take())).toEqual([0, 1, 2, 3]);
    expect(pages(queue.take())).toEqual([15]);
    expect(queue.isEmpty).toBe(false);
    expect(pages(queue.take())).toEqual([14]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.take()).toEqual([]);
  });

  it('gives up those that waited for longest rather than grow without end', () => {
    const queue = new RequestQueue(100);
    const dropped: HotSpot[] = [];
    for (let page = 0; page < 1000; page++) dropped.push(...queue.add(spot(page)));
    expect(pages(dropped)).toEqual(Array.from(dropped, (_, i) => i));
    const left: number[] = [];
    while (!queue.isEmpty) left.push(...pages(queue.take()));
    expect(left.length).toBeLessThanOrEqual(100);
    expect(left.sort((a, b) => a - b)).toEqual(Array.from(left, (_, i) => dropped.length + i));
    expect(dropped.length + left.length).toBe(1000);
  });
});
