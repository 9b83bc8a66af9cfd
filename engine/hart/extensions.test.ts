import { beforeAll, describe, expect, it } from 'vitest';
import { Label } from '../../test/support/assembler';
import { RAM } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, rType } from '../../test/support/riscv-encoding';
import {
  A0,
  A1,
  A2,
  ADUE,
  causes,
  CSR,
  DATA,
  ECALL,
  MPP_S,
  NOP,
  NOWHERE,
  type Program,
  PTE,
  page,
  RET,
  Run,
  STCE,
} from '../../test/support/trapping-program';
import { hardwareSchema } from '../settings/hardware';
import { optionsOf } from '../settings/option';
import { HART_LINES } from '../memory/layout';
import { STAT_REGION_INSTRUCTIONS } from './hart-layout';
import { instructions } from './isa';
import { extensionBit, extensionBits, isaExtensions, isaString, OPTIONAL_EXTENSIONS, type OptionalExtension } from './isa/extensions';

// What test/conformance cannot compare with QEMU 7.2, which does not have it.

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
}, 60_000);

const SENVCFG = 0x10a;
const cbo = (operation: number, rs1 = A0): number => iType(0x0f, 2, 0, rs1, operation);
const [INVAL, CLEAN, FLUSH, ZERO] = [0, 1, 2, 4];
const CODE = RAM + 0x30000;
const ALL_ONES = (1n << 64n) - 1n;
const ENABLE = { [INVAL]: 1n << 4n, [CLEAN]: 1n << 6n, [FLUSH]: 1n << 6n, [ZERO]: 1n << 7n };

