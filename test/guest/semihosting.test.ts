import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../engine';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { Label } from '../support/assembler';
import { A0, A1, type BareMetal, RAM, T0, writeBareMetal } from '../support/bare-metal';
import { iType } from '../support/riscv-encoding';
import { missingTools } from '../support/riscv-tools';
import { Transcript } from '../support/transcript';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-semihosting-'));
afterAll(() => rmSync(folder, { recursive: true }));
let machines: VirtualMachine[] = [];
afterEach(async () => {
  for (const machine of machines) await machine.stop();
  machines = [];
});

const START = `.section .text.init
.globl _start
_start: lla sp, stack + 16384
 call main
.bss
.balign 16
stack: .space 16384
`;
const LINK =
  'ENTRY(_start) SECTIONS { . = 0x80000000; .text : { *(.text.init) *(.text*) *(.rodata*) *(.srodata*) } .data : { *(.data*) *(.sdata*) } .bss : { *(.bss*) *(.sbss*) } }';

/** Compile a bare-metal program of test/support. */
function compile(source: string, name: string, ...flags: string[]): string {
  const [start, link, program] = [join(folder, 'start.S'), join(folder, 'link.ld'), join(folder, name)];
  writeFileSync(start, START);
  writeFileSync(link, LINK);
  const file = fileURLToPath(new URL(`../support/${source}`, import.meta.url));
  const options = [
    '-nostdlib',
    '-static',
    '-ffreestanding',
    '-fno-pic',
    '-mcmodel=medany',
    '-O1',
    '-Wl,--build-id=none',
    '-Wl,--no-warn-rwx-segments',
  ];
  execFileSync('riscv64-linux-gnu-gcc', [...options, ...flags, '-T', link, start, file, '-o', program]);
  return program;
}

/** A folder with something inside, something beside it, and links that lead there. */
function playground(name: string): string {
  const place = join(folder, name, 'allowed');
  mkdirSync(join(place, 'folder'), { recursive: true });
  writeFileSync(join(place, 'folder/inside'), 'inside');
  writeFileSync(join(folder, name, 'secret'), 'secret');
  symlinkSync('../secret', join(place, 'link'));
  return place;
}

async function start(kernel: string, config: MachineConfigInput = {}) {
  const machine = await VirtualMachine.create({ memory: 32 << 20, kernel, firmware: 'none', semihosting: true, ...config });
  machines.push(machine);
  const heard = new Transcript('The guest');
  const warnings: string[] = [];
  machine.console.onData((data) => heard.add(data));
  machine.on('exit', () => heard.end());
  machine.on('warning', ({ message }) => warnings.push(message));
  await machine.start();
  return { machine, output: () => heard.text, says: (pattern: RegExp) => heard.says(pattern), warnings };
}

/** slli x0, x0, 0x1f; ebreak; srai x0, x0, 7, in one page. */
function call(program: BareMetal, operation: number, block: number): void {
  program.li(A0, operation);
  program.li(A1, block);
  while (program.offset % 16 !== 0) program.half(0x0001); // c.nop
  for (const word of [0x01f01013, 0x00100073, 0x40705013]) program.word(word);
}
const DATA = RAM + 0x4000;
/** Write a block of words, and make a call with it. */
function callWith(program: BareMetal, operation: number, ...words: number[]): void {
  for (const [i, word] of words.entries()) program.poke(8, DATA + 8 * i, word);
  call(program, operation, DATA);
}
function exit(program: BareMetal, code: number): void {
  callWith(program, 0x20, 0x20026, code);
  program.poke(1, 0x10000000, 'x'.charCodeAt(0));
  program.wait();
}
async function bareMetal(name: string, write: (program: BareMetal) => void, config: MachineConfigInput = {}) {
  const kernel = join(folder, name);
  writeBareMetal(kernel, write);
  return start(kernel, config);
}

