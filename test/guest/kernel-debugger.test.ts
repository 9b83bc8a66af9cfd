import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GdbServer } from '../../engine/debug/gdb/server';
import { GDB } from '../support/gdb';
import { Gdb } from '../support/gdb-mi';
import { hasTool, missingTools } from '../support/riscv-tools';
import { buildTestKernel, type TestKernel, writeTestDisk } from '../support/test-kernel';
import { KernelConsole, kernelConfig, kernelQemuArguments } from '../support/test-kernel-machine';

// A kernel and its programs under gdb-multiarch, here and in QEMU.

const missing = missingTools('riscv64-linux-gnu-gcc', GDB);
const [USER, SUPERVISOR, MACHINE] = [0, 1, 3];

let folder: string;
let kernel: TestKernel;
let gdb: Gdb;
let console: KernelConsole;
let server: GdbServer | undefined;

beforeAll(async () => {
  if (missing) return;
  folder = await mkdtemp(join(tmpdir(), 'hartbox-debug-'));
  kernel = await buildTestKernel();
});
afterEach(async () => {
  gdb?.kill();
  await server?.close();
  await console?.stop();
});
afterAll(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** The kernel before its first instruction, and GDB on it. */
async function start(where: 'hartbox' | 'qemu', harts: number): Promise<void> {
  const disk = join(folder, `${where}-${harts}.img`);
  await writeTestDisk(kernel, disk);
  const setup = { kernel: kernel.kernel, disk, harts, firmware: 'none', virtioMmio: 'modern' } as const;
  let address: string;
  if (where === 'qemu') {
    address = join(folder, `gdb-${harts}`);
    console = KernelConsole.qemu([...kernelQemuArguments(setup), '-S', '-gdb', `unix:${address},server=on,wait=off`]);
    await expect.poll(() => existsSync(address), { timeout: 20_000 }).toBe(true);
  } else {
    const started = await KernelConsole.hartbox(kernelConfig(setup), { paused: true });
    console = started;
    server = await GdbServer.listen(started.machine.debugger, { host: '127.0.0.1', port: 0 });
    address = server.address;
  }
  gdb = new Gdb();
  await gdb.connect(address, { symbols: kernel.kernel, more: [kernel.programs.spin] });
}

/** What a debugger sees of the kernel at work. */
async function observe(where: 'hartbox' | 'qemu', harts: number): Promise<Record<string, unknown>> {
  await start(where, harts);
  const seen: Record<string, unknown> = {};
  seen['reset'] = [await gdb.number('$pc'), await gdb.number('$priv')];

  await gdb.command('break disk_start');
  const inKernel = await gdb.go('-exec-continue --all');
  seen['kernel mode'] = [
    inKernel.reason,
    inKernel.function,
    await gdb.number('$priv'),
    (await gdb.command('backtrace')).console.match(/\w+(?= \()/g),
  ];
  seen['CSRs'] = [
    await gdb.value('($satp >> 60) & 15'),
    await gdb.value('$stvec == (unsigned long)kernel_vector'),
    await gdb.value('$sie'),
    await gdb.value('$mhartid'),
    await gdb.value('$pmpcfg0'),
  ];
  seen['finish, step'] = [(await gdb.go('-exec-finish')).function, (await gdb.go('-exec-step')).function];
  await gdb.command('delete');

  await gdb.continue();
  await console.says(/^\$ $/m);
  seen['interrupt'] = (await gdb.interrupt()).reason;
  const threads: unknown[] = [];
  for (let thread = 1; thread <= harts; thread++) {
    await gdb.command(`-thread-select ${thread}`);
    // In the kernel; or where the timer's interrupt takes a hart for a moment, in M-mode.
    threads.push([await gdb.number('$mhartid'), (await gdb.number('$priv')) !== USER]);
  }
  seen['threads'] = threads;

  await gdb.command('break step_once');
  await gdb.continue();
  console.type('spin &\n');
  const inProgram = await gdb.stopped();
  seen['user mode'] = [inProgram.function, await gdb.number('$priv'), await gdb.value('rounds'), await gdb.value('*value')];
  await gdb.command('up');
  seen['its caller'] = [(await gdb.command('frame')).console.match(/main|spin\.c:\d+/g), await gdb.value('value')];
  await gdb.command('frame 0');
  await gdb.command('set var watched = 77');
  seen['written'] = [await gdb.value('watched'), (await gdb.go('-exec-finish')).function];
  await gdb.command('delete');

  await gdb.command('watch watched');
  const written = await gdb.go('-exec-continue --all');
  seen['watch'] = [
    written.reason,
    written.function,
    /old="(\d+)"/.exec(written.rest)?.[1],
    await gdb.value('rounds % 1000'),
    await gdb.number('$priv'),
  ];
  await gdb.command('delete');
  await gdb.command('rwatch half');
  const read = await gdb.go('-exec-continue --all');
  seen['rwatch'] = [read.reason, read.function, /value="([\d.]+)"/.exec(read.rest)?.[1] === (await gdb.value('half'))];
  await gdb.command('delete');

  // A system call, which is a trap into the kernel and back.
  await gdb.command('break getpid');
  const call = await gdb.go('-exec-continue --all');
  await gdb.command('delete');
  const steps = [];
  for (let i = 0; i < 2; i++) steps.push((await gdb.go('-exec-step-instruction')).address - call.address);
  seen['instructions over a trap'] = [...steps, await gdb.number('$priv'), (await gdb.number('$a0')) > 1];
  // Where the timer interrupts the call and another hart goes on with the program, GDB takes the kernel for the next line: then once more.
  for (let attempt = 0; attempt < 20; attempt++) {
    await gdb.command('tbreak spin.c:25 if rounds % 64 == 0');
    const condition = await gdb.go('-exec-continue --all');
    const held = await gdb.value('rounds % 64');
    const next = await gdb.go('-exec-next');
    seen['lines over a trap'] = [condition.reason, held, next.reason, next.function, /line="(\d+)"/.exec(next.rest)?.[1]];
    if ((await gdb.number('$priv')) === USER) break;
  }

  // The kernel again, out of an interrupt.
  await gdb.command('break process_list');
  await gdb.continue();
  console.type('\x10');
  const listing = await gdb.stopped();
  const trace = (await gdb.command('backtrace 3')).console.match(/process_list|console_receive|uart_interrupt/g);
  seen['interrupt handler'] = [listing.function, trace, await gdb.number('$priv'), await gdb.value('$scause == 0x8000000000000009')];
  await gdb.command('delete');
  await gdb.command('-target-detach');

  await console.says(/characters lost\n/);
  seen['afterwards'] = await console.run('echo still here');
  console.type('halt 3\n');
  seen['code'] = await console.ended;
  return seen;
}

describe.skipIf(missing)('gdb-multiarch on a kernel and its programs', () => {
  it.each([1, 3])('stops, watches, steps and reads them in user and kernel mode, here as in QEMU, on %i harts', async (harts) => {
    const expected = {
      reset: [0x1000, MACHINE],
      'kernel mode': ['breakpoint-hit', 'disk_start', SUPERVISOR, ['disk_start', 'main']],
      CSRs: ['8', '1', `${0x222}`, '0', '15'],
      'finish, step': ['main', 'cache_start'],
      interrupt: 'signal-received',
      threads: Array.from({ length: harts }, (_, hart) => [hart, true]),
      'user mode': ['step_once', USER, '0', '88172645463325252'],
      'its caller': [['main', 'spin.c:24'], '88172645463325252'],
      written: ['77', 'main'],
      watch: ['watchpoint-trigger', 'step_once', '77', '0', USER],
      rwatch: ['read-watchpoint-trigger', 'step_once', true],
      'instructions over a trap': [2, 6, USER, true],
      'lines over a trap': ['breakpoint-hit', '0', 'end-stepping-range', 'main', '24'],
      'interrupt handler': ['process_list', ['process_list', 'console_receive', 'uart_interrupt'], SUPERVISOR, '1'],
      afterwards: 'still here\n',
      code: 3,
    };
    expect(await observe('hartbox', harts)).toEqual(expected);
    if (hasTool('qemu-system-riscv64')) {
      gdb.kill();
      expect(await observe('qemu', harts)).toEqual(expected);
    }
  });
});
