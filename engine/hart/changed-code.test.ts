import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../test/support/assembler';
import { BareHart, FINISH } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, sType, uType } from '../../test/support/riscv-encoding';
import { STAT_PAGES_DECODED, STAT_REGION_INSTRUCTIONS } from './hart-layout';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const [RA, T0, T1, T2, S0, S1, A0, A1] = [1, 5, 6, 7, 8, 9, 10, 11];
const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const load = (rd: number, rs1: number): number => iType(0x03, 2, rd, rs1, 0);
const store = (rs1: number, rs2: number, offset = 0): number => sType(0x23, 2, rs1, rs2, offset);
const RET = iType(0x67, 0, 0, RA, 0);
const SFENCE_VMA = 0x12000073;

/** Code that ends by `finish`; constants lie in the page behind it. */
class Program extends Assembler {
  address(rd: number, label: Label): void {
    this.reference(4, label, (distance) => uType(0x17, rd, ((distance + 0x800) >> 12) & 0xfffff));
    this.reference(4, label, (distance) => addi(rd, rd, ((distance + 4) << 20) >> 20));
  }
  branch(funct3: number, rs1: number, rs2: number, label: Label): void {
    this.reference(4, label, (distance) => bType(funct3, rs1, rs2, distance));
  }
  call(label: Label): void {
    this.reference(4, label, (distance) => jType(RA, distance));
  }
  finish(): void {
    this.word(uType(0x37, T0, FINISH >>> 12));
    this.word(store(T0, 0));
    this.word(jType(0, 0));
  }
  nextPage(): void {
    while (this.offset % 4096 !== 0) this.half(1);
  }
}

describe.each([false, true])('code that changes without fence.i (translated: %s)', (jit) => {
  const machine = (): BareHart => new BareHart(helpers, { jit, tuning: { hot: 16 } });

  /** Calls a function until it returns 2, after another instruction was stored over its first; the calls that took, in a1. */
  function caller(p: Program, count: number, before?: () => void): void {
    const functions = Array.from({ length: count }, () => new Label());
    const words = new Label();
    p.word(addi(S1, 0, 100));
    const warm = new Label();
    p.place(warm);
    for (const one of functions) p.call(one);
    p.word(addi(S1, S1, -1));
    p.branch(1, S1, 0, warm);
    p.address(T1, words);
    p.word(load(T2, T1));
    for (const one of functions) {
      p.address(T1, one);
      p.word(store(T1, T2));
    }
    before?.();
    p.word(addi(A1, 0, 0));
    p.word(addi(S0, 0, 2));
    for (const one of functions) {
      const again = new Label();
      p.place(again);
      p.word(addi(A1, A1, 1));
      p.call(one);
      p.branch(1, A0, S0, again);
    }
    p.finish();
    p.place(words);
    p.word(addi(A0, 0, 2));
    for (const one of functions) {
      p.nextPage();
      p.place(one);
      p.word(addi(A0, 0, 1));
      p.word(RET);
    }
  }

  it.each([1, 3, 100])('is seen within a bounded time, in %i pages', (count) => {
    const p = new Program();
    caller(p, count);
    const bare = machine();
    bare.run(p.bytes());
    expect(bare.x(A0)).toBe(2n);
    // Five instructions a call.
    expect(Number(bare.x(A1)) * 5).toBeLessThan(300_000 + 5 * count);
  });

  it('is seen at once after sfence.vma, by which kernels change to another program', () => {
    const p = new Program();
    caller(p, 3, () => p.word(SFENCE_VMA));
    const bare = machine();
    bare.run(p.bytes());
    expect(bare.x(A1)).toBe(3n);
  });

  it('is seen where a loop waits for an instruction of its own to change', () => {
    const p = new Program();
    const [words, loop, out] = [new Label(), new Label(), new Label()];
    p.address(T1, words);
    p.word(load(T2, T1));
    p.address(T1, loop);
    p.place(loop);
    p.word(addi(A0, 0, 1));
    p.word(addi(S0, 0, 2));
    p.branch(0, A0, S0, out);
    p.word(store(T1, T2));
    p.reference(4, loop, (distance) => jType(0, distance));
    p.place(out);
    p.finish();
    p.place(words);
    p.word(addi(A0, 0, 2));
    const bare = machine();
    bare.run(p.bytes());
    expect(bare.x(A0)).toBe(2n);
    expect(bare.retired).toBeLessThan(1_000_000n);
  });

  it('costs nothing where only data changes between the code', () => {
    const p = new Program();
    const [words, elsewhere, loop, more] = [new Label(), new Label(), new Label(), new Label()];
    // First so that the loop is translated, then so that its page is written.
    p.address(T1, elsewhere);
    p.address(T2, words);
    p.word(addi(A1, 0, 2));
    p.place(more);
    p.word(uType(0x37, S1, 800));
    p.place(loop);
    p.word(store(T1, S1));
    p.word(addi(S1, S1, -1));
    p.branch(1, S1, 0, loop);
    p.word(addi(T1, T2, 0));
    p.word(addi(A1, A1, -1));
    p.branch(1, A1, 0, more);
    p.finish();
    p.place(words);
    p.word(0);
    p.nextPage();
    p.place(elsewhere);
    p.word(0);
    const bare = machine();
    bare.run(p.bytes());
    expect(bare.retired).toBeGreaterThan(19_000_000n);
    expect(bare.statistic(STAT_PAGES_DECODED)).toBeLessThan(4);
    if (jit) expect(bare.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(18_000_000);
  });
});
