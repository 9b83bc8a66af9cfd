import { Assembler, Label } from '../support/assembler';
import * as code from '../support/riscv-encoding';
import type { Random } from '../support/random';
import { BASE, DATA_BEFORE, DATA_BYTES, emitUnits, SP, SP_ABOVE_BASE, type Unit } from './sequence';

/** Where the program lies and starts: RAM of QEMU's virt board. */
export const RAM_BASE = 0x80000000;
const TEST_FINISHER = 0x100000;

/**
 * One run of one sequence, as it lies in memory. `INITIAL_X` holds x0 to x31, x0's place the address of the code; in `FINAL_X` that
 * place counts traps. A trap is logged as mcause, mepc, mtval and mstatus.
 */
const INITIAL_X = 0;
const INITIAL_F = 256;
const INITIAL_FCSR = 512;
const FINAL_X = 520;
const FINAL_F = 776;
const FINAL_FCSR = 1032;
const TRAP_LOG = 1040;
const TRAPS_LOGGED = 16;
const TRAP_BYTES = 32;
const DATA = TRAP_LOG + TRAPS_LOGGED * TRAP_BYTES;
const RUN_BYTES = DATA + DATA_BYTES;
/** A sequence with more traps than this is ended: a guard, nothing should come near. */
const TRAPS_MAX = 200;

const REGISTERS = 'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');

/** A bare-metal program that runs every sequence from given register contents and keeps what comes of it. */
export interface Program {
  /** What lies from RAM_BASE on, where execution starts. */
  readonly image: Uint8Array;
  /** Offset of the runs in the image: the part worth comparing. */
  readonly runs: number;
  readonly sequences: readonly (readonly Unit[])[];
  /** Runs of each sequence. */
  readonly rounds: number;
}

/** Lays out a program that runs each sequence `rounds` times, each time from other random register and memory contents. */
export function buildProgram(sequences: readonly (readonly Unit[])[], rounds: number, values: readonly ArrayBuffer[]): Program {
  const assembler = new Assembler();
  const starts: number[] = [];
  const runs = new Label();
  const end = new Label();
  emitDriver(assembler, runs, end);
  for (const units of sequences) {
    starts.push(assembler.offset);
    emitUnits(assembler, units);
    assembler.word(0x00000073); // ecall ends a sequence
  }
  while (assembler.offset % 8 !== 0) assembler.half(0);
  assembler.place(runs);
  const runsOffset = assembler.offset;
  const count = sequences.length * rounds;
  end.offset = runsOffset + count * RUN_BYTES;
  const program = assembler.bytes();
  const image = new Uint8Array(end.offset);
  image.set(program);
  const view = new DataView(image.buffer);
  for (let i = 0; i < count; i++) {
    const at = runsOffset + i * RUN_BYTES;
    const contents = values[i % values.length];
    image.set(new Uint8Array(contents, 0, FINAL_X), at);
    image.set(new Uint8Array(contents, FINAL_X, DATA_BYTES), at + DATA);
    const address = (offset: number, value: number): void => {
      view.setUint32(at + offset, value, true);
      view.setUint32(at + offset + 4, 0, true);
    };
    address(INITIAL_X, RAM_BASE + starts[i % sequences.length]);
    address(INITIAL_X + 8 * BASE, RAM_BASE + at + DATA + DATA_BEFORE);
    address(INITIAL_X + 8 * SP, RAM_BASE + at + DATA + DATA_BEFORE + SP_ABOVE_BASE);
    address(INITIAL_FCSR, ((view.getUint32(at + INITIAL_FCSR, true) % 5) << 5) | (view.getUint8(at + INITIAL_FCSR + 4) & 31));
  }
  return { image, runs: runsOffset, sequences, rounds };
}

