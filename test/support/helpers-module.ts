import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
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

const root = join(import.meta.dirname, '../..');
const built = join(root, 'out/main/helpers.wasm');

/** Whether the build's helpers.wasm is younger than everything that it is made from. */
function builtIsFresh(): boolean {
  if (!existsSync(built)) return false;
  const inputs = [
    ...readdirSync(HELPERS).map((name) => join(HELPERS, name)),
    join(root, 'engine/hart/hart-layout.ts'),
    join(root, 'engine/hart/check/check-layout.ts'),
    join(root, 'engine/memory/layout.ts'),
  ];
  const age = statSync(built).mtimeMs;
  return inputs.every((input) => statSync(input).mtimeMs < age);
}

/** engine/hart/helpers compiled from the sources as they are now: the build's result where it is up to date. */
export async function compileHelpers(): Promise<WebAssembly.Module> {
  if (builtIsFresh()) return WebAssembly.compile(readFileSync(built));
  return WebAssembly.compile(await compileAssemblyScript(join(HELPERS, 'index.ts'), '--config', join(HELPERS, 'asconfig.json')));
}
