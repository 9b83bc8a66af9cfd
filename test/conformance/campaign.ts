import { Random } from '../support/random';
import { randomUnits } from './instruction-generator';
import { buildProgram, compareRuns, randomValues, type Difference, type Program } from './program';
import { runInEngine } from './engine';
import { runInQemu } from './qemu';
import { listing, shrink } from './shrink';
import type { Unit } from './sequence';

/** How much is run at once; a program is some 15 MB. */
const SEQUENCES = 1000;
const UNITS = 40;
const ROUNDS = 5;
const VALUES = 1999;
/** Differing sequences that are made small and reported, per program. */
const REPORTED = 5;

export interface CampaignResult {
  sequences: number;
  /** Instructions that retired here and whose effects were compared, those of the driver included. */
  instructions: number;
  /** A description of each difference. */
  failures: string[];
}

/** Compares `sequences` random sequences, each run from several random states, with qemu-system-riscv64. */
export function runCampaign(
  helpers: WebAssembly.Module,
  seed: number,
  sequences: number,
  progress?: (result: CampaignResult) => void,
): CampaignResult {
  const random = new Random(seed);
  const values = Array.from({ length: VALUES }, () => randomValues(random));
  const result: CampaignResult = { sequences: 0, instructions: 0, failures: [] };
  while (result.sequences < sequences) {
    const count = Math.min(SEQUENCES, sequences - result.sequences);
    const program = buildProgram(
      Array.from({ length: count }, () => randomUnits(random, UNITS)),
      ROUNDS,
      values,
    );
    const { differences, instructions } = compare(helpers, program);
    result.sequences += count;
    result.instructions += instructions;
    for (const difference of differences.slice(0, REPORTED)) result.failures.push(explain(helpers, program, difference, values));
    if (differences.length > REPORTED) result.failures.push(`and ${differences.length - REPORTED} more`);
    progress?.(result);
  }
  return result;
}

function compare(helpers: WebAssembly.Module, program: Program): { differences: Difference[]; instructions: number } {
  const expected = runInQemu(program.image);
  const found = runInEngine(helpers, program.image);
  return { differences: compareRuns(program, expected, found.memory), instructions: found.instructions };
}

/** The shortest part of the sequence that still differs, and how. */
function explain(helpers: WebAssembly.Module, program: Program, difference: Difference, values: readonly ArrayBuffer[]): string {
  const run = difference.sequence + difference.round * program.sequences.length;
  const state = values.slice(run % values.length, (run % values.length) + 1);
  let lines = difference.lines;
  const failing = (candidates: readonly (readonly Unit[])[]): number => {
    const found = compare(helpers, buildProgram(candidates, 1, state)).differences[0];
    if (found) lines = found.lines;
    return found ? found.sequence : -1;
  };
  const smallest = shrink(program.sequences[difference.sequence] ?? [], failing);
  return `${listing(smallest)}\n  differs in\n    ${lines.slice(0, 8).join('\n    ')}`;
}
