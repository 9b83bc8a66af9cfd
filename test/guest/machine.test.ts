import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { HartStop } from '../../engine';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { VirtualMachine, type VirtualMachineOptions } from '../../engine/machine/virtual-machine';
import { Label } from '../support/assembler';
import { A0, A1, type BareMetal, FINISHER, HTIF_WORDS as DATA, RAM, S0, S1, T0, T1, writeBareMetal } from '../support/bare-metal';
import { iType, rType } from '../support/riscv-encoding';
import { Transcript } from '../support/transcript';

const UART = 0x10000000;
const CLINT = 0x2000000;
const PLIC = 0xc000000;

const MTVEC = 0x305;
const MIE = 0x304;
const MIP = 0x344;
const MHARTID = 0xf14;

const directory = mkdtempSync(join(tmpdir(), 'hartbox-guest-'));
afterAll(() => rmSync(directory, { recursive: true }));

let machines: VirtualMachine[] = [];
afterEach(async () => {
  for (const machine of machines) await machine.stop();
  machines = [];
});

async function create(config: MachineConfigInput, options: VirtualMachineOptions = {}) {
  const machine = await VirtualMachine.create(config, options);
  machines.push(machine);
  const heard = new Transcript('The guest');
  machine.console.onData((data) => heard.add(data));
  machine.on('exit', () => heard.end());
  return { machine, says: (pattern: RegExp) => heard.says(pattern), output: () => heard.text };
}

async function bareMetal(write: (program: BareMetal) => void, config: MachineConfigInput = {}) {
  const kernel = join(directory, `program-${Math.random()}.elf`);
  writeBareMetal(kernel, write);
  return create({ memory: 16 << 20, kernel, ...config });
}

