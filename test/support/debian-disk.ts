import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, chmod, link, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { type CpioEntry, readCpio, writeCpio } from '../../engine/images/cpio';
import { dataDirectory } from '../../engine/host/data-directory';
import { removeUnfinished, withNewFolder } from '../../engine/host/new-folder';
import { readDeb } from '../../engine/images/deb';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { download } from '../../engine/images/download';
import { fromFirstMirror } from '../../engine/images/mirror';
import { acquireFolder } from '../../engine/images/package-files';
import { resolveDependencies } from '../../engine/images/debian/dependencies';
import type { DebianPackage } from '../../engine/images/packages';
import { parseStanzas } from '../../engine/images/stanza';
import { readSuite } from '../../engine/images/suite';
import { endWithUs } from '../../resources/setup/child-processes.mjs';

import { type LinuxMachine, qemuArguments } from './qemu-machine';

/** What is on a disk of Debian trixie, beside what every Debian system has. */
export interface DebianDiskRecipe {
  /** Names the image's file. */
  name: string;
  /** Bytes. */
  size: number;
  packages: readonly string[];
  /** By absolute path. */
  files?: Readonly<Record<string, string>>;
  /** Shell commands, run on the disk once all packages are configured. */
  setup?: string;
  /** The packages are not configured, but only unpacked: takes seconds, and is enough for programs that need no more than their files. */
  unpackedOnly?: boolean;
}

/** Counts changes of this file that change what it builds. */
const FORMAT = 1;
/** MiB, and minutes: for configuring the packages. */
const [MEMORY, PATIENCE] = [1024, 30];
/** The last line of an image that became whole. */
const DONE = 'The disk is ready.';

/**
 * Finds the disk, copies what lies in /disk to it and hands over to its init. It stands beside the default guest's own files in one
 * initramfs. On the kernel's command line, `disk_root=` names another disk than /dev/vda (or LABEL=…), `disk_init=PROGRAM` another init.
 */
const DISK_INIT = `#!/bin/sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox modprobe -a virtio_mmio virtio_blk virtio_scsi sd_mod crc32c_generic ext4
until root=$(busybox findfs "\${disk_root:-/dev/vda}" 2> /dev/null) && [ -b "$root" ]; do busybox usleep 10000; done
busybox mount -t ext4 "$root" /mnt
[ -d /disk ] && busybox cp -a /disk/. /mnt/
busybox umount /proc /sys
busybox mount --move /dev /mnt/dev
exec busybox switch_root /mnt "\${disk_init:-/sbin/init}"
`;

/**
 * What is left to do on the disk itself: the packages are unpacked as dpkg would have (deb-preinst(5), dpkg --unpack), not configured.
 * Its own file goes with it.
 */
const configureScript = (setup: string): string => `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
exec < /dev/null > /dev/hvc0 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
set -e
for script in /var/lib/dpkg/info/*.preinst; do
  package=\${script##*/}
  package=\${package%.preinst}
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=\${package%:*} "$script" install
done
dpkg --force-unsafe-io --configure -a
depmod
${setup}
rm /configure
echo '${DONE}'
sync
# Read-only, then off.
echo u > /proc/sysrq-trigger
sleep 1
echo o > /proc/sysrq-trigger
sleep 60
`;

/**
 * A disk image (ext4 without partitions) of Debian trixie for riscv64, from Debian's packages: made once, then taken from the data
 * directory. Root logs in without a password; the machine is called debian. Needs mkfs.ext4, debugfs and qemu-system-riscv64, but no
 * rights of root. Returns its path, for reading: whoever boots it takes a copy.
 * QEMU configures the packages, since a test's guest must not come of the engine that the test is about.
 */
export async function debianDisk(recipe: DebianDiskRecipe, guest: DefaultGuest, say: (message: string) => void): Promise<string> {
  const folder = join(dataDirectory(), 'debian-disks');
  const setup = `passwd --delete root\nsystemd-machine-id-setup\n${recipe.setup ?? ''}`;
  const identity = JSON.stringify([FORMAT, recipe, configureScript(setup), basename(dirname(guest.kernel))]);
  const image = join(folder, `${recipe.name}-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}.img`);
  await mkdir(folder, { recursive: true });
  const release = await acquireFolder(folder, undefined, () => undefined);
  try {
    if (await fileExists(image)) return image;
    const packages = await fetchPackages(join(folder, 'packages'), recipe.packages, say);
    await removeUnfinished(folder);
    await withNewFolder(folder, async (work) => {
      const made = join(work, 'disk.img');
      say(`${recipe.name}: unpacking ${packages.length} packages`);
      await buildFileSystem(work, made, recipe, packages, guest, setup);
      if (!recipe.unpackedOnly) {
        say(`${recipe.name}: configuring the packages in QEMU, which takes some minutes`);
        await configure(await debianMachine(guest, made, join(work, 'initrd')), say);
      }
      await rename(made, image);
    });
    return image;
  } finally {
    await release();
  }
}