describe('semihosting', () => {
  it.skipIf(missingTools('riscv64-linux-gnu-gcc', 'qemu-system-riscv64'))('does what QEMU does, operation by operation', async () => {
    const kernel = compile('semihosting-program.c', 'table.elf');
    const qemu = spawnSync(
      'qemu-system-riscv64',
      [
        ...['-M', 'virt', '-bios', 'none', '-display', 'none', '-serial', 'none', '-monitor', 'none', '-kernel', kernel],
        ...['-chardev', 'stdio,id=c,signal=off', '-semihosting-config', 'enable=on,target=native,chardev=c,arg=program,arg=one,arg=two'],
      ],
      { cwd: playground('qemu'), encoding: 'utf8', timeout: 60_000 },
    );
    const semihostingFolder = playground('ours');
    const { machine, output, warnings } = await start(kernel, { semihostingFolder, semihostingArguments: 'program one two' });
    expect(await machine.wait()).toEqual({ reason: 'semihosting', code: 7 });
    expect(qemu.status).toBe(7);
    expect(warnings).toEqual([]);
    const ours = output().trimEnd().split('\n');
    const theirs = qemu.stdout.trimEnd().split('\n');
    expect(theirs.length).toBeGreaterThan(60);
    // QEMU writes to stderr where it has a terminal of its own, takes a pipe for no terminal, and 7.2 loses the mode to append.
    const known = ['error', 'is a terminal: 1', 'is a terminal: 0', 'length of both: 12', 'length of both: 10'];
    const rest = (lines: string[]) => lines.filter((line) => !known.includes(line));
    expect(rest(ours)).toEqual(rest(theirs));
    expect(ours).toEqual(expect.arrayContaining(['error', 'is a terminal: 1', 'length of both: 12']));
    expect(readdirSync(semihostingFolder).sort()).toEqual(['folder', 'large', 'link']);
  });

  it.skipIf(missingTools('riscv64-linux-gnu-gcc'))('reads what is typed, whenever that was', async () => {
    const kernel = compile('semihosting-program.c', 'input.elf', '-DINPUT');
    const { machine, output, says } = await start(kernel, { semihostingFolder: playground('input') });
    machine.console.write(Buffer.from('ab'));
    await says(/it was: \[ab/);
    machine.console.write(Buffer.from('z'));
    await machine.wait();
    expect(output()).toContain('read a line: 1\nit was: [ab.]\nread a character: 122\n');
  });

  it.skipIf(missingTools('riscv64-linux-gnu-gcc')).each([1, 2, 3])('takes any arguments without harm (%i)', async (seed) => {
    const semihostingFolder = playground(`storm-${seed}`);
    const { machine, warnings } = await start(compile('semihosting-storm.c', `storm-${seed}.elf`, `-DSEED=${seed * 1234567}UL`), {
      semihostingFolder,
    });
    expect(await machine.wait()).toEqual({ reason: 'semihosting', code: 42 });
    expect(readFileSync(join(semihostingFolder, '../secret'), 'utf8')).toBe('secret');
    expect(readdirSync(join(semihostingFolder, '..')).sort()).toEqual(['allowed', 'secret']);
    // Those that were left out are counted in one.
    expect(warnings.length).toBeLessThan(60);
  });

  it('off, is a breakpoint to the program, and is said to be off, once', async () => {
    const { machine, output, warnings } = await bareMetal(
      'off.elf',
      (program) => {
        const handler = new Label();
        program.la(T0, handler);
        program.csrw(0x305, T0);
        call(program, 4, DATA);
        program.align(4);
        program.place(handler);
        program.csrr(T0, 0x342);
        program.addi(T0, T0, 'a'.charCodeAt(0));
        program.li(A0, 0x10000000);
        program.store(1, T0, A0);
        // On with the call, three times.
        program.load(4, A1, A0, 0);
        program.li(A1, DATA + 64);
        program.load(8, T0, A1);
        program.addi(T0, T0, 1);
        program.store(8, T0, A1);
        const done = new Label();
        program.li(A0, 3);
        program.branch('beq', T0, A0, done);
        program.word(0x30200073); // mret
        program.place(done);
        program.exit(5);
      },
      { semihosting: false },
    );
    expect(await machine.wait()).toEqual({ reason: 'finisher', code: 5 });
    expect(output()).toBe('ddd');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('Switch it on with --semihosting.');
  });

  it.each([false, true])('is served in user mode only where that is allowed (%s)', async (semihostingUser) => {
    const { machine, warnings } = await bareMetal(
      'user.elf',
      (program) => {
        const [handler, user] = [new Label(), new Label()];
        program.la(T0, handler);
        program.csrw(0x305, T0);
        program.li(T0, 0x1f);
        program.csrw(0x3a0, T0); // pmpcfg0: all memory
        program.li(T0, -1);
        program.csrw(0x3b0, T0);
        program.la(T0, user);
        program.csrw(0x341, T0);
        // The block, while stores are machine mode's.
        program.poke(8, DATA, 0x20026);
        program.poke(8, DATA + 8, 9);
        program.word(0x30200073); // mret, to user mode
        program.align(4);
        program.place(handler);
        program.exit(4);
        program.place(user);
        call(program, 0x20, DATA);
        program.wait();
      },
      { semihostingUser },
    );
    expect(await machine.wait()).toMatchObject(semihostingUser ? { reason: 'semihosting', code: 9 } : { reason: 'finisher', code: 4 });
    expect(warnings).toHaveLength(semihostingUser ? 0 : 1);
  });

  it('is no call where the instructions are not all there', async () => {
    const { machine, warnings } = await bareMetal('alone.elf', (program) => {
      const handler = new Label();
      program.la(T0, handler);
      program.csrw(0x305, T0);
      program.li(A0, 4);
      program.word(0x00100073);
      program.word(0x40705013);
      program.align(4);
      program.place(handler);
      program.exit(6);
    });
    expect(await machine.wait()).toMatchObject({ reason: 'finisher', code: 6 });
    expect(warnings).toEqual([]);
  });

  it('can be paused, and reset, while it waits for a key', async () => {
    const { machine, output, says } = await bareMetal('key.elf', (program) => {
      program.poke(1, 0x10000000, 'a'.charCodeAt(0));
      call(program, 7, 0);
      program.word(iType(0x13, 0, T0, A0, 0));
      program.li(A1, 0x10000000);
      program.store(1, T0, A1);
      exit(program, 0);
    });
    await says(/^a$/);
    await machine.pause();
    await machine.resume();
    await machine.reset();
    await says(/^aa$/);
    await machine.pause();
    const { pc } = machine.debugger.registers(0);
    // A step does not wait for ever.
    expect(await machine.debugger.step(0)).toMatchObject({ reason: 'step', pc });
    machine.console.write(Buffer.from('k'));
    await machine.resume();
    expect(await machine.wait()).toEqual({ reason: 'semihosting', code: 0 });
    expect(output()).toBe('aak');
  });

  it('needs a folder that there is', async () => {
    const kernel = join(folder, 'folder.elf');
    writeBareMetal(kernel, (program) => exit(program, 0));
    await expect(start(kernel, { semihostingFolder: join(folder, 'none') })).rejects.toMatchObject({ code: 'semihosting-folder' });
  });
});
