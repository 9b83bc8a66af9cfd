import { Random } from '../support/random';
import { runInEngine, type Tier } from './engine';
import { buildProgram, compareRuns, type Difference, type Program, randomValues } from './program';
import { oracle, runInQemu } from './qemu';
import { type Kind, RECIPES, VALUES } from './recipes';
import type { Unit } from './sequence';
import { listing, shrink } from './shrink';

/** Differing sequences that are made small and reported, per program. */
const REPORTED = 5;

export interface CampaignResult {
  sequences: number;
  /** Instructions that retired here and whose effects were compared, those of the driver included. */
  instructions: number;
  /** Those of them that ran in translated code. */
  translated: number;
  /** A description of each difference. */
  failures: string[];
}

/** Compares `count` random sequences, each run from several random states, with qemu-system-riscv64. */
export function runCampaign(
  helpers: WebAssembly.Module,
  kind: Kind,
  seed: number,
  count: number,
  { tier = 'interpreted', progress }: { tier?: Tier; progress?: (result: CampaignResult) => void } = {},
): CampaignResult {
  const random = new Random(seed);
  const recipe = RECIPES[kind];
  const values = Array.from({ length: VALUES }, () => randomValues(random));
  const result: CampaignResult = { sequences: 0, instructions: 0, translated: 0, failures: [] };
  while (result.sequences < count) {
    const now = Math.min(recipe.runs / recipe.rounds[tier], count - result.sequences);
    const program = buildProgram(
      Array.from({ length: now }, () => recipe.generate(random, recipe.rounds[tier], values)),
      recipe.runBytes,
    );
    const { differences, instructions, translated } = compare(helpers, program, tier);
    result.sequences += now;
    result.instructions += instructions;
    result.translated += translated;
    for (const difference of differences.slice(0, REPORTED))
      result.failures.push(explain(helpers, program, difference, tier, recipe.rounds[tier]));
    if (differences.length > REPORTED) result.failures.push(`and ${differences.length - REPORTED} more`);
    progress?.(result);
  }
  return result;
}

function compare(
  helpers: WebAssembly.Module,
  program: Program,
  tier: Tier,
): { differences: Difference[]; instructions: number; translated: number } {
  const expected = runInQemu(program.image);
  const { off } = oracle();
  const found = runInEngine(helpers, program.image, tier, off);
  let differences = compareRuns(program, expected, found.memory);
  // What only the interpreter can vouch for: how many instructions a run took.
  if (tier !== 'interpreted' && differences.length === 0) {
    differences = compareRuns(program, runInEngine(helpers, program.image, 'interpreted', off).memory, found.memory, true);
  }
  return { differences, instructions: found.instructions, translated: found.translated };
}

/** The shortest part of the sequence that still differs, and how. */
function explain(helpers: WebAssembly.Module, program: Program, difference: Difference, tier: Tier, rounds: number): string {
  // Again as often as before: translated code may be at fault.
  const states = Array.from({ length: rounds }, () => difference.state);
  let lines = difference.lines;
  const failing = (candidates: readonly (readonly Unit[])[]): number => {
    const sequences = candidates.map((units) => ({ units, states }));
    const found = compare(helpers, buildProgram(sequences, program.runBytes), tier).differences[0];
    if (found) lines = found.lines;
    return found ? found.sequence : -1;
  };
  const smallest = shrink(program.sequences[difference.sequence]?.units ?? [], failing);
  return `${listing(smallest)}\n  differs in\n    ${lines.slice(0, 8).join('\n    ')}`;
}
