import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/**
 * The flags that make V8 run harts fast. They are a debt: V8 gives no promise about any of them, so an engine process sets only those
 * that this V8 was seen to run a hart with (process/v8-trial.ts), and without any it is right all the same, only slower.
 */
export const V8_FLAGS: readonly string[] = [
  // The run loop is entered once and stays, so V8 would never replace baseline code; and a hart must not wait for V8 to compile what the
  // compile worker hands over. Both are to be optimised code at once.
  '--no-liftoff',
  '--no-wasm-lazy-compilation',
  // V8 14 speculates about calls by what baseline code has seen, and dies where there was none.
  '--no-wasm-deopt',
  // On by itself since V8 14.
  '--experimental-wasm-branch-hinting',
  // V8's own threads help the compile worker, but not at the cost of a hart's core: gcc from cold took 1.4 times as long.
  '--wasm-num-compilation-tasks',
  // V8 11 makes poor code of large functions, which are the hottest: AES took 1.3 times as long. Later ones no longer know it.
  '--no-turbo-use-mid-tier-regalloc-for-huge-functions',
  // V8 11 optimises our own JavaScript ten times later: a boot took 1.08 times as long, with V8's threads busy at that. Newer ones have
  // Maglev for this.
  '--ticks-before-optimization=30',
  // Part of V8 since 11.4; before, as in Node 20, behind a flag.
  '--experimental-wasm-relaxed-simd',
];

/** Set flags out of V8_FLAGS for the whole process, before any code of its `harts` harts is compiled. */
export function setV8Flags(harts: number, flags: readonly string[]): void {
  const tasks = Math.max(1, availableParallelism() - harts - 1);
  for (const flag of flags) setFlagsFromString(flag === '--wasm-num-compilation-tasks' ? `${flag}=${tasks}` : flag);
}
