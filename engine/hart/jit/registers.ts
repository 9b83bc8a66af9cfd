import { writesX } from '../handlers';
import { rdOf, rs1Of, rs2Of, rs3Of } from '../isa/instruction';
import type { RegionInstruction } from './region';

/** Registers as bit sets: x0 to x31 and f0 to f31. */
export interface RegisterSet {
  x: number;
  f: number;
}

export const NONE: Readonly<RegisterSet> = { x: 0, f: 0 };

export function union(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x | b.x, f: a.f | b.f };
}
export function without(a: RegisterSet, b: RegisterSet): RegisterSet {
  return { x: a.x & ~b.x, f: a.f & ~b.f };
}
/** How many there are. */
export function sizeOf({ x, f }: RegisterSet): number {
  return ones(x) + ones(f);
}
function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
/** Call with each number in a set of one file. */
export function forEachBit(bits: number, each: (register: number) => void): void {
  for (let rest = bits; rest !== 0; rest &= rest - 1) each(31 - Math.clz32(rest & -rest));
}

export interface Uses {
  reads: RegisterSet;
  writes: RegisterSet;
}

/** Which registers an instruction reads and writes, by its format. */
export function usesOf({ instruction, word }: RegionInstruction): Uses {
  const reads = { x: 0, f: 0 };
  const writes = { x: 0, f: 0 };
  const { format, extension, name } = instruction;
  const float = extension === 'f' || extension === 'd';
  const rs1 = 1 << rs1Of(word);
  const rs2 = 1 << rs2Of(word);
  const rd = 1 << rdOf(word);
  const two =
    format === 'r' || format === 'rm' || format === 'r4' || format === 's' || format === 'b' || format === 'amo' || format === 'fence';
  const one =
    two ||
    format === 'r2' ||
    format === 'rm2' ||
    format === 'i' ||
    format === 'shift' ||
    format === 'shiftw' ||
    format === 'amo2' ||
    format === 'block' ||
    format === 'csr';
  const integerSource = !float || format === 'i' || format === 's' || /^(fmv\.[wd]\.x|fcvt\.[sd]\.(w|wu|l|lu))$/.test(name);
  if (one && integerSource) reads.x |= rs1;
  if (one && !integerSource) reads.f |= rs1;
  if (two && !float) reads.x |= rs2;
  if (two && float) reads.f |= rs2;
  if (format === 'r4') reads.f |= 1 << rs3Of(word);
  if (writesX(instruction)) writes.x |= rd;
  else if (float && format !== 's') writes.f |= rd;
  reads.x &= ~1;
  writes.x &= ~1;
  return { reads, writes };
}

/** Floating-point registers that an instruction computes with, by format. Loads and stores are neither. */
export function formatsOf(
  { instruction: { extension, name } }: RegionInstruction,
  { reads, writes }: Uses,
): { single: number; double: number } {
  if (name === 'fld' || name === 'fsd') return { single: 0, double: 0 };
  if (name === 'fcvt.s.d') return { single: writes.f, double: reads.f };
  if (name === 'fcvt.d.s') return { single: reads.f, double: writes.f };
  const all = reads.f | writes.f;
  return extension === 'f' ? { single: all, double: 0 } : { single: 0, double: all };
}
