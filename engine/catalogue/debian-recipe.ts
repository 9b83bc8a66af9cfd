import { createHash } from 'node:crypto';
import buildScript from '../../resources/debian/build.sh?raw';
import earlyBootScript from '../../resources/debian/early-boot.sh?raw';
import configureScript from '../../resources/debian/configure.sh?raw';
import firstBootScript from '../../resources/debian/first-boot.sh?raw';
import firstBootUnit from '../../resources/debian/first-boot.service?raw';
import growDiskScript from '../../resources/debian/grow-disk.sh?raw';
import growDiskUnit from '../../resources/debian/grow-disk.service?raw';
import type { AddedFile } from '../images/debian/root-archive';
import type { DebianPackage } from '../images/packages';

/** What a Debian is for. */
export const DEBIAN_VARIANTS = ['minimal', 'developer', 'desktop'] as const;
export type DebianVariant = (typeof DEBIAN_VARIANTS)[number];

/** Counts changes of this folder that change what is built, beside those of the scripts and lists. */
const FORMAT = 1;

/** Beside what every Debian has: starts by itself, gets an address, lets its user in, and installs what else is wanted. */
const MINIMAL = [
  ...['init', 'udev', 'dbus', 'dbus-user-session', 'libpam-systemd', 'systemd-resolved', 'login', 'sudo', 'apt', 'locales'],
  ...['linux-image-riscv64', 'initramfs-tools', 'busybox-static', 'lz4', 'u-boot-menu', 'kmod', 'e2fsprogs'],
  ...['iproute2', 'iputils-ping', 'netbase', 'openssh-server', 'ca-certificates', 'debian-archive-keyring'],
  ...['procps', 'less', 'nano', 'tzdata'],
];

const PACKAGES: Readonly<Record<DebianVariant, readonly string[]>> = {
  minimal: MINIMAL,
  developer: [...MINIMAL, 'gcc', 'g++', 'libc6-dev', 'make', 'gdb', 'git', 'python3', 'strace', 'vim-tiny'],
  desktop: [
    ...MINIMAL,
    ...['xserver-xorg-core', 'xserver-xorg-input-libinput', 'lightdm', 'lightdm-gtk-greeter', 'spice-vdagent'],
    ...['xfce4-session', 'xfwm4', 'xfce4-panel', 'xfdesktop4', 'xfce4-settings', 'xfce4-terminal', 'thunar', 'mousepad', 'xfconf'],
    // Without what draws SVG the desktop has no background, and its icons are small ones made larger.
    // Tango is what Xfce asks for unless told otherwise.
    ...['dbus-x11', 'fonts-dejavu-core', 'tango-icon-theme', 'adwaita-icon-theme', 'librsvg2-common', 'x11-utils', 'alsa-utils'],
  ],
};

