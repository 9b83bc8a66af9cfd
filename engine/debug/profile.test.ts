import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, rType, sType, uType } from '../../test/support/riscv-encoding';
import { type CpuProfile, GuestProfile } from './profile';
import { SymbolTable } from './symbols';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const RET = 0x8067;
const [RA, SP, FP] = [1, 2, 8];

/** The share of the whole time of every path of frames, `a/b/c`. */
function shares(profile: CpuProfile): Map<string, number> {
  const parents = new Map(profile.nodes.flatMap(({ id, children }) => children.map((child) => [child, id])));
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const path = (id: number): string => {
    const parent = parents.get(id);
    return parent === undefined ? '' : `${path(parent)}/${names.get(id)}`;
  };
  const found = new Map<string, number>();
  profile.samples.slice(0, -1).forEach((id, i) => {
    found.set(path(id), (found.get(path(id)) ?? 0) + profile.timeDeltas[i + 1] / profile.endTime);
  });
  return found;
}

/** A program being written, whose functions become symbols. */
class Program {
  readonly code = new Assembler();
  readonly end = new Label();
  private readonly functions: { name: string; label: Label }[] = [];

  constructor() {
    this.code.word(uType(0x37, 29, FINISH >>> 12));
    this.code.word(uType(0x17, SP, 0x80));
    this.code.word(addi(SP, SP, -4));
  }
  function(name: string): Label {
    const label = new Label();
    this.code.place(label);
    this.functions.push({ name, label });
    return label;
  }
  call(label: Label): void {
    this.code.reference(4, label, (distance) => jType(RA, distance));
  }
  /** A loop of `rounds`, counted in `register`. */
  loop(register: number, rounds: number, body: () => void): void {
    const again = new Label();
    this.code.word(uType(0x37, register, (rounds + 0x800) >> 12));
    this.code.word(addi(register, register, ((rounds & 0xfff) << 20) >> 20));
    this.code.place(again);
    body();
    this.code.word(addi(register, register, -1));
    this.code.reference(4, again, (distance) => bType(1, register, 0, distance));
  }
  work(instructions: number): void {
    for (let i = 0; i < instructions; i++) this.code.word(rType(0x33, 0, 0, 10, 10, 11));
  }
  finish(): void {
    this.code.word(sType(0x23, 2, 29, 0, 0));
    this.code.place(this.end);
    this.code.reference(4, this.end, (distance) => jType(0, distance));
  }
  /** Frame of a function that calls others. */
  prologue(): void {
    for (const word of [addi(SP, SP, -32), sType(0x23, 3, SP, RA, 24), sType(0x23, 3, SP, FP, 16), addi(FP, SP, 32)]) this.code.word(word);
  }
  epilogue(): void {
    for (const word of [iType(0x03, 3, RA, SP, 24), iType(0x03, 3, FP, SP, 16), addi(SP, SP, 32), RET]) this.code.word(word);
  }
  symbols(): SymbolTable {
    const table = new SymbolTable();
    table.add(this.functions.map(({ name, label }) => ({ name, address: BigInt(RAM + (label.offset ?? 0)), size: 0n })));
    return table;
  }
}

/** Profile a program on a clock that counts its instructions, 10 ticks each: so every run is the same. */
function profiled(program: Program, jit: boolean): Map<string, number> {
  const profile = new GuestProfile(program.symbols());
  const machine: BareHart = new BareHart(helpers, {
    jit,
    tuning: { hot: 4, slice: 4096 },
    environment: { time: () => Number(machine.retired) * 10, samples: (samples) => profile.add(0, samples), isProfiled: true },
  });
  machine.run(program.code.bytes());
  return shares(profile.toCpuProfile());
}

