import { a } from './a';
import { b } from './b';
import { blocks } from './blocks';
import { extensionBit } from './extensions';
import { d, f } from './float';
import type { Instruction } from './instruction';
import { m } from './m';
import { rv64i } from './rv64i';
import { system, zicsr } from './system';

/** Every instruction that the hart knows, in a fixed order: an instruction's index is its number. */
export const instructions: readonly Instruction[] = [...rv64i, ...m, ...a, ...f, ...d, ...zicsr, ...system, ...b, ...blocks];

/** Candidates by major opcode and funct3, so that decoding looks at a handful of masks. */
const candidates: number[][] = Array.from({ length: 1024 }, () => []);
instructions.forEach((instruction, number) => {
  for (let key = 0; key < 1024; key++) {
    const word = (key & 127) | ((key >>> 7) << 12);
    const known = instruction.mask & 0x707f;
    if (((word ^ instruction.match) & known) === 0) candidates[key].push(number);
  }
});

/** By instruction: the bit of MACHINE_EXTENSIONS_OFF with which a machine does without it, else 0. */
const switches: readonly number[] = instructions.map(({ extension }) => extensionBit(extension));

/** Number of the instruction that a 32-bit word encodes, or -1. `off`: what the machine does without, as in MACHINE_EXTENSIONS_OFF. */
export function lookUp(word: number, off = 0): number {
  for (const number of candidates[(word & 127) | (((word >>> 12) & 7) << 7)]) {
    const instruction = instructions[number];
    if ((word & instruction.mask) >>> 0 === instruction.match) return (switches[number] & off) === 0 ? number : -1;
  }
  return -1;
}
