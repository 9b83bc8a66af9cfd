import type { Random } from '../support/random';
import * as code from '../support/riscv-encoding';
import { InstructionGenerator } from './instruction-generator';
import {
  INITIAL_MEDELEG,
  INITIAL_MSTATUS,
  INITIAL_PMPADDR,
  INITIAL_PMPCFG,
  INITIAL_SATP,
  INITIAL_X,
  MSTATUS_FS,
  type RunState,
  type Sequence,
  writeAddress,
  writeRegisters,
} from './program';
import { BASE, SP, SP_ABOVE_BASE, together, word, type Unit } from './sequence';

/**
 * Code in U-, S- or M-mode over random page tables (Sv39, Sv48) and physical memory protection, with delegated traps.
 *
 * A run has ten pages: its record, five page tables and four data pages. Code and everything else is mapped to itself by one
 * gigapage; WINDOW is mapped by two tables of random entries and by one large page.
 */
const PAGE = 4096;
const TABLES = 1;
const DATA = 6;
const DATA_PAGES = 4;
export const PRIVILEGED_RUN_BYTES = (DATA + DATA_PAGES) * PAGE;

const WINDOW = 0x40000000;
const MEGAPAGE = 0x200000;
/** Pages of the window that may be mapped, in each of its two tables. */
const MAPPED = 8;

/** Holds the address of the window's first table. */
const TABLE = 3;
/** Holds the address of the first data page, as the large page maps it. */
const LARGE = 24;

/** Offset in each data page of code that returns at once; at the page's end is the first half of such an instruction. */
const RETURN_CODE = 0x800;
const RETURN = 0x8082;
const RETURN_LONG = 0x00008067;

const OP_IMM = 0x13;
const SYSTEM = 0x73;
const SSTATUS = 0x100;
const STVEC = 0x105;
const SEPC = 0x141;
const SATP = 0x180;
const MSTATUS = 0x300;
const EBREAK = 0x00100073;
const WFI = 0x10500073;
const MRET = 0x30200073;
const SRET = 0x10200073;
const SFENCE_VMA = 0x12000073;

const SUM = 1 << 18;
const MXR = 1 << 19;
const MPRV = 1 << 17;
const TVM = 1 << 20;
const TW = 1 << 21;
const TSR = 1 << 22;
const SPP = 1 << 8;

const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const A = 64;
const D = 128;

/** What a sequence and its states agree on. */
interface Environment {
  readonly mode: 0 | 1 | 3;
  readonly mstatus: number;
  readonly levels: 3 | 4;
  /** Whether accesses by BASE straddle pages; code that does is then not run. */
  readonly crossing: boolean;
  /**
   * Whether code in the window is run. MPRV does not reach instruction fetches; and what S-mode has accessed by SUM, QEMU 7.2
   * lets it run.
   */
  readonly fetching: boolean;
}

/** One sequence with `rounds` states to run it from. */
export function privilegedSequence(random: Random, count: number, rounds: number, values: readonly ArrayBuffer[]): Sequence {
  const mode = random.pick([0, 1, 1, 3] as const);
  let mstatus = MSTATUS_FS | (mode << 11);
  for (const bit of [SUM, MXR]) if (random.oneIn(2)) mstatus |= bit;
  for (const bit of [TVM, TW, TSR]) if (random.oneIn(4)) mstatus |= bit;
  if (mode === 3) mstatus |= MPRV;
  const fetching = mode === 0 || (mode === 1 && random.oneIn(2));
  if (fetching) mstatus &= ~SUM;
  const environment: Environment = { mode, mstatus, levels: random.oneIn(3) ? 4 : 3, crossing: random.oneIn(2), fetching };
  const generator = new PrivilegedGenerator(random, environment);
  return {
    units: Array.from({ length: count }, () => generator.unit()),
    states: Array.from({ length: rounds }, () => randomState(random, environment, random.pick(values))),
  };
}

class PrivilegedGenerator {
  readonly #random: Random;
  readonly #environment: Environment;
  readonly #ordinary: InstructionGenerator;

