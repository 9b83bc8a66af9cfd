import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { compileHelpers } from '../../../test/support/helpers-module';
import { bType, iType, rType, sType, uType } from '../../../test/support/riscv-encoding';
import { RAM } from '../../../test/support/bare-hart';
import { CSR, DATA, ECALL, MPP_S, PTE, Run, TABLES } from '../../../test/support/trapping-program';
import { STAT_EXITS_ASIDE, STAT_INTERRUPTS, STAT_REGION_ENTRIES, STAT_REGION_INSTRUCTIONS } from '../hart-layout';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const [SSTATUS, SSCRATCH, SEPC, SIP, TIME] = [0x100, 0x140, 0x141, 0x144, 0xc01];
const SSIP = 2;
const [SIE, SUM] = [2n, 1n << 18n];
const SRET = 0x10200073;
const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const slli = (rd: number, rs1: number, amount: number): number => iType(0x13, 1, rd, rs1, amount);
const add = (rd: number, rs1: number, rs2: number): number => rType(0x33, 0, 0, rd, rs1, rs2);

/** In S-mode, 512 KiB apart from the data. */
const CODE = RAM + 0x40000;
const HANDLER = CODE + 0x8000;
/** Where users have memory. */
const USERS = 0x4000_0000;
const TURNS = 300;
/** x9: turns left. x24, x26: interrupts so far, and where they came. x27: all that was read. x23: sstatus at the end. x28: the operands, also in x5 to x8. */
const [LEFT, STATUS, COUNT, AT, PLACES, READ, BASE] = [9, 23, 24, 25, 26, 27, 28];

interface Step {
  /** 0 to 2: csrrw, csrrs, csrrc of sstatus; 3 to 5: with a constant; 6: time; 7: make an interrupt pending; 8, 9: memory. */
  kind: number;
  /** Kinds 0 to 5: sstatus where it is 0, else sscratch, sepc, scause, stval. */
  csr: number;
  /** 0 or x10 to x13. */
  rd: number;
  /** x5 to x8, or x0. */
  rs1: number;
  constant: number;
}

function wordsOf(steps: Step[]): number[] {
  const code = new Assembler();
  const turn = new Label();
  code.word(uType(0x17, BASE, (DATA - CODE) >> 12));
  for (let i = 0; i < 4; i++) code.word(iType(0x03, 3, 5 + i, BASE, 8 * i));
  code.word(addi(LEFT, 0, TURNS));
  code.place(turn);
  for (const { kind, csr, rd, rs1, constant } of steps) {
    const number = csr === 0 ? SSTATUS : SSCRATCH + csr - 1;
    if (kind < 3) code.word(iType(0x73, kind + 1, rd, rs1, number));
    else if (kind < 6) code.word(iType(0x73, kind + 2, rd, constant, number));
    else if (kind === 6) code.word(iType(0x73, 2, rd, 0, TIME));
    else if (kind === 7) code.word(iType(0x73, 6, 0, SSIP, SIP));
    else if (kind === 8) code.word(sType(0x23, 3, BASE, READ, 64));
    else code.word(iType(0x03, 3, rd, BASE, 64));
    code.word(slli(READ, READ, 1));
    code.word(add(READ, READ, rd));
  }
  code.word(addi(LEFT, LEFT, -1));
  code.reference(4, turn, (distance) => bType(1, LEFT, 0, distance));
  code.word(iType(0x73, 2, STATUS, 0, SSTATUS));
  code.word(ECALL);
  return [...new Uint32Array(code.bytes().slice().buffer)];
}

/** What becomes of it, by interpretation or translated. */
function outcome(steps: Step[], operands: bigint[], jit: boolean): { run: Run; state: bigint[] } {
  const run = new Run(helpers, { time: () => 777 }, { ramBytes: 8 << 20, jit, tuning: jit ? { slice: 500, hot: 1 } : {} });
  for (const [i, value] of operands.entries()) run.put(DATA + 8 * i, value);
  run.code(CODE, ...wordsOf(steps));
  run.code(
    HANDLER,
    ...[iType(0x73, 7, 0, SSIP, SIP), addi(COUNT, COUNT, 1), iType(0x73, 2, AT, 0, SEPC)],
    ...[slli(PLACES, PLACES, 1), add(PLACES, PLACES, AT), SRET],
  );
  const traps = run.run((p) => {
    p.set(CSR.mcounteren, 7n);
    p.set(CSR.mideleg, BigInt(SSIP));
    p.set(CSR.stvec, BigInt(HANDLER));
    p.set(CSR.mie, BigInt(SSIP));
    p.enter(MPP_S, BigInt(CODE));
  });
  expect(traps.map(({ cause }) => cause)).toEqual([9]);
  return { run, state: [STATUS, COUNT, PLACES, READ, 10, 11, 12, 13].map((register) => run.machine.x(register)) };
}

