import './browser-process';
import { runInEngine, type Tier } from '../conformance/engine';
import { type Kind, randomProgram } from '../conformance/recipes';

/** What a tier made of a program: a SHA-256 of the memory afterwards, and how many instructions retired, in all and translated. */
export interface Outcome {
  digest: string;
  instructions: number;
  translated: number;
}

/** Runs random programs on one hart, in Node as in a page: the same seed is the same program everywhere. */
export async function runHarts(helpers: Uint8Array<ArrayBuffer>, kind: Kind, seed: number, count: number, tier: Tier): Promise<Outcome> {
  const { image } = randomProgram(kind, seed, count);
  const { memory, instructions, translated } = runInEngine(await WebAssembly.compile(helpers), image, tier);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(memory)));
  return { digest: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''), instructions, translated };
}

Object.assign(globalThis, { runHarts });
