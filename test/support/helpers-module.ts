import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

/** Where the hart's AssemblyScript is. */
export const HELPERS = join(import.meta.dirname, '../../engine/hart/helpers');

/** Compiles AssemblyScript with the compiler's own command-line options; returns the wasm binary. */
export async function compileAssemblyScript(source: string, ...options: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const directory = mkdtempSync(join(tmpdir(), 'hartbox-asc-'));
  try {
    const output = join(directory, 'module.wasm');
    const messages: string[] = [];
    const stderr = { write: (chunk: string | Uint8Array) => void messages.push(Buffer.from(chunk).toString()) };
    const { error } = await asc.main([source, ...options, '--outFile', output], { stderr });
    if (error) throw new Error(`${source} does not compile: ${messages.join('')}`, { cause: error });
    return new Uint8Array(readFileSync(output));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Compiles engine/hart/helpers as the build does, from the sources as they are now. */
export async function compileHelpers(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await compileAssemblyScript(join(HELPERS, 'index.ts'), '--config', join(HELPERS, 'asconfig.json')));
}
