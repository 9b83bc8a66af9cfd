import { createHash } from 'node:crypto';
import inittab from '../../resources/guest/inittab?raw';
import network from '../../resources/guest/network.sh?raw';
import ports from '../../resources/guest/ports.sh?raw';
import profile from '../../resources/guest/profile.sh?raw';
import rc from '../../resources/guest/rc.sh?raw';
import session from '../../resources/guest/session.sh?raw';
import udhcpc from '../../resources/guest/udhcpc.sh?raw';
import { VmError } from '../errors/vm-error';
import { virtioRegistry } from '../virtio/registry';
import { type CpioEntry, writeCpio } from './cpio';
import { moduleName, readModuleInfo, withoutSignature } from './kernel-module';
import { withoutUnusedLabels } from './strip-module';

/** Counts changes of this file that change what it builds; the rest of the recipe is counted by its contents. */
const FORMAT = 3;

/** The drivers of virtio devices, each with what it needs beside what it depends on. */
const drivers = Object.values(virtioRegistry).map(({ guestModules: [driver, ...companions] }) => ({ driver, companions }));

/**
 * Modules, by their names, to take from the kernel package, with their dependencies: the virtio drivers (of all rows of the registry, and of
 * devices that embedders register), the transport below them, and what a mount asks for. The last line is what these depend on in Debian's
 * kernel 6.12, named so that one pass over the package finds all.
 */
export const guestModules: readonly string[] = [
  ...Object.values(virtioRegistry).flatMap((row): readonly string[] => row.guestModules),
  ...['virtio_mmio', 'loop', 'qemu_fw_cfg', 'sunxi_wdt', 'watchdog'],
  ...['ext4', 'vfat', 'isofs', 'squashfs', 'overlay', '9p', 'nls_cp437', 'nls_iso8859_1', 'nls_ascii', 'nls_utf8'],
  ...[
    'failover',
    'net_failover',
    '9pnet',
    'fuse',
    'netfs',
    'jbd2',
    'mbcache',
    'crc16',
    'crc32c_generic',
    'fat',
    'cdrom',
    'scsi_mod',
    'scsi_common',
  ],
];

const scripts = { inittab, network, ports, profile, rc, session, udhcpc };

/** Identifies how the initramfs is made: another value means that it is to be made anew from the same parts. */
export const initramfsRecipe: string = createHash('sha256').update(JSON.stringify({ FORMAT, scripts })).digest('hex').slice(0, 16);

export interface KernelModule {
  /** Path below the modules' folder of the kernel's version, e.g. `kernel/fs/ext4/ext4.ko`. */
  path: string;
  data: Uint8Array;
}

export interface InitramfsParts {
  /** `uname -r` of the kernel. */
  kernelVersion: string;
  /** A statically linked busybox. */
  busybox: Uint8Array;
  modules: readonly KernelModule[];
}

/**
 * The default guest's initramfs: busybox, the modules with their lists, and the scripts of resources/guest. It is not compressed:
 * that costs the guest 36 M instructions at boot, where unpacking gzip would cost 210 M and zstd 690 M.
 */
export function buildInitramfs(parts: InitramfsParts): Uint8Array {
  const directory = (path: string, mode = 0o755): CpioEntry => ({ type: 'directory', path, mode });
  const text = (path: string, contents: string, mode = 0o644): CpioEntry => ({
    type: 'file',
    path,
    mode,
    data: new TextEncoder().encode(withoutCarriageReturns(path, contents)),
  });
  const folders = 'bin sbin dev etc hartbox lib lib/modules mnt proc run sys usr usr/bin usr/sbin usr/local usr/local/bin var var/log';
  return writeCpio([
    ...folders.split(' ').map((path) => directory(path)),
    directory('root', 0o700),
    directory('tmp', 0o1777),
    { type: 'symlink', path: 'var/run', target: '/run' },
    // The kernel opens it for init's messages before there is a devtmpfs.
    { type: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { type: 'file', path: 'bin/busybox', mode: 0o755, data: parts.busybox },
    { type: 'symlink', path: 'bin/sh', target: 'busybox' },
    { type: 'symlink', path: 'init', target: 'bin/busybox' },
    text('etc/inittab', inittab),
    text('etc/profile', profile),
    text('etc/rc', rc, 0o755),
    text('etc/network', network, 0o755),
    text('etc/ports', ports, 0o755),
    text('etc/session', session, 0o755),
    text('etc/udhcpc.sh', udhcpc, 0o755),
    text('etc/hostname', 'hartbox\n'),
    // What mount tries where no type is given; the kernel loads the module of each.
    text('etc/filesystems', 'ext4\nvfat\niso9660\nsquashfs\n'),
    text('etc/hosts', '127.0.0.1 localhost hartbox\n::1 localhost\n'),
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
    text('etc/group', 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n'),
    ...moduleEntries(parts),
  ]);
}

/** A script with Windows line ends is worse than none: the guest's shell reads them as part of each word, and init starts it over and over. */
function withoutCarriageReturns(path: string, contents: string): string {
  if (!contents.includes('\r')) return contents;
  throw new VmError(
    'Internal',
    `The guest's /${path} was built from a file of resources/guest with Windows line ends (CR LF); it has to have LF alone. Check the sources out as .gitattributes says (git rm --cached -r -q . && git reset --hard, which drops changes that are not committed) and build again.`,
  );
}

function moduleEntries({ kernelVersion, modules }: InitramfsParts): CpioEntry[] {
  const root = `lib/modules/${kernelVersion}`;
  const members = modules.map(({ path, data }) => {
    const info = readModuleInfo(data, path);
    return { ...info, path, data: withoutUnusedLabels(withoutSignature(data), path) };
  });
  const byName = new Map(members.map((member) => [moduleName(member.path), member]));

  /** All modules that one needs, each before those that it needs itself: the order in which modules.dep lists them. */
  const needs = (name: string, above: string[] = []): string[] => {
    const depends = byName.get(name)?.depends.map(moduleName) ?? [];
    // What udev would load, and there is none.
    const companions = drivers.filter(({ driver }) => driver === name).flatMap((one) => one.companions);
    const direct = [...depends, ...companions].filter((dependency) => byName.has(dependency) && !above.includes(dependency));
    const all = direct.flatMap((dependency) => [dependency, ...needs(dependency, [...above, name])]);
    return all.filter((dependency, index) => all.lastIndexOf(dependency) === index);
  };
  const paths = (names: string[]): string => names.map((name) => ` ${byName.get(name)?.path ?? ''}`).join('');
  const dependencies = members.map((member) => `${member.path}:${paths(needs(moduleName(member.path)))}\n`).join('');
  const aliases = members.flatMap((member) => member.aliases.map((alias) => `alias ${alias} ${moduleName(member.path)}\n`)).join('');

  const folders = new Set(members.flatMap((member) => [...member.path.matchAll(/\//g)].map((slash) => member.path.slice(0, slash.index))));
  const file = (path: string, data: Uint8Array): CpioEntry => ({ type: 'file', path: `${root}/${path}`, data });
  return [
    { type: 'directory', path: root },
    ...[...folders].sort().map((path): CpioEntry => ({ type: 'directory', path: `${root}/${path}` })),
    ...members.map((member) => file(member.path, member.data)),
    file('modules.dep', new TextEncoder().encode(dependencies)),
    file('modules.alias', new TextEncoder().encode(aliases)),
  ];
}