describe('bare-metal programs', () => {
  it.each([0, 7, 0xffff])('end with the code %i that they give to the finisher', async (code) => {
    const { machine } = await bareMetal((program) => program.exit(code));
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: code === 0 ? 'poweroff' : 'finisher', code });
  });

  it('execute nothing more once they have ended the machine, or have it start anew', async () => {
    const [RESET, PASS] = [0x7777, 0x5555];
    const { machine, output } = await bareMetal((program) => {
      const again = new Label();
      const say = (letter: string): void => program.poke(1, UART, letter.charCodeAt(0));
      program.li(T0, DATA + 0x400);
      program.load(4, A0, T0);
      program.branch('bne', A0, 0, again);
      program.poke(4, DATA + 0x400, 1);
      say('a');
      program.poke(4, FINISHER, RESET);
      for (let i = 0; i < 50; i++) say('x');
      program.place(again);
      say('b');
      program.poke(4, FINISHER, PASS);
      for (let i = 0; i < 50; i++) say('y');
      program.wait();
    });
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: 'poweroff', code: 0 });
    expect(output()).toBe('ab');
  });

  it('print through HTIF and end with tohost', async () => {
    const { machine, output } = await bareMetal((program) => {
      const text = DATA + 32;
      for (const [i, letter] of [...'hi!'].entries()) program.poke(1, text + i, letter.charCodeAt(0));
      const call = DATA + 0x40;
      for (const [i, word] of [64, 1, text, 3].entries()) program.poke(8, call + 8 * i, word);
      program.poke(8, DATA, call);
      const answered = new Label();
      program.li(T0, DATA + 8);
      program.place(answered);
      program.load(8, T1, T0);
      program.branch('beq', T1, 0, answered);
      program.li(T0, call);
      program.load(8, A0, T0);
      // The result, 3, becomes the exit code: value << 1 | 1.
      program.word(iType(0x13, 1, A0, A0, 1));
      program.word(iType(0x13, 0, A0, A0, 1));
      program.li(T0, DATA);
      program.store(8, A0, T0);
      program.wait();
    });
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: 'tohost', code: 3 });
    expect(output()).toBe('hi!');
  });

  it.each([true, false])(
    'execute nothing more once tohost has ended them, nor before what they say through it is said (jit: %s)',
    async (jit) => {
      const { machine, output } = await bareMetal(
        (program) => {
          // Enough characters for the loop to be translated; the last store of all, of the exit, is the same instruction.
          const [more, last] = [new Label(), new Label()];
          program.li(S0, 5000);
          program.li(S1, DATA);
          program.li(A0, 0x0101);
          program.word(iType(0x13, 1, A0, A0, 48)); // slli
          program.addi(A0, A0, 'x'.charCodeAt(0));
          program.place(more);
          program.store(8, A0, S1);
          program.load(8, T1, S1);
          program.branch('bne', T1, 0, last);
          program.addi(S0, S0, -1);
          program.branch('bne', S0, 0, more);
          program.li(A0, (7 << 1) | 1);
          program.addi(S0, S0, 1);
          program.jump(more);
          program.place(last);
          for (let i = 0; i < 50; i++) program.poke(1, UART, 'y'.charCodeAt(0));
          program.wait();
        },
        { jit },
      );
      await machine.start();
      expect(await machine.wait()).toEqual({ reason: 'tohost', code: 7 });
      expect(output()).toBe('x'.repeat(5000));
    },
  );

  it('may give tohost its halves one after the other, as on 32 bits', async () => {
    const { machine, output } = await bareMetal((program) => {
      const say = (letter: string): void => {
        program.poke(4, DATA, letter.charCodeAt(0));
        program.poke(4, DATA + 4, 0x0101_0000);
      };
      for (const letter of 'ace') say(letter);
      program.poke(4, DATA, (2 << 1) | 1);
      program.poke(4, DATA + 4, 0);
      say('y');
      program.wait();
    });
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: 'tohost', code: 2 });
    expect(output()).toBe('ace');
  });

  /** Hart 1 calls a function again and again, until hart 0, without a word to it, has stored another instruction over its first. */
  function changesCode(program: BareMetal): void {
    const [second, again, changed, wait, word] = [new Label(), new Label(), new Label(), new Label(), new Label()];
    program.csrr(T0, MHARTID);
    program.branch('bne', T0, 0, second);
    program.li(S0, DATA + 0x400);
    program.li(S1, 100_000);
    program.place(wait);
    program.load(4, A0, S0);
    program.branch('bltu', A0, S1, wait);
    program.la(T0, word);
    program.load(4, T1, T0);
    program.la(T0, changed);
    program.store(4, T1, T0);
    program.wait();
    program.place(second);
    program.li(S0, DATA + 0x400);
    program.li(S1, 2);
    program.li(A1, 0);
    program.place(again);
    program.addi(A1, A1, 1);
    program.store(4, A1, S0);
    program.place(changed);
    program.addi(A0, 0, 1);
    program.branch('bne', A0, S1, again);
    program.exit(2);
    program.align(4);
    program.place(word);
    program.addi(A0, 0, 2);
  }

  it.each([true, false])('see soon what another hart has stored over their code (jit: %s)', async (jit) => {
    const { machine } = await bareMetal(changesCode, { harts: 2, jit });
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: 'finisher', code: 2 });
    expect(machine.missingFences).toBe(0);
  });

  it('are told where another hart has stored over their code, and they have done no fence.i', async () => {
    const kernel = join(directory, 'unfenced.elf');
    writeBareMetal(kernel, changesCode);
    const functions = [{ name: 'start', address: BigInt(RAM), size: 0x1000n }];
    const { machine } = await create({ memory: 16 << 20, kernel, harts: 2 }, { checkFences: { functions } });
    const warnings: string[] = [];
    machine.on('warning', ({ message }) => warnings.push(message));
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: 'finisher', code: 2 });
    expect(machine.missingFences).toBe(1);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^A fence\.i is missing: hart 1 executes the instruction at 0x8000[0-9a-f]{4} <start\+0x[0-9a-f]+>, which the store at 0x8000[0-9a-f]{4} <start\+0x[0-9a-f]+> of hart 0 has written/,
      ),
    ]);
  });

  it('start afresh after a reset, with memory outside of the program as it was', async () => {
    const { machine } = await bareMetal((program) => {
      const again = new Label();
      program.li(S0, RAM + 0x100000);
      program.load(4, S1, S0);
      program.branch('bne', S1, 0, again);
      program.poke(4, RAM + 0x100000, 1);
      program.poke(4, FINISHER, 0x7777);
      program.wait();
      program.place(again);
      program.exit(9);
    });
    await machine.start();
    expect(await machine.wait()).toEqual({ reason: 'finisher', code: 9 });
  });

  it('echo what is typed at the UART, woken by its interrupt through the PLIC', async () => {
    const { machine, says } = await bareMetal((program) => {
      const loop = new Label();
      const quit = new Label();
      program.poke(4, PLIC + 4 * 10, 1);
      program.poke(4, PLIC + 0x2000, 1 << 10);
      program.poke(1, UART + 1, 1);
      program.li(T0, 1 << 11);
      program.csrw(MIE, T0);
      program.place(loop);
      program.wfi();
      program.li(T0, PLIC + 0x200004);
      program.load(4, S0, T0);
      program.li(T0, UART);
      program.load(1, A0, T0);
      program.store(1, A0, T0);
      program.li(T1, 'q'.charCodeAt(0));
      program.branch('beq', A0, T1, quit);
      program.li(T0, PLIC + 0x200004);
      program.store(4, S0, T0);
      program.jump(loop);
      program.place(quit);
      program.exit(0);
    });
    await machine.start();
    for (const part of ['hello, ', 'world']) {
      machine.console.write(Buffer.from(part));
      await says(new RegExp(part));
    }
    machine.console.write(Buffer.from('q'));
    expect(await machine.wait()).toEqual({ reason: 'poweroff', code: 0 });
  });

  it('sleep until the machine timer, whose time stands still while the machine is paused', async () => {
    const ticks = 5_000_000; // 0.5 s
    const { machine } = await bareMetal((program) => {
      const asleep = new Label();
      program.li(T0, CLINT + 0xbff8);
      program.load(8, S0, T0);
      program.li(T1, ticks);
      program.word(rType(0x33, 0, 0, S0, S0, T1));
      program.li(T0, CLINT + 0x4000);
      program.store(8, S0, T0);
      program.li(T0, 1 << 7);
      program.csrw(MIE, T0);
      program.place(asleep);
      program.wfi();
      program.csrr(A0, MIP);
      program.word(iType(0x13, 7, A0, A0, 1 << 7)); // andi
      program.branch('beq', A0, 0, asleep);
      program.exit(1);
    });
    const start = Date.now();
    await machine.start();
    await machine.pause();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(machine.state).toBe('paused');
    await machine.resume();
    expect(await machine.wait()).toMatchObject({ reason: 'finisher', code: 1 });
    expect(Date.now() - start).toBeGreaterThan(1150);
  });

  it('run on two harts, which wake each other', async () => {
    const { machine } = await bareMetal(
      (program) => {
        const second = new Label();
        const wake = new Label();
        program.csrr(A0, MHARTID);
        program.branch('bne', A0, 0, second);
        program.li(S0, DATA + 16);
        program.place(wake);
        // Until the other hart is there, then interrupt it.
        program.load(4, A1, S0);
        program.branch('beq', A1, 0, wake);
        program.poke(4, CLINT + 4, 1);
        program.wait();
        program.place(second);
        program.li(T0, 1 << 3);
        program.csrw(MIE, T0);
        program.poke(4, DATA + 16, 1);
        program.wfi();
        program.csrr(A0, MIP);
        program.word(iType(0x13, 7, A0, A0, 1 << 3));
        const never = new Label();
        program.branch('beq', A0, 0, never);
        program.exit(2);
        program.place(never);
        program.exit(3);
      },
      { harts: 2 },
    );
    await machine.start();
    expect(await machine.wait()).toMatchObject({ code: 2 });
  });

  it('that run wild go on until they are stopped', async () => {
    const { machine } = await bareMetal((program) => {
      program.csrw(MTVEC, 0);
      program.word(0);
    });
    await machine.start();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(machine.state).toBe('running');
    await machine.pause();
    await machine.resume();
    await machine.stop();
    expect(await machine.wait()).toEqual({ reason: 'stopped', code: 0 });
  });

  it('fail with an error when the thread of a hart dies', async () => {
    const threads: Worker[] = [];
    const remember = (thread: Worker): void => void threads.push(thread);
    process.on('worker', remember);
    const { machine } = await bareMetal((program) => program.wait());
    process.off('worker', remember);
    await machine.start();
    for (const thread of threads) void thread.terminate();
    const exit = await machine.wait();
    expect(exit).toMatchObject({ reason: 'error', code: 1 });
    expect(exit.error?.message).toMatch(/thread ended unexpectedly/);
    expect(machine.state).toBe('failed');
  });

  it('take an access fault where no device answers', async () => {
    const { machine } = await bareMetal((program) => {
      const trap = new Label();
      program.la(T0, trap);
      program.csrw(MTVEC, T0);
      program.li(T0, 0x18000000);
      program.load(4, A0, T0);
      program.exit(1);
      while (program.offset % 4 !== 0) program.half(1);
      program.place(trap);
      program.exit(5);
    });
    await machine.start();
    expect(await machine.wait()).toMatchObject({ code: 5 });
  });
});

