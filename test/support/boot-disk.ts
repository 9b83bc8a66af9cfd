import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { dataDirectory } from '../../engine/host/data-directory';
import { removeUnfinished, withNewFolder } from '../../engine/host/new-folder';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { fromFirstMirror } from '../../engine/images/mirror';
import { downloadPackages, extractFile } from '../../engine/images/package-files';
import { readSuite } from '../../engine/images/suite';
import { type DebianDiskRecipe, debianDisk, debianMachine, fileExists, SYSTEM_PATHS } from './debian-disk';
import type { BootWay } from './qemu-machine';

const MiB = 2 ** 20;
/** Bytes of the EFI system partition, and where it and the partition behind it begin. */
const ESP_BYTES = 96 * MiB;
const ESP_AT = MiB;
const ROOT_AT = ESP_AT + ESP_BYTES;
const ROOT_BYTES = 768 * MiB;
/** For the backup of the partition table. */
const TAIL = MiB;

/** Types of partitions (UEFI 2.10 §5.3.3; Discoverable Partitions Specification for riscv64's root). */
const ESP_TYPE = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const ROOT_TYPE = '72EC70A6-CF74-40E6-BD49-4BDA08E8F224';

const GRUB = 'grub-efi-riscv64-unsigned';
/** GRUB in one file with its modules: one for disks, one for discs; each looks for its configuration where distributions have it. */
const GRUB_OF_DISK = 'usr/lib/grub/riscv64-efi/monolithic/grubriscv64.efi';
const GRUB_OF_DISC = 'usr/lib/grub/riscv64-efi/monolithic/gcdriscv64.efi';
/** What UEFI starts from a medium that it has not seen before (UEFI 2.10 §3.5.1.1). */
const BOOT_FILE = '/EFI/BOOT/BOOTRISCV64.EFI';

/** Debian with systemd on the second partition. */
const ROOT: DebianDiskRecipe = {
  name: 'boot-root',
  size: ROOT_BYTES,
  packages: ['init', 'udev', 'dbus', 'libpam-systemd', 'login', 'kmod', 'e2fsprogs', 'iproute2', 'procps'],
  files: { '/etc/fstab': 'LABEL=debian / ext4 defaults 0 1\n' },
};

const run = (command: string, args: string[]) => promisify(execFile)(command, args, { env: SYSTEM_PATHS });

/** All the ways to boot such a disk. Debian's U-Boot has no driver for virtio's SCSI. */
export const bootWays: readonly BootWay[] = (['opensbi', 'uboot', 'edk2'] as const).flatMap((firmware) =>
  (firmware === 'uboot' ? (['virtio'] as const) : (['virtio', 'scsi'] as const)).flatMap((kind) =>
    (['mmio', 'pci'] as const).flatMap((bus) =>
      (['none', 'aplic-imsic'] as const).flatMap((aia) =>
        (['raw', 'qcow2'] as const).map((format): BootWay => ({ firmware, interface: kind, bus, aia, format })),
      ),
    ),
  ),
);

export function describeWay({ firmware, interface: kind, bus, aia, format }: BootWay): string {
  return `${firmware}, ${kind} on ${bus}, ${aia === 'none' ? 'plic' : aia}, ${format}`;
}

/** Whether the programs are there that a disk and a disc are made with. */
export function hasBootDiskTools(): boolean {
  const tools = ['sfdisk', 'mkfs.ext4', 'mkfs.vfat', 'mcopy', 'xorriso', 'qemu-img', 'qemu-system-riscv64'];
  return tools.every((tool) => spawnSync(tool, ['--help'], { env: SYSTEM_PATHS }).error === undefined);
}

/** Paths of a raw disk image, which is for reading: whoever boots it takes a copy; and what else starts the Debian on it. */
export interface BootDisk {
  image: string;
  initrd: string;
  /** The kernel's command line. */
  append: string;
}

/**
 * A disk of Debian trixie that firmware starts by itself: GUID partition table, an EFI system partition with GRUB for UEFI, extlinux.conf
 * for U-Boot, kernel and initramfs; and Debian with systemd on ext4. The console is the first UART. Made once, then taken from the data
 * directory.
 */
