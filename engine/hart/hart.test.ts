import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../test/support/assembler';
import { BareHart, RAM } from '../../test/support/bare-hart';
import { Random } from '../../test/support/random';
import {
  A0,
  A1,
  A2,
  A3,
  ADUE,
  causes,
  CSR,
  DATA,
  DEVICE,
  ECALL,
  FENCE_I,
  load,
  MPP_S,
  NOP,
  NOWHERE,
  page,
  type Program,
  PTE,
  RET,
  STCE,
  store,
  T0,
  T1,
  TABLES,
  WFI,
  Run as AnyRun,
} from '../../test/support/trapping-program';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, rType, sType, uType } from '../../test/support/riscv-encoding';
import { HART_DEVICE_WAITS, HART_LINES, HART_MTIMECMP } from '../memory/layout';
import { STAT_REGION_INSTRUCTIONS } from './hart-layout';

// What test/conformance cannot compare with QEMU 7.2, because it differs, or because the surroundings play a part.

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
}, 60_000);

class Run extends AnyRun {
  constructor(environment?: ConstructorParameters<typeof AnyRun>[1], shape?: ConstructorParameters<typeof AnyRun>[2]) {
    super(helpers, environment, shape);
  }
}

describe('Hart: traps', () => {
  it('polls while its trap vector traps again and again', () => {
    let polls = 0;
    const run = new Run({
      time: () => {
        if (++polls > 5) run.stop();
        return 0;
      },
    });
    run.run((p) => {
      p.set(CSR.mtvec, BigInt(NOWHERE));
      p.word(ECALL);
    }, false);
    expect(polls).toBeGreaterThan(5);
    expect(run.machine.hart.pc).toBe(BigInt(NOWHERE));
    const illegal = new Run({
      time: () => {
        if (++polls > 12) illegal.stop();
        return 0;
      },
    });
    illegal.run((p) => {
      p.set(CSR.mtvec, BigInt(DATA));
      p.word(ECALL);
    }, false);
    expect(illegal.machine.hart.pc).toBe(BigInt(DATA));
  });

  it('takes pending interrupts in the order MEI, MSI, MTI, SEI, SSI, STI', () => {
    const all = new Run({
      mmioWrite: () => {
        const { words, data } = all.machine.memory;
        Atomics.or(words, (all.machine.hart.base + HART_LINES) >>> 2, 0x808);
        data.setBigUint64(all.machine.hart.base + HART_MTIMECMP, 0n, true);
        return true;
      },
    });
    const order = all.run((p) => {
      p.set(CSR.mip, 0x222n);
      p.li(A0, BigInt(DEVICE));
      p.word(store(0, A0, 2));
      p.csrr(A1, CSR.mip);
      for (const enabled of [0xaaan, 0x2aan, 0x2a2n, 0x222n, 0x22n, 0x20n]) {
        p.attempt(() => {
          p.set(CSR.mie, enabled);
          p.word(iType(0x73, 6, 0, 8, CSR.mstatus));
          p.word(NOP);
        });
        p.word(iType(0x73, 7, 0, 8, CSR.mstatus));
      }
    });
    expect(causes(order)).toEqual([11, 3, 7, 9, 1, 5]);
  });

  it('takes no timer interrupt whose time was just put off', () => {
    const run = new Run({
      mmioWrite: (_, __, value) => {
        run.machine.memory.data.setBigUint64(run.machine.hart.base + HART_MTIMECMP, value === 0 ? 0n : 1n << 60n, true);
        return true;
      },
    });
    const traps = run.run((p) => {
      p.set(CSR.mie, 0x80n);
      p.li(A1, BigInt(DEVICE));
      p.word(store(0, A1, 2));
      p.csrr(A0, CSR.mip);
      p.word(store(A1, A1, 2));
      p.attempt(() => {
        p.word(iType(0x73, 6, 0, 8, CSR.mstatus));
        p.word(NOP);
      });
    });
    expect(run.machine.x(A0)).toBe(0x80n);
    expect(traps).toEqual([]);
  });

  it('counts retired instructions: not those that trapped, a write replacing its own increment', () => {
    const run = new Run();
    run.run((p) => {
      p.csrr(A0, CSR.minstret);
      p.word(NOP);
      p.word(NOP);
      p.csrr(A1, CSR.minstret);
      p.word(rType(0x33, 0, 0x20, A0, A1, A0));
      p.set(CSR.minstret, 100n);
      p.csrr(A1, CSR.minstret);
      p.set(CSR.mcountinhibit, 4n);
      p.csrr(A2, CSR.minstret);
      p.word(NOP);
      p.csrr(A3, CSR.minstret);
      p.word(rType(0x33, 0, 0x20, A2, A3, A2));
      p.set(CSR.minstret, 7n);
      p.set(CSR.mcountinhibit, 0n);
      p.csrr(A3, CSR.minstret);
    });
    expect([A0, A1, A2, A3].map((i) => run.machine.x(i))).toEqual([3n, 100n, 0n, 7n]);
    const trapping = new Run();
    trapping.run((p) => {
      const handler = new Label();
      const over = new Label();
      p.jump(over);
      while (p.code.offset % 4 !== 0) p.code.half(1);
      p.code.place(handler);
      p.csrr(A1, CSR.minstret);
      p.finish();
      p.code.place(over);
      p.la(T0, handler);
      p.csrw(CSR.mtvec, T0);
      p.csrr(A0, CSR.minstret);
      p.word(ECALL);
    });
    expect(trapping.machine.x(A1) - trapping.machine.x(A0)).toBe(1n);
  });

  it('keeps fields within what they can hold', () => {
    const run = new Run();
    run.run((p) => {
      p.set(CSR.mstatus, 2n << 11n);
      p.csrr(A0, CSR.mstatus);
      p.set(CSR.satp, (10n << 60n) | 5n);
      p.csrr(A1, CSR.satp);
      p.csrr(A2, CSR.mtvec);
      p.set(CSR.mtvec, BigInt(RAM + 2));
      p.csrr(T0, CSR.mtvec);
      p.word(rType(0x33, 0, 0x20, A2, A2, T0));
      p.set(CSR.mepc, BigInt(RAM + 3));
      p.csrr(A3, CSR.mepc);
    });
    expect((run.machine.x(A0) >> 11n) & 3n).toBe(0n);
    expect(run.machine.x(A1)).toBe(0n);
    expect(run.machine.x(A2)).toBe(0n);
    expect(run.machine.x(A3)).toBe(BigInt(RAM + 2));
  });
});

