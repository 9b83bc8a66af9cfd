import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { hostPages } from '../../engine/backend/host-pages';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { buses } from '../support/buses';
import { GuestShell } from '../support/guest-shell';

const MiB = 2 ** 20;

const canMeasure = hostPages() !== undefined && process.platform === 'linux';

let shell: GuestShell;
afterEach(() => shell?.machine.stop());

/** Until it is so. */
async function eventually(what: () => boolean | Promise<boolean>, milliseconds: number): Promise<boolean> {
  for (const end = performance.now() + milliseconds; performance.now() < end; await delay(200)) if (await what()) return true;
  return what();
}

describe('the memory balloon', { timeout: 300_000 }, () => {
  it.each(buses('mmio'))('takes memory from the guest and gives it back to it, on %s', async (bus) => {
    shell = await GuestShell.boot({ memory: 256 * MiB, bus } satisfies MachineConfigInput);
    const { machine } = shell;
    machine.balloon.setTarget(156 * MiB);
    expect(await eventually(async () => (await machine.balloon.use()).usable === 156 * MiB, 60_000)).toBe(true);
    const use = await machine.balloon.use();
    expect(use).toMatchObject({ total: 256 * MiB, target: 156 * MiB, usable: 156 * MiB, isDriven: true });
    if (canMeasure) expect(use.released).toBeGreaterThanOrEqual(100 * MiB);
    machine.balloon.setTarget(256 * MiB);
    expect(await eventually(async () => (await machine.balloon.use()).usable === 256 * MiB, 60_000)).toBe(true);
  });

  it.runIf(canMeasure && process.env['HARTBOX_LONG'])(
    'gives back by itself what a guest has used and freed, as the host counts',
    async () => {
      const resident = (): number => process.memoryUsage.rss();
      shell = await GuestShell.boot({ memory: 1024 * MiB });
      const fill = 'mount -t tmpfs -o size=800M none /mnt && dd if=/dev/zero of=/mnt/used bs=1M count=700';
      expect(await shell.run(fill)).toMatchObject({ status: 0 });
      const used = resident();
      expect((await shell.run('rm /mnt/used')).status).toBe(0);
      expect(await eventually(() => used - resident() >= 600 * MiB, 20_000), `${Math.round((used - resident()) / MiB)} MiB came back`).toBe(
        true,
      );
    },
  );

  it('is not there where the machine is made without it', async () => {
    shell = await GuestShell.boot({ balloon: false });
    expect((await shell.run('cat /sys/bus/virtio/devices/*/device | grep 0005')).output).toBe('');
    expect(() => shell.machine.balloon).toThrow(/has no memory balloon/);
  });
});
