import { Random } from '../support/random';
import type { Tier } from './engine';
import { randomUnits } from './instruction-generator';
import { PRIVILEGED_RUN_BYTES, privilegedSequence } from './privileged-generator';
import { buildProgram, MACHINE_RUN_BYTES, machineState, type Program, randomValues, type Sequence } from './program';

/** What kind of sequences: plain instructions in M-mode, or all privileges with paging and PMP. */
export type Kind = 'machine' | 'privileged';

interface Recipe {
  /** Runs in one program, which is then some 15 MB. */
  readonly runs: number;
  readonly runBytes: number;
  /** How often each sequence is run: translated code has to become hot first. */
  readonly rounds: Record<Tier, number>;
  generate(random: Random, rounds: number, values: readonly ArrayBuffer[]): Sequence;
}

const UNITS = 40;
/** Sets of register values that runs start from. */
export const VALUES = 1999;
export const RECIPES: Record<Kind, Recipe> = {
  machine: {
    runs: 5000,
    runBytes: MACHINE_RUN_BYTES,
    rounds: { interpreted: 5, translated: 25, checked: 25 },
    generate: (random, rounds, values) => ({
      units: randomUnits(random, UNITS),
      states: Array.from({ length: rounds }, () => machineState(random.pick(values))),
    }),
  },
  privileged: {
    runs: 400,
    runBytes: PRIVILEGED_RUN_BYTES,
    rounds: { interpreted: 2, translated: 10, checked: 10 },
    generate: (random, rounds, values) => privilegedSequence(random, UNITS, rounds, values),
  },
};

/** One program of `count` random sequences, run often enough to become hot; the same for the same seed. */
export function randomProgram(kind: Kind, seed: number, count: number): Program {
  const random = new Random(seed);
  const recipe = RECIPES[kind];
  const { rounds, runBytes } = recipe;
  const values = Array.from({ length: VALUES }, () => randomValues(random));
  return buildProgram(
    Array.from({ length: count }, () => recipe.generate(random, rounds.translated, values)),
    runBytes,
  );
}
