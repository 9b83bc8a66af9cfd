import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../../test/support/bare-hart';
import { compileHelpers } from '../../../test/support/helpers-module';
import { bType, iType, jType, rType, sType, uType } from '../../../test/support/riscv-encoding';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const jalr = (rd: number, rs1: number, immediate: number): number => iType(0x67, 0, rd, rs1, immediate);
const upper = (distance: number): number => ((distance + 0x800) >> 12) & 0xfffff;
const lower = (distance: number): number => ((distance & 0xfff) << 20) >> 20;

/** x2: stack. x16, x17: scratch. x28: data. x29: where to finish. x30: steps left. x5 to x15: values. */
const STEPS = 30;

type Call = { to: number; how: 'near' | 'far' | 'pointer' | 'tail' };
interface BlockPlan {
  op: number;
  rd: number;
  rs1: number;
  rs2: number;
  call?: Call;
  compare: number;
  /** Where to go if the comparison holds, and if not; past the last block is the function's end. */
  taken: number;
  next: number;
}
interface FunctionPlan {
  blocks: BlockPlan[];
  /** If given, it begins so many bytes before the end of a page. */
  before?: number;
  /** Return to four bytes after the place that it was called from. */
  skips: boolean;
}

/**
 * Functions that call each other, and themselves, in all ways; the first is the program. `straddling`: all lies two bytes on, so that an
 * instruction may lie in two pages.
 */
function assemble(functions: FunctionPlan[], straddling: boolean, steps: number): Uint8Array {
  const code = new Assembler();
  if (straddling) code.half(1);
  const entries = functions.map(() => new Label());
  const table = new Label();
  const end = new Label();
  const address = (rd: number, label: Label): void => {
    code.reference(4, label, (distance) => uType(0x17, rd, upper(distance)));
    code.reference(4, label, (distance) => addi(rd, rd, lower(distance + 4)));
  };
  code.word(uType(0x37, 29, FINISH >>> 12));
  code.word(uType(0x17, 28, 0x40));
  code.word(uType(0x17, 2, 0x60));
  code.word(addi(STEPS, 0, steps));
  for (let register = 5; register <= 15; register++) code.word(addi(register, 0, register * 37 - 200));
  code.reference(4, entries[0], (distance) => jType(1, distance));
  code.place(end);
  code.word(sType(0x23, 2, 29, 0, 0));
  code.reference(4, end, (distance) => jType(0, distance));
  code.place(table);
  for (const entry of entries) code.reference(4, entry, (distance) => jType(0, distance));

  functions.forEach(({ blocks, before, skips }, number) => {
    while (before !== undefined && (code.offset + before) % 4096 > 2) code.word(addi(0, 0, 0));
    const labels = [...blocks, 0].map(() => new Label());
    code.place(entries[number]);
    code.word(addi(2, 2, -16));
    code.word(sType(0x23, 3, 2, 1, 0));
    blocks.forEach((block, i) => {
      const { op, rd, rs1, rs2, call, compare } = block;
      code.place(labels[i]);
      code.word(addi(STEPS, STEPS, -1));
      code.word(bType(1, STEPS, 0, 8));
      code.reference(4, end, (distance) => jType(0, distance));
      if (op === 0) code.word(sType(0x23, 3, 28, rs1, (rs2 - 5) * 8));
      else if (op === 1) code.word(iType(0x03, 3, rd, 28, (rs1 - 5) * 8));
      else code.word(rType(0x33, op === 2 ? 4 : 0, op === 3 ? 0x20 : 0, rd, rs1, rs2));
      if (call) {
        const target = entries[call.to % entries.length];
        if (call.how === 'near') code.reference(4, target, (distance) => jType(1, distance));
        if (call.how === 'far') {
          code.reference(4, target, (distance) => uType(0x17, 16, upper(distance)));
          code.reference(4, target, (distance) => jalr(1, 16, lower(distance + 4)));
        }
        if (call.how === 'pointer') {
          address(16, table);
          code.word(iType(0x13, 7, 17, rs1, 1));
          code.word(iType(0x13, 1, 17, 17, 2));
          code.word(rType(0x33, 0, 0, 16, 16, 17));
          code.word(jalr(1, 16, 0));
        }
        if (call.how === 'tail') {
          code.word(iType(0x03, 3, 1, 2, 0));
          code.word(addi(2, 2, 16));
          code.reference(4, target, (distance) => jType(0, distance));
        }
        // What a function that skips comes back behind.
        code.word(addi(rd, rd, 1));
      }
      code.reference(4, labels[block.taken % labels.length], (distance) => bType(compare, rs1, rs2, distance));
      code.reference(4, labels[block.next % labels.length], (distance) => jType(0, distance));
    });
    code.place(labels[blocks.length]);
    code.word(iType(0x03, 3, 1, 2, 0));
    code.word(addi(2, 2, 16));
    if (skips && number > 0) code.word(addi(1, 1, 4));
    code.word(jalr(0, 1, 0));
  });
  return code.bytes();
}

const value = fc.integer({ min: 5, max: 15 });
const place = fc.integer({ min: 0, max: 5 });
const block = fc.record(
  {
    op: fc.integer({ min: 0, max: 4 }),
    rd: value,
    rs1: value,
    rs2: value,
    call: fc.record({
      to: place,
      how: fc.constantFrom('near' as const, 'near' as const, 'far' as const, 'pointer' as const, 'tail' as const),
    }),
    compare: fc.constantFrom(0, 1, 4, 5, 6, 7),
    taken: place,
    next: place,
  },
  { requiredKeys: ['op', 'rd', 'rs1', 'rs2', 'compare', 'taken', 'next'] },
);
const program = fc.array(
  fc.record({
    blocks: fc.array(block, { minLength: 1, maxLength: 5 }),
    before: fc.constantFrom(undefined, 0, 28, 60),
    skips: fc.boolean(),
  }),
  {
    minLength: 1,
    maxLength: 5,
  },
);

