import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { VmError } from '../../engine/errors/vm-error';
import { writeCpio } from '../../engine/images/cpio';
import { buses } from '../support/buses';
import { GDB } from '../support/gdb';
import { buildGuestModules } from '../support/guest-modules';
import { GuestShell, PROMPT } from '../support/guest-shell';

const hasGdb = spawnSync(GDB, ['--version']).status === 0;

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

/** What is written is no farewell: it goes on watching. */
const LEAVE = 'rmmod sunxi_wdt && modprobe sunxi_wdt timeout=1 && echo 1 > /dev/watchdog';

describe('the watchdog', { timeout: 300_000 }, () => {
  it("resets the box when Linux's driver does not calm it, and not when that takes its leave", async () => {
    shell = await GuestShell.boot({ watchdog: 'reset', balloon: false });
    const warnings: VmError[] = [];
    shell.machine.on('warning', (warning) => warnings.push(warning));
    const { output } = await shell.run(
      'cat /sys/class/watchdog/watchdog0/identity; rmmod sunxi_wdt && modprobe sunxi_wdt timeout=1; watchdog -F -t 1 -T 16 /dev/watchdog & sleep 1; kill $!; wait $!; cat /sys/class/watchdog/watchdog0/state',
    );
    expect(output).toMatch(/sunxi-wdt[\s\S]*inactive/);
    expect(warnings).toEqual([]);
    const from = shell.transcript.length;
    shell.type('echo 1 > /dev/watchdog\n');
    const firmware = await shell.says(/OpenSBI/, from);
    await shell.says(PROMPT, from + firmware.index);
    expect(warnings).toMatchObject([{ kind: 'Guest', code: 'watchdog-bit' }]);
    expect((await shell.run('cat /sys/class/watchdog/watchdog0/state')).output).toBe('inactive\n');
  });

  it('switches the box off where it is told to', async () => {
    shell = await GuestShell.boot({ watchdog: 'power-off', balloon: false });
    const exit = once(shell.machine, 'exit');
    shell.type(`${LEAVE}\n`);
    expect(await exit).toMatchObject([{ reason: 'poweroff', code: 0 }]);
  });
});

describe('the virtio watchdog, with our driver', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hartbox-watchdog-'));
  let extraInitrd: Uint8Array;
  beforeAll(async () => {
    const [[, driver]] = await buildGuestModules(folder, ['hartbox_wdt']);
    extraInitrd = writeCpio([{ type: 'file', path: 'root/hartbox_wdt.ko', data: driver }]);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(buses('pci'))('is calmed, stopped, and bites, on %s', async (bus) => {
    const watchdogDump = join(folder, `${bus}.core`);
    shell = await GuestShell.boot({ watchdog: 'notify', watchdogDump, bus, balloon: false }, { extraInitrd });
    const warnings: VmError[] = [];
    shell.machine.on('warning', (warning) => warnings.push(warning));
    const output = async (command: string): Promise<string> => (await shell.run(command)).output;
    const facts = 'cd /sys/class/watchdog/watchdog0; cat identity timeout nowayout state; cd';
    expect(await output(`rmmod sunxi_wdt; insmod hartbox_wdt.ko && ${facts}`)).toBe('virtio watchdog\n20\n0\ninactive\n');
    // It is calmed again and again, for longer than it waits; then its program takes its leave by V.
    const calm = 'watchdog -F -t 300ms -T 2 /dev/watchdog & sleep 3; cat /sys/class/watchdog/watchdog0/timeout; kill $!; wait $!; sleep 3';
    expect(await output(calm)).toMatch(/2\n/);
    expect(await output(facts)).toMatch(/inactive/);
    expect(warnings).toEqual([]);
    // Without leave it bites, by the time that was set last.
    const bitten = once(shell.machine, 'warning');
    await output('echo 1 > /dev/watchdog');
    expect(await bitten).toMatchObject([{ kind: 'Guest', code: 'watchdog-bit' }]);
    // Its memory is on the way to a file: GDB finds the kernel there.
    const [banner] = (await output("grep ' linux_banner$' /proc/kallsyms")).split(' ');
    await vi.waitFor(() => expect(existsSync(watchdogDump)).toBe(true), { timeout: 30_000, interval: 100 });
    const core = ['-nx', '-batch', '-ex', 'set architecture riscv:rv64', '-ex', `core-file ${watchdogDump}`, '-ex', `x/s 0x${banner}`];
    if (hasGdb) expect(spawnSync(GDB, core, { encoding: 'utf8' }).stdout).toMatch(/"Linux version 6/);
    expect(
      await output(
        'echo V > /dev/watchdog; rmmod hartbox_wdt && insmod hartbox_wdt.ko timeout=2 nowayout=1 && cat /sys/class/watchdog/watchdog0/timeout',
      ),
    ).toBe('2\n');
    const again = once(shell.machine, 'warning');
    await output('echo V > /dev/watchdog');
    expect(await again).toMatchObject([{ code: 'watchdog-bit' }]);
    expect(await output('dmesg | grep -E "BUG:|WARNING:|Call Trace:"')).toBe('');
  });
});
