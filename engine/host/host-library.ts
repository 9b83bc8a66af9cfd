import { createRequire } from 'node:module';
import type koffi from 'koffi';

type Koffi = typeof koffi;

const loaded = new Map<string, ReturnType<Koffi['load']> | undefined>();

/** The host's C library. */
const names: Partial<Record<NodeJS.Platform, string>> = { linux: 'libc.so.6', darwin: '/usr/lib/libSystem.B.dylib' };

/**
 * A library of the host, its C library unless named, for the few calls that Node lacks, by the optional package koffi. Undefined where
 * that or the library is missing, and on Windows, whose calls are in several, without a name: who asks has to do without.
 */
export function hostLibrary(name = names[process.platform]): ReturnType<Koffi['load']> | undefined {
  if (name === undefined) return undefined;
  if (!loaded.has(name)) loaded.set(name, load(name));
  return loaded.get(name);
}

function load(name: string): ReturnType<Koffi['load']> | undefined {
  try {
    return (createRequire(import.meta.url)('koffi') as Koffi).load(name);
  } catch {
    return undefined;
  }
}