export async function bootDisk(guest: DefaultGuest, say: (message: string) => void): Promise<BootDisk> {
  const root = await debianDisk(ROOT, guest, say);
  return inWorkFolder(async (work) => {
    const machine = await debianMachine(guest, root, join(work, 'initrd'));
    // On a host that is busy with other things, devices may take longer than the 90 seconds for which systemd waits.
    const patience = 'systemd.default_device_timeout_sec=600';
    const append = `${machine.append.replace('console=hvc0', 'console=ttyS0')} disk_root=LABEL=debian ${patience}`;
    const initrd = await readFile(machine.initrd);
    const configurations = {
      '/EFI/debian/grub.cfg': grubConfiguration(append),
      '/extlinux/extlinux.conf': `default debian\ntimeout 1\nlabel debian\n  kernel /vmlinuz\n  initrd /initrd.img\n  append ${append}\n`,
    };
    const image = madeFile('boot', '.img', [root, ROOT_AT, configurations, createHash('sha256').update(initrd).digest('hex')]);
    const made = { image, initrd: `${image}.initrd`, append };
    if (await fileExists(image)) return made;

    say('making a disk that boots by itself');
    const disk = join(work, 'disk.img');
    await emptyFile(disk, ROOT_AT + ROOT_BYTES + TAIL);
    const table = join(work, 'table');
    const sectors = (bytes: number): number => bytes / 512;
    const partitions = [
      `start=${sectors(ESP_AT)}, size=${sectors(ESP_BYTES)}, type=${ESP_TYPE}`,
      `start=${sectors(ROOT_AT)}, size=${sectors(ROOT_BYTES)}, type=${ROOT_TYPE}`,
    ];
    await writeFile(table, `label: gpt\n${partitions.join('\n')}\n`);
    await run('sh', ['-c', 'sfdisk --quiet "$1" < "$2"', 'sh', disk, table]);
    const esp = await fatFileSystem(work, ESP_BYTES, {
      ...configurations,
      [BOOT_FILE]: await grub(GRUB_OF_DISK),
      '/initrd.img': initrd,
      '/vmlinuz': await readFile(guest.kernel),
    });
    const copyTo = (file: string, at: number) =>
      run('dd', [`if=${file}`, `of=${disk}`, 'bs=1M', `seek=${at / MiB}`, 'conv=notrunc,sparse', 'status=none']);
    await copyTo(esp, ESP_AT);
    await copyTo(root, ROOT_AT);
    await rename(machine.initrd, made.initrd);
    await rename(disk, image);
    return made;
  });
}

/** The path of a disc as installers come on, for UEFI by El Torito: GRUB starts the default guest from it. Made once. */
export async function bootDisc(guest: DefaultGuest): Promise<string> {
  const configuration = grubConfiguration(guest.append);
  const disc = madeFile('boot', '.iso', [configuration, dirname(guest.kernel)]);
  if (await fileExists(disc)) return disc;
  return inWorkFolder(async (work) => {
    const files = join(work, 'files');
    await mkdir(join(files, 'boot', 'grub'), { recursive: true });
    await writeFile(join(files, 'boot', 'grub', 'grub.cfg'), configuration);
    await copyFile(guest.kernel, join(files, 'vmlinuz'));
    await copyFile(guest.initrd, join(files, 'initrd.img'));
    const efi = await fatFileSystem(work, 8 * MiB, { [BOOT_FILE]: await grub(GRUB_OF_DISC) });
    await rename(efi, join(files, 'efi.img'));
    const made = join(work, 'disc.iso');
    await run('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-V', 'HARTBOX', '-e', 'efi.img', '-no-emul-boot', '-o', made, files]);
    await rename(made, disc);
    return disc;
  });
}

const grubConfiguration = (append: string): string => `set timeout=0\nlinux /vmlinuz ${append}\ninitrd /initrd.img\nboot\n`;

/** Where what is made of these parts is kept. */
function madeFile(name: string, extension: string, parts: unknown[]): string {
  const identity = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  return join(folder(), `${name}-${identity}${extension}`);
}

const folder = (): string => join(dataDirectory(), 'debian-disks');

async function inWorkFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  await removeUnfinished(folder());
  return withNewFolder(folder(), work);
}

/** Returns the path of an image with these files, by absolute path. */
async function fatFileSystem(work: string, bytes: number, files: Record<string, string | Uint8Array>): Promise<string> {
  const image = join(work, 'fat.img');
  await emptyFile(image, bytes);
  // FAT32 on disks, but it has a minimum of clusters (UEFI 2.10 §13.3.1.1).
  await run('mkfs.vfat', ['-F', bytes > 64 * MiB ? '32' : '12', '-n', 'ESP', image]);
  for (const directory of new Set(Object.keys(files).flatMap(directoriesAbove))) await run('mmd', ['-i', image, `::${directory}`]);
  const contentsFile = join(work, 'file');
  for (const [path, contents] of Object.entries(files)) {
    await writeFile(contentsFile, contents);
    await run('mcopy', ['-i', image, contentsFile, `::${path}`]);
  }
  return image;
}

/** `/EFI` and `/EFI/BOOT` for `/EFI/BOOT/file`. */
function directoriesAbove(path: string): string[] {
  const parent = dirname(path);
  return parent === '/' ? [] : [...directoriesAbove(parent), parent];
}

async function emptyFile(path: string, bytes: number): Promise<void> {
  await writeFile(path, '');
  await truncate(path, bytes);
}

async function grub(path: string): Promise<Uint8Array> {
  const cache = join(folder(), 'packages');
  return fromFirstMirror({ what: 'GRUB' }, async (mirror) => {
    const found = (await readSuite(mirror, { cache }, (name) => name === GRUB)).get(GRUB);
    if (!found) throw new Error(`Debian has no package ${GRUB}`);
    await downloadPackages(mirror, cache, [found]);
    return extractFile(cache, found, path);
  });
}