const APT_SOURCES = `Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.debian.org/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;

/**
 * The kernel's messages go to the first UART, from which its log is read, and to the screen if there is one. Left out are tests of its
 * cryptography, which take a third of the boot of an emulated machine.
 */
const KERNEL_PARAMETERS = 'ro quiet console=tty0 console=ttyS0 cryptomgr.notests systemd.ssh_auto=no';

/** What the early system finds its disk by, and nothing else: to look for all that there may be takes longer than to boot. */
const EARLY_MODULES = ['virtio_mmio', 'virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'ext4'];

const FILES: readonly AddedFile[] = [
  { path: 'etc/hostname', contents: 'debian\n' },
  { path: 'etc/hosts', contents: '127.0.0.1 localhost debian\n::1 localhost ip6-localhost ip6-loopback\n' },
  // It grows with its disk.
  { path: 'etc/fstab', contents: 'LABEL=hartbox / ext4 noatime,errors=remount-ro,x-systemd.growfs 0 1\n' },
  { path: 'etc/apt/sources.list.d/debian.sources', contents: APT_SOURCES },
  { path: 'etc/default/locale', contents: 'LANG=C.UTF-8\n' },
  {
    path: 'etc/systemd/network/80-hartbox.network',
    contents: '[Match]\nType=ether\n\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n\n[DHCPv4]\nUseDomains=yes\n',
  },
  // On a host that is busy with other things devices may take longer than the 90 seconds that systemd waits for them.
  { path: 'etc/systemd/system.conf.d/hartbox.conf', contents: '[Manager]\nDefaultDeviceTimeoutSec=600\n' },
  // Nothing here has a radio, but systemd asks for the kernel's part of one, which is large.
  { path: 'etc/modprobe.d/hartbox.conf', contents: 'blacklist cfg80211\n' },
  // Nobody should wait for a network that is not there.
  {
    path: 'etc/systemd/system/systemd-networkd-wait-online.service.d/hartbox.conf',
    contents: '[Service]\nExecStart=\nExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=20\n',
  },
  {
    path: 'etc/default/u-boot',
    contents: `U_BOOT_PARAMETERS="${KERNEL_PARAMETERS}"\nU_BOOT_ROOT="root=LABEL=hartbox"\nU_BOOT_PROMPT="0"\nU_BOOT_TIMEOUT="1"\nU_BOOT_ALTERNATIVES="default"\n`,
  },
  { path: 'etc/initramfs-tools/conf.d/hartbox', contents: 'MODULES=list\nCOMPRESS=lz4\nCOMPRESSLEVEL=1\n' },
  { path: 'etc/initramfs-tools/modules', contents: `${EARLY_MODULES.join('\n')}\n` },
  { path: 'usr/lib/hartbox/first-boot', contents: firstBootScript, mode: 0o755 },
  { path: 'usr/lib/systemd/system/hartbox-first-boot.service', contents: firstBootUnit },
  { path: 'usr/lib/hartbox/grow-disk', contents: growDiskScript, mode: 0o755 },
  { path: 'usr/lib/systemd/system/hartbox-grow-disk.service', contents: growDiskUnit },
  { path: 'hartbox-configure', contents: configureScript, mode: 0o755 },
];

const DESKTOP_FILES: readonly AddedFile[] = [
  // Without a GPU the picture is drawn into memory at once; OpenGL by software in between takes seconds of each start. A screen that goes black
  // when nobody types saves nothing here, and looks like a box that hangs.
  {
    path: 'etc/X11/xorg.conf.d/10-hartbox.conf',
    contents:
      'Section "OutputClass"\n  Identifier "virtio"\n  MatchDriver "virtio_gpu"\n  Driver "modesetting"\n  Option "AccelMethod" "none"\nEndSection\n\n' +
      'Section "ServerFlags"\n  Option "BlankTime" "0"\n  Option "StandbyTime" "0"\n  Option "SuspendTime" "0"\n  Option "OffTime" "0"\nEndSection\n',
  },
  // lightdm waits for the screen. Loaded when udev comes to it, behind all else that a boot begins, the driver was there 20 seconds later.
  { path: 'etc/modules-load.d/hartbox-desktop.conf', contents: 'virtio_gpu\nvirtio_input\n' },
  // From Xorg's start until Xfce has drawn its background it is a minute here: a screen with its colour and a waiting pointer says that it goes on.
  // lightdm would end if this failed.
  {
    path: 'etc/lightdm/lightdm.conf.d/40-hartbox.conf',
    contents: '[Seat:*]\ndisplay-setup-script=sh -c "xsetroot -solid rgb:00/40/55 -cursor_name watch || true"\n',
  },
  // Debian's kernel for riscv64 has no uinput, by which the agent would move a pointer, and without which it ends.
  { path: 'etc/default/spice-vdagentd', contents: 'SPICE_VDAGENTD_EXTRA_ARGS="-f -u /dev/null"\n' },
  {
    path: 'etc/xdg/xfce4/xfconf/xfce-perchannel-xml/xfwm4.xml',
    contents:
      '<?xml version="1.0" encoding="UTF-8"?>\n<channel name="xfwm4" version="1.0">\n  <property name="general" type="empty">\n    <property name="use_compositing" type="bool" value="false"/>\n  </property>\n</channel>\n',
  },
];

export interface DebianRecipe {
  packages: readonly string[];
  files: readonly AddedFile[];
  /** What the machine that makes it runs. */
  script: string;
  /** The first program of a box, which finds the disk. */
  earlyBoot: string;
  /** Bytes of the disk that a box sees; the file on the host takes what is written. */
  diskSize: number;
}

export function debianRecipe(variant: DebianVariant): DebianRecipe {
  return {
    packages: PACKAGES[variant],
    files: variant === 'desktop' ? [...FILES, ...DESKTOP_FILES] : FILES,
    script: buildScript,
    earlyBoot: earlyBootScript,
    diskSize: 20 * 2 ** 30,
  };
}

/** The same packages, made the same way, have the same name. */
export function debianIdentity(recipe: DebianRecipe, packages: readonly DebianPackage[]): string {
  const hashes = packages.map(({ sha256 }) => sha256).sort();
  return createHash('sha256')
    .update(JSON.stringify([FORMAT, recipe, hashes]))
    .digest('hex')
    .slice(0, 16);
}
