import { setFlagsFromString } from 'node:v8';

const EAGER = '--no-wasm-lazy-compilation';

/**
 * Compile a WebAssembly module that runs beside the harts, each function when it is first called: of a large library few are. `flags`: those that
 * the process has been set to for its harts (hart/v8-flags.ts), of which one says that everything is compiled at once. What is compiled
 * for a hart at the same moment is then lazy too, which costs it a few milliseconds once.
 */
export async function compileLazily(code: Uint8Array<ArrayBuffer>, flags: readonly string[]): Promise<WebAssembly.Module> {
  const isEager = flags.includes(EAGER);
  if (isEager) setFlagsFromString('--wasm-lazy-compilation');
  try {
    return await WebAssembly.compile(code);
  } finally {
    if (isEager) setFlagsFromString(EAGER);
  }
}
