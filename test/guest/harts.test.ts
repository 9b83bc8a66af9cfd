import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import type { InterruptPlan } from '../../engine/interrupt/interrupt-controllers';
import type { HartBoard } from '../../engine/threads/hart-board';
import type { HartPool } from '../../engine/threads/harts';
import { Label } from '../support/assembler';
import { iType, rType, uType } from '../support/riscv-encoding';
import { CLINT, Code, DEVICE, FENCE, FENCE_I, RAM, threadedMachine } from '../support/threaded-machine';

// Harts in threads of their own. The workers come from the build.

const DATA = RAM + 0x10000;
const FUNCTION = RAM + 0x20000;
const AIA: InterruptPlan = {
  kind: 'aplic',
  domains: { machine: 0xc00_0000, supervisor: 0xd00_0000 },
  sources: 96,
  imsics: { machine: 0x2400_0000, supervisor: 0x2800_0000 },
};
const [A0, A1, A2, T0, T1, T2, S0, S1] = [10, 11, 12, 5, 6, 7, 8, 9];
const WFI = 0x10500073;
const MRET = 0x30200073;
const RET = 0x8067;

let pool: HartPool | undefined;
afterEach(async () => {
  await pool?.stop();
  pool = undefined;
});

function machine(code: Code, jit = false, board: Partial<HartBoard> = {}) {
  const made = threadedMachine(code, { jit, board });
  pool = made.harts;
  return made;
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
    expect(after.at - before.at).toBeLessThan(10_000);
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
