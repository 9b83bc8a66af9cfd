import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH } from '../../../test/support/bare-hart';
import { compileHelpers } from '../../../test/support/helpers-module';
import { bType, iType, jType, rType, sType, uType } from '../../../test/support/riscv-encoding';
import { STAT_CHECKED_ACCESSES, STAT_CHECKED_ENTRIES, STAT_CHECKED_INSTRUCTIONS } from '../hart-layout';
import { instructions } from '../isa';
import type { Instruction } from '../isa/instruction';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const amo = (funct5: number, size: 2 | 3, rd: number, rs1: number, rs2: number): number => rType(0x2f, size, funct5 << 2, rd, rs1, rs2);

/** A loop of 2000 rounds over some of every kind of instruction that a region may hold; x28 points to memory. */
function program(): Uint8Array {
  const code = new Assembler();
  const again = new Label();
  const even = new Label();
  code.word(uType(0x17, 28, 0x10));
  code.word(uType(0x37, 29, FINISH >>> 12));
  code.word(uType(0x37, 5, 6)); // mstatus.FS
  code.word(iType(0x73, 2, 0, 5, 0x300));
  // Floating point that is there but not executed must leave mstatus.FS alone.
  const first = new Label();
  const past = new Label();
  code.word(addi(5, 0, 100));
  code.place(first);
  code.word(addi(5, 5, -1));
  code.reference(4, past, (distance) => bType(0, 0, 0, distance));
  code.word(iType(0x53, 7, 1, 5, 0xd20)); // fcvt.d.w
  code.place(past);
  code.reference(4, first, (distance) => bType(1, 5, 0, distance));
  code.word(addi(5, 0, 2000));
  code.place(again);
  code.word(addi(5, 5, -1));
  code.word(rType(0x33, 4, 0, 6, 6, 5)); // xor
  code.word(sType(0x23, 1, 28, 6, 8)); // sh
  code.word(iType(0x03, 1, 7, 28, 8)); // lh
  code.word(sType(0x23, 3, 28, 7, 5)); // sd, misaligned
  code.word(iType(0x13, 7, 8, 5, 1)); // andi
  code.reference(4, even, (distance) => bType(0, 8, 0, distance));
  code.word(amo(0, 2, 9, 28, 6)); // amoadd.w
  code.word(amo(20, 3, 9, 28, 5)); // amomax.d
  code.word(sType(0x23, 0, 28, 6, 1)); // sb, over the same word
  code.place(even);
  code.word(amo(2, 3, 10, 28, 0)); // lr.d
  code.word(amo(3, 3, 11, 28, 6)); // sc.d
  code.word(iType(0x53, 7, 1, 5, 0xd20)); // fcvt.d.w
  code.word(rType(0x53, 7, 0x0d, 2, 2, 1)); // fdiv.d
  code.word(iType(0x53, 1, 12, 2, 0xe20)); // fclass.d
  code.reference(4, again, (distance) => bType(1, 5, 0, distance));
  code.word(sType(0x23, 2, 29, 0, 0));
  const end = new Label();
  code.place(end);
  code.reference(4, end, (distance) => jType(0, distance));
  return code.bytes();
}

function checkedHart(): BareHart {
  return new BareHart(helpers, { jit: true, check: true, tuning: { slice: 50, hot: 2 } });
}

/** Run the program with an instruction that translated code gets wrong. */
function runWith(name: string, emit: Instruction['emit']): void {
  const instruction = instructions.find((candidate) => candidate.name === name);
  if (!instruction) throw new Error(`there is no ${name}`);
  // The interpreters are made; what is translated from here on has the mistake.
  const hart = checkedHart();
  const right = instruction.emit;
  instruction.emit = emit;
  try {
    hart.run(program());
  } finally {
    instruction.emit = right;
  }
}

describe('the lockstep check', () => {
  it('compares what regions do, and finds nothing where they are right', () => {
    const hart = checkedHart();
    hart.run(program());
    expect(hart.statistic(STAT_CHECKED_ENTRIES)).toBeGreaterThan(100);
    expect(hart.statistic(STAT_CHECKED_INSTRUCTIONS)).toBeGreaterThan(20_000);
    expect(hart.statistic(STAT_CHECKED_ACCESSES)).toBeGreaterThan(8_000);
  });

  const mistakes: [string, string, Instruction['emit'], RegExp][] = [
    [
      'a wrong result',
      'xor',
      (c) => c.rd(c.e.i64.or(c.rs1(), c.rs2())),
      /The region stored 0x[0-9a-f]+ to 2 bytes at 0x80010008, the interpreter stored 0x[0-9a-f]+ to 2 bytes at 0x80010008\./,
    ],
    [
      'a wrong register at the end',
      'fclass.d',
      (c) => c.rd(c.e.i64.const(3)),
      /x12 is 0x3 after the region and 0x[0-9a-f]+ interpreted.*fclass\.d\nThis is/s,
    ],
    [
      'a branch that goes the other way',
      'beq',
      (c) => c.branch(c.e.i64.ne(c.rs1(), c.rs2())),
      /x5 is 0x[0-9a-f]+ after the region and 0x[0-9a-f]+ interpreted/,
    ],
    [
      'a load that extends wrongly',
      'lh',
      (c) => c.rd(c.load('hu', c.e.i64.add(c.rs1(), c.imm()))),
      /The region loaded .*zero-extended, the/,
    ],
    ['a store that is forgotten', 'sd', () => {}, /The region .*, the interpreter stored 0x[0-9a-f]+ to 8 bytes at 0x80010005\./],
    ['a store of the wrong size', 'sh', (c) => c.store(0, c.e.i64.add(c.rs1(), c.imm()), c.rs2()), /to 1 bytes at .* to 2 bytes at/],
    [
      'a wrong atomic operation',
      'amoadd.w',
      (c) => c.rd(c.e.i64.extend_s(c.e.atomic.rmw32('and', c.atomicAddress(2, c.rs1()), c.e.i32.wrap(c.rs2())))),
      /The region atomically made (0x[0-9a-f]+) 0x[0-9a-f]+ in 4 bytes at 0x80010000, the interpreter atomically made \1 /,
    ],
    [
      'a flag that is not raised',
      'fdiv.d',
      (c) => c.fd(c.call('f64_mul', c.fs1('i64'), c.fs2('i64'), c.rm())),
      /(f2|fcsr) .*is 0x.* after the region and/,
    ],
  ];
  it.each(mistakes)('stops at %s', (_what, name, emit, message) => {
    expect(() => runWith(name, emit)).toThrow(message);
  });
});
