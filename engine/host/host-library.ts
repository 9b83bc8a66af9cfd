import { createRequire } from 'node:module';
import type koffi from 'koffi';

type Koffi = typeof koffi;

let library: ReturnType<Koffi['load']> | null | undefined;

/**
 * The library of the host's own calls (C library, on Windows kernel32), for the few that Node lacks, by the optional package koffi.
 * Undefined where that is missing: who asks has to do without.
 */
export function hostLibrary(): ReturnType<Koffi['load']> | undefined {
  if (library === undefined) library = load() ?? null;
  return library ?? undefined;
}

function load(): ReturnType<Koffi['load']> | undefined {
  const names: Partial<Record<NodeJS.Platform, string>> = {
    linux: 'libc.so.6',
    darwin: '/usr/lib/libSystem.B.dylib',
    win32: 'kernel32.dll',
  };
  const name = names[process.platform];
  if (!name) return undefined;
  try {
    return (createRequire(import.meta.url)('koffi') as Koffi).load(name);
  } catch {
    return undefined;
  }
}
