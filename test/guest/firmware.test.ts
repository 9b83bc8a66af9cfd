import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type DefaultGuest, defaultGuest } from '../../engine/images/default-guest';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { type BootDisk, bootDisc, bootDisk, bootWays, describeWay, hasBootDiskTools } from '../support/boot-disk';
import { GuestShell, PROMPT } from '../support/guest-shell';
import type { BootWay } from '../support/qemu-machine';

/** Every way takes half an hour, so only some are tried unless it is asked for: HARTBOX_LONG=1. */
const isLong = process.env['HARTBOX_LONG'] !== undefined;
const someWays: BootWay[] = [
  { firmware: 'uboot', interface: 'virtio', bus: 'mmio', aia: 'aplic-imsic', format: 'raw' },
  { firmware: 'edk2', interface: 'scsi', bus: 'pci', aia: 'aplic-imsic', format: 'qcow2' },
];

/** ACPI tables as Linux sees them. */
const TABLES = 'ls /sys/firmware/acpi/tables 2> /dev/null | grep -v -e data -e dynamic | xargs';

/** Debian asks for a login on the UART and on the virtio console; what is typed before the second asks may go to the first's end. */
async function logIn(shell: GuestShell): Promise<void> {
  await shell.says(/debian login: /);
  const prompt = shell.says(/root@debian:~# /).then(() => true);
  do shell.type('root\n');
  while (!(await Promise.race([prompt, delay(3000, false)])));
  // A name typed once too often is a command that is not found.
  await shell.run('true');
}

describe.runIf(hasBootDiskTools())('stock firmware', () => {
  let folder: string;
  let guest: DefaultGuest;
  let shell: GuestShell;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hartbox-firmware-'));
    guest = await defaultGuest();
  });
  afterEach(() => shell?.machine.stop());
  afterAll(() => rmSync(folder, { recursive: true }));

  describe('starts Debian from a disk', () => {
    let debian: BootDisk;
    beforeAll(async () => {
      debian = await bootDisk(guest, console.log);
    }, 600_000);

    const ways = (isLong ? bootWays : someWays).map((way) => [describeWay(way), way] as const);
    it.each(ways)('%s', { timeout: 300_000 }, async (_, { firmware, interface: kind, bus, aia, format }) => {
      const file = join(folder, `disk.${format}`);
      execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', format, debian.image, file]);
      const { initrd, append } = debian;
      const given: MachineConfigInput = firmware === 'opensbi' ? { kernel: guest.kernel, initrd, append } : { firmware };
      shell = await GuestShell.start({ ...given, bus, aia, drives: [{ file, format, interface: kind }] });
      shell.patience = 250_000;
      await logIn(shell);
      const { output } = await shell.run('systemctl is-system-running --wait; systemctl --failed --no-legend');
      expect(output).toBe('running\n');
      // UEFI describes the machine by ACPI, the others by the device tree.
      expect((await shell.run(TABLES)).output).toBe(firmware === 'edk2' ? 'APIC DSDT FACP MCFG RHCT SPCR\n' : '\n');
      expect((await shell.run('findmnt -n -o SOURCE /')).output).toBe(kind === 'scsi' ? '/dev/sda2\n' : '/dev/vda2\n');
      const place = (await shell.run(`readlink -f /sys/class/block/${kind === 'scsi' ? 'sda' : 'vda'}`)).output;
      expect(place).toMatch(bus === 'pci' ? /\/pci0000:00\// : /\/(1000\d000\.virtio_mmio|LNRO0005:0\d)\//);
    });
  });

  function pixels(): Uint32Array<ArrayBuffer> {
    const screen = shell.machine.scanout();
    const { width, height } = screen.size ?? { width: 0, height: 0 };
    const words = new Uint32Array(width * height);
    screen.read({ x: 0, y: 0, width, height }, words);
    return words;
  }
  /** Pixels of the first screen that are not black. */
  const lit = (): number => pixels().filter((word) => word !== 0xff000000).length;

  /** Keys go down and up: their codes in Linux's input-event-codes.h. */
  function press(...codes: number[]): void {
    for (const code of codes)
      shell.machine.input(
        'keyboard',
        [1, 0].map((value) => ({ type: 1, code, value })),
      );
  }

  it('U-Boot listens to the console, shows itself on the screen, hears the keyboard, and sees the flash', async () => {
    shell = await GuestShell.start({ firmware: 'uboot', screens: 1, screenSize: '640x480' });
    await shell.says(/Hit any key to stop autoboot/);
    press(45);
    await shell.says(/=> $/m);
    await vi.waitFor(() => expect(lit()).toBeGreaterThan(3000), { timeout: 20_000 });
    expect(shell.machine.scanout().size).toEqual({ width: 640, height: 480 });
    const from = shell.transcript.length;
    // flinfo, Enter
    press(33, 38, 23, 49, 33, 24, 28);
    // U-Boot looks at one of the two chips that stand side by side, as under QEMU.
    await shell.says(/Bank # 1: CFI conformant flash \(16 x 16\) {2}Size: 16 MB in 128 Sectors/, from);
  });

  it('EDK2 shows itself on the screen, starts GRUB from a disc, hands fw_cfg on, and keeps its variables', async () => {
    const flashVars = join(folder, 'vars.fd');
    const drives = [{ file: await bootDisc(guest), media: 'cdrom' as const }];
    shell = await GuestShell.start({
      firmware: 'edk2',
      flashVars,
      drives,
      fwCfg: [{ name: 'opt/org.hartbox/test', text: 'for the guest' }],
      screens: 1,
      graphics: 'ramfb',
    });
    await shell.says(/EDK2 firmware version/);
    await vi.waitFor(() => expect(lit()).toBeGreaterThan(3000), { timeout: 20_000 });
    await shell.says(PROMPT);
    // Linux goes on drawing where UEFI did, and what it says is there is what is seen.
    expect(shell.machine.scanout().size).toEqual({ width: 800, height: 600 });
    const dump = await shell.run(
      'echo 0 > /sys/class/graphics/fbcon/cursor_blink; cat /proc/fb; sleep 1; head -c 1920000 /dev/fb0 | md5sum',
    );
    const seen = Buffer.from(pixels().map((word) => ((word & 0xff) << 16) | (word & 0xff00) | ((word >>> 16) & 0xff)).buffer);
    expect(dump.output).toBe(`0 EFI VGA\n${createHash('md5').update(seen).digest('hex')}  -\n`);
    expect(lit()).toBeGreaterThan(3000);
    // Linux's own driver, which reads by DMA.
    const { output } = await shell.run(
      'modprobe qemu_fw_cfg; cd /sys/firmware/qemu_fw_cfg; cat by_key/*/name | sort; cat by_name/opt/org.hartbox/test/raw',
    );
    expect(output).toBe('etc/acpi/rsdp\netc/acpi/tables\netc/ramfb\netc/table-loader\nopt/org.hartbox/test\nfor the guest');
    const disc = await shell.run('modprobe -a sr_mod isofs; mount -t iso9660 -o ro /dev/sr0 /mnt && (cd /mnt && echo *) && umount /mnt');
    expect(disc.output).toBe('boot boot.catalog efi.img initrd.img vmlinuz\n');
    expect(readFileSync(flashVars).includes(Buffer.from('BootOrder', 'utf16le'))).toBe(true);
    shell.type('poweroff\n');
    expect(await shell.machine.wait()).toMatchObject({ reason: 'poweroff', code: 0 });
  });
});