describe('the default guest', () => {
  const dataDirectory = process.env.HARTBOX_HOME;

  it('takes commands typed ahead, is paused and resumed, and powers off', async () => {
    const { machine, says } = await create({}, { dataDirectory });
    await machine.start();
    machine.console.write(Buffer.from('echo $((6 * 7)) answers\n'));
    await says(/42 answers/);
    await machine.pause();
    await machine.resume();
    machine.console.write(Buffer.from('poweroff\n'));
    expect(await machine.wait()).toEqual({ reason: 'poweroff', code: 0 });
  });

  it('reboots into a fresh system, on two harts, with its ports', async () => {
    const { machine, says, output } = await create({ harts: 2 }, { dataDirectory, ports: ['test.port'] });
    await machine.start();
    await says(/poweroff` switches/);
    machine.console.write(Buffer.from('touch /root/mark; reboot\n'));
    await says(/(poweroff` switches[\s\S]*){2}/);
    let fromPort = '';
    machine.port('test.port').onData((data) => {
      fromPort += Buffer.from(data).toString();
    });
    machine.console.write(Buffer.from('nproc | tr 2 Z; ls /root; echo to the port > /dev/virtio-ports/test.port; poweroff\n'));
    expect(await machine.wait()).toMatchObject({ reason: 'poweroff' });
    expect(output()).toMatch(/\nZ\r?\n/);
    expect(output().split('reboot\n').at(-1)).not.toContain('mark\r\n');
    expect(fromPort).toBe('to the port\n');
  });
});

