import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasTool, missingTools } from '../support/riscv-tools';
import { buildTestKernel, fnv1a, README_FILE, type TestKernel, writeTestDisk } from '../support/test-kernel';
import { KernelConsole, kernelConfig, kernelQemuArguments, type KernelSetup } from '../support/test-kernel-machine';

/** Commands of the kernel's shell whose output says whether all is well, in the order in which they are given. */
const COMMANDS = [
  'ls',
  'cat readme | sum',
  'cat readme > copy',
  'sum copy',
  'none',
  'usertests',
  'forktest 2',
  'grind 60 1',
  'harts',
  'ls',
];
const CODE = 42;

let folder: string;
let kernel: TestKernel;
let disk: string;
let consoles: KernelConsole[] = [];

const missing = missingTools('riscv64-linux-gnu-gcc');

beforeAll(async () => {
  if (missing) return;
  folder = await mkdtemp(join(tmpdir(), 'hartbox-kernel-'));
  kernel = await buildTestKernel();
  disk = join(folder, 'disk.img');
  await writeTestDisk(kernel, disk);
});
afterEach(async () => {
  for (const console of consoles) await console.stop();
  consoles = [];
});
afterAll(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

async function setUp(setup: Partial<KernelSetup>): Promise<KernelSetup> {
  const copy = join(folder, `disk-${Math.random()}.img`);
  await copyFile(disk, copy);
  const firmware = setup.firmware ?? 'none';
  return { kernel: firmware === 'none' ? kernel.kernel : kernel.sbiKernel, disk: copy, harts: 1, firmware, virtioMmio: 'modern', ...setup };
}

async function start(where: 'hartbox' | 'qemu', setup: Partial<KernelSetup>): Promise<KernelConsole> {
  const all = await setUp(setup);
  const started = where === 'qemu' ? KernelConsole.qemu(kernelQemuArguments(all)) : await KernelConsole.hartbox(kernelConfig(all));
  consoles.push(started);
  return started;
}

/** What the commands said, a list of lines for each, and the exit code. */
async function session(where: 'hartbox' | 'qemu', setup: Partial<KernelSetup>) {
  const console = await start(where, setup);
  await console.says(/^\$ $/m);
  const said: string[][] = [];
  for (const command of COMMANDS) said.push((await console.run(command)).split('\n').map(comparable));
  console.type(`halt ${CODE}\n`);
  const code = await console.ended;
  return { said, code };
}

/**
 * Numbers of processes depend on the order of events. stval of a breakpoint may be 0 or its address (privileged spec §4.1.9). Some OpenSBIs
 * tell of instructions that they do not know.
 */
function comparable(line: string): string {
  return line
    .replace(/^system_opcode_insn: .*?instruction(?=keel)/, '')
    .replace(/\(\d+\)/, '(n)')
    .replace(/(cause 3 at \w+), value \w+/, '$1');
}

describe.skipIf(missing)('a kernel written for QEMU’s virt board', () => {
  const setups: [string, Partial<KernelSetup>][] = [
    ['on one hart, with virtio as before 1.0', { harts: 1, virtioMmio: 'legacy' }],
    ['on three harts', { harts: 3 }],
  ];
  if (process.env['HARTBOX_LONG']) setups.push(['on three harts that SBI firmware starts', { harts: 3, firmware: 'opensbi' }]);
  it.each(setups)('boots, passes its tests and halts with its code %s', async (_title, setup) => {
    const here = await session('hartbox', setup);
    const all = here.said.flat().join('\n');
    for (const good of [/^usertests: \d+ good$/m, /^forktest: good$/m, /^grind: good$/m]) expect(all).toMatch(good);
    expect(all).toContain(`sum: ${README_FILE.length} bytes ${fnv1a(Buffer.from(README_FILE)).toString(16)}, 0 lost`);
    expect(all).toContain(`harts: ${setup.harts}`);
    expect(here.code).toBe(CODE);
    if (hasTool('qemu-system-riscv64')) expect(here).toEqual(await session('qemu', setup));
  });
});
