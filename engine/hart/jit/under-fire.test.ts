import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../../test/support/bare-hart';
import { compileHelpers } from '../../../test/support/helpers-module';
import { bType, iType, jType, sType, uType } from '../../../test/support/riscv-encoding';
import { HART_LINES, HART_MTIMECMP, MACHINE_RUN_STATE, RUN_STOPPED } from '../../memory/layout';
import { STAT_INTERRUPTS, STAT_REGION_INSTRUCTIONS } from '../hart-layout';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const csrw = (csr: number, rs1: number): number => iType(0x73, 1, 0, rs1, csr);
const csrr = (rd: number, csr: number): number => iType(0x73, 2, rd, 0, csr);
const RET = iType(0x67, 0, 0, 1, 0);
const [MSTATUS, MIE, MTVEC, MEPC, MTVAL, MINSTRET] = [0x300, 0x304, 0x305, 0x341, 0x343, 0xb02];
/** A device register, in x27; x29: where to finish. */
const DEVICE = 0x1000_0000;
const SLICE = 50;

/** Run code to its end, with a device that does `act` whenever it is written. */
function run(code: Assembler, jit: boolean, act: (machine: BareHart) => void): BareHart {
  const mmioWrite = (address: number): boolean => {
    if (address === FINISH) Atomics.store(machine.memory.words, MACHINE_RUN_STATE >>> 2, RUN_STOPPED);
    else act(machine);
    return true;
  };
  const machine: BareHart = new BareHart(helpers, { jit, tuning: { slice: SLICE, hot: 2 }, environment: { time: () => 1, mmioWrite } });
  machine.run(code.bytes());
  return machine;
}

/** Code that begins by setting x27, x29 and mtvec. */
class Program extends Assembler {
  readonly handler = new Label();

  constructor() {
    super();
    this.word(uType(0x37, 29, FINISH >>> 12));
    this.word(uType(0x37, 27, DEVICE >>> 12));
    this.address(5, this.handler);
    this.word(csrw(MTVEC, 5));
  }

  address(rd: number, label: Label): void {
    this.reference(4, label, (distance) => uType(0x17, rd, ((distance + 0x800) >> 12) & 0xfffff));
    this.reference(4, label, (distance) => addi(rd, rd, ((distance + 4) << 20) >> 20));
  }

  call(label: Label): void {
    this.reference(4, label, (distance) => jType(1, distance));
  }

  many(count: number, word: number): void {
    for (let i = 0; i < count; i++) this.word(word);
  }

  branch(funct3: number, rs1: number, rs2: number, label: Label): void {
    this.reference(4, label, (distance) => bType(funct3, rs1, rs2, distance));
  }

  finish(): void {
    this.word(sType(0x23, 2, 29, 0, 0));
    const here = new Label();
    this.place(here);
    this.reference(4, here, (distance) => jType(0, distance));
  }

  /** Functions that add 1 to x9, each in a page of its own. */
  functions(labels: Label[]): void {
    for (const label of labels) {
      this.nextPage();
      this.place(label);
      this.word(addi(9, 9, 1));
      this.word(RET);
    }
  }

  nextPage(): void {
    while (this.offset % 4096 !== 0) this.half(1);
  }
}

