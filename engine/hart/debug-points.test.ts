import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, rType, sType, uType } from '../../test/support/riscv-encoding';
import { HART_LINES, MACHINE_RUN_STATE, RUN_PAUSED } from '../memory/layout';
import { DebugPoints } from './debug-points';
import { StatisticsBlock } from './statistics';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const MRET = 0x30200073;
const WFI = 0x10500073;
const DATA = RAM + 0x10000;

/** Where things of the program below are. */
interface Places {
  loop: number;
  /** After the first instruction of the loop, in the middle of what becomes a region. */
  middle: number;
  load: number;
  store: number;
  /** A function on another page: its only instruction but the return. */
  callee: number;
}

/**
 * x5 times: x6 += 1, x7 += 2, x8 = the doubleword at DATA, that + 1 is stored to DATA + 8, and a function adds 1 to x9. Then it finishes.
 */
function program(rounds: number): { code: Uint8Array; places: Places } {
  const code = new Assembler();
  const [loop, callee, end] = [new Label(), new Label(), new Label()];
  code.word(uType(0x37, 29, FINISH >>> 12));
  code.word(uType(0x17, 28, 0x10));
  code.word(addi(28, 28, -4));
  code.word(addi(5, 0, rounds));
  code.place(loop);
  code.word(addi(6, 6, 1));
  const middle = code.offset;
  code.half(0x0389); // c.addi x7, 2
  const load = code.offset;
  code.word(iType(0x03, 3, 8, 28, 0));
  code.word(addi(8, 8, 1));
  const store = code.offset;
  code.word(sType(0x23, 3, 28, 8, 8));
  code.reference(4, callee, (distance) => jType(1, distance));
  code.word(addi(5, 5, -1));
  code.reference(4, loop, (distance) => bType(1, 5, 0, distance));
  code.word(sType(0x23, 2, 29, 0, 0));
  code.place(end);
  code.reference(4, end, (distance) => jType(0, distance));
  while (code.offset < 4096) code.half(1);
  code.place(callee);
  code.word(addi(9, 9, 1));
  code.word(iType(0x67, 0, 0, 1, 0));
  const at = (offset: number | undefined): number => RAM + (offset ?? 0);
  const places = { loop: at(loop.offset), middle: at(middle), load: at(load), store: at(store), callee: at(callee.offset) };
  return { code: code.bytes(), places };
}

