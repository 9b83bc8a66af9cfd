import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { InsideLook } from './inside-contract';
import type { Machines } from './machines';
import { PastLooks } from './past-looks';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

it('knows the last two minutes of each box that runs, and forgets it with the box', async () => {
  const machines = new EventEmitter();
  let looks = 0;
  const past = new PastLooks(machines as unknown as Machines, (id) =>
    id === 'ended' ? Promise.reject(new Error('gone')) : Promise.resolve({ number: ++looks } as unknown as InsideLook),
  );
  const enters = (id: string, state: string): boolean => machines.emit('changed', { id, state });
  enters('one', 'running');
  enters('ended', 'running');
  await vi.advanceTimersByTimeAsync(8000);
  expect(past.of('one')).toEqual([
    { at: 1004, look: { number: 1 } },
    { at: 1008, look: { number: 2 } },
  ]);
  expect(past.of('ended')).toEqual([]);
  enters('one', 'paused');
  await vi.advanceTimersByTimeAsync(600_000);
  expect(past.of('one')).toHaveLength(31);
  expect(past.of('one')[0].at).toBe(1488);
  enters('one', 'off');
  expect(past.of('one')).toEqual([]);
  const before = looks;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks).toBe(before);
});
