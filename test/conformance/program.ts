import { Assembler, Label } from '../support/assembler';
import * as code from '../support/riscv-encoding';
import type { Random } from '../support/random';
import { BASE, DATA_BEFORE, DATA_BYTES, emitUnits, SP, SP_ABOVE_BASE, type Unit } from './sequence';

/** Where the program lies and starts: RAM of QEMU's virt board. */
export const RAM_BASE = 0x80000000;
const TEST_FINISHER = 0x100000;

/**
 * One run of one sequence, as it lies in memory: what it starts from, then what became of it, then whatever memory it works on.
 * INITIAL_X holds x0 to x31, x0's place the address of the code; in FINAL_X that place counts traps. A trap is logged as
 * mcause, mepc, mtval and mstatus, and scause, sepc and stval, which matter where it was delegated.
 */
export const INITIAL_X = 0;
export const INITIAL_F = 256;
export const INITIAL_FCSR = 512;
/** Bits to set in mstatus: privilege to start in (MPP), FS, and what else is wanted. */
export const INITIAL_MSTATUS = 520;
export const INITIAL_SATP = 528;
export const INITIAL_MEDELEG = 536;
/** pmpcfg0, and PMP_ADDRESSES of pmpaddr; 0 leaves S- and U-mode without memory. */
export const INITIAL_PMPCFG = 544;
export const INITIAL_PMPADDR = 552;
export const PMP_ADDRESSES = 4;
/** Instructions that the run took: no oracle's affair, but alike in all our tiers. */
const FINAL_INSTRET = INITIAL_PMPADDR + 8 * PMP_ADDRESSES;
const FINAL_X = FINAL_INSTRET + 8;
const FINAL_F = FINAL_X + 256;
const FINAL_FCSR = FINAL_F + 256;
const TRAP_LOG = FINAL_FCSR + 8;
const TRAPS_LOGGED = 16;
const TRAP_BYTES = 64;
const TRAP_FIELDS = ['mcause', 'mepc', 'mtval', 'mstatus', 'scause', 'sepc', 'stval'] as const;
/** Where the memory that a run works on may begin. */
export const RUN_MEMORY = TRAP_LOG + TRAPS_LOGGED * TRAP_BYTES;
/** A sequence with more traps than this is ended: a guard, nothing should come near. */
const TRAPS_MAX = 200;

/** What a run starts from. */
export interface RunState {
  /** Fills in the run at offset `at`, which will lie at `address`; x0's place is filled in later. */
  write(view: DataView, at: number, address: number): void;
}

const REGISTERS = 'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');

/** A bare-metal program that runs sequences from given states and keeps what comes of it. */
export interface Program {
  /** What lies from RAM_BASE on, where execution starts. */
  readonly image: Uint8Array;
  /** Offset of the runs in the image, the part worth comparing, and the length of each. */
  readonly start: number;
  readonly runBytes: number;
  readonly sequences: readonly Sequence[];
  readonly runs: readonly Run[];
}

/** A sequence and the states it is to be run from. */
export interface Sequence {
  readonly units: readonly Unit[];
  readonly states: readonly RunState[];
}

interface Run {
  readonly sequence: number;
  readonly state: RunState;
}

const PAGE = 4096;

/** Lays out a program whose runs have `runBytes` bytes each, a multiple of 8; if one of 4096, runs begin at pages. */
export function buildProgram(sequences: readonly Sequence[], runBytes: number): Program {
  const assembler = new Assembler();
  const starts: number[] = [];
  const first = new Label();
  const end = new Label();
  emitDriver(assembler, first, end, runBytes);
  for (const { units } of sequences) {
    starts.push(assembler.offset);
    emitUnits(assembler, units);
    assembler.word(0x00000073); // ecall ends a sequence
  }
  const runs = sequences.flatMap(({ states }, sequence) => states.map((state) => ({ sequence, state })));
  const start = Math.ceil(assembler.offset / PAGE) * PAGE;
  first.offset = start;
  end.offset = start + runs.length * runBytes;
  const image = new Uint8Array(end.offset);
  image.set(assembler.bytes());
  const view = new DataView(image.buffer);
  runs.forEach(({ sequence, state }, i) => {
    const at = start + i * runBytes;
    state.write(view, at, RAM_BASE + at);
    writeAddress(view, at + INITIAL_X, RAM_BASE + (starts[sequence] ?? 0));
  });
  return { image, start, runBytes, sequences, runs };
}

