import { describe, expect, it } from 'vitest';
import type { InsideLook } from '../main/inside-contract';
import { SPAN, activityBetween, remembered, usedMemory } from './activity';

function look(seconds: number, [instructions, regionInstructions, asleepTicks]: number[], read = 0, sent = 0): InsideLook {
  return {
    statistics: { seconds, harts: [{ instructions, regionInstructions, asleepTicks }] as InsideLook['statistics']['harts'] },
    memory: { total: 100, target: 100, usable: 100, released: 0, isDriven: true, guest: { total: 90, available: 60 } },
    drives: [{ id: 'drive0', isDisc: false, read, written: 2 * read }],
    adapters: [{ id: 'net0', sent, received: 0 }],
  };
}

describe('activityBetween', () => {
  it('says what was done in between, in parts and amounts a second', () => {
    const now = activityBetween(look(10, [0, 0, 0]), look(12, [4e6, 3e6, 1e7], 1000, 50), 2, 99);
    expect(now).toEqual({
      at: 99,
      harts: [0.5],
      mips: 2,
      translated: 0.75,
      memory: 30,
      diskRead: 500,
      diskWritten: 1000,
      sent: 25,
      received: 0,
    });
  });

  it('says nothing of a box that was switched on anew, and that one which stands still is not busy', () => {
    expect(activityBetween(look(10, [9, 9, 9]), look(1, [1, 1, 1]), 1, 1)).toBeUndefined();
    expect(activityBetween(look(1, [1, 1, 1]), look(2, [1, 1, 1]), 0, 1)).toBeUndefined();
    const still = activityBetween(look(5, [7, 7, 7]), look(5, [7, 7, 7]), 1, 1);
    expect([still?.harts, still?.mips, still?.translated]).toEqual([[0], 0, undefined]);
  });

  it('never says more than all', () => {
    // The clocks of both are not read at the same moment.
    expect(activityBetween(look(10, [0, 0, 0]), look(11, [1, 2, 1.1e7]), 1, 1)).toMatchObject({ harts: [0], translated: 1 });
  });
});

it('usedMemory is unknown where the guest says nothing', () => {
  expect(usedMemory({ ...look(1, [1, 1, 1]), memory: undefined })).toBeUndefined();
});

it('remembers as long as charts reach back', () => {
  const moments = [0, 1, SPAN, SPAN + 1].map((at) => ({ at }) as Parameters<typeof remembered>[1]);
  expect(moments.reduce((past, moment) => remembered(past, moment), [] as typeof moments).map(({ at }) => at)).toEqual([SPAN, SPAN + 1]);
});