/** Register and memory contents for `buildProgram`, mostly values on the edge of something. */
export function randomValues(random: Random): ArrayBuffer {
  const buffer = new ArrayBuffer(FINAL_X + DATA_BYTES);
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

const MSTATUS = 0x300;
const MIE = 0x304;
const MTVEC = 0x305;
const MSCRATCH = 0x340;
const MEPC = 0x341;
const MCAUSE = 0x342;
const MTVAL = 0x343;
const MHARTID = 0xf14;
const FCSR = 3;
const CAUSE_FETCH_ACCESS = 1;
const CAUSE_ECALL_M = 11;

/** Uses only RV64I, Zicsr and D loads and stores; x31 is the run at hand whenever the driver has control. */
function emitDriver(a: Assembler, runs: Label, end: Label): void {
  const RUN = 31;
  const [t0, t1, t2] = [30, 29, 28];
  const ld = (rd: number, base: number, offset: number): void => a.word(code.iType(0x03, 3, rd, base, offset));
  const sd = (rs2: number, base: number, offset: number): void => a.word(code.sType(0x23, 3, base, rs2, offset));
  const fld = (rd: number, offset: number): void => a.word(code.iType(0x07, 3, rd, RUN, offset));
  const fsd = (rs2: number, offset: number): void => a.word(code.sType(0x27, 3, RUN, rs2, offset));
  const addi = (rd: number, rs1: number, immediate: number): void => a.word(code.iType(0x13, 0, rd, rs1, immediate));
  const csrr = (rd: number, csr: number): void => a.word(code.iType(0x73, 2, rd, 0, csr));
  const csrw = (csr: number, rs1: number): void => a.word(code.iType(0x73, 1, 0, rs1, csr));
  const branch = (funct3: number, rs1: number, rs2: number, to: Label): void => a.reference(4, to, (d) => code.bType(funct3, rs1, rs2, d));
  const jump = (to: Label): void => a.reference(4, to, (d) => code.jType(0, d));
  const la = (rd: number, to: Label): void => {
    a.reference(4, to, (d) => code.uType(0x17, rd, (d + 0x800) >> 12));
    a.reference(4, to, (d) => code.iType(0x13, 0, rd, rd, ((d + 4) << 20) >> 20));
  };
  const [trap, next, done, logged, notFetch, short] = [new Label(), new Label(), new Label(), new Label(), new Label(), new Label()];
  const [first, asleep, ended] = [new Label(), new Label(), new Label()];

  // The oracle runs with two harts, as only then it carries out AMOs as such; the second one sleeps.
  csrw(MIE, 0);
  csrr(t0, MHARTID);
  branch(0, t0, 0, first);
  a.place(asleep);
  a.word(0x10500073);
  jump(asleep);
  a.place(first);
  la(t0, trap);
  csrw(MTVEC, t0);
  la(RUN, runs);
  a.place(next);
  la(t0, end);
  branch(5, RUN, t0, done);
  // Floating point on and M-mode again after mret: MPP 3, FS Dirty.
  a.word(code.uType(0x37, t0, 8));
  addi(t0, t0, -2048);
  a.word(code.iType(0x73, 2, 0, t0, MSTATUS));
  csrw(MSCRATCH, RUN);
  ld(t0, RUN, INITIAL_X);
  csrw(MEPC, t0);
  ld(t0, RUN, INITIAL_FCSR);
  csrw(FCSR, t0);
  for (let i = 0; i < 32; i++) fld(i, INITIAL_F + 8 * i);
  for (let i = 1; i < 32; i++) ld(i, RUN, INITIAL_X + 8 * i);
  a.word(0x30200073);

  while (a.offset % 4 !== 0) a.half(1);
  a.place(trap);
  a.word(code.iType(0x73, 1, RUN, RUN, MSCRATCH));
  for (const t of [t0, t1, t2]) sd(t, RUN, FINAL_X + 8 * t);
  csrr(t0, MCAUSE);
  addi(t1, 0, CAUSE_ECALL_M);
  branch(0, t0, t1, ended);
  ld(t1, RUN, FINAL_X);
  addi(t2, 0, TRAPS_LOGGED);
  branch(7, t1, t2, logged);
  a.word(code.iType(0x13, 1, t2, t1, Math.log2(TRAP_BYTES)));
  a.word(code.rType(0x33, 0, 0, t2, t2, RUN));
  sd(t0, t2, TRAP_LOG);
  [MEPC, MTVAL, MSTATUS].forEach((csr, i) => {
    csrr(t0, csr);
    sd(t0, t2, TRAP_LOG + 8 + 8 * i);
  });
  a.place(logged);
  addi(t1, t1, 1);
  sd(t1, RUN, FINAL_X);
  addi(t2, 0, TRAPS_MAX);
  branch(7, t1, t2, ended);
  // Go on behind the instruction; where it could not be fetched, behind the call.
  csrr(t0, MCAUSE);
  addi(t1, 0, CAUSE_FETCH_ACCESS);
  branch(1, t0, t1, notFetch);
  addi(t0, 1, 0);
  jump(short);
  a.place(notFetch);
  csrr(t0, MEPC);
  a.word(code.iType(0x03, 5, t1, t0, 0));
  addi(t0, t0, 2);
  a.word(code.iType(0x13, 7, t1, t1, 3));
  addi(t2, 0, 3);
  branch(1, t1, t2, short);
  addi(t0, t0, 2);
  a.place(short);
  csrw(MEPC, t0);
  for (const t of [t0, t1, t2]) ld(t, RUN, FINAL_X + 8 * t);
  a.word(code.iType(0x73, 1, RUN, RUN, MSCRATCH));
  a.word(0x30200073);

  a.place(ended);
  for (let i = 1; i < t2; i++) sd(i, RUN, FINAL_X + 8 * i);
  csrr(t0, MSCRATCH);
  sd(t0, RUN, FINAL_X + 8 * RUN);
  for (let i = 0; i < 32; i++) fsd(i, FINAL_F + 8 * i);
  csrr(t0, FCSR);
  sd(t0, RUN, FINAL_FCSR);
  addi(RUN, RUN, RUN_BYTES >> 1);
  addi(RUN, RUN, RUN_BYTES - (RUN_BYTES >> 1));
  jump(next);

  a.place(done);
  a.word(code.uType(0x37, t0, TEST_FINISHER >> 12));
  a.word(code.uType(0x37, t1, 5));
  addi(t1, t1, 0x555);
  a.word(code.sType(0x23, 2, t0, t1, 0));
  const here = new Label();
  a.place(here);
  jump(here);
}

// ---- Comparing -----------------------------------------------------------------------------------------------------------

/** How one run differed. */
export interface Difference {
  readonly sequence: number;
  readonly round: number;
  /** One line per register, memory doubleword or trap field. */
  readonly lines: readonly string[];
}

/** Compares two machines' memory after the program; `offset` is where the runs lie in both. */
export function compareRuns(program: Program, oracle: Uint8Array, engine: Uint8Array, limit = 20): Difference[] {
  const differences: Difference[] = [];
  const count = program.sequences.length * program.rounds;
  for (let i = 0; i < count && differences.length < limit; i++) {
    const at = program.runs + i * RUN_BYTES;
    const expected = oracle.subarray(at, at + RUN_BYTES);
    const found = engine.subarray(at, at + RUN_BYTES);
    if (Buffer.compare(expected, found) === 0) continue;
    const lines = differingLines(expected, found);
    if (lines.length > 0)
      differences.push({ sequence: i % program.sequences.length, round: Math.floor(i / program.sequences.length), lines });
  }
  return differences;
}

function differingLines(expected: Uint8Array, found: Uint8Array): string[] {
  const lines: string[] = [];
  const views = [expected, found].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)) as [DataView, DataView];
  for (let offset = FINAL_X; offset < RUN_BYTES; offset += 8) {
    const [e, f] = views.map((view) => view.getBigUint64(offset, true)) as [bigint, bigint];
    if (e === f) continue;
    if (offset >= TRAP_LOG && offset < DATA) {
      const entry = offset - ((offset - TRAP_LOG) % TRAP_BYTES);
      // ebreak may leave its own address in mtval or 0 (privileged ISA §3.1.16).
      if (offset - entry === 16 && views[0].getUint32(entry, true) === 3) continue;
    }
    lines.push(`${nameOf(offset)}: expected 0x${e.toString(16)}, found 0x${f.toString(16)}`);
  }
  return lines;
}

function nameOf(offset: number): string {
  if (offset === FINAL_X) return 'number of traps';
  if (offset < FINAL_F) return `x${(offset - FINAL_X) / 8} (${REGISTERS[(offset - FINAL_X) / 8]})`;
  if (offset < FINAL_FCSR) return `f${(offset - FINAL_F) / 8}`;
  if (offset === FINAL_FCSR) return 'fcsr';
  if (offset >= DATA) return `memory at s0${offset - DATA - DATA_BEFORE < 0 ? '' : '+'}${offset - DATA - DATA_BEFORE}`;
  const trap = Math.floor((offset - TRAP_LOG) / TRAP_BYTES);
  return `trap ${trap} ${['mcause', 'mepc', 'mtval', 'mstatus'][((offset - TRAP_LOG) % TRAP_BYTES) / 8]}`;
}
