import { a } from './a';
import { b } from './b';
import { d, f } from './float';
import type { Instruction } from './instruction';
import { m } from './m';
import { rv64i } from './rv64i';
import { system, zicsr } from './system';

/** Every instruction that the hart knows, in a fixed order: an instruction's index is its number. */
export const instructions: readonly Instruction[] = [...rv64i, ...m, ...a, ...f, ...d, ...zicsr, ...system, ...b];

/** Candidates by major opcode and funct3, so that decoding looks at a handful of masks. */
const candidates: number[][] = Array.from({ length: 1024 }, () => []);
instructions.forEach((instruction, number) => {
  for (let key = 0; key < 1024; key++) {
    const word = (key & 127) | ((key >>> 7) << 12);
    const known = instruction.mask & 0x707f;
    if (((word ^ instruction.match) & known) === 0) candidates[key].push(number);
  }
});

/** Number of the instruction that a 32-bit word encodes, or -1. */
export function lookUp(word: number): number {
  for (const number of candidates[(word & 127) | (((word >>> 12) & 7) << 7)]) {
    const instruction = instructions[number];
    if ((word & instruction.mask) >>> 0 === instruction.match) return number;
  }
  return -1;
}

/** The extensions in canonical order (unprivileged ISA §33), as the device tree lists them, `more` at their end. */
export function isaExtensions(more: string[] = []): string[] {
  return ['i', 'm', 'a', 'f', 'd', 'c', 'zicntr', 'zicsr', 'zifencei', 'zihpm', 'zba', 'zbb', 'zbs', 'sstc', 'svadu', ...more];
}

/** The ISA string: `rv64imafdc_zicntr_…`. */
export function isaString(more: string[] = []): string {
  const all = isaExtensions(more);
  return `rv64${all.filter((x) => x.length === 1).join('')}_${all.filter((x) => x.length > 1).join('_')}`;
}