const register = fc.constantFrom(0, 10, 11, 12, 13);
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.nat(9),
  csr: fc.constantFrom(0, 0, 0, 1, 2, 3, 4),
  rd: register,
  rs1: fc.constantFrom(0, 5, 6, 7, 8),
  constant: fc.constantFrom(0, 2, 2, 2, 16, 31),
});
const operand = fc.constantFrom(0n, SIE, SUM, SIE | SUM, 1n << 5n, 1n << 8n, 3n << 13n, 1n << 19n, (1n << 64n) - 1n);

describe('CSR instructions in translated code', () => {
  it('do what they do interpreted, and let an interrupt in where they enable it', () => {
    let interrupts = 0;
    let within = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.array(operand, { minLength: 4, maxLength: 4 }), (steps, operands) => {
        const { run, state } = outcome(steps, operands, true);
        expect(state).toEqual(outcome(steps, operands, false).state);
        interrupts += run.machine.statistic(STAT_INTERRUPTS);
        within += run.machine.statistic(STAT_REGION_INSTRUCTIONS);
      }),
      { numRuns: 80 },
    );
    expect(interrupts).toBeGreaterThan(1000);
    expect(within).toBeGreaterThan(10_000);
  });

  it('are done where they stand: a loop that switches interrupts off and on, and lets itself at users’ memory, is one piece', () => {
    const plain = { csr: 0, rd: 10, rs1: 5, constant: 2 };
    const steps = [5, 8, 4, 6, 1, 9, 2].map((kind) => ({ ...plain, kind }));
    const { run } = outcome(steps, [SUM, 0n, 0n, 0n], true);
    expect(run.machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(0.8 * TURNS * (3 * steps.length + 2));
    // A slice ends some of them.
    expect(run.machine.statistic(STAT_REGION_ENTRIES)).toBeLessThan(TURNS / 4);
    expect(run.machine.statistic(STAT_EXITS_ASIDE)).toBe(0);
  });

  it.each([
    { name: 'users’ memory', bits: SUM, access: iType(0x03, 3, 10, BASE, 0), cause: 13 },
    { name: 'floating point', bits: 3n << 13n, access: 0x02000053, cause: 2 },
  ])('open and close the way to $name', ({ bits, access, cause }) => {
    const code = new Assembler();
    const turn = new Label();
    // x28: the user's page. x5: the bits.
    code.word(uType(0x37, BASE, (USERS + DATA - RAM) >>> 12));
    code.word(uType(0x17, 5, (DATA - CODE) >> 12));
    code.word(iType(0x03, 3, 5, 5, 2036));
    code.word(addi(LEFT, 0, TURNS));
    code.place(turn);
    code.word(iType(0x73, 2, 0, 5, SSTATUS));
    code.word(access);
    code.word(iType(0x73, 3, 0, 5, SSTATUS));
    code.word(addi(LEFT, LEFT, -1));
    code.reference(4, turn, (distance) => bType(1, LEFT, 0, distance));
    code.word(access);
    code.word(ECALL);
    const run = new Run(helpers, {}, { ramBytes: 8 << 20, jit: true, tuning: { slice: 500, hot: 1 } });
    run.put(DATA + 2040, bits);
    // Pages of 1 GiB: what is there, and the same as users' memory.
    const gigabyte = (flags: bigint): bigint => (BigInt(RAM) >> 2n) | flags | PTE.v | PTE.r | PTE.w | PTE.a | PTE.d;
    run.put(TABLES + 8 * (RAM >>> 30), gigabyte(PTE.x));
    run.put(TABLES + 8 * (USERS >>> 30), gigabyte(PTE.u));
    run.code(CODE, ...new Uint32Array(code.bytes().slice().buffer));
    const traps = run.run((p) => {
      p.set(CSR.satp, (8n << 60n) | (BigInt(TABLES) >> 12n));
      p.enter(MPP_S, BigInt(CODE));
    });
    expect(traps).toMatchObject([{ cause, pc: BigInt(CODE + code.bytes().length - 8) }]);
    expect(run.machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(TURNS / 2);
  });
});
