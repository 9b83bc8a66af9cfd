import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultGuest } from '../../engine/images/default-guest';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { bootDisk, hasBootDiskTools } from '../support/boot-disk';
import { GuestShell } from '../support/guest-shell';

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

describe('the power button', () => {
  it('shuts the default guest down, wherever its virtio devices sit', async () => {
    for (const bus of ['mmio', 'pci'] as const) {
      shell = await GuestShell.start({ bus });
      expect(() => shell.machine.pressPowerButton()).toThrow(/Nothing in the guest listens/);
      await shell.says(/root@hartbox:[^\n]*#/);
      const { output } = await shell.run('cat /sys/class/input/input*/name /sys/class/input/input*/capabilities/key');
      expect(output).toBe('Hartbox Power Button\n10000000000000 0\n');
      shell.machine.pressPowerButton();
      expect(await shell.machine.wait()).toEqual({ reason: 'poweroff', code: 0 });
    }
  });

  it('is not there where the machine is made without it', async () => {
    shell = await GuestShell.boot({ powerButton: false });
    expect(() => shell.machine.pressPowerButton()).toThrow(/has no power button/);
    expect((await shell.run('ls /sys/class/input')).output).not.toContain('event');
    await shell.machine.pause();
    expect(() => shell.machine.pressPowerButton()).toThrow(/is paused/);
  });

  // With the device tree; with ACPI, which takes longer, in the long tests.
  it.runIf(hasBootDiskTools()).each(process.env['HARTBOX_LONG'] ? (['opensbi', 'edk2'] as const) : (['opensbi'] as const))(
    'shuts Debian down, started by %s',
    { timeout: 600_000 },
    async (firmware) => {
      const folder = mkdtempSync(join(tmpdir(), 'hartbox-power-button-'));
      try {
        const guest = await defaultGuest();
        const { image, initrd, append } = await bootDisk(guest, console.log);
        const file = join(folder, 'disk.img');
        execFileSync('cp', ['--sparse=always', '--reflink=auto', image, file]);
        const given: MachineConfigInput = firmware === 'opensbi' ? { kernel: guest.kernel, initrd, append } : { firmware };
        shell = await GuestShell.start({ ...given, drives: [{ file }] });
        shell.patience = 300_000;
        await shell.says(/debian login: /);
        const ended = shell.machine.wait();
        // The prompt may come before anybody watches the button; and on the way down nobody does any more.
        do {
          try {
            shell.machine.pressPowerButton();
          } catch {}
        } while ((await Promise.race([ended, delay(10_000)])) === undefined);
        expect(await ended).toEqual({ reason: 'poweroff', code: 0 });
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
