import { beforeAll, describe, expect, it } from 'vitest';
import { compileHelpers } from '../support/helpers-module';
import * as code from '../support/riscv-encoding';
import { runInEngine } from './engine';
import {
  buildProgram,
  INITIAL_MSTATUS,
  INITIAL_PMPADDR,
  INITIAL_PMPCFG,
  INITIAL_SATP,
  INITIAL_X,
  MSTATUS_FS,
  MSTATUS_MPP,
  readRun,
  type RunState,
  type Trap,
  writeAddress,
} from './program';
import { together, word, type Unit } from './sequence';

/** What the specifications say where QEMU 7.2 does otherwise, so that random comparisons leave it out. */

const PAGE = 4096;
/** A run: its record, tables of three levels, one page of data. */
const TABLES = 1;
const DATA = 4;
const RUN_BYTES = 5 * PAGE;
const WINDOW = 0x40000000;
const NOWHERE = 0x60000000;

const S_MODE = 1 << 11;
const MPRV = 1 << 17;
const SUM = 1 << 18;
const MSTATUS = 0x300;
const MEPC = 0x341;
const SEPC = 0x141;
const A0 = 10;
const A1 = 11;
const A2 = 12;

const [V, R, W, X, U, A, D] = [1, 2, 4, 8, 16, 64, 128];

interface Setup {
  /** Bits of mstatus beside FS; MPP is the privilege to run in. */
  mstatus?: number;
  registers?: Record<number, number>;
  /** Flags of the page at WINDOW. */
  page?: number;
  /** Physical address of the last table; a page of the run if left out. */
  table?: number;
  /** Rights of PMP to the tables. */
  tables?: number;
}

function state({ mstatus = MSTATUS_MPP, registers = {}, page = 0, table, tables = 7 }: Setup): RunState {
  return {
    write: (view, at, address) => {
      writeAddress(view, at + INITIAL_MSTATUS, MSTATUS_FS | mstatus);
      for (const [register, value] of Object.entries(registers)) writeAddress(view, at + INITIAL_X + 8 * Number(register), value);
      const physical = (n: number): number => address + n * PAGE;
      const pte = (n: number, entry: number, target: number, flags: number): void =>
        writeAddress(view, at + (TABLES + n) * PAGE + 8 * entry, target / 4 + flags);
      pte(0, 1, physical(TABLES + 1), V);
      pte(0, 2, 0x80000000, V | R | W | X | A | D);
      pte(1, 0, table ?? physical(TABLES + 2), V);
      pte(2, 0, physical(DATA), page);
      writeAddress(view, at + INITIAL_SATP, physical(TABLES) / PAGE);
      view.setUint32(at + INITIAL_SATP + 4, 8 << 28, true);
      // PMP: the last table, then everything.
      writeAddress(view, at + INITIAL_PMPADDR, physical(TABLES + 2) / 4 + PAGE / 8 - 1);
      writeAddress(view, at + INITIAL_PMPADDR + 8, 2 ** 53 - 1);
      writeAddress(view, at + INITIAL_PMPCFG, 0x1f00 | 0x18 | tables);
    },
  };
}

const li = (rd: number, value: number): Unit =>
  together(word(code.uType(0x37, rd, ((value + 0x800) >>> 12) & 0xfffff)), word(code.iType(0x1b, 0, rd, rd, (value << 20) >> 20)));
const lw = (rd: number, rs1: number): Unit => word(code.iType(0x03, 2, rd, rs1, 0));
const sw = (rs2: number, rs1: number): Unit => word(code.sType(0x23, 2, rs1, rs2, 0));
const csrw = (csr: number, rs1: number): Unit => word(code.iType(0x73, 1, 0, rs1, csr));
const csrr = (rd: number, csr: number): Unit => word(code.iType(0x73, 2, rd, 0, csr));

