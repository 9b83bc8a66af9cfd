import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/**
 * The flags that make V8 run harts fast. They are a debt: V8 gives no promise about any of them, so an engine process sets only those
 * that this V8 was seen to run a hart with (threads/v8-verdict.ts), and without any it is right all the same, only slower.
 *
 * What each buys: the time without it over that with all, one run each in November 2026 (`npm run bench -- boot cpu --v8-flags=…`), of a boot
 * and of gzip, on Node 20 / 24 / 26 (V8 11, 13, 14). Without any: 1.56 / 1.15 / 1.25 and 1.8 / 1.65 / 1.65.
 */
export const V8_FLAGS: readonly string[] = [
  // The run loop is entered once and stays, so V8 would never replace baseline code; and a hart must not wait for V8 to compile what the
  // compile worker hands over. Both are to be optimised code at once. 1.46 / 1.20 / 1.28 and 1.6 / 1.4 / 1.5; a switch interpreter 1.2 / 2.1 / 1.8.
  '--no-liftoff',
  // Together with the one before. 1.27 / 1.12 / 1.21 and 1.6 / 1.7 / 1.7.
  '--no-wasm-lazy-compilation',
  // V8 14 speculates about calls by what baseline code has seen, and dies where there was none. It does not speculate by itself in V8 13.
  '--no-wasm-deopt',
  // On by itself since V8 14. 1.08 / 0.94 and 1.2 / 1.2; a switch interpreter 1.7 / 2.1.
  '--experimental-wasm-branch-hinting',
  // V8's own threads help the compile worker, but not at the cost of a hart's core: gcc from cold took 1.4 times as long (Node 20). 1.04 / 0.97 /
  // 0.98 and 1.03 / 1.1 / 1.1.
  '--wasm-num-compilation-tasks',
  // V8 11 makes poor code of large functions, which are the hottest: AES took 1.3 times as long. Later ones no longer know it.
  '--no-turbo-use-mid-tier-regalloc-for-huge-functions',
  // V8 11 optimises our own JavaScript ten times later: a boot took 1.1 times as long, with V8's threads busy at that. Newer ones have
  // Maglev for this.
  '--ticks-before-optimization=30',
  // Part of V8 since 11.4; before, as in Node 20, behind a flag. Fused multiply-add took 8 times as long.
  '--experimental-wasm-relaxed-simd',
];

/** Set flags out of V8_FLAGS for the whole process, before any code of its `harts` harts is compiled. */
export function setV8Flags(harts: number, flags: readonly string[]): void {
  const tasks = Math.max(1, availableParallelism() - harts - 1);
  for (const flag of flags) setFlagsFromString(flag === '--wasm-num-compilation-tasks' ? `${flag}=${tasks}` : flag);
}
