import { HARTS_BASE, HART_INSTRET, HART_STRIDE } from '../memory/layout';
import {
  STAT_ASLEEP,
  STAT_ASLEEP_SINCE,
  STAT_CHECKED_ACCESSES,
  STAT_CHECKED_ENTRIES,
  STAT_CHECKED_INSTRUCTIONS,
  STAT_CLAIMS,
  STAT_COMPILE_MICROSECONDS,
  STAT_COMPILE_REQUESTS,
  STAT_EARLIER,
  STAT_EVICTIONS,
  STAT_EXITS_BUDGET,
  STAT_EXITS_FAULT,
  STAT_EXITS_ASIDE,
  STAT_FETCH_MISSES,
  STAT_FLUSHES,
  STAT_INTERRUPTS,
  STAT_MODULES,
  STAT_PAGES_DECODED,
  STAT_REGIONS_COMPILED,
  STAT_REGIONS_DECLINED,
  STAT_REGIONS_INSTALLED,
  STAT_REGIONS_LIVE,
  STAT_REGION_ENTRIES,
  STAT_REGION_INSTRUCTIONS,
  STAT_TLB_MISSES,
  STAT_TRAPS,
} from './hart-layout';

/** Where each statistic of a hart lies, from the hart's base. All but `regionsLive` only grow while the machine lives. */
const PLACES = {
  /** Ticks of 100 ns asleep in WFI. */
  asleepTicks: STAT_ASLEEP,
  /** Instructions executed in translated regions. */
  regionInstructions: STAT_REGION_INSTRUCTIONS,
  /** Times the interpreter went into a region, and ways back other than to code elsewhere. */
  regionEntries: STAT_REGION_ENTRIES,
  exitsBudget: STAT_EXITS_BUDGET,
  exitsFault: STAT_EXITS_FAULT,
  exitsAside: STAT_EXITS_ASIDE,
  /** What the lockstep check has compared: ways through regions, their instructions, loads and stores. */
  checkedEntries: STAT_CHECKED_ENTRIES,
  checkedInstructions: STAT_CHECKED_INSTRUCTIONS,
  checkedAccesses: STAT_CHECKED_ACCESSES,
  /** Regions that can be entered now, ever were taken up, and how often all were dropped to make room. */
  regionsLive: STAT_REGIONS_LIVE,
  regionsInstalled: STAT_REGIONS_INSTALLED,
  evictions: STAT_EVICTIONS,
  /** Hot spots handed to the compile worker, and what became of them; the rest are waiting. */
  compileRequests: STAT_COMPILE_REQUESTS,
  regionsCompiled: STAT_REGIONS_COMPILED,
  regionsDeclined: STAT_REGIONS_DECLINED,
  modules: STAT_MODULES,
  compileMicroseconds: STAT_COMPILE_MICROSECONDS,
  /** Data and fetch translations that the TLBs did not hold, and how often a TLB was emptied. */
  tlbMisses: STAT_TLB_MISSES,
  fetchMisses: STAT_FETCH_MISSES,
  tlbFlushes: STAT_FLUSHES,
  pagesDecoded: STAT_PAGES_DECODED,
  /** Exceptions and interrupts taken. */
  exceptions: STAT_TRAPS,
  interrupts: STAT_INTERRUPTS,
  /** Messages of interrupts that the guest claimed at the harts' IMSICs. */
  claims: STAT_CLAIMS,
} as const;

/** What one hart has done since the machine was switched on, or in a span of time. `instructions` counts up to the hart's last poll. */
export type HartStatistics = Record<'instructions' | keyof typeof PLACES, number>;
export const STATISTIC_NAMES = ['instructions', ...Object.keys(PLACES)] as (keyof HartStatistics)[];

/** What the harts of a machine have done. `seconds`: how long the machine ran for that, pauses not counted. */
export interface MachineStatistics {
  seconds: number;
  harts: HartStatistics[];
}

/** One hart's statistics in the shared memory: from any thread. Every statistic has one writer. */
export class StatisticsBlock {
  private readonly counts: BigUint64Array;
  private readonly base: number;

  constructor(memory: WebAssembly.Memory, hart: number) {
    this.counts = new BigUint64Array(memory.buffer);
    this.base = (HARTS_BASE + hart * HART_STRIDE) / 8;
  }

  /** `now`: guest time in ticks; without it a sleep counts when it ends. */
  read(now = 0): HartStatistics {
    const at = (place: number): number => Number(Atomics.load(this.counts, this.base + place / 8));
    const entries = Object.entries(PLACES).map(([name, place]) => [name, at(place)]);
    const since = at(STAT_ASLEEP_SINCE);
    const asleepTicks = at(STAT_ASLEEP) + (since > 0 ? Math.max(0, now - since) : 0);
    return { ...Object.fromEntries(entries), asleepTicks, instructions: at(STAT_EARLIER) + at(HART_INSTRET) } as HartStatistics;
  }

  /** `statistic`: one of STAT_*. */
  add(statistic: number, amount = 1): void {
    this.set(statistic, Number(this.counts[this.base + statistic / 8]) + amount);
  }

  set(statistic: number, value: number): void {
    Atomics.store(this.counts, this.base + statistic / 8, BigInt(value));
  }
}

/** Statistic by statistic, `combine` of two. */
function combined(a: HartStatistics, b: HartStatistics, combine: (a: number, b: number) => number): HartStatistics {
  return Object.fromEntries(STATISTIC_NAMES.map((name) => [name, combine(a[name], b[name])])) as HartStatistics;
}

/** All harts together. At least one. */
export function sumOf(harts: HartStatistics[]): HartStatistics {
  return harts.reduce((sum, hart) => combined(sum, hart, (a, b) => a + b));
}

/** What was done between two readings; `regionsLive` is the later one's. */
export function between(earlier: MachineStatistics, later: MachineStatistics): MachineStatistics {
  const harts = later.harts.map((hart, i) => ({
    ...combined(earlier.harts[i], hart, (a, b) => b - a),
    regionsLive: hart.regionsLive,
  }));
  return { seconds: later.seconds - earlier.seconds, harts };
}
