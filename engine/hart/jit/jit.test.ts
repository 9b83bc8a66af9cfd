import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../../test/support/bare-hart';
import { compileHelpers } from '../../../test/support/helpers-module';
import { STAT_REGIONS_INSTALLED, STAT_REGIONS_LIVE } from '../hart-layout';
import { bType, iType, jType, rType, sType, uType } from '../../../test/support/riscv-encoding';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const OP = 0x33;
const IMM = 0x13;
const addi = (rd: number, rs1: number, immediate: number): number => iType(IMM, 0, rd, rs1, immediate);

/** x30: steps left. x29: where to finish. x5 to x15: values. */
const STEPS = 30;

interface BlockPlan {
  /** Instructions: operation and registers. */
  body: { op: number; rd: number; rs1: number; rs2: number }[];
  compare: number;
  rs1: number;
  rs2: number;
  taken: number;
  next: number;
}

/** A program of basic blocks that branch to each other in any way, loops with several entries included. */
function assemble(blocks: BlockPlan[], steps: number): Uint8Array {
  const code = new Assembler();
  const labels = blocks.map(() => new Label());
  const end = new Label();
  code.word(uType(0x37, STEPS, 0));
  code.word(uType(0x37, STEPS, (steps + 0x800) >> 12));
  code.word(addi(STEPS, STEPS, ((steps & 0xfff) << 20) >> 20));
  code.word(uType(0x37, 29, FINISH >>> 12));
  code.word(uType(0x17, 28, 0x10));
  for (let register = 5; register <= 15; register++) code.word(addi(register, 0, register * 37 - 200));
  blocks.forEach((block, i) => {
    code.place(labels[i]);
    code.word(addi(STEPS, STEPS, -1));
    code.reference(4, end, (distance) => bType(0, STEPS, 0, distance));
    for (const { op, rd, rs1, rs2 } of block.body) {
      switch (op) {
        case 0:
          code.word(rType(OP, 0, 0, rd, rs1, rs2));
          break;
        case 1:
          code.word(rType(OP, 0, 0x20, rd, rs1, rs2));
          break;
        case 2:
          code.word(rType(OP, 4, 0, rd, rs1, rs2));
          break;
        case 3:
          code.word(rType(OP, 0, 1, rd, rs1, rs2));
          break;
        case 4:
          code.word(rType(OP, 5, 1, rd, rs1, rs2));
          break;
        case 5:
          code.word(iType(IMM, 5, rd, rs1, rs2));
          break;
        case 6:
          code.word(sType(0x23, 3, 28, rs1, (rs2 - 5) * 8));
          break;
        case 7:
          code.word(iType(0x03, 3, rd, 28, (rs1 - 5) * 8));
          break;
        default:
          code.word(rType(0x3b, 0, 0, rd, rs1, rs2));
      }
    }
    code.reference(4, labels[block.taken], (distance) => bType(block.compare, block.rs1, block.rs2, distance));
    code.reference(4, labels[block.next], (distance) => jType(0, distance));
  });
  code.place(end);
  code.word(sType(0x23, 2, 29, 0, 0));
  code.reference(4, end, (distance) => jType(0, distance));
  return code.bytes();
}

const value = fc.integer({ min: 5, max: 15 });
const program = fc.integer({ min: 1, max: 12 }).chain((count) => {
  const target = fc.integer({ min: 0, max: count - 1 });
  const block = fc.record({
    body: fc.array(fc.record({ op: fc.integer({ min: 0, max: 8 }), rd: value, rs1: value, rs2: value }), { maxLength: 6 }),
    compare: fc.constantFrom(0, 1, 4, 5, 6, 7),
    rs1: value,
    rs2: value,
    taken: target,
    next: target,
  });
  return fc.array(block, { minLength: count, maxLength: count });
});

