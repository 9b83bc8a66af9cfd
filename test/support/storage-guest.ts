import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { type DebianDiskRecipe, debianDisk, debianMachine, debianPackage } from './debian-disk';
import type { LinuxMachine } from './qemu-machine';

/** A disk of Debian with what puts storage to work and looks at the result. */
export const STORAGE_DISK: DebianDiskRecipe = {
  name: 'storage',
  size: 2 ** 30,
  unpackedOnly: true,
  packages: ['fio', 'e2fsprogs', 'util-linux', 'mount', 'kmod', 'udev', 'lsscsi', 'sg3-utils', 'dpkg'],
};

/** Prompt of its shell, which is all that runs there. */
export const STORAGE_PROMPT = 'storage# ';

const INIT = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C PS1='${STORAGE_PROMPT}' TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
depmod
modprobe -a virtio_scsi sd_mod
hostname storage
exec setsid sh -c 'exec sh < /dev/hvc0 > /dev/hvc0 2>&1'
`;

/** A package that lies in /storage, of some hundred files with their checksums. */
export const STORAGE_PACKAGE = 'perl-base';

/** A machine that boots a fresh copy of that disk, written to `folder`, to a shell on its console. */
export async function storageGuest(
  guest: DefaultGuest,
  folder: string,
  say: (message: string) => void,
): Promise<LinuxMachine & { disk: string }> {
  const made = await debianDisk(STORAGE_DISK, guest, say);
  const disk = join(folder, 'system.img');
  await promisify(execFile)('cp', ['--sparse=always', '--reflink=auto', made, disk]);
  const deb = await readFile(await debianPackage(STORAGE_PACKAGE, say));
  const files = { folder: 'storage', contents: { init: new TextEncoder().encode(INIT), [`${STORAGE_PACKAGE}.deb`]: deb } };
  const machine = await debianMachine(guest, disk, join(folder, 'initrd.cpio'), files);
  return { ...machine, append: `${machine.append} disk_init=/storage/init`, disk };
}
