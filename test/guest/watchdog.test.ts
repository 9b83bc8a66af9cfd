import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { VmError } from '../../engine/errors/vm-error';
import { GuestShell, PROMPT } from '../support/guest-shell';

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

/** What is written is no farewell: it goes on watching. */
const LEAVE = 'modprobe sunxi_wdt timeout=1 && echo 1 > /dev/watchdog';

describe('the watchdog', { timeout: 300_000 }, () => {
  it("resets the box when Linux's driver does not calm it, and not when that takes its leave", async () => {
    shell = await GuestShell.boot({ watchdog: 'reset', balloon: false });
    const warnings: VmError[] = [];
    shell.machine.on('warning', (warning) => warnings.push(warning));
    const { output } = await shell.run(
      'modprobe sunxi_wdt timeout=1 && cat /sys/class/watchdog/watchdog0/identity; watchdog -F -t 1 -T 16 /dev/watchdog & sleep 1; kill $!; wait $!; cat /sys/class/watchdog/watchdog0/state',
    );
    expect(output).toMatch(/sunxi-wdt[\s\S]*inactive/);
    expect(warnings).toEqual([]);
    const from = shell.transcript.length;
    shell.type('echo 1 > /dev/watchdog\n');
    const firmware = await shell.says(/OpenSBI/, from);
    await shell.says(PROMPT, from + firmware.index);
    expect(warnings).toMatchObject([{ kind: 'Guest', code: 'watchdog-bit' }]);
    expect((await shell.run('cat /sys/class/watchdog/watchdog0/state')).status).not.toBe(0);
  });

  it('switches the box off where it is told to', async () => {
    shell = await GuestShell.boot({ watchdog: 'power-off', balloon: false });
    const exit = once(shell.machine, 'exit');
    shell.type(`${LEAVE}\n`);
    expect(await exit).toMatchObject([{ reason: 'poweroff', code: 0 }]);
  });
});