describe('calls in translated code', () => {
  it('does what the interpreter does with calls, returns and jumps through registers, on one page and across pages', () => {
    const interpreted = new BareHart(helpers, { tuning: { slice: 64 } });
    const translated = new BareHart(helpers, { jit: true, tuning: { slice: 64, hot: 2 } });
    fc.assert(
      fc.property(program, fc.boolean(), (functions, straddling) => {
        const code = assemble(functions, straddling, 2000);
        interpreted.run(code);
        translated.run(code);
        for (let register = 1; register < 32; register++) expect(translated.x(register), `x${register}`).toBe(interpreted.x(register));
        expect(Buffer.from(translated.memory.view(RAM + 0x40000, 128))).toEqual(Buffer.from(interpreted.memory.view(RAM + 0x40000, 128)));
      }),
      { numRuns: 200 },
    );
    expect(translated.inlined).toBeGreaterThan(100);
  });

  it('calls what the page tables show now, not what they showed when the call was translated', () => {
    // S-mode calls virtual page 0x5000, which is mapped to one function, then to another, and so on.
    const ROOT = RAM + 0x80000;
    const code = new Assembler();
    const again = new Label();
    code.word(uType(0x37, 29, FINISH >>> 12));
    code.word(uType(0x17, 20, 0x82)); // The last table; its entry 5 is the function's page.
    code.word(addi(20, 20, -4));
    code.word(iType(0x03, 3, 21, 20, 0x100)); // Entries for the two functions.
    code.word(iType(0x03, 3, 22, 20, 0x108));
    code.word(addi(6, 0, 4));
    const rounds = new Label();
    code.place(rounds);
    code.word(sType(0x23, 3, 20, 21, 5 * 8));
    code.word(0x12000073); // sfence.vma
    code.word(addi(5, 0, 100));
    code.place(again);
    const at = code.offset;
    code.word(uType(0x17, 16, ((0x4000 - RAM) >>> 12) & 0xfffff));
    code.word(jalr(1, 16, -at));
    code.word(addi(5, 5, -1));
    code.reference(4, again, (distance) => bType(1, 5, 0, distance));
    // The other function's turn.
    code.word(addi(7, 21, 0));
    code.word(addi(21, 22, 0));
    code.word(addi(22, 7, 0));
    code.word(addi(6, 6, -1));
    code.reference(4, rounds, (distance) => bType(1, 6, 0, distance));
    code.word(sType(0x23, 2, 29, 0, 0));
    code.word(jType(0, 0));

    const setUp = new Assembler();
    setUp.word(addi(5, 0, -1));
    setUp.word(iType(0x73, 1, 0, 5, 0x3b0)); // pmpaddr0: everything
    setUp.word(addi(5, 0, 31));
    setUp.word(iType(0x73, 1, 0, 5, 0x3a0)); // pmpcfg0: NAPOT, RWX
    // satp: mode 8 and the page number of ROOT.
    setUp.word(addi(5, 0, 8));
    setUp.word(iType(0x13, 1, 5, 5, 60));
    setUp.word(uType(0x37, 6, upper(ROOT >>> 12)));
    setUp.word(addi(6, 6, lower(ROOT >>> 12)));
    setUp.word(rType(0x33, 6, 0, 5, 5, 6));
    setUp.word(iType(0x73, 1, 0, 5, 0x180));
    setUp.word(uType(0x37, 5, 1));
    setUp.word(addi(5, 5, -0x800));
    setUp.word(iType(0x73, 2, 0, 5, 0x300)); // mstatus.MPP = S
    setUp.word(uType(0x17, 5, 1));
    setUp.word(addi(5, 5, 4 - setUp.offset));
    setUp.word(iType(0x73, 1, 0, 5, 0x341)); // mepc: the next page
    setUp.word(0x30200073); // mret

    const hart = new BareHart(helpers, { jit: true, tuning: { slice: 50, hot: 2 } });
    const table = (base: number, entries: Record<number, number>): void => {
      const bytes = new DataView(new ArrayBuffer(4096));
      for (const [index, entry] of Object.entries(entries)) bytes.setBigUint64(8 * Number(index), BigInt(entry), true);
      hart.memory.copyIn(base, new Uint8Array(bytes.buffer));
    };
    const pointer = (to: number): number => (to / 4096) * 1024 + 1;
    const leaf = (to: number): number => (to / 4096) * 1024 + 0xcf;
    table(ROOT, { 0: pointer(ROOT + 0x1000), 2: leaf(RAM) });
    table(ROOT + 0x1000, { 0: pointer(ROOT + 0x3000) });
    // RAM + 0x83000 is what x20 points to: one page after its auipc at RAM + 0x1000.
    table(ROOT + 0x3000, { 32: leaf(RAM + 0x2000), 33: leaf(RAM + 0x3000), 256: leaf(FINISH) });
    for (const [page, add] of [
      [0x2000, 1],
      [0x3000, 1000],
    ]) {
      const fn = new Assembler();
      fn.word(addi(10, 10, add));
      fn.word(addi(11, 11, 1));
      fn.word(jalr(0, 1, 0));
      hart.memory.copyIn(RAM + page, fn.bytes());
    }
    hart.memory.copyIn(RAM + 0x1000, code.bytes());
    hart.run(setUp.bytes());
    expect(hart.x(11)).toBe(400n);
    expect(hart.x(10)).toBe(BigInt(200 + 200 * 1000));
    expect(hart.inlined).toBeGreaterThan(0);
  });
});