  constructor(random: Random, environment: Environment) {
    this.#random = random;
    this.#environment = environment;
    this.#ordinary = new InstructionGenerator(random, {
      kept: [TABLE, LARGE],
      // Where LR faults QEMU's SC fails without looking at its address, which is allowed but not what we do.
      reserving: false,
      // QEMU lets user mode execute two of them, against the privileged ISA §12.6, and has no mtval where it refuses the third.
      splitFences: false,
      // QEMU 7.2 remembers what M-mode may do to the page of the code when mret makes MPRV lend it less.
      selfModifying: environment.mode !== 3,
    });
  }

  unit(): Unit {
    const random = this.#random;
    switch (random.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#access();
      case 4:
      case 5:
        return this.#fetch();
      case 6:
      case 7:
        return this.#editTable();
      case 8:
        return this.#supervisorCsr();
      case 9:
        return this.#status();
      case 10:
        return this.#special();
      default:
        return this.#ordinary.unit();
    }
  }

  #temporary(...besides: number[]): number {
    return this.#ordinary.destination(0, ...besides);
  }

  /** Puts the address of a page of the window into a register, now and then one that is not mapped or not canonical. */
  #page(register: number): Unit {
    const random = this.#random;
    let page = random.below(MAPPED);
    if (random.oneIn(8)) page += 512;
    if (random.oneIn(32)) page = 512 * random.between(3, 5) + page;
    const parts = [word(code.uType(0x37, register, WINDOW / PAGE + page))];
    const wrong = random.below(32);
    if (wrong === 0) {
      parts.push(word(code.iType(OP_IMM, 1, register, register, random.between(8, 20))));
    } else if (wrong === 1) {
      const sign = this.#temporary(register);
      parts.push(word(code.iType(OP_IMM, 0, sign, 0, -1)), word(code.iType(OP_IMM, 1, sign, sign, random.between(38, 48))));
      parts.push(word(code.rType(0x33, 6, 0, register, register, sign)));
    }
    return together(...parts);
  }

  /** A load, store or AMO somewhere in the window. */
  #access(): Unit {
    const random = this.#random;
    const large = random.oneIn(6);
    const pointer = large ? LARGE : this.#temporary();
    const size = random.below(4);
    let offset = random.between(0x20, 0x7f0);
    if (random.below(4) > 0) offset &= -(1 << size);
    const setup: Unit[] = large ? [] : [this.#page(pointer)];
    const rd = this.#ordinary.destination();
    let base = pointer;
    if (this.#environment.crossing && !large && random.oneIn(3)) {
      // Over the end of the page: one more addition takes the pointer near it.
      base = this.#temporary();
      setup.push(word(code.uType(0x37, base, 1)), word(code.rType(0x33, 0, 0, base, base, pointer)));
      offset = -random.between(1, 12);
    }
    const access = random.pick([
      () => word(code.iType(0x03, random.oneIn(2) ? size : Math.min(size + 4, 6), rd, base, offset)),
      () => word(code.sType(0x23, size, base, random.below(32), offset)),
      () => word(code.iType(0x07, 2 + (size & 1), random.below(32), base, offset)),
      () => word(code.sType(0x27, 2 + (size & 1), base, random.below(32), offset)),
      () => {
        const address = this.#temporary(base);
        const aligned = random.oneIn(8) ? offset : offset & -8;
        return together(
          word(code.iType(OP_IMM, 0, address, base, aligned)),
          word(code.rType(0x2f, 2 + (size & 1), random.pick([0, 1, 4, 8, 12, 16, 28]) << 2, rd, address, random.below(32))),
        );
      },
    ]);
    return together(...setup, access());
  }

  /** A call into the window, to code that returns. */
  #fetch(): Unit {
    const random = this.#random;
    if (!this.#environment.fetching) return this.#access();
    if (random.oneIn(6)) {
      const target = this.#temporary(1);
      return together(
        word(code.uType(0x37, target, 1)),
        word(code.iType(OP_IMM, 0, target, target, RETURN_CODE - PAGE)),
        word(code.rType(0x33, 0, 0, target, target, LARGE)),
        word(code.iType(0x67, 0, 1, target, 0)),
      );
    }
    const target = this.#temporary(1);
    const parts = [this.#page(target), word(code.uType(0x37, 1, 1)), word(code.rType(0x33, 0, 0, target, target, 1))];
    const offset = !this.#environment.crossing && random.oneIn(3) ? -2 : RETURN_CODE - PAGE + random.below(4) * 2;
    parts.push(word(code.iType(0x67, 0, 1, target, offset)));
    return together(...parts);
  }

  /** Flips a bit of an entry of the window's first table and makes that take effect. */
  #editTable(): Unit {
    const random = this.#random;
    const value = this.#temporary();
    const entry = random.below(MAPPED);
    const bit = random.pick([0, 1, 1, 2, 2, 3, 3, 4, 6, 6, 7, 7]);
    const edit = [
      // Where the load traps and the store does not (the trap has given MPRV another privilege to lend), no page may come of it: any
      // other value could map one outside RAM, and QEMU has devices there, such as the PCI window, whose empty part reads as ones.
      word(code.iType(OP_IMM, 0, value, 0, 0)),
      word(code.iType(0x03, 3, value, TABLE, entry * 8)),
      word(code.iType(OP_IMM, 4, value, value, 1 << bit)),
      word(code.sType(0x23, 3, TABLE, value, entry * 8)),
    ];
    const address = this.#temporary();
    const flush = random.oneIn(2)
      ? [word(SFENCE_VMA)]
      : [word(code.uType(0x37, address, WINDOW / PAGE + entry)), word(code.rType(SYSTEM, 0, 9, 0, address, 0))];
    // Where sfence.vma is not allowed, the trap it raises ends in one.
    return together(...edit, ...flush, ...(this.#environment.mode === 3 ? [] : [word(EBREAK)]));
  }

  #supervisorCsr(): Unit {
    const random = this.#random;
    const rd = this.#ordinary.destination();
    const rs1 = random.below(32);
    return random.pick([
      () => word(code.iType(SYSTEM, random.pick([1, 2, 3, 5, 6, 7]), rd, rs1, random.pick([0x140, 0x143]))),
      () => word(code.iType(SYSTEM, 2, rd, 0, random.pick([SSTATUS, SEPC, 0x142, STVEC, 0x106, 0x104, 0x144]))),
      () => word(code.iType(SYSTEM, 2, 0, 0, SATP)), // traps with TVM
      () => word(code.iType(SYSTEM, 2, 0, 0, random.pick([0xc00, 0xc01, 0xc02]))), // not enabled by mcounteren
      () => word(code.iType(SYSTEM, 2, rd, 0, random.pick([MSTATUS, 0x302, 0x304, 0x305, 0x340]))),
    ])();
  }

  /** Flips SUM and MXR, as the privilege may. */
  #status(): Unit {
    const random = this.#random;
    const value = this.#temporary();
    const csr = this.#environment.mode === 3 && random.oneIn(2) ? MSTATUS : SSTATUS;
    const parts = [word(code.uType(0x37, value, (this.#environment.fetching ? MXR : random.pick([SUM, MXR, SUM | MXR])) / PAGE))];
    parts.push(word(code.iType(SYSTEM, random.pick([2, 3]), this.#ordinary.destination(), value, csr)));
    if (this.#environment.mode === 3 && random.oneIn(2)) {
      // MPP, whose privilege MPRV borrows: S, or by mret back to U.
      parts.push(word(code.uType(0x37, value, 1)), word(code.iType(OP_IMM, 0, value, value, -2048)));
      parts.push(word(code.iType(SYSTEM, random.pick([2, 3]), 0, value, MSTATUS)));
    }
    return together(...parts);
  }

  #special(): Unit {
    const random = this.#random;
    const { mode, mstatus } = this.#environment;
    if (mode === 3) return word(SFENCE_VMA);
    // wfi is illegal in U-mode, and with TW in S-mode; elsewhere it would sleep.
    if (random.oneIn(3)) return word(mode === 0 || (mstatus & TW) !== 0 ? WFI : MRET);
    // sret to U or S a little further on; x1 says where to go on if that privilege may not fetch there.
    const pointer = this.#temporary(1);
    const supervisor = random.oneIn(2);
    return {
      emit: (a, forward) => {
        a.word(code.iType(OP_IMM, 0, pointer, 0, SPP));
        a.word(code.iType(SYSTEM, supervisor ? 2 : 3, 0, pointer, SSTATUS));
        a.word(code.uType(0x17, pointer, 0));
        a.reference(4, forward(0), (distance) => code.iType(OP_IMM, 0, pointer, pointer, distance + 4));
        a.word(code.iType(OP_IMM, 0, 1, pointer, 0));
        a.word(code.iType(SYSTEM, 1, 0, pointer, SEPC));
        a.word(SRET);
      },
    };
  }
}

// ---- States ---------------------------------------------------------------------------------------------------------------

function randomState(random: Random, environment: Environment, contents: ArrayBuffer): RunState {
  const { mode, levels, crossing, mstatus } = environment;
  // All that is random is drawn now, so that writing the state again gives the same.
  const user = mode === 0 || (mode === 3 && random.oneIn(2));
  const identity = V | R | W | X | (user ? U : 0) | (random.oneIn(2) ? A : 0) | (random.oneIn(2) ? D : 0);
  const entries = Array.from({ length: 2 * MAPPED }, () => ({
    page: random.below(DATA_PAGES),
    flags: randomFlags(random, user),
    high: randomHigh(random),
  }));
  const large = { flags: randomFlags(random, user), misaligned: random.oneIn(8) };
  const odd = random.pick([V | U, V | A, V | D, V | W, 0]);
  const basePage = random.below(MAPPED - 1);
  let medeleg = 0;
  for (const cause of [2, 4, 5, 6, 7, 13, 15]) if (random.oneIn(3)) medeleg |= 1 << cause;
  if (mode === 3) medeleg = 0;
  // QEMU 7.2 looks a straddling access up in PMP as if the physical pages were adjacent, too.
  const protection = !crossing && random.oneIn(2) ? randomProtection(random) : [];

  return {
    write: (view, at, address) => {
      writeRegisters(view, at, contents);
      writeAddress(view, at + INITIAL_MSTATUS, mstatus);
      writeAddress(view, at + INITIAL_MEDELEG, medeleg);
      const table = (n: number): number => at + (TABLES + n) * PAGE;
      const physical = (offset: number): number => (address - at + offset) / PAGE;
      const pte = (where: number, page: number, flags: number, high = 0): void => {
        writeAddress(view, where, page * 1024 + flags);
        view.setUint32(where + 4, (view.getUint32(where + 4, true) | high) >>> 0, true);
      };
      // Tables: 0 the root of Sv48, 1 the root of Sv39, 2 the window, 3 and 4 its first two parts.
      pte(table(0), physical(table(1)), V);
      pte(table(1) + 8 * 1, physical(table(2)), V);
      pte(table(1) + 8 * 2, 0x80000, identity);
      pte(table(2) + 8 * 0, physical(table(3)), V);
      pte(table(2) + 8 * 1, physical(table(4)), V);
      const data = address + DATA * PAGE;
      pte(table(2) + 8 * 2, Math.floor(data / MEGAPAGE) * 512 + (large.misaligned ? 1 : 0), large.flags);
      pte(table(2) + 8 * 3, physical(table(3)), odd);
      entries.forEach(({ page, flags, high }, i) => {
        const where = table(i < MAPPED ? 3 : 4) + 8 * (i % MAPPED);
        pte(where, data / PAGE + page, flags, high);
      });
      for (let page = 0; page < DATA_PAGES; page++) {
        const start = at + (DATA + page) * PAGE;
        new Uint8Array(view.buffer).set(new Uint8Array(contents, 0, 1024), start + 0x380);
        for (let i = 0; i < 8; i++) view.setUint16(start + RETURN_CODE + 2 * i, RETURN, true);
        view.setUint16(start, RETURN_LONG >>> 16, true);
        view.setUint16(start + PAGE - 2, RETURN_LONG & 0xffff, true);
      }
      const root = levels === 4 ? table(0) : table(1);
      writeAddress(view, at + INITIAL_SATP, physical(root));
      view.setUint32(at + INITIAL_SATP + 4, (levels === 4 ? 9 : 8) << 28, true);
      // PMP: an entry (NAPOT) for each protected page, then one that allows the rest.
      let configuration = 0x1f * 256 ** protection.length;
      protection.forEach(({ page, flags }, i) => {
        writeAddress(view, at + INITIAL_PMPADDR + 8 * i, (address + page * PAGE) / 4 + PAGE / 8 - 1);
        configuration += (0x18 | flags) * 256 ** i;
      });
      writeAddress(view, at + INITIAL_PMPADDR + 8 * protection.length, 2 ** 53 - 1);
      writeAddress(view, at + INITIAL_PMPCFG, configuration);

      const base = WINDOW + basePage * PAGE + (crossing ? 0xf00 : 0x400);
      writeAddress(view, at + INITIAL_X + 8 * BASE, base);
      writeAddress(view, at + INITIAL_X + 8 * SP, base + SP_ABOVE_BASE);
      writeAddress(view, at + INITIAL_X + 8 * TABLE, address + (TABLES + 3) * PAGE);
      writeAddress(view, at + INITIAL_X + 8 * LARGE, WINDOW + 2 * MEGAPAGE + (data % MEGAPAGE));
    },
  };
}

/** Mostly what lets an access pass, with every bit wrong now and then. */
function randomFlags(random: Random, user: boolean): number {
  let flags = random.pick([R | W | X, R | W | X, R | W, R | X, R, X, W, W | X, 0]);
  if (!random.oneIn(12)) flags |= V;
  if (user !== random.oneIn(6)) flags |= U;
  if (random.oneIn(2)) flags |= A;
  if (random.oneIn(2)) flags |= D;
  return flags | (random.oneIn(4) ? 32 : 0) | (random.below(4) << 8);
}

/** Bits 63 to 54 of an entry, which are reserved without Svnapot and Svpbmt, as a mask for its upper word. */
function randomHigh(random: Random): number {
  return random.oneIn(16) ? 1 << random.between(22, 31) : 0;
}

/** Up to three pages among tables and data, with the rights they have. */
function randomProtection(random: Random): { page: number; flags: number }[] {
  return Array.from({ length: random.between(1, 3) }, () => {
    // Tables are rarely touched: everything ends where they cannot be read. QEMU 7.2 sets A and D in spite of protection.
    if (random.oneIn(5)) return { page: random.between(TABLES, DATA - 1), flags: random.pick([0, 4, 3, 7]) };
    return { page: random.between(DATA, DATA + DATA_PAGES - 1), flags: random.pick([0, 1, 3, 4, 5, 7]) };
  });
}