describe('Hart: translation', () => {
  const VA = 0x5000_0000n;

  it('sets A and D itself only where menvcfg.ADUE says so', () => {
    const rw = PTE.r | PTE.w;
    const run = new Run();
    const satp = run.map(VA, [page(DATA, rw), page(DATA, rw | PTE.a)]);
    run.code(DATA + 0x1000, load(A0, A1), ECALL);
    run.code(DATA + 0x1100, store(A0, A1), ECALL);
    const attempts = (p: Program): void => {
      p.set(CSR.satp, satp);
      p.li(A1, VA);
      p.enter(MPP_S, BigInt(DATA + 0x1000));
      p.li(A1, VA + 4096n);
      p.enter(MPP_S, BigInt(DATA + 0x1000));
      p.enter(MPP_S, BigInt(DATA + 0x1100));
    };
    const traps = run.run((p) => {
      p.set(CSR.menvcfg, 0n);
      attempts(p);
      p.set(CSR.menvcfg, ADUE);
      attempts(p);
    });
    expect(traps.map(({ cause, value }) => [cause, value])).toEqual([
      [13, VA],
      [9, 0n],
      [15, VA + 4096n],
      [9, 0n],
      [9, 0n],
      [9, 0n],
    ]);
    expect(run.entry(256) & 0xffn).toBe(0n);
    expect([run.entry(0), run.entry(1)].map((entry) => entry & 0xc0n)).toEqual([PTE.a, PTE.a | PTE.d]);
  });

  it('takes a table outside memory for an access fault', () => {
    const run = new Run();
    const satp = run.map(VA, []);
    run.put(TABLES + 4096 + 8 * Number((VA >> 21n) & 511n), (BigInt(NOWHERE) >> 2n) | PTE.v);
    run.code(DATA, load(A0, A1), ECALL);
    const traps = run.run((p) => {
      p.set(CSR.satp, satp);
      p.li(A1, VA);
      p.enter(MPP_S, BigInt(DATA));
      p.enter(MPP_S, VA);
    });
    expect(traps.map(({ cause, value }) => [cause, value])).toEqual([
      [5, VA],
      [1, VA],
    ]);
  });

  it('reports the second page where an instruction straddles two', () => {
    const run = new Run();
    const flags = PTE.r | PTE.x | PTE.a;
    const satp = run.map(VA, [page(DATA, flags), 0n, page(DATA, flags), page(DATA + 4096, flags)]);
    // addi a0, a0, 1 over the end of the page; then ecall.
    const addi = iType(0x13, 0, A0, A0, 1);
    run.machine.memory.writeU16(DATA + 4094, addi & 0xffff);
    run.machine.memory.writeU16(DATA + 4096, addi >>> 16);
    run.code(DATA + 4098, ECALL);
    const traps = run.run((p) => {
      p.set(CSR.satp, satp);
      p.li(A0, 0n);
      p.enter(MPP_S, VA + 4094n);
      p.enter(MPP_S, VA + 8192n + 4094n);
    });
    expect(traps).toEqual([
      { cause: 12, value: VA + 4096n, pc: VA + 4094n },
      { cause: 9, value: 0n, pc: VA + 8192n + 4098n },
    ]);
    expect(run.machine.x(A0)).toBe(1n);
  });

  it('writes nothing of a store whose second page faults', () => {
    const run = new Run();
    const rw = PTE.r | PTE.w | PTE.a | PTE.d;
    const satp = run.map(VA, [page(DATA + 0x4000, rw), page(DATA + 0x4000, PTE.r | PTE.a)]);
    run.code(DATA, store(A0, A1), ECALL);
    run.code(DATA + 0x100, load(A0, A1), ECALL);
    const traps = run.run((p) => {
      p.set(CSR.satp, satp);
      p.li(A0, -1n);
      p.li(A1, VA + 4093n);
      p.enter(MPP_S, BigInt(DATA));
      p.enter(MPP_S, BigInt(DATA + 0x100));
    });
    expect(traps.map(({ cause, value }) => [cause, value])).toEqual([
      [15, VA + 4096n],
      [9, 0n],
    ]);
    expect(run.u64(DATA + 0x4000 + 4088)).toBe(0n);
  });
});