describe('the hart', () => {
  let helpers: WebAssembly.Module;

  beforeAll(async () => {
    helpers = await compileHelpers();
  });

  const run = (units: readonly Unit[], setup: Setup = {}): { x: bigint[]; traps: Trap[] } => {
    const program = buildProgram([{ units, states: [state(setup)] }], RUN_BYTES);
    return readRun(program, runInEngine(helpers, program.image).memory, 0);
  };
  const causes = (units: readonly Unit[], setup: Setup = {}): [number, bigint][] =>
    run(units, setup).traps.map(({ mcause, mtval }) => [Number(mcause), mtval]);

  it('raises store/AMO access fault where an AMO finds no memory (privileged ISA §3.1.15)', () => {
    const amoadd = word(code.rType(0x2f, 2, 0, A1, A0, A2));
    expect(causes([amoadd], { registers: { [A0]: NOWHERE } })).toEqual([[7, BigInt(NOWHERE)]]);
  });

  it('raises store/AMO address misaligned for SC even without a reservation (unprivileged ISA §13.2)', () => {
    const sc = word(code.rType(0x2f, 3, 3 << 2, A1, A0, A2));
    expect(causes([sc], { registers: { [A0]: NOWHERE + 4 } })).toEqual([[6, BigInt(NOWHERE + 4)]]);
  });

  it('takes csrrs and csrrc for writes by the number of the register, whatever it holds (unprivileged ISA §6.1)', () => {
    const set = code.iType(0x73, 2, A1, A0, 0xf14);
    const clear = code.iType(0x73, 3, A1, A0, 0xf14);
    expect(causes([word(set), word(clear), csrr(A1, 0xf14)])).toEqual([
      [2, BigInt(set)],
      [2, BigInt(clear)],
    ]);
  });

  it('counts only the lower word in ctzw (unprivileged ISA §28.5)', () => {
    const ctzw = word(code.iType(0x1b, 1, A1, A0, 0x601));
    expect(run([ctzw], { registers: { [A0]: 2 ** 40 } }).x[A1]).toBe(32n);
  });

  it('keeps bit 0 of mepc and sepc clear (privileged ISA §3.1.14)', () => {
    const { x } = run([li(A0, 0x12345677), csrw(MEPC, A0), csrw(SEPC, A0), csrr(A1, MEPC), csrr(A2, SEPC)]);
    expect([x[A1], x[A2]]).toEqual([0x12345676n, 0x12345676n]);
  });

  it('gives the address of ebreak as mtval', () => {
    const { traps } = run([word(0x00100073)]);
    expect(traps).toMatchObject([{ mcause: 3n, mtval: traps[0]?.mepc }]);
  });

  it('does not let S-mode run a user page that SUM lets it read (privileged ISA §12.1.1.2)', () => {
    const units = [lw(A1, A0), word(code.iType(0x67, 0, 1, A0, 0))];
    const setup = { mstatus: S_MODE | SUM, registers: { [A0]: WINDOW }, page: V | R | X | U | A };
    expect(causes(units, setup)).toEqual([[12, BigInt(WINDOW)]]);
  });

  it('raises access faults, not page faults, where there is no page table (privileged ISA §12.3.2)', () => {
    const units = [lw(A1, A0), sw(A1, A0), word(code.iType(0x67, 0, 1, A0, 0))];
    const setup = { mstatus: S_MODE, registers: { [A0]: WINDOW }, table: NOWHERE };
    expect(causes(units, setup)).toEqual([5, 7, 1].map((cause) => [cause, BigInt(WINDOW)]));
  });

  it('raises access faults where PMP lets the hart read a page table but not set A or D in it', () => {
    const setup = { mstatus: S_MODE, registers: { [A0]: WINDOW }, page: V | R | W | A, tables: 1 };
    expect(causes([lw(A1, A0), sw(A1, A0)], setup)).toEqual([[7, BigInt(WINDOW)]]);
  });

  it('clears MPRV when mret leaves M-mode (privileged ISA §3.1.6.4)', () => {
    // To S-mode a little further on, where the ecall ends the run; the trap it raises says what mstatus was.
    const leave: Unit = {
      emit: (a, forward) => {
        a.word(code.uType(0x17, A1, 0));
        a.reference(4, forward(0), (distance) => code.iType(0x13, 0, A1, A1, distance + 4));
        a.word(code.iType(0x73, 1, 0, A1, MEPC));
        a.word(0x30200073);
      },
    };
    const units = [
      li(A0, MSTATUS_MPP),
      word(code.iType(0x73, 3, 0, A0, MSTATUS)),
      li(A0, MPRV | S_MODE),
      word(code.iType(0x73, 2, 0, A0, MSTATUS)),
      leave,
    ];
    const { traps } = run([...units, word(0x00100073)]);
    expect(traps.map(({ mcause, mstatus }) => [mcause, Number(mstatus & 0xffffffffn) & (MPRV | MSTATUS_MPP)])).toEqual([[3n, S_MODE]]);
  });
});
