import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../test/support/bare-hart';
import { compileHelpers } from '../../test/support/helpers-module';
import { bType, iType, jType, sType, uType } from '../../test/support/riscv-encoding';
import { DECODED_PAGES } from '../memory/layout';
import { between, StatisticsBlock, sumOf } from './statistics';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

/** Counts x5 down from `rounds`, with an ecall to the next instruction before that. */
function program(rounds: number): Uint8Array {
  const code = new Assembler();
  const [handler, loop, end] = [new Label(), new Label(), new Label()];
  code.word(uType(0x37, 29, FINISH >>> 12));
  code.reference(4, handler, (distance) => uType(0x17, 6, (distance + 0x800) >> 12));
  code.reference(4, handler, (distance) => iType(0x13, 0, 6, 6, distance + 4));
  code.word(iType(0x73, 1, 0, 6, 0x305)); // csrw mtvec
  code.word(iType(0x13, 0, 5, 0, rounds));
  code.word(0x73); // ecall
  code.place(handler);
  code.place(loop);
  code.word(iType(0x13, 0, 5, 5, -1));
  code.reference(4, loop, (distance) => bType(1, 5, 0, distance));
  code.word(sType(0x23, 2, 29, 0, 0));
  code.place(end);
  code.reference(4, end, (distance) => jType(0, distance));
  return code.bytes();
}

describe('statistics of a hart', () => {
  it('count what it did, over resets too, and say how much of it was translated', () => {
    const machine = new BareHart(helpers, { jit: true, tuning: { slice: 50, hot: 2 } });
    const statistics = new StatisticsBlock(machine.hart.memory, 0);
    machine.run(program(2000));
    const first = statistics.read();
    // 6 before the loop; the hart stops at the first poll after the store, within a slice.
    expect(first.instructions).toBeGreaterThanOrEqual(5 + 4000 + 1);
    expect(first.instructions).toBeLessThan(5 + 4000 + 60);
    expect(first.regionInstructions).toBeGreaterThan(3500);
    expect(first.regionInstructions).toBeLessThan(first.instructions);
    expect(first.exitsBudget).toBeGreaterThan(3500 / 52 - 2);
    expect(first.exitsBudget).toBeLessThanOrEqual(first.regionEntries);
    expect(first).toMatchObject({ exceptions: 1, interrupts: 0, pagesDecoded: 1, exitsFault: 0, exitsAside: 1, evictions: 0 });
    expect(first.compileRequests).toBe(machine.translated);
    expect(first.regionsLive).toBeLessThanOrEqual(first.regionsInstalled);
    expect(first.regionsLive).toBeGreaterThan(0);

    machine.run(program(1000));
    const second = statistics.read();
    const span = between({ seconds: 1, harts: [first] }, { seconds: 3, harts: [second] }).harts[0];
    expect(span.instructions).toBeGreaterThanOrEqual(5 + 2000 + 1);
    expect(span.instructions).toBeLessThan(5 + 2000 + 60);
    expect(span.exceptions).toBe(1);
    expect(span.regionsLive).toBe(second.regionsLive);
    expect(sumOf([first, span])).toMatchObject({ instructions: second.instructions, exceptions: 2 });
  });

  it('show that pages of code which are equal modulo the number of slots are decoded once', () => {
    const PAGES = 4;
    const apart = DECODED_PAGES * 4096;
    const machine = new BareHart(helpers, { ramBytes: PAGES * apart });
    const code = new Assembler();
    const loop = new Label();
    code.word(uType(0x37, 29, FINISH >>> 12));
    code.word(iType(0x13, 0, 5, 0, 1000));
    for (let page = 1; page < PAGES; page++) code.word(uType(0x17, 5 + page, (apart * page) >>> 12)); // auipc
    code.place(loop);
    for (let page = 1; page < PAGES; page++) code.word(iType(0x67, 0, 1, 5 + page, 0)); // jalr
    code.word(iType(0x13, 0, 5, 5, -1));
    code.reference(4, loop, (distance) => bType(1, 5, 0, distance));
    code.word(sType(0x23, 2, 29, 0, 0));
    for (let page = 1; page < PAGES; page++) machine.memory.writeU32(RAM + apart * page + 4 * (1 + page), iType(0x67, 0, 0, 1, 0)); // ret
    machine.run(code.bytes());
    const { instructions, pagesDecoded } = new StatisticsBlock(machine.hart.memory, 0).read();
    expect(instructions).toBeGreaterThan(1000 * 2 * PAGES);
    expect(pagesDecoded).toBe(PAGES);
  });
});
