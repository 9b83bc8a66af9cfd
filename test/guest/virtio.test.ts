import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MachineConfigInput } from '../../engine/settings/settings';
import { VirtioRng } from '../../engine/virtio/devices/rng';
import { GuestShell, PROMPT } from '../support/guest-shell';

/** MiB moved through the disk; HARTBOX_DISK_MIB=200 for the large run. */
const MIB = Number(process.env.HARTBOX_DISK_MIB ?? 8);

/** Where the devices sit, and how interrupts come: one machine each. */
const places: { name: string; config: MachineConfigInput; interrupts: RegExp }[] = [
  { name: 'MMIO', config: { bus: 'mmio' }, interrupts: /SiFive PLIC +\d+ Edge +virtio0/ },
  { name: 'PCI, its pins, packed rings', config: { bus: 'pci', virtio: ['packed'] }, interrupts: /SiFive PLIC +3[2-5] Edge +virtio0/ },
  {
    name: 'PCI, messages, notification data',
    config: { bus: 'pci', aia: 'aplic-imsic', virtio: ['in-order', 'notification-data'] },
    interrupts: /PCI-MSIX-0000:00:0\d.0 .*virtio\d-req.0/,
  },
];

const folder = mkdtempSync(join(tmpdir(), 'hartbox-virtio-'));
const disk = join(folder, 'disk.img');
const readonly = join(folder, 'readonly.img');
let shell: GuestShell;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function sha256(path: string, length: number): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  for await (const chunk of file.createReadStream({ end: length - 1 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

describe.each(places)("Linux's own drivers on $name", ({ config, interrupts }) => {
  beforeAll(async () => {
    const file = await open(disk, 'w');
    await file.truncate((MIB + 8) << 20);
    await file.close();
    writeFileSync(readonly, randomBytes(1 << 20));
    const drives = [
      { file: disk, serial: 'HARTBOX-1' },
      { file: readonly, readonly: true },
    ];
    // The balloon, which takes no indirect descriptors, and the network have tests of their own.
    shell = await GuestShell.boot({ ...config, drives, network: [], balloon: false, console: { columns: 90, rows: 30 } });
  });
  afterAll(() => shell?.machine.stop());

  it('bind, and take interrupts in the way that the machine has', async () => {
    const { output } = await shell.run(
      'cat /proc/interrupts; for d in /sys/bus/pci/devices/*; do cat $d/vendor $d/device; readlink $d/driver; done',
    );
    expect(output).toMatch(interrupts);
    if (config.bus === 'pci') {
      expect(output).toMatch(/^0x1b36\n0x0008\n(0x1af4\n0x10(4[2-4]|52)\n.*\/virtio-pci\n){5}$/m);
    }
  });

  it('agree on the kind of ring', async () => {
    const { output } = await shell.run('cut -c29-41 /sys/bus/virtio/devices/*/features | sort | uniq');
    // Bits 28 to 40: indirect, event index; version 1, then what is asked for (Linux knows no use in order), and on PCI ring reset.
    const packed = config.virtio?.includes('packed') ? 1 : 0;
    const data = config.virtio?.includes('notification-data') ? 1 : 0;
    expect(output).toBe(`110010${packed}000${data}0${config.bus === 'pci' ? 1 : 0}\n`);
  });

  it('find disks with their size, serial number and abilities', async () => {
    const { output } = await shell.run(
      'cd /sys/block/vda; cat size ro; cat serial; echo; cat queue/write_cache queue/max_segments; cat /sys/block/vdb/ro; cd',
    );
    expect(output.split('\n')).toEqual([String((MIB + 8) * 2048), '0', 'HARTBOX-1', 'write back', '254', '1', '']);
  });

  it('write what the host then finds in the file, byte for byte', async () => {
    const write = await shell.run(`dd if=/dev/urandom of=/dev/vda bs=1M count=${MIB} conv=fsync 2>&1`);
    expect(write).toMatchObject({ status: 0, output: expect.stringContaining(`${MIB}+0 records out`) });
    const { output } = await shell.run(`echo 3 > /proc/sys/vm/drop_caches; head -c ${MIB << 20} /dev/vda | sha256sum`);
    expect(output.slice(0, 64)).toBe(await sha256(disk, MIB << 20));
  });

  it('read what the host has put into a file, and cannot write where they must not', async () => {
    const { output } = await shell.run('sha256sum < /dev/vdb; dd if=/dev/zero of=/dev/vdb count=1 2>&1; blockdev --getro /dev/vdb');
    expect(output.slice(0, 64)).toBe(await sha256(readonly, 1 << 20));
    expect(output).toMatch(/not permitted|Read-only|Permission denied/);
    expect(await sha256(readonly, 1 << 20)).toBe(output.slice(0, 64));
  });

  it('carry a file system that is still there after it was mounted again', async () => {
    const { status, output } = await shell.run(
      'mke2fs /dev/vda > /dev/null && mount -t ext4 /dev/vda /mnt && seq 1 5000 > /mnt/numbers && umount /mnt && mount -t ext4 /dev/vda /mnt && sha256sum < /mnt/numbers && umount /mnt',
    );
    expect(status).toBe(0);
    const numbers = Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join('');
    expect(output.slice(0, 64)).toBe(createHash('sha256').update(numbers).digest('hex'));
  });

  it('get random numbers from the host', async () => {
    const { output } = await shell.run(
      'cat /sys/class/misc/hw_random/rng_current; for i in 1 2; do head -c 64 /dev/hwrng | sha256sum; done',
    );
    const [name, first, second] = output.split('\n');
    expect(name).toBe('virtio_rng.0');
    expect(first).toMatch(/^[0-9a-f]{64}/);
    expect(first).not.toBe(second);
  });

  it('follow the size of the terminal, and tell programs', async () => {
    expect((await shell.run('stty size')).output).toBe('30 90\n');
    await shell.run("trap 'echo resized to $(stty size)' WINCH");
    const from = shell.transcript.length;
    shell.machine.console.resize(132, 43);
    // The shell handles the signal when its next command has ended, which the signal may come after.
    const resized = shell.says(/resized to 43 132/, from);
    const again = setInterval(() => shell.type('\n'), 200);
    await resized.finally(() => clearInterval(again));
    await shell.run('trap - WINCH');
  });

  it('take a large paste without losing anything', async () => {
    const text = Array.from({ length: 400 }, (_, i) => `line ${i} ${'x'.repeat(i % 60)}\n`).join('');
    await shell.run('stty -echo');
    shell.type(`cat > /tmp/paste\n${text}\x04`);
    const { output } = await shell.run('sha256sum < /tmp/paste; stty echo');
    expect(output.slice(0, 64)).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it.runIf(config.bus === 'pci')('find a device that was plugged in, and let go of it', async () => {
    const before = (await shell.run('ls /sys/bus/virtio/devices | wc -l')).output;
    const id = shell.machine.devices.register(new VirtioRng({ source: (target) => target.fill(0x41) }));
    await shell.run('echo 1 > /sys/bus/pci/rescan');
    const plugged = await shell.run('ls /sys/bus/virtio/devices | wc -l; cat /sys/bus/pci/devices/0000:00:06.0/device');
    expect(plugged.output).toBe(`${Number(before) + 1}\n0x1044\n`);
    expect(shell.machine.devices.status(id).kind).toBe('Running');
    await shell.run('echo 1 > /sys/bus/pci/devices/0000:00:06.0/remove');
    expect(shell.machine.devices.status(id).kind).toBe('Initialized');
    expect(await shell.machine.devices.remove(id)).toBe(true);
    const { output } = await shell.run('echo 1 > /sys/bus/pci/rescan; ls /sys/bus/virtio/devices | wc -l');
    expect(output).toBe(before);
  });

  it('find their devices again after a reboot in the middle of their work', async () => {
    const before = await sha256(disk, 1 << 20);
    const from = shell.transcript.length;
    shell.type('dd if=/dev/vda of=/dev/null bs=64k iflag=direct & reboot -f\n');
    const firmware = await shell.says(/OpenSBI/, from);
    await shell.says(PROMPT, from + firmware.index);
    const { output } = await shell.run('stty size; head -c 1048576 /dev/vda | sha256sum; head -c 16 /dev/hwrng | wc -c');
    expect(output.split('\n')).toEqual(['43 132', `${before}  -`, '16', '']);
  });
});