/**
 * The machine that boots a disk by the default guest's kernel. `initrd` is where its initramfs is written; with it come `files`, which
 * are copied into a new folder of the disk.
 */
export async function debianMachine(
  guest: DefaultGuest,
  disk: string,
  initrd: string,
  files?: { folder: string; contents: Record<string, Uint8Array> },
): Promise<LinuxMachine> {
  const extra = writeCpio([
    { type: 'file', path: 'disk-init', mode: 0o755, data: Buffer.from(DISK_INIT) },
    ...(files ? ['disk', `disk/${files.folder}`] : []).map((path): CpioEntry => ({ type: 'directory', path })),
    ...Object.entries(files?.contents ?? {}).map(
      ([name, data]): CpioEntry => ({ type: 'file', path: `disk/${files?.folder}/${name}`, mode: 0o755, data }),
    ),
  ]);
  await writeFile(initrd, Buffer.concat([await readFile(guest.initrd), extra]));
  const append = `${guest.append.replace('console=ttyS0', 'console=hvc0')} rdinit=/disk-init`;
  return { kernel: guest.kernel, firmware: guest.firmware, initrd, append, disk };
}

/** A package and where its file lies. */
type Fetched = DebianPackage & { deb: string };

async function fetchPackages(cache: string, names: readonly string[], say: (message: string) => void): Promise<Fetched[]> {
  return fromFirstMirror({ what: 'the disk image' }, async (mirror) => {
    say('looking for packages');
    const packages = resolveDependencies(await readSuite(mirror, { cache }, () => true), names);
    const bytes = packages.reduce((sum, { size }) => sum + size, 0);
    say(`fetching ${packages.length} packages, ${Math.round(bytes / 1e6)} MB, as far as they are not there`);
    const fetched: Fetched[] = [];
    for (const wanted of packages) {
      const deb = join(cache, `${wanted.name}-${wanted.sha256.slice(0, 16)}.deb`);
      await download({ url: `${mirror}/${wanted.file}`, file: deb, size: wanted.size, sha256: wanted.sha256 });
      fetched.push({ ...wanted, deb });
    }
    return fetched;
  });
}

/** The file of a package, fetched as far as it is not there. */
export async function debianPackage(name: string, say: (message: string) => void): Promise<string> {
  const packages = await fetchPackages(join(dataDirectory(), 'debian-disks', 'packages'), [name], say);
  const found = packages.find((one) => one.name === name);
  if (!found) throw new Error(`Debian has no package '${name}'`);
  return found.deb;
}

/** Writes the image with everything unpacked in it. */
async function buildFileSystem(
  work: string,
  image: string,
  recipe: DebianDiskRecipe,
  packages: Fetched[],
  guest: DefaultGuest,
  setup: string,
): Promise<void> {
  const root = new UnpackedRoot(join(work, 'root'));
  // First the package that says what is a link: /bin, /lib and /sbin.
  const ordered = [...packages].sort((a, b) => Number(b.name === 'base-files') - Number(a.name === 'base-files'));
  let status = '';
  for (const one of ordered) status += await root.unpack(one);
  await root.write('/var/lib/dpkg/status', status);
  await root.write('/var/lib/dpkg/info/format', '1\n');
  for (const name of ['passwd', 'group']) {
    await root.write(`/etc/${name}`, await readFile(root.path(`/usr/share/base-passwd/${name}.master`)));
  }
  // Scripts use it before the package that chooses it is configured.
  await symlink('mawk', root.path('/usr/bin/awk'));
  for (const entry of readCpio(await readFile(guest.initrd))) {
    if (entry.type === 'file' && /^lib\/modules\/.*\.ko$/.test(entry.path)) await root.write(`/usr/${entry.path}`, entry.data);
  }
  const files: Record<string, string> = {
    '/etc/hostname': 'debian\n',
    '/etc/hosts': '127.0.0.1 localhost debian\n::1 localhost\n',
    '/etc/fstab': '/dev/vda / ext4 defaults 0 1\n',
    ...recipe.files,
  };
  for (const [path, contents] of Object.entries(files)) await root.write(path, contents);
  await root.write('/configure', configureScript(setup), 0o755);
  const changes = await root.finish();

  const run = promisify(execFile);
  await writeFile(image, '');
  await truncate(image, recipe.size);
  await run('mkfs.ext4', ['-q', '-F', '-L', 'debian', '-d', root.path('/'), image], { env: SYSTEM_PATHS });
  const commands = join(work, 'debugfs');
  await writeFile(commands, changes);
  // debugfs ends with 0 whatever happens; it echoes the commands to stdout and complains to stderr, below its own name and version.
  const { stderr } = await run('debugfs', ['-w', '-f', commands, image], { env: SYSTEM_PATHS, maxBuffer: 1 << 28 });
  const complaints = stderr.split('\n').slice(1).join('\n').trim();
  if (complaints) throw new Error(`debugfs could not set the owners in ${image}: ${complaints.slice(0, 1000)}`);
}

