import { compressed, expandCompressed } from './isa/c';
import { HANDLER_STRADDLE } from './hart-layout';
import { instructions, lookUp } from './isa';
import { rdOf, type Instruction } from './isa/instruction';

/**
 * The interpreter's handlers. One instruction may need several: for its compressed spelling (the next pc differs), for rd = x0
 * where it has other effects (nothing is written), and for branches that stay within the page (the record moves directly).
 */
export interface Handler {
  instruction: Instruction;
  length: 2 | 4;
  discard: boolean;
  near: boolean;
}

// Handlers that belong to no instruction come first. A record of zeros asks to be decoded.
export const DECODE = 0;
export const ILLEGAL = 1;
export const NOP_4 = 2;
export const NOP_2 = 3;
export const PAGE_END = 4;
export const STRADDLE = HANDLER_STRADDLE;
export const STOP = 6;
export const SPECIAL_HANDLERS = 7;

/** Instructions that write an integer register. */
export function writesX(instruction: Instruction): boolean {
  const { format, name, extension } = instruction;
  if (format === 's' || format === 'b' || format === 'none' || format === 'block' || format === 'fence') return false;
  if (name === 'fence' || name === 'fence.i') return false;
  if (extension !== 'f' && extension !== 'd') return true;
  return /^(feq|flt|fle|fclass|fmv\.x|fcvt\.(w|wu|l|lu)\.)/.test(name);
}

const handlers: Handler[] = [];
/** Handler numbers by instruction × 8 + (compressed 4) + (rd = x0: 2) + (near: 1). */
const numbers = new Uint16Array(instructions.length * 8);

/**
 * Fields of compressed instructions that together give every instruction and rd that there is: what one stands for depends only on
 * whether a field is zero.
 */
const SAMPLES = [0, 0xffff, ...Array.from({ length: 16 }, (_, bit) => 1 << bit)];

/** Which (instruction, rd = x0) have a compressed spelling, as number of the instruction × 2 + (rd = x0), among those with such fields. */
export function compressedSpellings(fields: readonly number[]): Set<number> {
  const found = new Set<number>();
  for (const { mask, match } of compressed) {
    for (const field of fields) {
      const word = expandCompressed(match | (field & ~mask));
      if (word !== 0) found.add(lookUp(word) * 2 + (rdOf(word) === 0 ? 1 : 0));
    }
  }
  return found;
}

const short = compressedSpellings(SAMPLES);

instructions.forEach((instruction, number) => {
  const relative = instruction.format === 'b' || instruction.format === 'j';
  const discards = writesX(instruction) && !instruction.pure;
  for (const length of [4, 2] as const) {
    for (const discard of discards ? [false, true] : [false]) {
      const spelled =
        length === 4 || (discards ? short.has(number * 2 + (discard ? 1 : 0)) : short.has(number * 2) || short.has(number * 2 + 1));
      if (!spelled) continue;
      for (const near of relative ? [false, true] : [false]) {
        const handler = SPECIAL_HANDLERS + handlers.push({ instruction, length, discard, near }) - 1;
        const base = number * 8 + (length === 2 ? 4 : 0) + (near ? 1 : 0);
        if (!discards || !discard) numbers[base] = handler;
        if (!discards || discard) numbers[base + 2] = handler;
      }
    }
  }
});

export { handlers };

/** The handler for an instruction in its circumstances. */
export function handlerFor(instruction: number, length: 2 | 4, rdIsZero: boolean, near: boolean): number {
  return numbers[instruction * 8 + (length === 2 ? 4 : 0) + (rdIsZero ? 2 : 0) + (near ? 1 : 0)];
}