describe.each([
  ['interpreted', false],
  ['translated', true],
])('a profile of %s code', (_, jit) => {
  it('gives two functions their shares, though neither holds a place to poll at', () => {
    const p = new Program();
    const [most, least] = [new Label(), new Label()];
    p.function('main');
    p.loop(5, 100_000, () => {
      p.call(most);
      p.call(least);
    });
    p.finish();
    Object.assign(most, p.function('most'));
    p.work(74);
    p.code.word(RET);
    Object.assign(least, p.function('least'));
    p.work(24);
    p.code.word(RET);
    const found = profiled(p, jit);
    // 104 instructions a round, of which 75 and 25.
    expect(Math.abs((found.get('/machine mode/most') ?? 0) - 75 / 104)).toBeLessThan(0.03);
    expect(Math.abs((found.get('/machine mode/least') ?? 0) - 25 / 104)).toBeLessThan(0.03);
  });

  it('gives two functions with long loops their shares', () => {
    const p = new Program();
    const [most, least] = [new Label(), new Label()];
    p.function('main');
    p.loop(5, 100, () => {
      p.call(most);
      p.call(least);
    });
    p.finish();
    Object.assign(most, p.function('most'));
    p.loop(6, 3000, () => p.work(3));
    p.code.word(RET);
    Object.assign(least, p.function('least'));
    p.loop(6, 1000, () => p.work(3));
    p.code.word(RET);
    const found = profiled(p, jit);
    expect(Math.abs((found.get('/machine mode/most') ?? 0) - 0.75)).toBeLessThan(0.03);
    expect(Math.abs((found.get('/machine mode/least') ?? 0) - 0.25)).toBeLessThan(0.03);
  });

  it('shows who called, where there are frame pointers, and keeps on where a function saves only its own', () => {
    const p = new Program();
    const [outer, middle, leaf] = [new Label(), new Label(), new Label()];
    p.function('main');
    p.loop(5, 3000, () => p.call(outer));
    p.finish();
    Object.assign(outer, p.function('outer'));
    p.prologue();
    p.call(middle);
    p.epilogue();
    Object.assign(middle, p.function('middle'));
    p.prologue();
    p.loop(6, 500, () => p.work(1));
    p.call(leaf);
    p.epilogue();
    Object.assign(leaf, p.function('leaf'));
    for (const word of [addi(SP, SP, -16), sType(0x23, 3, SP, FP, 8), addi(FP, SP, 16)]) p.code.word(word);
    p.loop(7, 500, () => p.work(1));
    for (const word of [iType(0x03, 3, FP, SP, 8), addi(SP, SP, 16), RET]) p.code.word(word);
    const found = profiled(p, jit);
    expect(Math.abs((found.get('/machine mode/main/outer/middle') ?? 0) - 0.5)).toBeLessThan(0.03);
    expect(Math.abs((found.get('/machine mode/main/outer/middle/leaf') ?? 0) - 0.5)).toBeLessThan(0.03);
  });
});

describe('GuestProfile', () => {
  it('tells harts, address spaces and sleep apart, and names pages where there is no symbol', () => {
    const profile = new GuestProfile(new SymbolTable());
    profile.add(1, BigUint64Array.of(26n, 14n, 0n, 8n << 60n, 1n, 0x1234n));
    profile.add(0, BigUint64Array.of(20n, 0n, 1n, 0n, 2n, 0xffff_ffff_8000_0008n, 0xffff_ffff_9000_0000n));
    profile.add(1, BigUint64Array.of(40n, 0n, 0n, (8n << 60n) | 1n, 1n, 0x1238n));
    const { samples, timeDeltas, endTime, ...file } = profile.toCpuProfile();
    expect(endTime).toBe(10);
    expect(timeDeltas).toEqual([0, 2, 1, 3, 4]);
    expect(samples).toHaveLength(5);
    expect([...shares({ samples, timeDeltas, endTime, ...file })]).toEqual([
      ['/hart 0/supervisor mode/0xffffffff8ffff000/0xffffffff80000000', 0.2],
      ['/hart 1/(idle)', 0.1],
      ['/hart 1/user mode/address space 1/0x1000', 0.3],
      ['/hart 1/user mode/address space 2/0x1000', 0.4],
    ]);
  });
});