describe('the debugger', () => {
  it('stops all harts where one meets a breakpoint or watched data, and steps them', async () => {
    // Each hart counts in s0 and writes that to its own doubleword at COUNTS.
    const COUNTS = DATA + 32;
    let store = 0;
    const { machine } = await bareMetal(
      (program) => {
        const loop = new Label();
        program.csrr(T1, MHARTID);
        program.word(iType(0x13, 1, T1, T1, 3)); // slli
        program.li(T0, COUNTS);
        program.word(rType(0x33, 0, 0, T0, T0, T1));
        program.place(loop);
        program.word(iType(0x13, 0, S0, S0, 1));
        store = RAM + program.offset;
        program.store(8, S0, T0);
        program.jump(loop);
      },
      { harts: 2 },
    );
    const { debugger: it } = machine;
    const stopped = async (): Promise<[number, HartStop]> => (await once(machine, 'stopped')) as [number, HartStop];

    it.setBreakpoints([BigInt(store)]);
    const first = stopped();
    await machine.start();
    const [hart, stop] = await first;
    expect(stop).toEqual({ reason: 'breakpoint', pc: BigInt(store) });
    expect(machine.state).toBe('paused');
    expect(it.registers(hart)).toMatchObject({ pc: BigInt(store), privilege: 'machine' });
    expect(it.registers(hart).x[S0]).toBe(1n);

    // Hot code, translated meanwhile.
    it.setBreakpoints([]);
    await machine.resume();
    expect(() => it.registers(0)).toThrow(/pause it/);
    while (machine.statistics.harts[1].regionInstructions === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await machine.pause();

    it.setWatchpoints([{ address: BigInt(COUNTS + 8), bytes: 8, access: 'write' }]);
    const second = stopped();
    await machine.resume();
    expect(await second).toEqual([1, { reason: 'write', pc: BigInt(store), address: BigInt(COUNTS + 8) }]);

    const registers = it.registers(1);
    const others = it.registers(0).x[S0];
    const count = registers.x[S0];
    expect(await it.step(1)).toEqual({ reason: 'write', pc: BigInt(store + 4), address: BigInt(COUNTS + 8), isDone: true });
    expect(await it.step(1)).toEqual({ reason: 'step', pc: BigInt(store - 4) });
    expect(await it.step(1)).toEqual({ reason: 'step', pc: BigInt(store) });
    expect(registers.x[S0]).toBe(count + 1n);
    expect(it.registers(0).x[S0]).toBe(others);
    await expect(it.step(2)).rejects.toThrow(/harts 0 to 1/);

    registers.x[S0] = 1n << 40n;
    registers.pc = BigInt(store - 4);
    const third = stopped();
    await machine.resume();
    expect((await third)[1].reason).toBe('write');
    expect(registers.x[S0]).toBe((1n << 40n) + 1n);
  });
});
