import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { MmioBus } from '../../engine/bus/mmio-bus';
import type { InterruptPlan } from '../../engine/interrupt/interrupt-controllers';
import type { VmError } from '../../engine/bus/vm-error';
import { GuestMemory } from '../../engine/memory/guest-memory';
import { createMemory, planMemory } from '../../engine/memory/memory-plan';
import type { HartBoard } from '../../engine/process/hart-board';
import { HartThreads } from '../../engine/process/hart-threads';
import { HartPool } from '../../engine/process/harts';
import { v8Verdict } from '../../engine/process/v8-verdict';
import { Assembler, Label } from '../support/assembler';
import { bType, iType, jType, rType, sType, uType } from '../support/riscv-encoding';

// Harts in threads of their own. The workers come from the build.

const RAM = 0x8000_0000;
const DATA = RAM + 0x10000;
const FUNCTION = RAM + 0x20000;
const CLINT = 0x200_0000;
const DEVICE = 0x1000_0000;
const AIA: InterruptPlan = {
  kind: 'aplic',
  domains: { machine: 0xc00_0000, supervisor: 0xd00_0000 },
  sources: 96,
  imsics: { machine: 0x2400_0000, supervisor: 0x2800_0000 },
};
const [A0, A1, A2, T0, T1, T2, S0, S1] = [10, 11, 12, 5, 6, 7, 8, 9];
const WFI = 0x10500073;
const MRET = 0x30200073;
const FENCE = 0x0ff0000f;
const FENCE_I = 0x100f;
const RET = 0x8067;

class Code extends Assembler {
  jump(to: Label): void {
    this.reference(4, to, (d) => jType(0, d));
  }
  branch(funct3: number, rs1: number, rs2: number, to: Label): void {
    this.reference(4, to, (d) => bType(funct3, rs1, rs2, d));
  }
  /** Any address below 2^32 whose low 11 bits are zero, or a small number. */
  li(rd: number, value: number): void {
    if (value < 2048) this.word(iType(0x13, 0, rd, 0, value));
    else {
      this.word(uType(0x37, rd, value >>> 13));
      this.word(iType(0x13, 1, rd, rd, 1));
    }
  }
  addi(rd: number, rs1: number, by: number): void {
    this.word(iType(0x13, 0, rd, rs1, by));
  }
  load(rd: number, rs1: number, offset = 0, funct3 = 2): void {
    this.word(iType(0x03, funct3, rd, rs1, offset));
  }
  store(rs2: number, rs1: number, offset = 0, funct3 = 2): void {
    this.word(sType(0x23, funct3, rs1, rs2, offset));
  }
  csrr(rd: number, csr: number): void {
    this.word(iType(0x73, 2, rd, 0, csr));
  }
  csrw(csr: number, rs1: number): void {
    this.word(iType(0x73, 1, 0, rs1, csr));
  }
  /** Wait until the word at rs1 + offset is, or is not, the value of rs2. */
  await(rs1: number, offset: number, rs2: number, equal: boolean): void {
    const again = new Label();
    this.place(again);
    this.load(T0, rs1, offset);
    this.branch(equal ? 1 : 0, T0, rs2, again);
  }
  sleep(): void {
    const again = new Label();
    this.place(again);
    this.word(WFI);
    this.jump(again);
  }
}

interface Written {
  value: number;
  at: number;
  cpu: number;
}

const { flags } = await v8Verdict();
let pool: HartPool | undefined;
afterEach(async () => {
  await pool?.stop();
  pool = undefined;
});

