import { expect, it } from 'vitest';
import { createMemory, planMemory } from './memory-plan';
import { MACHINE_IDLE_WATCH } from './layout';

it('lets harts look out before they sleep only where each has a core, and the device thread too', () => {
  const watch = (harts: number, cores?: number): number =>
    new Uint32Array(createMemory(planMemory(harts, [{ base: 0, size: 4096 }], { cores })).buffer)[MACHINE_IDLE_WATCH >>> 2];
  expect(watch(1, 2)).toBe(2000);
  expect(watch(4, 16)).toBe(2000);
  expect([watch(1, 1), watch(2, 2), watch(16, 8), watch(1)]).toEqual([0, 0, 0, 0]);
});
