import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { relaxedMultiplyAdd } from './jit/fused-multiply-add';

/** What `harts` harts need of V8; for the whole process, before any of their code is compiled. */
export function setV8Flags(harts: number): void {
  // The run loop is entered once and stays, so V8 would never replace baseline code; and a hart must not wait for V8 to
  // compile what the compile worker hands over. Both are to be optimised code at once.
  setFlagsFromString('--no-liftoff');
  setFlagsFromString('--no-wasm-lazy-compilation');
  setFlagsFromString('--experimental-wasm-branch-hinting');
  // V8's own threads help the compile worker, but not at the cost of a hart's core: gcc from cold took 1.4 times as long.
  setFlagsFromString(`--wasm-num-compilation-tasks=${Math.max(1, availableParallelism() - harts - 1)}`);
  if (Number.parseInt(process.versions.v8, 10) < 12) {
    // It makes poor code of large functions, which are the hottest: AES took 1.3 times as long. Node 24's V8 does not know it.
    setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');
    // Our own JavaScript is optimised ten times later: a boot took 1.08 times as long, with V8's threads busy at that. Newer ones have
    // Maglev for this.
    setFlagsFromString('--ticks-before-optimization=30');
  }
  // Part of V8 since 11.4; before, as in Node 20, behind a flag.
  if (!WebAssembly.validate(relaxedMultiplyAdd())) setFlagsFromString('--experimental-wasm-relaxed-simd');
}