/** Writes a doubleword that is a safe integer. */
export function writeAddress(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** The state of plain M-mode runs: registers and DATA_BYTES of memory as in `contents`, which comes from `randomValues`. */
export function machineState(contents: ArrayBuffer): RunState {
  return {
    write: (view, at, address) => {
      writeRegisters(view, at, contents);
      writeAddress(view, at + INITIAL_MSTATUS, MSTATUS_MPP | MSTATUS_FS);
      new Uint8Array(view.buffer).set(new Uint8Array(contents, REGISTER_BYTES, DATA_BYTES), at + RUN_MEMORY);
      writeAddress(view, at + INITIAL_X + 8 * BASE, address + RUN_MEMORY + DATA_BEFORE);
      writeAddress(view, at + INITIAL_X + 8 * SP, address + RUN_MEMORY + DATA_BEFORE + SP_ABOVE_BASE);
    },
  };
}

export const MACHINE_RUN_BYTES = RUN_MEMORY + DATA_BYTES;
export const MSTATUS_MPP = 0x1800;
export const MSTATUS_FS = 0x6000;
const REGISTER_BYTES = INITIAL_FCSR + 8;

/** Fills in all registers and fcsr from random values. */
export function writeRegisters(view: DataView, at: number, contents: ArrayBuffer): void {
  new Uint8Array(view.buffer).set(new Uint8Array(contents, 0, REGISTER_BYTES), at);
  const word = new DataView(contents).getUint32(INITIAL_FCSR, true);
  writeAddress(view, at + INITIAL_FCSR, ((word % 5) << 5) | (word >>> 27));
}

/** Register and memory contents, mostly values on the edge of something. */
export function randomValues(random: Random): ArrayBuffer {
  const buffer = new ArrayBuffer(REGISTER_BYTES + DATA_BYTES);
  const view = new DataView(buffer);
  for (let at = 0; at < buffer.byteLength; at += 8) writeValue(view, at, random);
  return buffer;
}

function writeValue(view: DataView, at: number, random: Random): void {
  let low = random.u32();
  let high = random.u32();
  const bit = random.below(64);
  switch (random.below(10)) {
    case 0: // small integers
      low = random.between(-8, 8);
      high = low >> 31;
      break;
    case 1: // one bit, or all up to it, perhaps inverted
      low = bit < 32 ? 1 << bit : 0;
      high = bit < 32 ? 0 : 1 << (bit - 32);
      if (random.oneIn(2)) {
        high -= low === 0 ? 1 : 0;
        low -= 1;
      }
      if (random.oneIn(2)) {
        low = ~low;
        high = ~high;
      }
      break;
    case 2: // a 32-bit value, sign-extended
      high = (low | 0) >> 31;
      break;
    case 3:
    case 4:
    case 5: // binary32, boxed
      high = -1;
      low =
        (random.below(2) << 31) |
        (random.pick([0, 1, 2, 103, 104, 126, 127, 128, 150, 157, 158, 190, 191, 253, 254, 255, random.below(256)]) << 23) |
        fraction32(random);
      break;
    case 6:
    case 7:
    case 8: {
      // binary64
      const exponent = random.pick([
        0,
        1,
        2,
        0x36a,
        0x380,
        0x381,
        0x3fe,
        0x3ff,
        0x400,
        0x41e,
        0x433,
        0x43e,
        0x43f,
        0x47e,
        0x47f,
        0x7fd,
        0x7fe,
        0x7ff,
        random.below(2048),
      ]);
      const fraction = fraction32(random);
      high = (random.below(2) << 31) | (exponent << 20) | (fraction >>> 3);
      low = random.oneIn(2) ? fraction << 29 : random.pick([0, 1, -1, low, 0x10000000, 0x0fffffff, 0x10000001]);
      break;
    }
    default:
  }
  view.setUint32(at, low >>> 0, true);
  view.setUint32(at + 4, high >>> 0, true);
}

function fraction32(random: Random): number {
  const all = 0x7fffff;
  return random.pick([
    0,
    0,
    1,
    all,
    all - 1,
    0x400000,
    0x3fffff,
    0x400001,
    1 << random.below(23),
    all ^ (1 << random.below(23)),
    random.below(all + 1),
  ]);
}

// ---- The driver: starts each run, logs traps, keeps results ------------------------------------------------------------

const SCOUNTEREN = 0x106;
const STVEC = 0x105;
const SSCRATCH = 0x140;
const SEPC = 0x141;
const SCAUSE = 0x142;
const STVAL = 0x143;
const SATP = 0x180;
const MSTATUS = 0x300;
const MEDELEG = 0x302;
const MIE = 0x304;
const MTVEC = 0x305;
const MCOUNTEREN = 0x306;
const MSCRATCH = 0x340;
const MEPC = 0x341;
const MCAUSE = 0x342;
const MTVAL = 0x343;
const PMPCFG0 = 0x3a0;
const PMPADDR0 = 0x3b0;
const MINSTRET = 0xb02;
const MHARTID = 0xf14;
const FCSR = 3;
const CAUSE_FETCH_ACCESS = 1;
const CAUSE_ECALL_U = 8;
const CAUSE_ECALL_M = 11;
const CAUSE_FETCH_PAGE = 12;
const MRET = 0x30200073;
const SFENCE_VMA = 0x12000073;
const ECALL = 0x00000073;

/** Uses only RV64I, Zicsr and D loads and stores; x31 is the run at hand whenever the driver has control. */
function emitDriver(a: Assembler, runs: Label, end: Label, runBytes: number): void {
  const RUN = 31;
  const [t0, t1, t2] = [30, 29, 28];
  const ld = (rd: number, base: number, offset: number): void => a.word(code.iType(0x03, 3, rd, base, offset));
  const sd = (rs2: number, base: number, offset: number): void => a.word(code.sType(0x23, 3, base, rs2, offset));
  const fld = (rd: number, offset: number): void => a.word(code.iType(0x07, 3, rd, RUN, offset));
  const fsd = (rs2: number, offset: number): void => a.word(code.sType(0x27, 3, RUN, rs2, offset));
  const addi = (rd: number, rs1: number, immediate: number): void => a.word(code.iType(0x13, 0, rd, rs1, immediate));
  const li = (rd: number, value: number): void => {
    a.word(code.uType(0x37, rd, ((value + 0x800) >>> 12) & 0xfffff));
    addi(rd, rd, (value << 20) >> 20);
  };
  const csrr = (rd: number, csr: number): void => a.word(code.iType(0x73, 2, rd, 0, csr));
  const csrw = (csr: number, rs1: number): void => a.word(code.iType(0x73, 1, 0, rs1, csr));
  const csrs = (csr: number, rs1: number): void => a.word(code.iType(0x73, 2, 0, rs1, csr));
  const csrc = (csr: number, rs1: number): void => a.word(code.iType(0x73, 3, 0, rs1, csr));
  const branch = (funct3: number, rs1: number, rs2: number, to: Label): void => a.reference(4, to, (d) => code.bType(funct3, rs1, rs2, d));
  const beq = (rs1: number, rs2: number, to: Label): void => branch(0, rs1, rs2, to);
  const bgeu = (rs1: number, rs2: number, to: Label): void => branch(7, rs1, rs2, to);
  const jump = (to: Label): void => a.reference(4, to, (d) => code.jType(0, d));
  const la = (rd: number, to: Label): void => {
    a.reference(4, to, (d) => code.uType(0x17, rd, ((d + 0x800) >>> 12) & 0xfffff));
    a.reference(4, to, (d) => code.iType(0x13, 0, rd, rd, ((d + 4) << 20) >> 20));
  };
  const [first, asleep, next, done] = [new Label(), new Label(), new Label(), new Label()];
  const [trap, supervisor, delegated, notEcall, logged, behind, short, resume, ended] = Array.from({ length: 9 }, () => new Label()) as [
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
  ];

  // The oracle runs with two harts, as only then it carries out AMOs as such; the second one sleeps.
  csrw(MIE, 0);
  csrr(t0, MHARTID);
  beq(t0, 0, first);
  a.place(asleep);
  a.word(0x10500073);
  jump(asleep);
  // Where delegated traps go: on to M-mode, by the ecall itself or because this privilege may not fetch it.
  a.place(supervisor);
  a.word(ECALL);

  a.place(first);
  la(t0, trap);
  csrw(MTVEC, t0);
  la(t0, supervisor);
  csrw(STVEC, t0);
  csrw(MCOUNTEREN, 0);
  csrw(SCOUNTEREN, 0);
  la(RUN, runs);
  a.place(next);
  la(t0, end);
  branch(5, RUN, t0, done);
  csrw(MSCRATCH, RUN);
  for (const csr of [SSCRATCH, SEPC, SCAUSE, STVAL]) csrw(csr, 0);
  // MPP, FS, MPRV, SUM, MXR, TVM, TW, TSR, SPP and the interrupt enables as this run wants them.
  li(t0, 0x7e79aa);
  csrc(MSTATUS, t0);
  ld(t0, RUN, INITIAL_MSTATUS);
  csrs(MSTATUS, t0);
  for (const [csr, offset] of [
    [SATP, INITIAL_SATP],
    [MEDELEG, INITIAL_MEDELEG],
    [PMPCFG0, INITIAL_PMPCFG],
    ...Array.from({ length: PMP_ADDRESSES }, (_, i) => [PMPADDR0 + i, INITIAL_PMPADDR + 8 * i] as const),
    [MEPC, INITIAL_X],
    [FCSR, INITIAL_FCSR],
  ] as const) {
    ld(t0, RUN, offset);
    csrw(csr, t0);
  }
  csrw(MINSTRET, 0);
  a.word(SFENCE_VMA);
  for (let i = 0; i < 32; i++) fld(i, INITIAL_F + 8 * i);
  for (let i = 1; i < 32; i++) ld(i, RUN, INITIAL_X + 8 * i);
  a.word(MRET);

  while (a.offset % 4 !== 0) a.half(1);
  a.place(trap);
  a.word(code.iType(0x73, 1, RUN, RUN, MSCRATCH));
  for (const t of [t0, t1, t2]) sd(t, RUN, FINAL_X + 8 * t);
  // An ecall ends the sequence, unless it is the one above.
  la(t1, supervisor);
  csrr(t0, MEPC);
  beq(t0, t1, notEcall);
  csrr(t0, MCAUSE);
  addi(t0, t0, -CAUSE_ECALL_U);
  addi(t1, 0, CAUSE_ECALL_M - CAUSE_ECALL_U);
  bgeu(t1, t0, ended);
  a.place(notEcall);
  ld(t1, RUN, FINAL_X);
  addi(t2, 0, TRAPS_LOGGED);
  bgeu(t1, t2, logged);
  a.word(code.iType(0x13, 1, t2, t1, Math.log2(TRAP_BYTES)));
  a.word(code.rType(0x33, 0, 0, t2, t2, RUN));
  [MCAUSE, MEPC, MTVAL, MSTATUS, SCAUSE, SEPC, STVAL].forEach((csr, i) => {
    csrr(t0, csr);
    sd(t0, t2, TRAP_LOG + 8 * i);
  });
  a.place(logged);
  addi(t1, t1, 1);
  sd(t1, RUN, FINAL_X);
  addi(t2, 0, TRAPS_MAX);
  bgeu(t1, t2, ended);
  // Go on behind the instruction; where it could not be fetched, behind the call.
  la(t1, supervisor);
  csrr(t0, MEPC);
  beq(t0, t1, delegated);
  csrr(t0, MCAUSE);
  addi(t1, 0, CAUSE_FETCH_ACCESS);
  beq(t0, t1, resume);
  addi(t1, 0, CAUSE_FETCH_PAGE);
  beq(t0, t1, resume);
  csrr(t0, MEPC);
  jump(behind);
  a.place(delegated);
  csrr(t0, SEPC);
  a.place(behind);
  a.word(code.iType(0x03, 5, t1, t0, 0));
  addi(t0, t0, 2);
  a.word(code.iType(0x13, 7, t1, t1, 3));
  addi(t2, 0, 3);
  branch(1, t1, t2, short);
  addi(t0, t0, 2);
  a.place(short);
  csrw(MEPC, t0);
  const back = new Label();
  jump(back);
  a.place(resume);
  a.word(code.iType(0x13, 7, t0, 1, -2)); // QEMU 7.2 keeps bit 0
  csrw(MEPC, t0);
  a.place(back);
  // Whatever privilege trapped, the sequence goes on in its own; what it wrote to page tables takes effect.
  ld(t1, RUN, INITIAL_MSTATUS);
  li(t0, MSTATUS_MPP);
  csrc(MSTATUS, t0);
  a.word(code.rType(0x33, 7, 0, t0, t0, t1));
  csrs(MSTATUS, t0);
  a.word(SFENCE_VMA);
  for (const t of [t0, t1, t2]) ld(t, RUN, FINAL_X + 8 * t);
  a.word(code.iType(0x73, 1, RUN, RUN, MSCRATCH));
  a.word(MRET);

  a.place(ended);
  for (let i = 1; i < t2; i++) sd(i, RUN, FINAL_X + 8 * i);
  csrr(t0, MSCRATCH);
  sd(t0, RUN, FINAL_X + 8 * RUN);
  for (let i = 0; i < 32; i++) fsd(i, FINAL_F + 8 * i);
  csrr(t0, FCSR);
  sd(t0, RUN, FINAL_FCSR);
  csrr(t0, MINSTRET);
  sd(t0, RUN, FINAL_INSTRET);
  li(t0, runBytes);
  a.word(code.rType(0x33, 0, 0, RUN, RUN, t0));
  jump(next);

  a.place(done);
  a.word(code.uType(0x37, t0, TEST_FINISHER >> 12));
  li(t1, 0x5555);
  a.word(code.sType(0x23, 2, t0, t1, 0));
  const here = new Label();
  a.place(here);
  jump(here);
}

// ---- Results ----------------------------------------------------------------------------------------------------------------

export type Trap = Record<(typeof TRAP_FIELDS)[number], bigint>;

/** What a machine's memory says of a run after the program: integer registers (0 in x0's place) and the traps that were logged. */
export function readRun(program: Program, memory: Uint8Array, run: number): { x: bigint[]; traps: Trap[] } {
  const view = new DataView(memory.buffer, memory.byteOffset + program.start + run * program.runBytes, program.runBytes);
  const x = Array.from({ length: 32 }, (_, i) => (i === 0 ? 0n : view.getBigUint64(FINAL_X + 8 * i, true)));
  const count = Math.min(Number(view.getBigUint64(FINAL_X, true)), TRAPS_LOGGED);
  const traps = Array.from({ length: count }, (_, trap) => {
    const field = (i: number): bigint => view.getBigUint64(TRAP_LOG + trap * TRAP_BYTES + 8 * i, true);
    return Object.fromEntries(TRAP_FIELDS.map((name, i) => [name, field(i)])) as Trap;
  });
  return { x, traps };
}

// ---- Comparing -----------------------------------------------------------------------------------------------------------

const DIFFERENCES_MAX = 20;

/** How one run differed. */
export interface Difference {
  readonly sequence: number;
  readonly state: RunState;
  /** One line per register, memory doubleword or trap field. */
  readonly lines: readonly string[];
}

/** Compares what is in two machines' memory after the program; with `counting`, instruction counts as well. */
export function compareRuns(program: Program, oracle: Uint8Array, engine: Uint8Array, counting = false): Difference[] {
  const differences: Difference[] = [];
  const from = counting ? FINAL_INSTRET : FINAL_X;
  for (const [i, { sequence, state }] of program.runs.entries()) {
    const at = program.start + i * program.runBytes;
    const expected = oracle.subarray(at, at + program.runBytes);
    const found = engine.subarray(at, at + program.runBytes);
    if (Buffer.compare(expected.subarray(from), found.subarray(from)) === 0) continue;
    const lines = differingLines(expected, found, from);
    if (lines.length > 0) differences.push({ sequence, state, lines });
    if (differences.length >= DIFFERENCES_MAX) break;
  }
  return differences;
}

function differingLines(expected: Uint8Array, found: Uint8Array, from: number): string[] {
  const lines: string[] = [];
  const [e, f] = [expected, found].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)) as [DataView, DataView];
  for (let offset = from; offset < expected.length; offset += 8) {
    const [wanted, got] = [e.getBigUint64(offset, true), f.getBigUint64(offset, true)];
    if (wanted === got || mayDiffer(e, offset)) continue;
    lines.push(`${nameOf(offset)}: expected 0x${wanted.toString(16)}, found 0x${got.toString(16)}`);
  }
  return lines;
}

