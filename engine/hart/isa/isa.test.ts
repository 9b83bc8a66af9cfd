import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bType, iType, jType, sType, uType } from '../../../test/support/riscv-encoding';
import { handlerFor, handlers, SPECIAL_HANDLERS, writesX } from '../handlers';
import { expandCompressed } from './c';
import { isaExtensions } from './extensions';
import { instructions, lookUp } from './index';
import { immediateOf, rdOf } from './instruction';

const named = (word: number): string | undefined => instructions[lookUp(word)]?.name;

describe('instructions', () => {
  it('have names and encodings of their own', () => {
    expect(new Set(instructions.map(({ name }) => name)).size).toBe(instructions.length);
    for (const { match, mask, name } of instructions) expect((match & mask) >>> 0, name).toBe(match);
  });

  it('decode to themselves whatever their operands', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: instructions.length - 1 }), fc.integer(), (number, operands) => {
        const { match, mask } = instructions[number];
        expect(lookUp((match | (operands & ~mask)) >>> 0)).toBe(number);
      }),
      { numRuns: 5000 },
    );
  });

  it('overlap nowhere', () => {
    const overlapping: string[] = [];
    instructions.forEach((a, i) => {
      for (const b of instructions.slice(i + 1)) {
        if (((a.match ^ b.match) & a.mask & b.mask) === 0) overlapping.push(`${a.name} ${b.name}`);
      }
    });
    expect(overlapping).toEqual([]);
  });

  it('belong to extensions of the ISA string', () => {
    const known = new Set(isaExtensions({ off: [], imsics: false }));
    for (const { extension, name } of instructions) expect(known.has(extension), `${name}: ${extension}`).toBe(true);
  });

  it('have their immediates where the formats put them', () => {
    const signed = (bits: number): fc.Arbitrary<number> => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
    const register = fc.integer({ min: 0, max: 31 });
    fc.assert(
      fc.property(signed(12), signed(12), signed(20), fc.integer({ min: 0, max: 0xfffff }), register, register, (i, b, j, u, rd, rs) => {
        expect(immediateOf('i', iType(0x13, 0, rd, rs, i))).toBe(i);
        expect(immediateOf('s', sType(0x23, 0, rd, rs, i))).toBe(i);
        expect(immediateOf('b', bType(0, rd, rs, 2 * b))).toBe(2 * b);
        expect(immediateOf('j', jType(rd, 2 * j))).toBe(2 * j);
        expect(immediateOf('u', uType(0x37, rd, u))).toBe((u << 12) | 0);
        expect(immediateOf('csr', iType(0x73, 1, rd, rs, i))).toBe(i & 0xfff);
        expect(immediateOf('shift', iType(0x13, 1, rd, rs, i & 63))).toBe(i & 63);
        expect(immediateOf('shiftw', iType(0x1b, 1, rd, rs, i & 31))).toBe(i & 31);
      }),
    );
  });

  it('does not take reserved words for instructions', () => {
    // All zeros, all ones, a shift of 32 and more by slliw, lr.w with a source, funct3 of jalr, mulh's neighbour in OP-32.
    for (const word of [0, 0xffffffff, iType(0x1b, 1, 1, 1, 32), 0x1012a2af, iType(0x67, 1, 1, 1, 0), 0x0220903b]) {
      expect(named(word), word.toString(16)).toBeUndefined();
    }
  });
});

describe('compressed instructions', () => {
  it('all stand for known instructions, or are reserved', () => {
    let known = 0;
    for (let half = 0; half < 65536; half++) {
      const word = expandCompressed(half);
      if (word === 0) continue;
      expect(half & 3).not.toBe(3);
      expect(lookUp(word), half.toString(16)).toBeGreaterThanOrEqual(0);
      known++;
    }
    // Of the 49,152 half-words: what RV64C leaves reserved is small.
    expect(known).toBeGreaterThan(44_000);
    expect(expandCompressed(0)).toBe(0);
  });

  it('have a handler for every way they are spelled', () => {
    for (let half = 0; half < 65536; half++) {
      const word = expandCompressed(half);
      if (word === 0) continue;
      const number = lookUp(word);
      const instruction = instructions[number];
      if (instruction.pure && rdOf(word) === 0) continue;
      const relative = instruction.format === 'b' || instruction.format === 'j';
      for (const near of relative ? [false, true] : [false]) {
        const handler = handlers[handlerFor(number, 2, rdOf(word) === 0, near) - SPECIAL_HANDLERS];
        expect(handler?.instruction, half.toString(16)).toBe(instruction);
        expect(handler.length).toBe(2);
      }
    }
  });
});

describe('handlers', () => {
  it('fit every instruction in all circumstances', () => {
    instructions.forEach((instruction, number) => {
      const relative = instruction.format === 'b' || instruction.format === 'j';
      for (const rdIsZero of [false, true]) {
        for (const near of relative ? [false, true] : [false]) {
          const handler = handlers[handlerFor(number, 4, rdIsZero, near) - SPECIAL_HANDLERS];
          expect(handler?.instruction, instruction.name).toBe(instruction);
          expect(handler.length).toBe(4);
          expect(handler.near).toBe(near);
          expect(handler.discard).toBe(rdIsZero && writesX(instruction) && !instruction.pure);
        }
      }
    });
  });
});