/** Two harts that run `code` from the start of RAM; `next` waits for a hart's next store to the device. */
function machine(code: Code, jit = false, board: Partial<HartBoard> = {}) {
  const plan = planMemory(2, [{ base: RAM, size: 1 << 20 }]);
  const memory = new GuestMemory(createMemory(plan), plan);
  const written: Written[] = [];
  let arrived = (): void => {};
  const bus = new MmioBus();
  bus.add({
    name: 'device',
    base: DEVICE,
    size: 4096,
    read: () => 0x1234,
    write: (_offset, _size, value) => {
      const { user, system } = process.cpuUsage();
      written.push({ value, at: performance.now(), cpu: (user + system) / 1000 });
      arrived();
    },
  });
  memory.copyIn(RAM, code.bytes());
  const threads = new HartThreads({ harts: 2, jit, checked: false, flags });
  const hartBoard: HartBoard = {
    timebase: 10_000_000,
    resetVector: RAM,
    clint: { base: CLINT },
    interrupts: { kind: 'plic', base: 0xc00_0000, sources: 95 },
    pci: { firstSource: 32 },
    virtioMmio: { base: 0x1000_1000, stride: 0x1000, count: 8, firstSource: 1 },
    ranges: bus.ranges(),
    jit,
    ...board,
  };
  const harts = new HartPool(memory.memory, plan, bus, hartBoard, threads);
  pool = harts;
  const errors: VmError[] = [];
  harts.on('error', (error) => errors.push(error));
  const next = async (): Promise<Written> => {
    while (written.length === 0) {
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no word from the harts; ${errors.map(String).join()}`)), 20_000);
        arrived = () => {
          clearTimeout(late);
          resolve();
        };
      });
    }
    return written.shift() as Written;
  };
  return { harts, memory, next, errors, written };
}

/** Both harts count by AMO and by LR/SC; hart 0 reports when both are done. */
function counting(times: number): Code {
  const c = new Code();
  const [loop, retry, first] = [new Label(), new Label(), new Label()];
  c.li(S0, DATA);
  c.li(S1, times);
  c.li(A1, 1);
  c.place(loop);
  c.word(rType(0x2f, 2, 0, 0, S0, A1));
  c.addi(A2, S0, 64);
  c.place(retry);
  c.word(rType(0x2f, 2, 2 << 2, T0, A2, 0));
  c.addi(T0, T0, 1);
  c.word(rType(0x2f, 2, 3 << 2, T1, A2, T0));
  c.branch(1, T1, 0, retry);
  c.addi(S1, S1, -1);
  c.branch(1, S1, 0, loop);
  c.word(FENCE);
  c.addi(A2, S0, 128);
  c.word(rType(0x2f, 2, 0, 0, A2, A1));
  c.csrr(A0, 0xf14);
  c.branch(0, A0, 0, first);
  c.sleep();
  c.place(first);
  c.li(T2, 2);
  c.await(S0, 128, T2, true);
  c.li(T1, DEVICE);
  c.store(T2, T1);
  c.sleep();
  return c;
}

describe('two harts', () => {
  it.each([false, true])('lose no atomic update (translated: %s)', async (jit) => {
    // 20 × 2048 times, which li can say.
    const times = 20 * 2048;
    const { harts, memory, next, errors } = machine(counting(times), jit);
    await harts.launch();
    await harts.start();
    expect((await next()).value).toBe(2);
    expect([memory.readU32(DATA), memory.readU32(DATA + 64)]).toEqual([2 * times, 2 * times]);
    expect(errors).toEqual([]);
  });

  it.each([false, true])('run code that the other wrote, once told to (translated: %s)', async (jit) => {
    const c = new Code();
    const [first, call, handler] = [new Label(), new Label(), new Label()];
    c.li(S0, DATA);
    c.csrr(A0, 0xf14);
    c.branch(0, A0, 0, first);
    // Hart 1 calls the function for ever, and obeys interrupts.
    c.reference(4, handler, (d) => uType(0x17, T0, (d + 0x800) >> 12));
    c.reference(4, handler, (d) => iType(0x13, 0, T0, T0, ((d + 4) << 20) >> 20));
    c.csrw(0x305, T0);
    c.li(T0, 8);
    c.csrw(0x304, T0);
    c.word(iType(0x73, 6, 0, 8, 0x300));
    c.li(S1, FUNCTION);
    c.place(call);
    c.word(iType(0x67, 0, 1, S1, 0));
    c.store(A0, S0, 0);
    c.jump(call);
    while (c.offset % 4 !== 0) c.half(1);
    c.place(handler);
    c.li(T0, CLINT);
    c.store(0, T0, 4);
    c.word(FENCE_I);
    c.load(T1, S0, 4);
    c.addi(T1, T1, 1);
    c.store(T1, S0, 4);
    c.word(MRET);
    // Hart 0 changes what it returns, again and again.
    c.place(first);
    c.li(S1, FUNCTION);
    c.li(T2, DEVICE);
    for (let round = 1; round <= 20; round++) {
      c.await(S0, 0, 0, false);
      c.load(T0, S1);
      c.word(uType(0x37, T1, 1 << 8));
      c.word(rType(0x33, 0, 0, T0, T0, T1));
      c.store(T0, S1);
      c.word(FENCE);
      c.li(T0, CLINT);
      c.li(T1, 1);
      c.store(T1, T0, 4);
      c.li(T1, round);
      c.await(S0, 4, T1, true);
      c.store(0, S0, 0);
      c.await(S0, 0, 0, false);
      // The store of a call begun before may still come through: take the one after it.
      c.store(0, S0, 0);
      c.await(S0, 0, 0, false);
      c.load(T0, S0);
      c.store(T0, T2);
    }
    c.sleep();
    const { harts, memory, next, errors } = machine(c, jit);
    memory.writeU32(FUNCTION, iType(0x13, 0, A0, 0, 1));
    memory.writeU32(FUNCTION + 4, RET);
    await harts.launch();
    await harts.start();
    const results: number[] = [];
    while (results.length < 20) results.push((await next()).value);
    expect(results).toEqual(Array.from({ length: 20 }, (_, i) => i + 2));
    expect(errors).toEqual([]);
  });

  it('sleep in wfi at no cost, until the timer is due', async () => {
    const c = new Code();
    const first = new Label();
    c.csrr(A0, 0xf14);
    c.branch(0, A0, 0, first);
    c.sleep();
    c.place(first);
    // mtimecmp = mtime + 0x3d0800 ticks (0.4 s); mtime is at CLINT + 0xbff8.
    c.li(T0, CLINT + 0xc000);
    c.load(T1, T0, -8, 3);
    c.li(T0, 0x3d0800);
    c.word(rType(0x33, 0, 0, T1, T1, T0));
    c.li(T0, CLINT + 0x4000);
    c.store(T1, T0, 0, 3);
    c.li(T0, 0x80);
    c.csrw(0x304, T0);
    c.li(T2, DEVICE);
    c.store(0, T2);
    c.word(WFI);
    c.li(T1, 1);
    c.store(T1, T2);
    c.sleep();
    const { harts, next } = machine(c);
    await harts.launch();
    await harts.start();
    const before = await next();
    const after = await next();
    expect(after.value).toBe(1);
    expect(after.at - before.at).toBeGreaterThan(380);
    expect(after.at - before.at).toBeLessThan(2000);
    expect(after.cpu - before.cpu).toBeLessThan(150);
  });

  it('wake each other by messages through their IMSICs, and lose none', async () => {
    const c = new Code();
    const [first, loop, claim, round] = [new Label(), new Label(), new Label(), new Label()];
    const rounds = 2000;
    c.li(S0, DATA);
    c.csrr(A0, 0xf14);
    c.branch(0, A0, 0, first);
    // Hart 1 lets identities 1 to 63 interrupt it (miselect, mireg, mie), sleeps, and counts what it claims (mtopei).
    for (const [select, value] of [
      [0x70, 1],
      [0xc0, -2],
    ]) {
      c.li(T0, select);
      c.csrw(0x350, T0);
      c.addi(T0, 0, value);
      c.csrw(0x351, T0);
    }
    c.li(T0, 1024);
    c.word(iType(0x13, 1, T0, T0, 1));
    c.csrw(0x304, T0);
    c.store(A0, S0, 8);
    c.li(T1, 1);
    c.place(loop);
    c.word(WFI);
    c.place(claim);
    c.word(iType(0x73, 1, T0, 0, 0x35c));
    c.branch(0, T0, 0, loop);
    c.word(rType(0x2f, 2, 0, 0, S0, T1));
    c.jump(claim);
    // Hart 0 sends some at once, and waits until they have been claimed.
    c.place(first);
    c.li(A1, 1);
    c.await(S0, 8, A1, true);
    c.word(uType(0x37, S1, 0x24001));
    c.li(A2, 0);
    c.li(T2, rounds);
    c.place(round);
    for (const identity of [5, 1, 63]) {
      c.li(T0, identity);
      c.store(T0, S1);
    }
    c.addi(A2, A2, 3);
    c.await(S0, 0, A2, true);
    c.addi(T2, T2, -1);
    c.branch(1, T2, 0, round);
    c.li(T1, DEVICE);
    c.store(A2, T1);
    c.sleep();
    const { harts, next, errors } = machine(c, false, { interrupts: AIA });
    await harts.launch();
    await harts.start();
    expect((await next()).value).toBe(3 * rounds);
    expect(harts.statistics.harts[1].claims).toBe(3 * rounds);
    expect(errors).toEqual([]);
  });

  it('stop, go on and start over as they are told, and leave nothing behind', async () => {
    const c = new Code();
    const [first, loop] = [new Label(), new Label()];
    c.li(S0, DATA);
    c.csrr(A0, 0xf14);
    c.branch(0, A0, 0, first);
    c.sleep();
    c.place(first);
    c.li(T2, DEVICE);
    c.load(A1, T2);
    c.store(A1, T2);
    c.place(loop);
    c.load(T0, S0);
    c.addi(T0, T0, 1);
    c.store(T0, S0);
    c.jump(loop);
    const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort' || name === 'Worker');
    const before = resources();
    const { harts, memory, next, errors } = machine(c);
    await harts.launch();
    await harts.start();
    expect((await next()).value).toBe(0x1234);
    for (let round = 0; round < 5; round++) {
      await harts.pause();
      const count = memory.readU32(DATA);
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(memory.readU32(DATA)).toBe(count);
      harts.resume();
      await expect.poll(() => memory.readU32(DATA)).not.toBe(count);
    }
    await harts.pause();
    await harts.reset();
    harts.resume();
    expect((await next()).value).toBe(0x1234);
    await harts.stop();
    const stopped = memory.readU32(DATA);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(memory.readU32(DATA)).toBe(stopped);
    expect(resources()).toEqual(before);
    expect(errors).toEqual([]);
  });

  it('can be paused and stopped however wildly they trap', async () => {
    const c = new Code();
    c.csrw(0x305, 0);
    c.word(0);
    const { harts, errors } = machine(c);
    await harts.launch();
    await harts.start();
    await harts.pause();
    harts.resume();
    const start = performance.now();
    await harts.stop();
    expect(performance.now() - start).toBeLessThan(1500);
    expect(errors).toEqual([]);
  });

  it('say so when one dies', async () => {
    const c = new Code();
    c.sleep();
    const { harts, errors } = machine(c);
    await harts.launch();
    await harts.start();
    const { members } = harts as unknown as { members: { worker: Worker }[] };
    await members[1].worker.terminate();
    await expect.poll(() => errors.length).toBe(1);
    expect(errors[0].message).toMatch(/thread ended unexpectedly/);
    await harts.stop();
  });
});