describe('cache block instructions', () => {
  it('are for lower privileges only where menvcfg, and for U senvcfg too, allow them', () => {
    for (const operation of [INVAL, CLEAN, FLUSH, ZERO]) {
      const other = 0xf0n & ~(operation === INVAL ? 0x30n : ENABLE[operation]);
      for (const [mstatus, menvcfg, senvcfg, allowed] of [
        [MPP_S, 0n, 0n, false],
        [MPP_S, other, ALL_ONES, false],
        [MPP_S, ENABLE[operation], 0n, true],
        [0n, ENABLE[operation], 0n, false],
        [0n, 0n, ENABLE[operation], false],
        [0n, ENABLE[operation], other, false],
        [0n, ENABLE[operation], ENABLE[operation], true],
      ] as const) {
        const run = new Run(helpers);
        run.code(CODE, cbo(operation), ECALL);
        const traps = run.run((p) => {
          p.set(CSR.menvcfg, menvcfg);
          p.set(SENVCFG, senvcfg);
          p.li(A0, BigInt(DATA));
          p.enter(mstatus, BigInt(CODE));
        });
        const ecall = mstatus === 0n ? 8 : 9;
        expect(causes(traps), `${operation} ${mstatus} ${menvcfg} ${senvcfg}`).toEqual([allowed ? ecall : 2]);
        if (!allowed) expect(traps[0].value).toBe(BigInt(cbo(operation)));
      }
    }
  });

  it('have the fields of menvcfg and senvcfg, of which CBIE has no value 2', () => {
    const run = new Run(helpers);
    run.run((p) => {
      for (const [i, csr] of [CSR.menvcfg, SENVCFG].entries()) {
        p.set(csr, ALL_ONES);
        p.csrr(A0, csr);
        p.set(csr, 0x20n);
        p.csrr(A1, csr);
        p.li(A2, BigInt(DATA + 16 * i));
        p.word((A0 << 20) | (A2 << 15) | (3 << 12) | 0x23);
        p.word(((A1 << 20) | (A2 << 15) | (3 << 12) | (8 << 7) | 0x23) >>> 0);
      }
    });
    expect([0, 8, 16, 24].map((at) => run.u64(DATA + at))).toEqual([(7n << 61n) | 0xf1n, 0n, 0xf1n, 0n]);
  });

  it('clear the block that an address lies in, and leave what they write back', () => {
    const run = new Run(helpers);
    for (let at = 0; at < 512; at += 8) run.put(DATA + at, ALL_ONES);
    run.run((p) => {
      p.li(A0, BigInt(DATA + 64 + 13));
      p.word(cbo(ZERO));
      for (const operation of [INVAL, CLEAN, FLUSH]) {
        p.li(A0, BigInt(DATA + 256));
        p.word(cbo(operation));
      }
    });
    for (let at = 0; at < 512; at += 8) expect(run.u64(DATA + at), `${at}`).toBe(at >= 64 && at < 128 ? 0n : ALL_ONES);
  });

  it('fault as stores, at the block', () => {
    const run = new Run(helpers);
    const virtual = 0x1000_0000n;
    const satp = run.map(virtual, [page(DATA, PTE.r | PTE.a), 0n, page(DATA, PTE.r | PTE.w | PTE.a | PTE.d), page(DATA, PTE.x | PTE.a)]);
    const words = [INVAL, CLEAN, FLUSH, ZERO].map((operation) => cbo(operation));
    run.code(CODE, ...words.flatMap((one) => [one, ECALL]));
    const traps = run.run((p) => {
      p.set(CSR.menvcfg, 0xf0n | ADUE);
      p.set(CSR.satp, satp);
      for (const target of [virtual, virtual + 0x1000n, virtual + 0x2000n, virtual + 0x3000n]) {
        for (const i of words.keys()) {
          p.li(A0, target + 77n);
          p.enter(MPP_S, BigInt(CODE + 8 * i));
        }
      }
      p.set(CSR.satp, 0n);
      for (const one of words) {
        p.li(A0, BigInt(NOWHERE + 77));
        p.attempt(() => p.word(one));
      }
    });
    // Read-only, not there, writable, executable only.
    expect(causes(traps.slice(0, 16))).toEqual([9, 9, 9, 15, 15, 15, 15, 15, 9, 9, 9, 9, 15, 15, 15, 15]);
    expect(traps[3].value).toBe(virtual + 64n);
    expect(traps[4].value).toBe(virtual + 0x1040n);
    expect(causes(traps.slice(16))).toEqual([7]);
    expect(traps[16].value).toBe(BigInt(NOWHERE + 64));
  });

  it.each([
    ['translated', {}],
    ['checked', { check: true }],
  ])('do so in %s code', (_, tier) => {
    const run = new Run(helpers, {}, { jit: true, ...tier, tuning: { slice: 50, hot: 2 } });
    const bytes = 0x8000;
    for (let at = -64; at < bytes + 64; at += 8) run.put(DATA + at, ALL_ONES);
    run.run((p) => {
      p.li(A0, BigInt(DATA));
      p.li(A1, BigInt(DATA + bytes));
      const loop = new Label();
      p.code.place(loop);
      p.word(cbo(ZERO));
      p.word(cbo(CLEAN));
      p.word(iType(0x13, 0, A0, A0, 64));
      p.code.reference(4, loop, (d) => bType(1, A0, A1, d));
    });
    for (let at = -64; at < bytes + 64; at += 8) expect(run.u64(DATA + at), `${at}`).toBe(at >= 0 && at < bytes ? 0n : ALL_ONES);
    expect(run.machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(1500);
  });
});

describe('waiting for a reserved word', () => {
  const lr = rType(0x2f, 3, 2 << 2, A1, A0, 0);
  const NTO = 0x00d00073;
  const STO = 0x01d00073;

  /** How often the clock is asked while the hart waits; `meanwhile` is called each time. */
  function looks(word: number, meanwhile: (run: Run, looks: number) => void, reserving = true): number {
    let count = 0;
    let counting = false;
    const run: Run = new Run(helpers, {
      time: () => {
        if (counting) meanwhile(run, ++count);
        return 0;
      },
      mmioWrite: (address) => {
        counting = address === 0x1000_0000;
        return true;
      },
    });
    const traps = run.run((p) => {
      p.li(A0, BigInt(DATA));
      p.li(A2, 0x1000_0000n);
      if (reserving) p.word(lr);
      p.word((A2 << 15) | (2 << 12) | 0x23);
      p.word(word);
      p.word(((A2 << 15) | (2 << 12) | (4 << 7) | 0x23) >>> 0);
    });
    expect(traps).toEqual([]);
    return count;
  }

  it('ends when another hart writes the word, be it to its upper half', () => {
    expect(looks(NTO, (run, count) => count === 7 && run.machine.memory.writeU32(DATA + 4, 1))).toBeLessThan(9);
  });
  it('ends when an interrupt is pending that mie enables, and does not take it where that is not allowed', () => {
    let count = 0;
    const run: Run = new Run(helpers, {
      time: () => {
        if (++count === 6) Atomics.store(run.machine.memory.words, (run.machine.hart.base + HART_LINES) >>> 2, 1 << 11);
        return 0;
      },
    });
    const traps = run.run((p) => {
      p.set(CSR.mie, 1n << 11n);
      p.li(A0, BigInt(DATA));
      p.word(lr);
      p.word(NTO);
    });
    expect(traps).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(6);
    expect(count).toBeLessThan(12);
  });
  it('ends at once without a reservation, soon with wrs.sto, and some time with wrs.nto', () => {
    expect(looks(NTO, () => undefined, false)).toBeLessThan(2);
    const short = looks(STO, () => undefined);
    expect(short).toBeGreaterThan(2);
    expect(short).toBeLessThan(10);
    expect(looks(NTO, () => undefined)).toBeGreaterThan(100);
  });
});

describe('triggers', () => {
  const [TSELECT, TDATA1, TDATA2, TDATA3, TINFO] = [0x7a0, 0x7a1, 0x7a2, 0x7a3, 0x7a4];
  const [LOAD, STORE, EXECUTE, U, S, M] = [1n, 2n, 4n, 8n, 16n, 64n];
  const NAPOT = 1n << 7n;
  const TYPE2 = 2n << 60n;
  const TYPE6 = 6n << 60n;
  const MASKMAX = 63n << 53n;
  const ld = (rd: number, rs1: number, funct3 = 3): number => iType(0x03, funct3, rd, rs1, 0);
  const sd = (rs2: number, rs1: number, funct3 = 3): number => ((rs2 << 20) | (rs1 << 15) | (funct3 << 12) | 0x23) >>> 0;
  const set = (p: Program, number: number, tdata1: bigint, tdata2: bigint): void => {
    p.set(TSELECT, BigInt(number));
    p.set(TDATA2, tdata2);
    p.set(TDATA1, tdata1);
  };

  /** The traps of a program that may use data at DATA, which x10 holds. */
  function run(build: (p: Program) => void): { run: Run; traps: ReturnType<Run['run']> } {
    const machine = new Run(helpers);
    machine.code(CODE, NOP, ld(A1, A0), sd(A1, A0), ECALL);
    const traps = machine.run((p) => {
      p.li(A0, BigInt(DATA));
      build(p);
    });
    return { run: machine, traps };
  }
  /** What registers read as after writes, in order. */
  function reads(build: (p: Program, note: (csr: number) => void) => void): bigint[] {
    let noted = 0;
    const { run: machine } = run((p) => {
      build(p, (csr) => {
        p.csrr(A1, csr);
        p.li(A2, BigInt(DATA + 8 * noted++));
        p.word(sd(A1, A2));
      });
    });
    return Array.from({ length: noted }, (_, i) => machine.u64(DATA + 8 * i));
  }

  it('are two, of two types, and read as what they can do', () => {
    const found = reads((p, note) => {
      note(TDATA1);
      note(TINFO);
      for (const [tselect, tdata1] of [
        [1n, ALL_ONES & ~(15n << 60n)],
        [2n, TYPE2 | (ALL_ONES >> 4n)],
        [0n, TYPE6 | (ALL_ONES >> 4n)],
        [0n, TYPE6 | NAPOT | LOAD | M],
        [0n, 0n],
      ]) {
        p.set(TSELECT, tselect);
        p.set(TDATA1, tdata1);
        note(TSELECT);
        note(TDATA1);
      }
      p.set(TDATA3, ALL_ONES);
      note(TDATA3);
    });
    expect(found).toEqual([
      ...[TYPE2, (1n << 24n) | (1n << 6n) | (1n << 2n)],
      ...[1n, TYPE2],
      ...[1n, TYPE2 | MASKMAX | (3n << 21n) | (1n << 20n) | (3n << 16n) | 0x5fn],
      ...[0n, TYPE6 | (1n << 22n) | (7n << 16n) | 0x5fn],
      ...[0n, TYPE6 | NAPOT | LOAD | M],
      ...[0n, TYPE2],
      0n,
    ]);
  });

  it('fire before an instruction, also the next one, a load and a store, and say that they did', () => {
    for (const type of [TYPE2, TYPE6]) {
      const next = new Label();
      const { run: machine, traps } = run((p) => {
        p.set(TSELECT, 0n);
        p.la(A1, next);
        p.csrw(TDATA2, A1);
        p.li(A2, type | M | EXECUTE);
        p.attempt(() => {
          p.csrw(TDATA1, A2);
          p.code.place(next);
          p.word(NOP);
        });
        p.csrr(A2, TDATA1);
        set(p, 0, type | M | LOAD, BigInt(DATA + 4));
        p.attempt(() => p.word(ld(A1, A0)));
        p.attempt(() => p.word(sd(A2, A0)));
        set(p, 1, type | M | STORE, BigInt(DATA));
        p.attempt(() => p.word(sd(0, A0)));
        p.set(TDATA1, 0n);
        p.word(sd(A2, A0));
      });
      expect(traps.map(({ cause, value }) => [cause, value])).toEqual([
        [3, BigInt(RAM + (next.offset ?? 0))],
        [3, BigInt(DATA + 4)],
        [3, BigInt(DATA)],
      ]);
      const hit = type === TYPE2 ? MASKMAX | (1n << 20n) : 1n << 22n;
      expect(machine.u64(DATA)).toBe(type | hit | M | EXECUTE);
    }
  });

  it('fire in the privileges that they are for, for accesses of their size, in their range', () => {
    const enters: [bigint, number][] = [
      [0n, 8],
      [MPP_S, 9],
    ];
    for (const [mstatus, ecall] of enters) {
      for (const [flags, fires] of [
        [U, mstatus === 0n],
        [S, mstatus !== 0n],
        [M, false],
      ] as const) {
        const { traps } = run((p) => {
          set(p, 0, TYPE2 | flags | EXECUTE, BigInt(CODE + 4));
          p.enter(mstatus, BigInt(CODE));
        });
        expect(causes(traps), `${mstatus} ${flags}`).toEqual([fires ? 3 : ecall]);
      }
    }
    const { traps } = run((p) => {
      // 4 bytes alone; then all of 64 bytes; then everything.
      set(p, 0, TYPE6 | M | LOAD | (3n << 16n), BigInt(DATA));
      for (const funct3 of [0, 1, 2, 3]) p.attempt(() => p.word(ld(A1, A0, funct3)));
      set(p, 0, TYPE2 | M | LOAD | NAPOT, BigInt(DATA + 64 + 31));
      for (const at of [56, 60, 64, 120, 128]) {
        p.li(A0, BigInt(DATA + at));
        p.attempt(() => p.word(ld(A1, A0, 2)));
      }
      set(p, 0, TYPE2 | U | EXECUTE | NAPOT, ALL_ONES);
      p.enter(0n, BigInt(CODE));
    });
    expect(traps.map(({ cause, value }) => [cause, value])).toEqual([
      [3, BigInt(DATA)],
      [3, BigInt(DATA + 64)],
      [3, BigInt(DATA + 120)],
      [3, BigInt(CODE)],
    ]);
  });

  it.each([
    ['translated', {}],
    ['checked', { check: true }],
  ])('fire in %s code, which is as fast as before when they are gone', (_, tier) => {
    const machine = new Run(helpers, {}, { jit: true, ...tier, tuning: { slice: 50, hot: 2 } });
    const [start, count, loop, store] = [new Label(), new Label(), new Label(), new Label()];
    const traps = machine.run((p) => {
      p.jump(start);
      p.code.place(count);
      p.li(A2, 500n);
      p.code.place(loop);
      p.word(ld(A1, A0));
      p.word(iType(0x13, 0, A1, A1, 1));
      p.code.place(store);
      p.word(sd(A1, A0));
      p.word(iType(0x13, 0, A2, A2, -1));
      p.code.reference(4, loop, (d) => bType(1, A2, 0, d));
      p.word(RET);
      p.code.place(start);
      p.li(A0, BigInt(DATA));
      for (const trigger of [0n, EXECUTE, STORE, 0n]) {
        p.la(A1, store);
        if (trigger === STORE) p.li(A1, BigInt(DATA));
        p.csrw(TDATA2, A1);
        p.set(TDATA1, TYPE2 | M | trigger);
        p.attempt(() => p.code.reference(4, count, (d) => jType(1, d)));
      }
    });
    expect(traps.map(({ cause, value }) => [cause, value])).toEqual([
      [3, BigInt(RAM + (store.offset ?? 0))],
      [3, BigInt(DATA)],
    ]);
    expect(machine.u64(DATA)).toBe(1000n);
    // Most of the 5,000 instructions of the two rounds without triggers.
    expect(machine.machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(4000);
  });

  it('are not there where the machine does without them', () => {
    const machine = new Run(helpers, {}, { extensionsOff: extensionBits(['sdtrig']) });
    const traps = machine.run((p) => {
      for (const csr of [TSELECT, TDATA1, TDATA2, TDATA3, TINFO]) p.attempt(() => p.csrr(A1, csr));
    });
    expect(causes(traps)).toEqual([2, 2, 2, 2, 2]);
  });
});

describe('a machine that does without extensions', () => {
  it('finds their instructions illegal, in code that runs over the end of a page too, and all others not', () => {
    const names = OPTIONAL_EXTENSIONS.filter((name) => instructions.some(({ extension }) => extension === name));
    expect(names.length).toBeGreaterThan(8);
    for (const off of names) {
      const { match } = instructions.find(({ extension }) => extension === off)!;
      const word = off === 'zicboz' || off === 'zicbom' ? match | (A0 << 15) : match;
      for (const switchedOff of [true, false]) {
        const others = names.filter((name) => name !== off);
        const machine = new Run(helpers, {}, { extensionsOff: extensionBits(switchedOff ? [off] : others) });
        machine.code(CODE, word, ECALL);
        // Compressed no-operation, and the instruction across the end of the page.
        const across = CODE + 0x1ffe;
        machine.machine.memory.writeU16(across, word & 0xffff);
        machine.machine.memory.writeU16(across + 2, word >>> 16);
        machine.code(across + 4, ECALL);
        const traps = machine.run((p) => {
          p.set(CSR.menvcfg, 0xf0n);
          p.li(A0, BigInt(DATA));
          p.enter(MPP_S, BigInt(CODE));
          p.enter(MPP_S, BigInt(across));
        });
        expect(causes(traps), off).toEqual(switchedOff ? [2, 2] : [9, 9]);
      }
    }
  });

  it('has nothing of them in its CSRs', () => {
    const read = (off: readonly OptionalExtension[]): bigint => {
      const machine = new Run(helpers, {}, { extensionsOff: extensionBits(off) });
      machine.run((p) => {
        p.csrr(A0, CSR.menvcfg);
        p.set(CSR.menvcfg, ALL_ONES);
        p.csrr(A1, CSR.menvcfg);
        p.word(rType(0x33, 7, 0, A1, A1, A0));
        p.set(CSR.menvcfg, ALL_ONES);
        p.csrr(A2, CSR.menvcfg);
      });
      return machine.machine.x(A2);
    };
    const PBMTE = 1n << 62n;
    expect(read([])).toBe(STCE | PBMTE | ADUE | 0xf1n);
    expect(read(['sstc'])).toBe(PBMTE | ADUE | 0xf1n);
    expect(read(['svpbmt', 'svadu'])).toBe(STCE | 0xf1n);
    expect(read(['zicbom', 'zicboz'])).toBe(STCE | PBMTE | ADUE | 1n);
  });

  it('says so in its ISA string, and knows the names that settings have', () => {
    const { choices = {} } = optionsOf(hardwareSchema).find(({ key }) => key === 'extensionsOff')!;
    expect(new Set(OPTIONAL_EXTENSIONS)).toEqual(new Set(Object.keys(choices)));
    expect(new Set(OPTIONAL_EXTENSIONS.map(extensionBit)).size).toBe(OPTIONAL_EXTENSIONS.length);
    const all = isaExtensions({ off: [], imsics: true });
    for (const name of OPTIONAL_EXTENSIONS) {
      expect(all).toContain(name);
      expect(isaExtensions({ off: [name], imsics: true })).toEqual(all.filter((one) => one !== name));
    }
    expect(isaString({ off: ['zicboz'], imsics: false })).toMatch(/^rv64imafdc_zicbom_zicbop_zicntr_/);
    expect(isaString({ off: [], imsics: false })).not.toContain('aia');
  });
});