/** ebreak may leave its own address in mtval and stval or 0 (privileged ISA §3.1.16). */
function mayDiffer(view: DataView, offset: number): boolean {
  if (offset < TRAP_LOG || offset >= RUN_MEMORY) return false;
  const entry = offset - ((offset - TRAP_LOG) % TRAP_BYTES);
  const field = TRAP_FIELDS[(offset - entry) / 8];
  if (field === 'mtval') return view.getUint32(entry, true) === 3;
  return field === 'stval' && view.getUint32(entry + 8 * TRAP_FIELDS.indexOf('scause'), true) === 3;
}

function nameOf(offset: number): string {
  if (offset === FINAL_INSTRET) return 'instructions';
  if (offset === FINAL_X) return 'number of traps';
  if (offset < FINAL_F) return `x${(offset - FINAL_X) / 8} (${REGISTERS[(offset - FINAL_X) / 8]})`;
  if (offset < FINAL_FCSR) return `f${(offset - FINAL_F) / 8}`;
  if (offset === FINAL_FCSR) return 'fcsr';
  if (offset >= RUN_MEMORY) return `memory 0x${(offset - RUN_MEMORY).toString(16)} (0x${offset.toString(16)} of the run)`;
  const trap = Math.floor((offset - TRAP_LOG) / TRAP_BYTES);
  return `trap ${trap} ${TRAP_FIELDS[((offset - TRAP_LOG) % TRAP_BYTES) / 8]}`;
}
