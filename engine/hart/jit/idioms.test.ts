import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH } from '../../../test/support/bare-hart';
import { compileHelpers } from '../../../test/support/helpers-module';
import { bType, iType, jType, rType, sType, uType } from '../../../test/support/riscv-encoding';
import { instructions, lookUp } from '../isa';
import { findIdioms } from './idioms';
import type { RegionInstruction } from './region';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const slli = (rd: number, rs: number, amount: number): number => iType(0x13, 1, rd, rs, amount);
const srli = (rd: number, rs: number, amount: number): number => iType(0x13, 5, rd, rs, amount);
const srai = (rd: number, rs: number, amount: number): number => iType(0x13, 5, rd, rs, amount | 0x400);
const slliw = (rd: number, rs: number, amount: number): number => iType(0x1b, 1, rd, rs, amount);
const srliw = (rd: number, rs: number, amount: number): number => iType(0x1b, 5, rd, rs, amount);
const or = (rd: number, rs1: number, rs2: number): number => rType(0x33, 6, 0, rd, rs1, rs2);
const xor = (rd: number, rs1: number, rs2: number): number => rType(0x33, 4, 0, rd, rs1, rs2);
const add = (rd: number, rs1: number, rs2: number): number => rType(0x33, 0, 0, rd, rs1, rs2);
const addi = (rd: number, rs1: number, value: number): number => iType(0x13, 0, rd, rs1, value);

const bodyOf = (...words: number[]): RegionInstruction[] =>
  words.map((word, i) => ({ instruction: instructions[lookUp(word >>> 0)], word: word >>> 0, length: 4, offset: 4 * i }));

describe('idioms of shifts', () => {
  it.each([
    ['a rotation of 32 bits', bodyOf(slliw(6, 5, 7), srliw(7, 5, 25), or(6, 6, 7)), { kind: 'rotate', bits: 32, amount: 7 }],
    ['one whose source is overwritten', bodyOf(srliw(6, 5, 25), slliw(5, 5, 7), xor(5, 5, 6)), { kind: 'rotate', bits: 32, amount: 7 }],
    ['one of 64 bits', bodyOf(slli(6, 5, 3), addi(9, 9, 1), srli(5, 5, 61), add(6, 6, 5)), { kind: 'rotate', bits: 64, amount: 3 }],
    ['zero extension', bodyOf(slli(5, 5, 32), srli(5, 5, 32)), { kind: 'zero', bits: 32, amount: 0 }],
    ['zero extension and a shift', bodyOf(slli(6, 5, 32), srli(6, 6, 30)), { kind: 'zero', bits: 32, amount: 2 }],
    ['sign extension', bodyOf(slli(6, 5, 56), srai(7, 6, 56)), { kind: 'sign', bits: 8, amount: 0 }],
  ])('finds %s', (_what, body, idiom) => {
    const found = findIdioms(body);
    expect([...found.keys()]).toEqual([body.length - 1]);
    expect(found.get(body.length - 1)).toMatchObject({ idiom, source: 5 });
  });

  it.each([
    ['amounts that do not add up', bodyOf(slliw(6, 5, 7), srliw(7, 5, 24), or(6, 6, 7))],
    ['shifts of two values', bodyOf(slliw(5, 5, 7), srliw(7, 5, 25), or(6, 5, 7))],
    ['shifts of two widths', bodyOf(slli(6, 5, 7), srliw(7, 5, 25), or(6, 6, 7))],
    ['an extension of nothing in particular', bodyOf(slli(6, 5, 20), srli(6, 6, 20))],
    ['one shift twice', bodyOf(slliw(6, 5, 16), or(6, 6, 6))],
  ])('sees none in %s', (_what, body) => {
    expect(findIdioms(body).size).toBe(0);
  });

  it('compute what the instructions compute one by one', () => {
    const interpreted = new BareHart(helpers, { tuning: { slice: 64 } });
    const translated = new BareHart(helpers, { jit: true, tuning: { slice: 64, hot: 2 } });
    const register = fc.integer({ min: 5, max: 8 });
    const amount = fc.constantFrom(3, 7, 8, 16, 24, 25, 29, 32, 48, 56, 61);
    const instruction = fc.record({ op: fc.integer({ min: 0, max: 12 }), rd: register, rs1: register, rs2: register, amount });
    let idioms = 0;
    fc.assert(
      fc.property(fc.array(instruction, { minLength: 4, maxLength: 24 }), (plan) => {
        const words = plan.flatMap(({ op, rd, rs1, rs2, amount: by }) => {
          if (op < 3) return [[slli, srli, srai][op](rd, rs1, by)];
          if (op < 5) return [[slliw, srliw][op - 3](rd, rs1, by & 31)];
          if (op < 9) return [[or, xor, add, or][op - 5](rd, rs1, rs2)];
          // What compilers write, with registers that may well coincide, and others' shifts in between.
          if (op === 9) return [slliw(rd, rs1, by & 31), addi(rs2, rs2, 1), srliw(rs1, rs1, -by & 31), or(rs2, rs1, rd)];
          if (op === 10) return [srli(rd, rs1, 64 - by), slli(rs2, rs1, by), xor(rs1, rd, rs2)];
          return [slli(rd, rs1, 32), or(rs1, rs2, rs1), op === 11 ? srli(rs2, rd, by & 31) : srai(rd, rd, 32)];
        });
        idioms += findIdioms(bodyOf(...words)).size;
        const code = new Assembler();
        const loop = new Label();
        const end = new Label();
        code.word(uType(0x37, 29, FINISH >>> 12));
        code.word(addi(30, 0, 60));
        for (let i = 5; i <= 8; i++) code.word(addi(i, 0, i * 311 - 2100));
        code.place(loop);
        for (const word of words) code.word(word);
        // So that the values do not die out.
        for (let i = 5; i <= 8; i++) code.word(addi(i, i, 1000 - i * 97));
        code.word(addi(30, 30, -1));
        code.reference(4, loop, (distance) => bType(1, 30, 0, distance));
        code.word(sType(0x23, 2, 29, 0, 0));
        code.place(end);
        code.reference(4, end, (distance) => jType(0, distance));
        interpreted.run(code.bytes());
        translated.run(code.bytes());
        for (let i = 5; i <= 8; i++) expect(translated.x(i), `x${i}`).toBe(interpreted.x(i));
      }),
      { numRuns: 200 },
    );
    expect(idioms).toBeGreaterThan(100);
    expect(translated.translated).toBeGreaterThan(100);
  });
});
