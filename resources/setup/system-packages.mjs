/**
 * What the tests need of the system beyond Node: an emulator to compare with, a RISC-V compiler and debugger, and makers of file systems and discs.
 * (What Electron needs is in electron.mjs.)
 * On Debian and its relatives, as root, missing ones are installed; elsewhere the tests that need them are skipped.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './toolchain.mjs';

const onPath = (command) => (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));

/** Names of Chromium, and of what is made of it. */
export const browsers = ['chromium', 'google-chrome', 'chromium-browser'];

/** Each: a command, of several names one, or a file; and the packages that bring it, newest name first. */
const needs = {
  qemu: [
    { command: 'qemu-system-riscv64', packages: ['qemu-system-riscv', 'qemu-system-misc'] },
    { command: 'qemu-riscv64', packages: ['qemu-user'] },
  ],
  compiler: [
    { command: 'riscv64-linux-gnu-gcc', packages: ['gcc-riscv64-linux-gnu'] },
    { file: '/usr/riscv64-linux-gnu/lib/libc.a', packages: ['libc6-dev-riscv64-cross'] },
  ],
  debugger: [{ command: 'gdb-multiarch', packages: ['gdb-multiarch'] }],
  disk: [
    { file: '/usr/sbin/mkfs.ext4', packages: ['e2fsprogs'] },
    { command: 'qemu-img', packages: ['qemu-utils'] },
    { command: 'xorriso', packages: ['xorriso'] },
    { file: '/usr/sbin/mkfs.vfat', packages: ['dosfstools'] },
    { file: '/usr/sbin/sfdisk', packages: ['fdisk'] },
    { command: 'mcopy', packages: ['mtools'] },
  ],
  // The newest V8 that is to be had: newer than that of any Node.
  browser: [{ command: browsers, packages: ['chromium'] }],
  // Makers of what U-Boot starts.
  loading: [
    { command: 'mkimage', packages: ['u-boot-tools'] },
    { command: 'dtc', packages: ['device-tree-compiler'] },
  ],
  acpi: [{ command: 'iasl', packages: ['acpica-tools'] }],
  // Reads what is captured of networks.
  network: [{ command: 'tshark', packages: ['tshark'] }],
  // Makes the .rpm; makes a Debian to install the .deb in; and types there.
  packing: [
    { command: 'rpmbuild', packages: ['rpm'] },
    { command: 'mmdebstrap', packages: ['mmdebstrap'] },
    { command: 'xdotool', packages: ['xdotool'] },
  ],
  // A desktop's agent, and who copies and pastes there.
  clipboard: [
    { file: '/usr/sbin/spice-vdagentd', packages: ['spice-vdagent'] },
    { command: 'xclip', packages: ['xclip'] },
    { command: 'xtigervncviewer', packages: ['tigervnc-viewer'] },
    { command: 'xdotool', packages: ['xdotool'] },
    { command: 'Xvfb', packages: ['xvfb'] },
  ],
};

/**
 * Look for everything, install what is missing where that is possible.
 * @returns {Promise<Record<'qemu' | 'compiler' | 'debugger' | 'disk' | 'browser' | 'loading' | 'acpi' | 'network' | 'packing' | 'clipboard', string[]>>} what is still missing of each, as package names
 */
export async function ensureSystemPackages() {
  let missing = findMissing();
  const all = Object.values(missing).flat();
  if (all.length > 0 && process.platform === 'linux' && process.getuid() === 0 && onPath('apt-get')) {
    const names = [];
    const apt = (...args) => run('apt-get', ['-qq', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' }, output: 'capture' });
    await apt('update');
    for (const need of all) {
      const name = await availableName(need.packages);
      if (name) names.push(name);
    }
    console.error(`Installing system packages: ${names.join(' ')}`);
    const { code, output } = await apt('install', '-y', '--no-install-recommends', ...names);
    if (code !== 0) process.stderr.write(output);
    missing = findMissing();
  }
  return Object.fromEntries(Object.entries(missing).map(([group, list]) => [group, list.map((need) => need.packages.at(-1))]));
}

function findMissing() {
  const isThere = ({ command, file }) => (command ? [command].flat().some(onPath) : existsSync(file));
  return Object.fromEntries(Object.entries(needs).map(([group, list]) => [group, list.filter((need) => !isThere(need))]));
}

/** The first of these names that this release of the distribution has, if any. */
async function availableName(names) {
  for (const name of names) {
    const { code, output } = await run('apt-cache', ['show', '--no-all-versions', name], { output: 'capture' });
    if (code === 0 && output.includes(`Package: ${name}\n`)) return name;
  }
  return undefined;
}