describe.each([
  ['interpreted', {}],
  ['translated', { jit: true }],
  ['checked', { jit: true, check: true }],
])('a debugger of %s code', (_, tier: { jit?: boolean; check?: boolean }) => {
  const { jit } = tier;
  let machine: BareHart;
  let points: DebugPoints;
  /** The machine pauses after so many polls. */
  let pollsLeft: number;
  beforeEach(() => {
    pollsLeft = 0;
    // Every poll asks for the time once.
    const time = (): number => {
      if (--pollsLeft === 0) Atomics.store(machine.memory.words, MACHINE_RUN_STATE >>> 2, RUN_PAUSED);
      return 0;
    };
    machine = new BareHart(helpers, { ...tier, tuning: { slice: 50, hot: 2 }, environment: { time } });
    points = new DebugPoints(machine.hart.memory);
  });

  /** Run until x6 has got far enough for all to be translated, by a breakpoint that is then taken away. */
  function warmUp(rounds = 2000): Places {
    const { code, places } = program(rounds);
    points.setBreakpoints([]);
    machine.run(code);
    const statistics = new StatisticsBlock(machine.hart.memory, 0);
    if (jit) expect(statistics.read().regionInstructions).toBeGreaterThan(rounds * 5);
    // Once more from the start, with all that translated.
    machine.hart.reset(RAM);
    return places;
  }

  it('stops before the instruction at a breakpoint, in the middle of a region and in a function that it calls', () => {
    const { middle, callee } = warmUp();
    points.setBreakpoints([BigInt(middle), BigInt(callee)]);
    for (let round = 1n; round <= 20n; round++) {
      expect(machine.resume()).toEqual({ reason: 'breakpoint', pc: BigInt(middle) });
      expect([machine.x(6), machine.x(7), machine.x(9)]).toEqual([round, 2n * round - 2n, round - 1n]);
      expect(machine.resume()).toEqual({ reason: 'breakpoint', pc: BigInt(callee) });
      expect([machine.x(6), machine.x(7), machine.x(9)]).toEqual([round, 2n * round, round - 1n]);
    }
    points.setBreakpoints([]);
    expect(machine.resume()).toBeUndefined();
    expect([machine.x(6), machine.x(7), machine.x(9)]).toEqual([2000n, 4000n, 2000n]);
  });

  it('stops in a function that translated code of another page calls', () => {
    const { callee } = warmUp();
    points.setBreakpoints([BigInt(callee)]);
    const before = new StatisticsBlock(machine.hart.memory, 0).read().regionInstructions;
    for (let round = 1n; round <= 20n; round++) {
      expect(machine.resume()).toEqual({ reason: 'breakpoint', pc: BigInt(callee) });
      expect([machine.x(6), machine.x(7), machine.x(9)]).toEqual([round, 2n * round, round - 1n]);
    }
    // The page without the breakpoint goes on as fast as before.
    if (jit) expect(new StatisticsBlock(machine.hart.memory, 0).read().regionInstructions - before).toBeGreaterThan(20 * 5);
  });

  it('stops at a breakpoint that is set while translated code runs', () => {
    const { middle } = warmUp();
    // Far into it, regions and all; the page has no breakpoint yet.
    points.setBreakpoints([BigInt(RAM + 0x8000)]);
    pollsLeft = 20;
    expect(machine.resume()).toBeUndefined();
    const rounds = machine.x(6);
    expect(rounds).toBeGreaterThan(10n);
    expect(rounds).toBeLessThan(2000n);
    points.setBreakpoints([BigInt(middle)]);
    expect(machine.resume()).toEqual({ reason: 'breakpoint', pc: BigInt(middle) });
    expect(machine.x(6) - rounds).toBeLessThanOrEqual(1n);
  });

  it('stops before an access to watched data, and to no other, and repeats nothing', () => {
    const { load, store } = warmUp();
    points.setWatchpoints([{ address: BigInt(DATA + 9), bytes: 2, access: 'both' }]);
    const before = new StatisticsBlock(machine.hart.memory, 0).read().exceptions;
    for (let round = 1n; round <= 20n; round++) {
      expect(machine.resume()).toEqual({ reason: 'write', pc: BigInt(store), address: BigInt(DATA + 9) });
      expect([machine.x(6), machine.x(9)]).toEqual([round, round - 1n]);
    }
    points.setWatchpoints([{ address: BigInt(DATA), bytes: 4096, access: 'read' }]);
    expect(machine.resume()).toEqual({ reason: 'read', pc: BigInt(load), address: BigInt(DATA) });
    expect([machine.x(6), machine.x(9)]).toEqual([21n, 20n]);
    points.setWatchpoints([
      { address: BigInt(DATA - 1), bytes: 1, access: 'both' },
      { address: BigInt(DATA + 16), bytes: 8, access: 'both' },
      { address: BigInt(DATA), bytes: 8, access: 'write' },
      { address: BigInt(DATA + 8), bytes: 8, access: 'read' },
    ]);
    expect(machine.resume()).toBeUndefined();
    expect([machine.x(6), machine.x(7), machine.x(9)]).toEqual([2000n, 4000n, 2000n]);
    // A stop is no exception of the guest.
    expect(new StatisticsBlock(machine.hart.memory, 0).read().exceptions).toBe(before);
  });

  it('steps one instruction at a time, with the same result and count as a run', () => {
    const { code, places } = program(30);
    machine.run(code);
    const expected = { x: Array.from({ length: 32 }, (_, i) => machine.x(i)) };
    machine.hart.reset(RAM);
    const visited: number[] = [];
    // 4 before the loop, 10 in each round.
    for (let i = 0; i < 4 + 30 * 10; i++) {
      const stop = machine.hart.step();
      expect(stop.reason).toBe('step');
      expect(machine.retired).toBe(BigInt(i + 1));
      visited.push(Number(stop.pc));
    }
    expect(visited.slice(3, 6)).toEqual([places.loop, places.middle, places.load]);
    expect(visited.filter((pc) => pc === places.callee)).toHaveLength(30);
    expect(machine.resume()).toBeUndefined();
    expect({ x: Array.from({ length: 32 }, (_, i) => machine.x(i)) }).toEqual(expected);
  });

  it('steps into a trap, over WFI and past an enabled interrupt', () => {
    const code = new Assembler();
    const handler = new Label();
    code.reference(4, handler, (distance) => uType(0x17, 6, (distance + 0x800) >> 12));
    code.reference(4, handler, (distance) => addi(6, 6, distance + 4));
    code.word(iType(0x73, 1, 0, 6, 0x305)); // csrw mtvec
    code.word(addi(7, 0, 8));
    code.word(iType(0x73, 1, 0, 7, 0x304)); // csrw mie: software interrupts
    code.word(WFI);
    code.word(iType(0x73, 2, 0, 7, 0x300)); // csrs mstatus: MIE
    code.word(addi(8, 0, 1));
    code.word(0x73); // ecall
    code.place(handler);
    code.word(rType(0x33, 0, 0, 9, 9, 8));
    code.word(MRET);
    machine.memory.copyIn(RAM, code.bytes());
    machine.hart.reset(RAM);
    const at = handler.offset ?? 0;
    const steps = (count: number): number => Number(Array.from({ length: count }, () => machine.hart.step()).at(-1)?.pc) - RAM;
    expect(steps(6)).toBe(24);
    machine.memory.words[(machine.hart.base + HART_LINES) >>> 2] = 8;
    expect(steps(1)).toBe(28);
    expect(steps(1)).toBe(32);
    expect(steps(1)).toBe(at);
    expect(machine.retired).toBe(8n);
    expect(steps(1)).toBe(at + 4);
  });
});
