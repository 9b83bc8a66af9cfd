import { describe, expect, it } from 'vitest';
import { createMemory, planMemory } from '../memory/memory-plan';
import { type HartStatistics, StatisticsBlock } from '../hart/statistics';
import { EVENTS } from '../runner/control';
import { statisticsLine, statisticsTable } from './statistics-report';

const none = new StatisticsBlock(createMemory(planMemory(1, [])), 0).read();
const hart = (values: Partial<HartStatistics>): HartStatistics => ({ ...none, ...values });

/** The cells of the row with that title. */
function row(table: string, title: string): string[] {
  const line = table.split('\n').find((line) => line.startsWith(title));
  return line?.split(/ {2,}/).slice(1) ?? [];
}

describe('statistics for people', () => {
  it('show every hart, and all together', () => {
    const table = statisticsTable({
      seconds: 4,
      harts: [
        hart({ instructions: 400_000_000, regionInstructions: 300_000_000, asleepTicks: 20_000_000 }),
        hart({ instructions: 100_000_000, regionInstructions: 100_000_000, asleepTicks: 40_000_000 }),
      ],
    });
    expect(table.split('\n')[1]).toMatch(/hart 0 +hart 1 +all harts/);
    expect(row(table, 'Instructions').slice(0, 3)).toEqual(['400,000,000', '100,000,000', '500,000,000']);
    expect(row(table, 'MIPS ').slice(0, 3)).toEqual(['100.0', '25.0', '62.5']);
    expect(row(table, 'MIPS while awake').slice(0, 3)).toEqual(['200.0', '-', '250.0']);
    expect(row(table, 'Time asleep').slice(0, 3)).toEqual(['50 %', '100 %', '75 %']);
    expect(row(table, 'Translated').slice(0, 3)).toEqual(['75 %', '100 %', '80 %']);
  });

  it('tell the ways out of regions apart', () => {
    const table = statisticsTable({
      seconds: 1,
      harts: [hart({ regionEntries: 1000, exitsBudget: 200, exitsFault: 50, exitsAside: 10 })],
    });
    expect(row(table, '  left for elsewhere')[1]).toBe('74 %');
    expect(row(table, '  left to look around')[1]).toBe('20 %');
    expect(row(table, '  left by exception')[1]).toBe('5 %');
    expect(row(table, '  left for one moment')[1]).toBe('1 %');
  });

  it('give rates for an interval in one line', () => {
    const total = hart({ regionsLive: 7, compileRequests: 9, regionsCompiled: 5, regionsDeclined: 1 });
    const interval = hart({ instructions: 50_000_000, tlbMisses: 600, fetchMisses: 400, exceptions: 3, interrupts: 50, regionsLive: 7 });
    expect(statisticsLine({ seconds: 10, harts: [total] }, { seconds: 0.5, harts: [interval] })).toBe(
      '10.0 s: 100.0 MIPS, 0 % asleep, 0 % translated, 7 regions, 3 waiting, TLB misses 2,000/s, exceptions 6/s, interrupts 100/s',
    );
  });
});

describe('statistics for the app', () => {
  it('pass the contract whole', () => {
    const statistics = { seconds: 1, harts: [none] };
    const event = { total: statistics, interval: statistics };
    expect(EVENTS.statistics.parse(event)).toEqual(event);
    const { instructions: _, ...incomplete } = none;
    expect(EVENTS.statistics.safeParse({ ...event, total: { seconds: 1, harts: [incomplete] } }).success).toBe(false);
  });
});
