import { createRequire } from 'node:module';
import type koffi from 'koffi';

type Koffi = typeof koffi;

let library: ReturnType<Koffi['load']> | null | undefined;

/**
 * The host's C library, for the few calls that Node lacks, by the optional package koffi. Undefined where that is missing, or on
 * Windows: who asks has to do without.
 */
export function hostLibrary(): ReturnType<Koffi['load']> | undefined {
  if (library === undefined) library = load() ?? null;
  return library ?? undefined;
}

function load(): ReturnType<Koffi['load']> | undefined {
  const names: Partial<Record<NodeJS.Platform, string>> = { linux: 'libc.so.6', darwin: '/usr/lib/libSystem.B.dylib' };
  const name = names[process.platform];
  if (!name) return undefined;
  try {
    return (createRequire(import.meta.url)('koffi') as Koffi).load(name);
  } catch {
    return undefined;
  }
}
