import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DebianDiskRecipe, debianDisk, debianMachine } from '../support/debian-disk';
import type { LinuxMachine } from '../support/qemu-machine';
import type { ConsoleSession } from './console-session';
import type { BenchContext } from './measurement';
import type { Peer } from './peers';

/** The disk of Debian that is booted, and whose programs are run. */
const DISK: DebianDiskRecipe = {
  name: 'bench',
  size: 2 ** 31,
  packages: [
    // What a small server has that one logs in to.
    ...['init', 'udev', 'dbus', 'libpam-systemd', 'login', 'kmod', 'e2fsprogs', 'iproute2', 'procps', 'apt'],
    // What is measured.
    ...['7zip', 'gcc', 'libc6-dev', 'openssl', 'python3'],
  ],
};

export type DebianMachine = LinuxMachine & { disk: string };

/** The machine with that disk, made where it is missing. `programs` come into its folder /bench. */
export async function prepareDebian(
  { guest, folder, say }: BenchContext,
  programs: Record<string, Uint8Array> = {},
): Promise<DebianMachine> {
  const disk = await debianDisk(DISK, guest, say);
  const count = Object.keys(programs).length;
  const files = count > 0 ? { folder: 'bench', contents: programs } : undefined;
  return { ...(await debianMachine(guest, disk, join(folder, `debian-initrd-${count}.cpio`), files)), disk };
}

/** Boots a fresh copy of the disk. Returns the session at its login prompt, and how long it took to get there. */
export async function startDebian(
  machine: DebianMachine,
  { folder, cpuTime }: BenchContext,
  peer: Peer,
): Promise<{ session: ConsoleSession; seconds: number }> {
  const disk = join(folder, 'debian.img');
  await promisify(execFile)('cp', ['--sparse=always', '--reflink=auto', machine.disk, disk]);
  // Nothing of the copy is to be written while the guest is measured.
  await promisify(execFile)('sync', ['--file-system', disk]);
  const start = performance.now();
  const session = peer.start({ ...machine, disk });
  try {
    await session.expect(/\bdebian login: /, 300);
    return { session, seconds: cpuTime ? session.cpuSeconds : (performance.now() - start) / 1000 };
  } catch (error) {
    await session.stop();
    throw error;
  }
}
