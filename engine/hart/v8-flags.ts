import { setFlagsFromString } from 'node:v8';
import { relaxedMultiplyAdd } from './jit/fused-multiply-add';

/** What harts need of V8; for the whole process, before any of their code is compiled. */
export function setV8Flags(): void {
  // The run loop is entered once and stays, so V8 would never replace baseline code; and a hart must not wait for V8 to
  // compile what the compile worker hands over. Both are to be optimised code at once.
  setFlagsFromString('--no-liftoff');
  setFlagsFromString('--no-wasm-lazy-compilation');
  setFlagsFromString('--experimental-wasm-branch-hinting');
  // Part of V8 since 11.4; before, as in Node 20, behind a flag.
  if (!WebAssembly.validate(relaxedMultiplyAdd())) setFlagsFromString('--experimental-wasm-relaxed-simd');
}