describe('an interrupt that comes while translated code runs', () => {
  /** Rounds before the device raises it, and when a loop ends that no interrupt has ended. */
  const RAISED = 1000;
  const MOST = 0x4000;

  // What a loop does besides counting, and how many instructions that is.
  const shapes: [string, (p: Program, functions: Label[]) => void, number][] = [
    ['in a short loop', () => undefined, 0],
    ['in a loop over a long block', (p) => p.many(400, addi(9, 9, 1)), 400],
    ['in a loop that calls functions of other pages', (p, functions) => functions.forEach((label) => void p.call(label)), 9],
  ];
  const sources: [string, number, (machine: BareHart) => void][] = [
    ['a device', 11, ({ hart, memory }) => void Atomics.or(memory.words, (hart.base + HART_LINES) >>> 2, 1 << 11)],
    ['the timer', 7, ({ hart }) => new DataView(hart.memory.buffer).setBigUint64(hart.base + HART_MTIMECMP, 0n, true)],
  ];
  const cases = shapes.flatMap(([shape, body, length]) =>
    sources.map(([source, bit, raise]) => ({ shape, source, body, length, bit, raise })),
  );

  it.each(cases)('is taken after no more than a slice and a round, from $source $shape', ({ body, length, bit, raise }) => {
    const p = new Program();
    const [loop, quiet] = [new Label(), new Label()];
    const functions = Array.from({ length: 3 }, () => new Label());
    p.word(addi(5, 0, 1));
    p.word(iType(0x13, 1, 5, 5, bit));
    p.word(csrw(MIE, 5));
    p.word(iType(0x73, 6, 0, 8, MSTATUS)); // csrsi: MIE
    p.word(addi(6, 0, RAISED));
    p.word(uType(0x37, 8, MOST >>> 12));
    p.place(loop);
    p.word(addi(7, 7, 1));
    body(p, functions);
    p.branch(1, 6, 7, quiet);
    p.word(sType(0x23, 2, 27, 0, 0));
    p.place(quiet);
    p.branch(1, 7, 8, loop);
    p.place(p.handler);
    p.finish();
    p.functions(functions);
    const machine = run(p, true, raise);
    const round = 3 + length;
    expect(machine.statistic(STAT_INTERRUPTS)).toBe(1);
    expect(machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan((RAISED * round) / 2);
    expect(Number(machine.x(7))).toBeGreaterThanOrEqual(RAISED);
    expect((Number(machine.x(7)) - RAISED) * round).toBeLessThanOrEqual(SLICE + 2 * round);
  });
});

describe('translated code that a device overwrites', () => {
  it('is gone after fence.i, where it is entered and where it was inlined', () => {
    const p = new Program();
    const [again, rounds, fn] = [new Label(), new Label(), new Label()];
    p.word(addi(6, 0, 5));
    p.place(rounds);
    p.word(addi(5, 0, 200));
    p.place(again);
    p.call(fn);
    p.word(addi(5, 5, -1));
    p.branch(1, 5, 0, again);
    p.word(sType(0x23, 2, 27, 0, 0));
    p.word(0x0000100f); // fence.i
    p.word(addi(6, 6, -1));
    p.branch(1, 6, 0, rounds);
    p.place(p.handler);
    p.finish();
    p.functions([fn]);
    // In each round the function adds four times what it added before.
    const machine = run(p, true, ({ memory }) => {
      const at = RAM + (fn.offset as number);
      const adds = memory.readU32(at) >>> 20;
      memory.copyIn(at, new Uint8Array(new Uint32Array([addi(9, 9, adds * 4)]).buffer));
    });
    expect(machine.x(9)).toBe(200n * (1n + 4n + 16n + 64n + 256n));
    expect(machine.inlined).toBeGreaterThan(1);
    expect(machine.statistic(STAT_REGION_INSTRUCTIONS)).toBeGreaterThan(2000);
  });
});

describe('a fault in a function that translated code has inlined', () => {
  it('comes from the right instruction, with the registers and the count of that moment', () => {
    const p = new Program();
    const [again, fn] = [new Label(), new Label()];
    p.word(uType(0x17, 28, 0xf0)); // near the end of RAM
    p.place(again);
    p.word(addi(7, 7, 1));
    p.call(fn);
    p.word(addi(28, 28, 64));
    p.reference(4, again, (distance) => jType(0, distance));
    p.place(p.handler);
    p.word(csrr(11, MEPC));
    p.word(csrr(12, MTVAL));
    p.word(csrr(13, MINSTRET));
    p.finish();
    p.nextPage();
    p.place(fn);
    p.word(addi(8, 8, 3));
    const faulting = p.offset;
    p.word(iType(0x03, 3, 9, 28, 0));
    p.word(addi(10, 10, 1));
    p.word(RET);
    const [interpreted, translated] = [false, true].map((jit) => run(p, jit, () => undefined));
    expect(translated.inlined).toBeGreaterThan(0);
    for (let register = 1; register < 32; register++) expect(translated.x(register), `x${register}`).toBe(interpreted.x(register));
    expect(translated.x(11)).toBe(BigInt(RAM + faulting));
    expect(translated.x(8)).toBe(3n * translated.x(7));
    expect(translated.x(10)).toBe(translated.x(7) - 1n);
  });
});