describe('Hart: address spaces', () => {
  const SPACES = 11;
  /** Where large pages hold the same again. */
  const FAR = 0x5000;
  const MPRV = 1n << 17n;
  const SUM = 1n << 18n;
  const all = PTE.v | PTE.r | PTE.w | PTE.x | PTE.a | PTE.d;
  /** Pages of every kind: where they lie, how large they are, whose, and whether all spaces share them. */
  const kinds = [
    { va: 0x10000n, level: 0, user: true, global: false },
    { va: 0x11000n, level: 0, user: false, global: false },
    { va: 0x4000_0000n, level: 1, user: true, global: false },
    { va: 0x8000_0000n, level: 1, user: false, global: false },
    { va: -0x4000_0000n, level: 0, user: false, global: true },
    { va: -0x3fe0_0000n, level: 1, user: false, global: true },
  ];
  /** Code and data are the same pages: an instruction sequence that leaves a number in a0, and that number. */
  const numberOf = (address: number): number => (address - RAM) >>> 12;
  const frame = (level: number, n: number): number => RAM + (level === 1 ? (1 + (n % 3)) << 21 : 0x100000 + (n % 64) * 4096);

  it.each([false, true])('sees no translation that was fenced, whoever it belonged to (translated: %s)', (jit) => {
    const run = new Run({}, { ramBytes: 8 << 20, jit, tuning: jit ? { slice: 16, hot: 1 } : {} });
    for (let seed = 0; seed < (jit ? 10 : 40); seed++) {
      run.machine.memory.view(RAM, 8 << 20).fill(0);
      check(run, new Random(seed));
    }
    if (jit) expect(run.machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(1000);
  });

  function check(run: Run, random: Random): void {
    for (const level of [0, 1]) {
      for (let n = 0; n < 64; n++) {
        const base = frame(level, n);
        for (const at of level === 0 ? [base] : [base, base + FAR]) {
          run.put(at, BigInt(numberOf(base)));
          run.code(at + 8, uType(0x37, A0, numberOf(base)), NOP, ECALL);
        }
      }
    }
    // Per space: root, a table for the large pages of each gigabyte, one for small pages; the upper half is everybody's.
    let free = RAM + 0x20000;
    const table = (): number => {
      free += 4096;
      return free;
    };
    const pointer = (address: number): bigint => page(address, 0n);
    const shared = [table(), table()];
    const roots = Array.from({ length: SPACES }, table);
    const entryOf = (space: number, kind: (typeof kinds)[number]): number => entries.get(`${kind.global ? 0 : space} ${kind.va}`) as number;
    const entries = new Map<string, number>();
    roots.forEach((root, space) => {
      for (const kind of kinds) {
        const at = (level: number): number => 8 * Number((kind.va >> BigInt(12 + 9 * level)) & 511n);
        const key = `${kind.global ? 0 : space} ${kind.va}`;
        let middle = run.u64(root + at(2)) === 0n ? table() : Number((run.u64(root + at(2)) >> 10n) << 12n);
        if (kind.global) middle = shared[0];
        run.put(root + at(2), pointer(middle));
        let place = middle + at(1);
        if (kind.level === 0) {
          let last = run.u64(place) === 0n ? table() : Number((run.u64(place) >> 10n) << 12n);
          if (kind.global) last = shared[1];
          run.put(place, pointer(last));
          place = last + at(0);
        }
        entries.set(key, place);
      }
    });
    const flags = (kind: (typeof kinds)[number]): bigint => all | (kind.user ? PTE.u : 0n) | (kind.global ? PTE.g : 0n);
    const held = new Map<number, number>();
    for (const kind of kinds) {
      for (let space = 0; space < SPACES; space++) {
        const target = frame(kind.level, random.below(64));
        held.set(entryOf(space, kind), target);
        run.put(entryOf(space, kind), page(target, flags(kind)));
      }
    }

    let expected = 0n;
    run.run((p) => {
      p.li(A2, 0n);
      let space = 0;
      const go = (to: number): void => {
        space = to;
        p.set(CSR.satp, (8n << 60n) | (BigInt(to) << 44n) | (BigInt(roots[to]) >> 12n));
      };
      const use = (kind: (typeof kinds)[number]): void => {
        const asUser = kind.user && random.oneIn(2);
        const bits = (asUser ? 0n : MPP_S) | (kind.user || random.oneIn(2) ? SUM : 0n);
        const va = kind.va + (kind.level === 1 && random.oneIn(2) ? BigInt(FAR) : 0n);
        const clear = MPRV | SUM | MPP_S | (MPP_S << 1n);
        if (asUser === kind.user && random.oneIn(2)) {
          p.enter(bits, BigInt.asUintN(64, va + 8n));
          p.word(iType(0x13, 5, A0, A0, 12));
        } else {
          p.li(T0, clear);
          p.word(iType(0x73, 3, 0, T0, CSR.mstatus));
          p.li(T0, bits | MPRV);
          p.li(A1, va);
          p.word(iType(0x73, 2, 0, T0, CSR.mstatus));
          p.word(load(A0, A1));
        }
        p.li(T0, clear);
        p.word(iType(0x73, 3, 0, T0, CSR.mstatus));
        // a2 = a2 × 31 + a0
        p.word(iType(0x13, 1, T0, A2, 5));
        p.word(rType(0x33, 0, 0x20, A2, T0, A2));
        p.word(rType(0x33, 0, 0, A2, A2, A0));
        expected = BigInt.asUintN(64, expected * 31n + BigInt(numberOf(held.get(entryOf(space, kind)) as number)));
      };
      go(0);
      // Some address spaces are used more than others.
      const anySpace = (): number => random.below(random.oneIn(4) ? SPACES : 3);
      for (let i = 0; i < 60; i++) {
        const kind = random.pick(kinds);
        go(anySpace());
        use(kind);
        if (random.oneIn(2)) continue;
        // Another page, fenced as narrowly as may be or more widely, from its own address space or another.
        const owner = random.oneIn(2) ? space : anySpace();
        if (random.oneIn(2)) go(anySpace());
        const target = frame(kind.level, random.below(64));
        held.set(entryOf(owner, kind), target);
        p.store(entryOf(owner, kind), page(target, flags(kind)));
        p.li(T0, kind.va);
        p.li(T1, BigInt(owner));
        p.word(rType(0x73, 0, 9, 0, random.oneIn(3) ? 0 : T0, kind.global || random.oneIn(3) ? 0 : T1));
        if (random.oneIn(2)) go(owner);
        use(kind);
      }
    });
    expect(run.machine.x(A2)).toBe(expected);
  }
});

describe('Hart: physical memory protection', () => {
  const boundary = DATA + 0x800;

  it('stops code where a protection begins in the middle of its page', () => {
    const run = new Run();
    run.code(DATA + 0x7f0, NOP, NOP, NOP, NOP, ECALL);
    // A compressed instruction, then one half of which may not be fetched.
    run.machine.memory.writeU16(DATA + 0x400 - 4, 1);
    run.code(DATA + 0x400 - 2, NOP);
    const traps = run.run((p) => {
      // TOR up to 0x400: all; to 0x408: nothing; to the boundary: all; then a page of nothing.
      [DATA + 0x400, DATA + 0x404, boundary, DATA + 0x1000].forEach((address, i) => {
        p.set(CSR.pmpaddr0 + i, BigInt(address / 4));
      });
      p.set(CSR.pmpcfg0, 0x080f080fn);
      p.enter(0n, BigInt(DATA + 0x7f0));
      p.enter(0n, BigInt(DATA + 0x400 - 4));
      p.enter(0n, BigInt(boundary));
    });
    expect(traps).toEqual([
      { cause: 1, value: BigInt(boundary), pc: BigInt(boundary) },
      { cause: 1, value: BigInt(DATA + 0x400), pc: BigInt(DATA + 0x400 - 2) },
      { cause: 1, value: BigInt(boundary), pc: BigInt(boundary) },
    ]);
  });

  it('binds machine mode by locked entries, which stay', () => {
    const run = new Run();
    const traps = run.run((p) => {
      p.set(CSR.pmpaddr0, BigInt(DATA / 4));
      p.set(CSR.pmpaddr0 + 1, BigInt((DATA + 0x1000) / 4));
      p.set(CSR.pmpcfg0, 0x8900n);
      p.li(A1, BigInt(DATA));
      p.attempt(() => p.word(store(A0, A1)));
      p.attempt(() => p.word(load(A0, A1)));
      // Neither the entry, nor its address, nor the address below it may change.
      p.set(CSR.pmpcfg0, 0n);
      p.set(CSR.pmpaddr0, 0n);
      p.set(CSR.pmpaddr0 + 1, 0n);
      p.attempt(() => p.word(store(A0, A1)));
      p.csrr(A2, CSR.pmpcfg0);
      p.csrr(A3, CSR.pmpaddr0);
    });
    expect(causes(traps)).toEqual([7, 7]);
    expect(run.machine.x(A2)).toBe(0x8900n);
    expect(run.machine.x(A3)).toBe(BigInt(DATA / 4));
  });
});

describe('Hart: code that changes', () => {
  const returns = (value: number): [number, number] => [iType(0x13, 0, A0, 0, value), RET];
  const call = (p: Program): void => {
    p.li(T1, BigInt(DATA));
    p.word(iType(0x67, 0, 1, T1, 0));
  };

  it('runs what a device wrote, after fence.i', () => {
    const run = new Run({
      mmioWrite: (address) => {
        if (address !== DEVICE) return false;
        const bytes = new Uint8Array(new Uint32Array(returns(2)).buffer);
        run.machine.memory.copyIn(DATA, bytes);
        return true;
      },
    });
    run.code(DATA, ...returns(1));
    run.run((p) => {
      call(p);
      p.word(iType(0x13, 0, A1, A0, 0));
      p.li(T0, BigInt(DEVICE));
      p.word(store(0, T0, 2));
      p.word(FENCE_I);
      call(p);
    });
    expect([run.machine.x(A1), run.machine.x(A0)]).toEqual([1n, 2n]);
  });

  it('runs what it wrote itself, again and again', () => {
    const run = new Run();
    run.code(DATA, ...returns(0));
    run.run((p) => {
      p.li(A2, 0n);
      for (let i = 1; i <= 5; i++) {
        call(p);
        p.word(rType(0x33, 0, 0, A2, A2, A0));
        p.li(T1, BigInt(DATA));
        p.li(T0, BigInt(returns(i)[0]));
        p.word(store(T0, T1, 2));
        p.word(FENCE_I);
      }
      call(p);
      p.word(rType(0x33, 0, 0, A2, A2, A0));
    });
    expect(run.machine.x(A2)).toBe(15n);
  });
});

describe('Hart: code that another hart may have changed unnoticed', () => {
  it('is decoded again after fence.i, under a version of its own', () => {
    const versions: number[] = [];
    const run: Run = new Run(
      {
        mmioWrite: (address, _size, value) => {
          if (address !== DEVICE) return false;
          const { memory } = run.machine;
          versions.push(memory.words[(memory.plan.pageVersions + (DATA - RAM) / 1024) >>> 2]);
          memory.words[(memory.plan.regions[0].offset + DATA - RAM) >>> 2] = iType(0x13, 0, A0, 0, value);
          return true;
        },
      },
      { harts: 2 },
    );
    run.code(DATA, iType(0x13, 0, A0, 0, 1), RET);
    run.run((p) => {
      // Harts may have TLB entries to write the page from now on.
      p.store(DATA + 0x800, 0n);
      p.li(A2, 0n);
      for (let i = 2; i < 5; i++) {
        p.li(T1, BigInt(DATA));
        p.word(iType(0x67, 0, 1, T1, 0));
        p.word(rType(0x33, 0, 0, A2, A2, A0));
        p.li(T0, BigInt(DEVICE));
        p.li(T1, BigInt(i));
        p.word(store(T1, T0, 2));
        p.word(FENCE_I);
      }
    });
    expect(run.machine.x(A2)).toBe(1n + 2n + 3n);
    expect(new Set(versions).size).toBe(3);
  });
});

describe('Hart: devices', () => {
  it.each([false, true])('polls soon where it waits for a device again and again (translated: %s)', (jit) => {
    const bytes = (() => {
      const a = new Assembler();
      a.word(uType(0x37, T0, DEVICE >>> 12));
      a.word(iType(0x03, 2, A0, T0, 0));
      a.word(jType(0, -4));
      return a.bytes();
    })();
    let loads = 0;
    const bare: BareHart = new BareHart(helpers, {
      jit,
      environment: {
        mmioRead: () => {
          const words = new Int32Array(bare.memory.memory.buffer);
          words[(bare.hart.base + HART_DEVICE_WAITS) >>> 2]++;
          if (++loads === 20_000) bare.stop();
          return 0;
        },
      },
    });
    bare.run(bytes);
    // A slice has 8192 instructions where it does not wait.
    expect(loads).toBeGreaterThanOrEqual(20_000);
    expect(loads).toBeLessThan(20_000 + 200);
  });

  it('faults where an access is not for devices', () => {
    const reads: number[] = [];
    const run = new Run({
      mmioRead: (address) => {
        reads.push(address);
        return address >= DEVICE && address < DEVICE + 0x1000 ? 0x80 : undefined;
      },
    });
    const traps = run.run((p) => {
      p.li(A1, BigInt(DEVICE));
      p.attempt(() => p.word(rType(0x2f, 2, 0, A0, A1, 0)));
      p.attempt(() => p.word(rType(0x2f, 2, 2 << 2, A0, A1, 0)));
      p.attempt(() => p.word(iType(0x67, 0, 0, A1, 0)));
      p.attempt(() => p.word(iType(0x03, 2, A0, A1, 1)));
      p.attempt(() => p.word(sType(0x23, 2, A1, A0, 2)));
      expect(reads).toEqual([]);
      p.word(iType(0x03, 0, A2, A1, 0));
      p.word(iType(0x03, 4, 0, A1, 4));
      p.li(A1, BigInt(NOWHERE));
      p.li(A3, 99n);
      p.attempt(() => p.word(load(A3, A1)));
    });
    expect(traps.map(({ cause, value }) => [cause, Number(value)])).toEqual([
      [7, DEVICE],
      [5, DEVICE],
      [1, DEVICE],
      [5, DEVICE + 1],
      [7, DEVICE + 2],
      [5, NOWHERE],
    ]);
    expect(reads.slice(0, 2)).toEqual([DEVICE, DEVICE + 4]);
    expect(run.machine.x(A2)).toBe(BigInt.asUintN(64, -128n));
    expect(run.machine.x(A3)).toBe(99n);
  });
});

describe('Hart: time', () => {
  it('compares stimecmp only where the machine gave it to the supervisor', () => {
    const run = new Run({ time: () => 1000 });
    run.code(DATA, iType(0x73, 2, A0, 0, CSR.stimecmp), ECALL);
    const traps = run.run((p) => {
      p.set(CSR.mip, 0x20n);
      p.csrr(A1, CSR.mip);
      p.enter(MPP_S, BigInt(DATA));
      p.set(CSR.mcounteren, 2n);
      p.enter(MPP_S, BigInt(DATA));
      p.set(CSR.menvcfg, STCE);
      p.enter(MPP_S, BigInt(DATA));
      // What software had pending is gone; the comparator decides.
      p.csrr(A2, CSR.mip);
      p.set(CSR.stimecmp, 1000n);
      p.csrr(A3, CSR.mip);
      p.set(CSR.mcounteren, 0n);
      p.enter(MPP_S, BigInt(DATA));
    });
    expect(causes(traps)).toEqual([2, 2, 9, 2]);
    expect([A1, A2, A3].map((i) => run.machine.x(i))).toEqual([0x20n, 0n, 0x20n]);
    expect(run.machine.x(A0)).toBe((1n << 64n) - 1n);
  });

  it('survives whatever the guest makes of the clock', () => {
    for (const [ticks, seen] of [
      [-5, 0n],
      [2 ** 64, (1n << 64n) - 1n],
      [Number.NaN, 0n],
    ] as const) {
      const run = new Run({ time: () => ticks });
      run.run((p) => p.csrr(A0, CSR.time));
      expect(run.machine.x(A0)).toBe(seen);
    }
  });

  it('sleeps in wfi until its timer is due', () => {
    const start = performance.now();
    const ticks = (): number => Math.floor((performance.now() - start) * 10_000);
    let looks = 0;
    const run = new Run({
      time: () => {
        looks++;
        return ticks();
      },
      mmioWrite: () => {
        run.machine.memory.data.setBigUint64(run.machine.hart.base + HART_MTIMECMP, BigInt(ticks() + 500_000), true);
        return true;
      },
    });
    run.run((p) => {
      p.li(T0, BigInt(DEVICE));
      p.word(store(0, T0, 2));
      p.set(CSR.mie, 0x80n);
      p.word(WFI);
      p.csrr(A0, CSR.mip);
    });
    expect(run.machine.x(A0) & 0x80n).toBe(0x80n);
    expect(performance.now() - start).toBeGreaterThanOrEqual(50);
    expect(looks).toBeLessThan(50);
  });
});

describe('Hart: results without a place', () => {
  it('does all but write x0', () => {
    const run = new Run();
    run.put(DATA, 5n);
    run.run((p) => {
      p.li(A1, BigInt(DATA));
      p.li(A0, 7n);
      p.word(rType(0x2f, 3, 0, 0, A1, A0));
      p.word(load(0, A1));
      p.word(iType(0x73, 1, 0, A0, 0x340));
      p.csrr(A2, 0x340);
      const target = new Label();
      p.la(T0, target);
      p.word(iType(0x67, 0, 0, T0, 1));
      p.li(A2, 0n);
      p.code.place(target);
      p.word(rType(0x33, 0, 0, A3, 0, 0));
      p.code.reference(4, target, () => bType(1, 0, 0, 8));
    });
    expect(run.u64(DATA)).toBe(12n);
    expect([A2, A3, 0].map((i) => run.machine.x(i))).toEqual([7n, 0n, 0n]);
  });
});
