import { describe, expect, it } from 'vitest';
import type { HotSpot } from './compiler';
import { RequestQueue } from './request-queue';

const spot = (page: number, inlining = false): HotSpot => ({
  ...{ record: 0, version: 0, slot: 0, address: 0, records: 0, host: 0, hart: 0, hot: 1 },
  key: page,
  page,
  inlining,
  neighbours: new Float64Array(0),
});
const pages = (spots: HotSpot[]): number[] => spots.map(({ page }) => page);

describe('RequestQueue', () => {
  it('gives what was asked for last, several at a time, and those with calls inlined alone and last', () => {
    const queue = new RequestQueue();
    for (let page = 0; page < 16; page++) queue.add(spot(page, page >= 14), 0);
    expect(pages(queue.take(0))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(pages(queue.take(0))).toEqual([0, 1]);
    expect(pages(queue.take(0))).toEqual([15]);
    expect(queue.isEmpty).toBe(false);
    expect(pages(queue.take(0))).toEqual([14]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.take(0)).toEqual([]);
  });

  it('gives what has calls inlined where nothing else was asked for of late', () => {
    const queue = new RequestQueue();
    for (let page = 0; page < 20; page++) queue.add(spot(page), 0);
    queue.add(spot(20, true), 1000);
    expect(pages(queue.take(1000))).toEqual([20]);
    queue.add(spot(21), 1000);
    queue.add(spot(22, true), 1001);
    expect(pages(queue.take(1001))).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21]);
    expect(pages(queue.take(1001))).toEqual([22]);
    expect(pages(queue.take(1001))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('gives sooner what is asked for again, as long as it waits', () => {
    const queue = new RequestQueue();
    for (let page = 0; page < 30; page++) queue.add(spot(page), 0);
    queue.urge(2, 0);
    queue.urge(99, 0);
    expect(pages(queue.take(0))).toEqual([19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 2]);
    queue.urge(2, 0);
    expect(pages(queue.take(0))).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
  });

  it('gives up those that waited for longest rather than grow without end', () => {
    const queue = new RequestQueue(100);
    const dropped: HotSpot[] = [];
    for (let page = 0; page < 1000; page++) dropped.push(...queue.add(spot(page), 0));
    expect(pages(dropped)).toEqual(Array.from(dropped, (_, i) => i));
    const left: number[] = [];
    while (!queue.isEmpty) left.push(...pages(queue.take(0)));
    expect(left.length).toBeLessThanOrEqual(100);
    expect(left.sort((a, b) => a - b)).toEqual(Array.from(left, (_, i) => dropped.length + i));
    expect(dropped.length + left.length).toBe(1000);
  });
});
