import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestShell } from '../support/guest-shell';

const MiB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'hartbox-scsi-'));
const system = join(folder, 'system.img');
const plugged = join(folder, 'plugged.img');
let shell: GuestShell;

function emptyDisk(path: string, bytes: number): void {
  writeFileSync(path, '');
  truncateSync(path, bytes);
}

/** A disc with one file, made by xorriso. */
function makeDisc(name: string, contents: string): string {
  const files = join(folder, name);
  mkdirSync(files);
  writeFileSync(join(files, 'disc.txt'), contents);
  const iso = join(folder, `${name}.iso`);
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-J', '-V', name.toUpperCase(), '-o', iso, files], { stdio: 'ignore' });
  return iso;
}

const hasXorriso = spawnSync('xorriso', ['--version'], { stdio: 'ignore' }).status === 0;
const fsck = (path: string): number | null => spawnSync('/sbin/e2fsck', ['-f', '-n', path], { stdio: 'ignore' }).status;

/** Waits in the guest until a command succeeds. */
const until = (command: string): string => `i=0; until ${command} || [ $i = 300 ]; do usleep 20000; i=$((i + 1)); done`;

beforeAll(async () => {
  emptyDisk(system, 64 * MiB);
  emptyDisk(plugged, 32 * MiB);
  shell = await GuestShell.boot({
    harts: 2,
    drives: [
      { file: system, interface: 'scsi', serial: 'SYSTEM-1', id: 'system' },
      ...(hasXorriso ? [{ file: makeDisc('first', 'one\n'), media: 'cdrom' as const, id: 'cd' }] : []),
    ],
    scsi: true,
  });
  // Nothing of the kernel's between what commands print.
  await shell.run('dmesg -n 1');
});
afterAll(async () => {
  await shell?.machine.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("Linux's own SCSI drivers", () => {
  it('find a disk with its size, names, cache and abilities', async () => {
    const { output } = await shell.run(
      'cd /sys/block/sda; cat size device/vendor device/model device/rev queue/write_cache queue/physical_block_size queue/rotational queue/fua; cat device/scsi_disk/*/provisioning_mode; dd if=device/vpd_pg80 bs=1 skip=4 2> /dev/null; echo; cd',
    );
    expect(output.split('\n').map((line) => line.trim())).toEqual([
      `${(64 * MiB) / 512}`,
      'HARTBOX',
      'Disk',
      '1',
      'write back',
      '4096',
      '0',
      '1',
      'unmap',
      'SYSTEM-1',
      '',
    ]);
  });

  it('carry a file system, and give back the space that it no longer needs', async () => {
    const { status, output } = await shell.run(
      'mke2fs -q /dev/sda > /dev/null && mount -t ext4 /dev/sda /mnt && dd if=/dev/urandom of=/mnt/big bs=1M count=24 2> /dev/null && sync && sha256sum < /mnt/big > /tmp/sum && umount /mnt && mount -t ext4 /dev/sda /mnt && sha256sum < /mnt/big | cmp - /tmp/sum && echo same',
    );
    expect({ status, output }).toEqual({ status: 0, output: 'same\n' });
    const full = statSync(system).blocks;
    expect((await shell.run('rm /mnt/big; sync; fstrim /mnt; sync')).status).toBe(0);
    expect(statSync(system).blocks).toBeLessThan(full - (20 * MiB) / 512);
    expect((await shell.run('umount /mnt')).status).toBe(0);
    expect(fsck(system)).toBe(0);
  });

  it('see a disk grow', async () => {
    await shell.machine.drives.resize('system', 80 * MiB);
    const { output } = await shell.run(`${until(`[ "$(cat /sys/block/sda/size)" = ${(80 * MiB) / 512} ]`)}; cat /sys/block/sda/size`);
    expect(output).toBe(`${(80 * MiB) / 512}\n`);
  });

  it('find disks that are attached, and let those go that are detached', async () => {
    const id = await shell.machine.drives.attach({ file: plugged, interface: 'scsi', serial: 'PLUGGED' });
    const { status } = await shell.run(
      `${until('[ -b /dev/sdb ]')}; mke2fs -q /dev/sdb > /dev/null && mount -t ext4 /dev/sdb /mnt && seq 1 1000 > /mnt/numbers && umount /mnt`,
    );
    expect(status).toBe(0);
    await shell.machine.drives.detach(id);
    expect((await shell.run(`${until('[ ! -e /sys/block/sdb ]')}; [ ! -e /sys/block/sdb ]`)).status).toBe(0);
    expect(fsck(plugged)).toBe(0);
    const again = await shell.machine.drives.attach({ file: plugged, interface: 'scsi', readonly: true });
    const { output } = await shell.run(
      `${until('[ -b /dev/sdb ]')}; mount -t ext4 -o ro /dev/sdb /mnt && tail -n 1 /mnt/numbers && umount /mnt; cat /sys/block/sdb/ro`,
    );
    expect(output).toBe('1000\n1\n');
    await shell.machine.drives.detach(again);
  });

  it.runIf(hasXorriso)('read discs, lock them while they are mounted, and take others', async () => {
    const { machine } = shell;
    const read = 'mount -t iso9660 -o ro /dev/sr0 /mnt && cat /mnt/disc.txt';
    expect((await shell.run(read)).output).toBe('one\n');
    const second = makeDisc('second', 'two\n');
    await expect(machine.drives.changeMedium('cd', second)).rejects.toMatchObject({ kind: 'State' });
    expect((await shell.run('umount /mnt')).status).toBe(0);
    await machine.drives.changeMedium('cd', undefined);
    expect((await shell.run(`${read} 2>&1`)).output).toMatch(/No medium/);
    await machine.drives.changeMedium('cd', second);
    expect((await shell.run(`${read}; umount /mnt`)).output).toBe('two\n');
  });
});
