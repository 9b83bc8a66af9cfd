import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GdbServer } from '../../engine/debug/gdb/server';
import { VirtualMachine } from '../../engine/machine/virtual-machine';
import { compileGdbProgram, GDB, gdb } from '../support/gdb';
import { missingTools } from '../support/riscv-tools';

// GDB itself on test/support/gdb-program.c.

const directory = mkdtempSync(join(tmpdir(), 'hartbox-gdb-'));
const kernel = join(directory, 'program.elf');
const missing = missingTools(GDB, 'riscv64-linux-gnu-gcc');
let machine: VirtualMachine | undefined;
let server: GdbServer | undefined;

beforeAll(async () => {
  if (missing === undefined) await compileGdbProgram(kernel);
});
afterEach(async () => {
  await server?.close();
  await machine?.stop();
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The machine before its first instruction, and GDB on it. */
async function debug(commands: readonly string[], { harts = 1, paused = true } = {}): Promise<string[]> {
  machine = await VirtualMachine.create({ memory: 32 << 20, harts, kernel, source: 'elf' });
  server = await GdbServer.listen(machine.debugger, { host: '127.0.0.1', port: 0 });
  await machine.start({ paused });
  return gdb(server.address, kernel, commands);
}

describe.skipIf(missing !== undefined).each([1, 3])(`GDB${missing === undefined ? '' : ` (${missing})`} on %i hart(s)`, (harts) => {
  it('stops at breakpoints, steps by instructions and lines, and finishes functions', async () => {
    const [, where, , hit, trace, , after, , finished] = await debug(
      ['info registers pc', 'p $pc', 'break tick', 'continue', 'backtrace', 'stepi', 'info registers pc', 'next', 'finish'],
      { harts },
    );
    expect(where).toMatch(/0x1000\b/);
    expect(hit).toMatch(/Breakpoint 1, tick \(n=1\)/);
    expect(trace).toMatch(/#0 {2}tick[\s\S]*#1 .* in start/);
    expect(after).toMatch(/<tick\+4>/);
    expect(finished).toContain('Value returned is $2 = 7');
  });

  it('watches data, and names what was there and is there now', async () => {
    const printed = await debug(['watch watched', 'rwatch rounds', 'continue', 'continue', 'continue', 'continue', 'bt'], { harts });
    const all = printed.slice(2).join('\n');
    expect(all).toMatch(/Hardware read watchpoint 2: rounds\s+Value = 0/);
    // One instruction behind the store, as with QEMU.
    expect(all).toMatch(/Hardware watchpoint 1: watched\s+Old value = 5\s+New value = 7\s+(0x[0-9a-f]+ in )?tick \(n=/);
  });

  it('reads and writes registers of all kinds without a trap', async () => {
    const printed = await debug(
      [
        'break tick if n == 3',
        'continue',
        'p/x $misa & 0x14112d',
        'p $fa0',
        'set $fs0 = 2.5',
        'p $fs0.double',
        'p/x $satp >> 60',
        'set $mscratch = 0x1234567890',
        'p/x $mscratch',
        'p $priv',
        'p/x $mcause',
        'p/x $stvec',
        'p $minstret < $mcycle + 1',
        'set $a0 = 77',
        'p $a0',
        'info registers csr',
      ],
      { harts },
    );
    expect(printed[2]).toBe('$1 = 0x14112d');
    expect(printed[5]).toBe('$3 = 2.5');
    expect(printed[6]).toBe('$4 = 0x8');
    expect(printed[8]).toBe('$5 = 0x1234567890');
    expect(printed[9]).toBe('$6 = 3');
    expect(printed[10]).toMatch(/= 0x9$/);
    expect(printed[14]).toMatch(/= 77$/);
    expect(printed[15]).toMatch(/pmpaddr15/);
    expect(printed.join('\n')).not.toMatch(/unavailable|Could not fetch/);
  });

  it('stops in code that can only be executed, reads it, and user pages, and sees a trap taken', async () => {
    const FAR = '0xffffffc000000000';
    const printed = await debug(
      [
        `hbreak *${FAR}`,
        'continue',
        'p $priv',
        `x/2i $pc`,
        `p/x *(long *)0xffffffc000001000`,
        'delete',
        'stepi',
        'break *handler',
        'continue',
        'continue',
        'p/x $mcause',
        'p $priv',
      ],
      { harts },
    );
    expect(printed[1]).toContain(`Breakpoint 1, ${FAR}`);
    expect(printed[2]).toBe('$1 = 1');
    expect(printed[3]).toMatch(/nop\s+0xffffffc000000002:\s+nop/);
    expect(printed[4]).toBe('$2 = 0x1122334455667788');
    expect(printed[6]).toMatch(/^0xffffffc000000002/);
    expect(printed[8]).toContain('Breakpoint 2, ');
    expect(printed[11]).toBe('$4 = 3');
  });

  it('attaches while it runs, looks at each hart, and leaves it running', async () => {
    const last = harts - 1;
    const printed = await debug(
      [
        'p $pc != 0',
        'info threads',
        `thread ${harts}`,
        'p/x $mhartid',
        'p counts[0]',
        'monitor info harts',
        'break tick',
        'continue',
        'detach',
      ],
      { harts, paused: false },
    );
    expect(printed[1].match(/Thread 1\.\d+ "hart \d"/g)).toHaveLength(harts);
    expect(printed[3]).toBe(`$2 = 0x${last}`);
    expect(printed[5]).toMatch(new RegExp(`\\* hart ${last}: pc 0x`));
    expect(printed[7]).toMatch(/Breakpoint 1, tick/);
    const rounds = async (): Promise<bigint> => {
      await machine?.pause();
      const value = machine?.statistics.harts[0].instructions ?? 0;
      await machine?.resume();
      return BigInt(value);
    };
    expect(machine?.state).toBe('running');
    const before = await rounds();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await rounds()).toBeGreaterThan(before);
  });
});