describe('translated code', () => {
  it('does what the interpreter does, whatever the control flow', () => {
    const interpreted = new BareHart(helpers, { tuning: { slice: 64 } });
    const translated = new BareHart(helpers, { jit: true, tuning: { slice: 64, hot: 2 } });
    fc.assert(
      fc.property(program, (blocks) => {
        const code = assemble(blocks, 400);
        interpreted.run(code);
        translated.run(code);
        for (let register = 1; register < 32; register++) expect(translated.x(register), `x${register}`).toBe(interpreted.x(register));
        expect(Buffer.from(translated.memory.view(RAM + 0x10000, 128))).toEqual(Buffer.from(interpreted.memory.view(RAM + 0x10000, 128)));
      }),
      { numRuns: 150 },
    );
    expect(translated.translated).toBeGreaterThan(100);
  });

  it('takes a fault in the middle of a region at the right instruction, with the registers of that moment', () => {
    // Sums a table until the pointer leaves RAM; the handler is at mtvec.
    const code = new Assembler();
    const loop = new Label();
    const handler = new Label();
    code.word(uType(0x37, 29, FINISH >>> 12));
    code.reference(4, handler, (distance) => uType(0x17, 6, (distance + 0x800) >> 12));
    code.reference(4, handler, (distance) => addi(6, 6, (((distance + 4) & 0xfff) << 20) >> 20));
    code.word(iType(0x73, 1, 0, 6, 0x305)); // csrw mtvec
    code.word(uType(0x17, 5, 0xf0)); // near the end of RAM
    code.place(loop);
    code.word(addi(7, 7, 1));
    code.word(addi(8, 7, 5));
    const faulting = code.offset;
    code.word(iType(0x03, 3, 9, 5, 0));
    code.word(addi(10, 10, 1));
    code.word(addi(5, 5, 64));
    code.reference(4, loop, (distance) => jType(0, distance));
    while (code.offset % 4) code.half(1);
    code.place(handler);
    code.word(iType(0x73, 2, 11, 0, 0x341)); // csrr mepc
    code.word(iType(0x73, 2, 12, 0, 0x343)); // csrr mtval
    code.word(iType(0x73, 2, 13, 0, 0xb02)); // csrr minstret
    code.word(sType(0x23, 2, 29, 0, 0));
    const end = new Label();
    code.place(end);
    code.reference(4, end, (distance) => jType(0, distance));
    const results = [false, true].map((jit) => {
      const hart = new BareHart(helpers, { jit, tuning: { slice: 50, hot: 2 } });
      hart.run(code.bytes());
      return { translated: hart.translated, x: Array.from({ length: 32 }, (_, i) => hart.x(i)) };
    });
    expect(results[1].translated).toBeGreaterThan(0);
    expect(results[1].x).toEqual(results[0].x);
    expect(results[0].x[11]).toBe(BigInt(RAM + faulting));
    expect(results[0].x[12]).toBe(BigInt(RAM + (1 << 20) + 16));
  });

  it('drops a region when its code has changed and fence.i says so', () => {
    // Calls a function 100 times, then makes it add 16 instead of 1 and calls it 100 times more.
    const code = new Assembler();
    const fn = new Label();
    const patch = new Label();
    const rounds = (): void => {
      const again = new Label();
      code.word(addi(5, 0, 100));
      code.place(again);
      code.reference(4, fn, (distance) => jType(1, distance));
      code.word(addi(5, 5, -1));
      code.reference(4, again, (distance) => bType(1, 5, 0, distance));
    };
    code.word(uType(0x37, 29, FINISH >>> 12));
    code.word(addi(20, 0, 3));
    const restart = new Label();
    code.place(restart);
    rounds();
    code.reference(4, patch, (distance) => uType(0x17, 6, (distance + 0x800) >> 12));
    code.reference(4, patch, (distance) => iType(0x03, 2, 7, 6, (((distance + 4) & 0xfff) << 20) >> 20));
    code.reference(4, fn, (distance) => uType(0x17, 6, (distance + 0x800) >> 12));
    code.reference(4, fn, (distance) => sType(0x23, 2, 6, 7, (((distance + 4) & 0xfff) << 20) >> 20));
    code.word(0x0000100f); // fence.i
    rounds();
    code.word(addi(20, 20, -1));
    code.reference(4, restart, (distance) => bType(1, 20, 0, distance));
    code.word(sType(0x23, 2, 29, 0, 0));
    const end = new Label();
    code.place(end);
    code.reference(4, end, (distance) => jType(0, distance));
    code.place(patch);
    code.word(addi(10, 10, 16));
    // A page of its own, so that writing to it does not touch the caller's.
    while (code.offset < 4096) code.word(addi(0, 0, 0));
    code.place(fn);
    code.word(addi(10, 10, 1));
    code.word(addi(11, 11, 1));
    code.word(iType(0x67, 0, 0, 1, 0));
    const hart = new BareHart(helpers, { jit: true, tuning: { slice: 50, hot: 2 } });
    hart.run(code.bytes());
    expect(hart.translated).toBeGreaterThan(1);
    expect(hart.x(10)).toBe(BigInt(100 + 5 * 1600));
    expect(hart.x(11)).toBe(600n);
  });

  it('keeps no regions of code that is gone, however long a guest goes on to write new code', () => {
    // 400 times: another constant in the function on the next page, fence.i, 20 calls.
    const code = new Assembler();
    const [rounds, again, fn, end] = [new Label(), new Label(), new Label(), new Label()];
    code.word(uType(0x37, 29, FINISH >>> 12));
    code.word(uType(0x17, 6, 1)); // fn, 4 bytes further on
    code.word(addi(20, 0, 400));
    code.word(uType(0x37, 7, addi(10, 10, 0) >>> 12));
    code.word(addi(7, 7, ((addi(10, 10, 0) & 0xfff) << 20) >> 20));
    code.word(uType(0x37, 8, 0x100)); // 1 in an immediate's place
    code.place(rounds);
    code.word(rType(OP, 0, 0, 7, 7, 8));
    code.word(sType(0x23, 2, 6, 7, -4));
    code.word(0x0000100f); // fence.i
    code.word(addi(5, 0, 20));
    code.place(again);
    code.reference(4, fn, (distance) => jType(1, distance));
    code.word(addi(5, 5, -1));
    code.reference(4, again, (distance) => bType(1, 5, 0, distance));
    code.word(addi(20, 20, -1));
    code.reference(4, rounds, (distance) => bType(1, 20, 0, distance));
    code.word(sType(0x23, 2, 29, 0, 0));
    code.place(end);
    code.reference(4, end, (distance) => jType(0, distance));
    while (code.offset < 4096) code.word(addi(0, 0, 0));
    code.place(fn);
    code.word(addi(10, 10, 0));
    code.word(addi(11, 11, 1));
    code.word(iType(0x67, 0, 0, 1, 0));
    const hart = new BareHart(helpers, { jit: true, tuning: { slice: 20, hot: 2 } });
    hart.run(code.bytes());
    expect(hart.x(10)).toBe(BigInt((20 * 400 * 401) / 2));
    expect(hart.statistic(STAT_REGIONS_INSTALLED)).toBeGreaterThan(400);
    expect(hart.statistic(STAT_REGIONS_LIVE)).toBeLessThan(10);
  });

  it('keeps going when more regions become hot than may live at a time', () => {
    const code = new Assembler();
    const again = new Label();
    code.word(uType(0x37, 29, FINISH >>> 12));
    code.word(addi(5, 0, 200));
    code.place(again);
    const functions = Array.from({ length: 40 }, () => new Label());
    for (const fn of functions) code.reference(4, fn, (distance) => jType(1, distance));
    code.word(addi(5, 5, -1));
    code.reference(4, again, (distance) => bType(1, 5, 0, distance));
    code.word(sType(0x23, 2, 29, 0, 0));
    const end = new Label();
    code.place(end);
    code.reference(4, end, (distance) => jType(0, distance));
    // Far enough away for calls to leave the page.
    while (code.offset < 4096) code.word(addi(0, 0, 0));
    for (const fn of functions) {
      code.place(fn);
      code.word(addi(11, 11, 1));
      code.word(addi(10, 10, 1));
      code.word(iType(0x67, 0, 0, 1, 0));
    }
    const hart = new BareHart(helpers, { jit: true, tuning: { slice: 50, hot: 2, regions: 16 } });
    hart.run(code.bytes());
    expect(hart.x(10)).toBe(8000n);
    expect(hart.translated).toBeGreaterThan(40);
  });
});