/** Where mkfs.ext4 and debugfs lie, not everybody's PATH looks. */
export const SYSTEM_PATHS = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** The files of a disk in a folder of the host. Who owns them is kept apart: not everybody may give files away. */
class UnpackedRoot {
  /** Modes of directories, set at the end: into some one may not write. */
  readonly #directories = new Map<string, number>();
  readonly #owners = new Map<string, { owner: number; group: number }>();

  constructor(readonly folder: string) {}

  path(absolute: string): string {
    return join(this.folder, absolute);
  }

  async write(path: string, contents: string | Uint8Array, mode = 0o644): Promise<void> {
    await mkdir(dirname(this.path(path)), { recursive: true });
    await writeFile(this.path(path), contents);
    await chmod(this.path(path), mode);
    this.#owners.set(path, { owner: 0, group: 0 });
  }

  /** Unpacks a package with what dpkg has to know of it (dpkg(1), /var/lib/dpkg). Returns its stanza of the status file. */
  async unpack({ name, deb }: Fetched): Promise<string> {
    const list = ['/.'];
    for await (const entry of readDeb(createReadStream(deb), name)) {
      if (entry.path === '') continue;
      const path = `/${entry.path}`;
      const file = this.path(path);
      list.push(path);
      if (entry.type === 'directory') {
        await mkdir(file, { recursive: true });
        this.#directories.set(path, entry.mode);
      } else {
        await mkdir(dirname(file), { recursive: true });
        await rm(file, { force: true });
        if (entry.type === 'file') {
          await pipeline(entry.contents, createWriteStream(file));
          await chmod(file, entry.mode);
        } else if (entry.type === 'symlink') await symlink(entry.target, file);
        else if (entry.type === 'link') await link(this.path(`/${entry.target}`), file);
        else throw new Error(`the package ${name} holds ${path}, which is neither file nor directory nor link`);
      }
      this.#owners.set(path, entry);
    }
    const control = new Map<string, { data: Buffer; mode: number }>();
    for await (const entry of readDeb(createReadStream(deb), name, 'control')) {
      const pieces = [];
      for await (const piece of entry.contents) pieces.push(piece);
      if (entry.type === 'file') control.set(entry.path, { data: Buffer.concat(pieces), mode: entry.mode });
    }
    const stanza = control.get('control')?.data.toString() ?? '';
    const [fields] = [...parseStanzas(stanza)];
    // Packages that may be there for several architectures are kept apart.
    const prefix = `/var/lib/dpkg/info/${name}${fields?.get('Multi-Arch') === 'same' ? `:${fields.get('Architecture')}` : ''}`;
    await this.write(`${prefix}.list`, `${list.join('\n')}\n`);
    control.delete('control');
    for (const [part, { data, mode }] of control) await this.write(`${prefix}.${part}`, data, mode);
    return `${stanza.trim()}\nStatus: install ok unpacked\n\n`;
  }

  /** Returns the commands by which debugfs makes the owners in the image right. */
  async finish(): Promise<string> {
    for (const [path, mode] of this.#directories) await chmod(this.path(path), mode);
    const us = process.getuid?.() === 0;
    return [...this.#owners]
      .filter(([, { owner, group }]) => !us || owner !== 0 || group !== 0)
      .flatMap(([path, { owner, group }]) => [`sif "${path}" uid ${owner}`, `sif "${path}" gid ${group}`, ''])
      .join('\n');
  }
}

async function configure(machine: LinuxMachine, say: (message: string) => void): Promise<void> {
  // A panic ends it.
  const append = `${machine.append} panic=-1 disk_init=/configure`;
  const args = [...qemuArguments({ ...machine, append }, MEMORY), '-no-reboot'];
  const qemu = endWithUs(spawn('qemu-system-riscv64', args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  const timer = setTimeout(() => qemu.kill('SIGKILL'), PATIENCE * 60_000);
  let output = '';
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await new Promise<void>((resolve, reject) => qemu.on('error', reject).on('close', () => resolve()));
  clearTimeout(timer);
  if (output.includes(DONE)) return;
  say(output);
  const timedOut = qemu.signalCode === null ? '' : ` within ${PATIENCE} minutes`;
  throw new Error(`Debian's packages could not be configured${timedOut}; what QEMU printed is above`);
}

export function fileExists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
