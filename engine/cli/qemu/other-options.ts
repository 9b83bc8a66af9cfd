import { QemuError } from './qemu-error';
import type { QemuOption } from './qemu-option';

/** A row for what makes no difference here. */
function ignored(names: readonly string[], takes: string | undefined, does: string): QemuOption {
  return {
    names,
    ...(takes !== undefined && { takes }),
    effect: 'ignored',
    does,
    read: (wanted, _argument, where) => wanted.note(where, does),
  };
}

export const IGNORED: readonly QemuOption[] = [
  ignored(['-k'], 'LANGUAGE', 'the keyboard of this terminal is what it is'),
  ignored(['-no-user-config'], undefined, 'there are no configuration files'),
  ignored(['-no-shutdown'], undefined, "a guest that powers itself off ends the machine, as it does on QEMU's virt board up to 8.0"),
  ignored(['-mem-prealloc'], undefined, 'memory of the host is taken as the guest touches it'),
  ignored(['-overcommit'], 'WHAT', 'memory of the host is taken as the guest touches it, and harts sleep when they wait'),
  ignored(['-boot'], 'ORDER', 'firmware looks at the drives in the order of the command line'),
  ignored(['-compat'], 'POLICY', 'there is no such policy here'),
  ignored(['-msg'], 'WHAT', 'messages have neither times nor names here'),
  ignored(['-only-migratable'], undefined, 'nothing is migrated'),
  ignored(['-usb'], undefined, 'the virt board has no USB controller of its own'),
  ignored(['-sandbox'], 'WHAT', 'the engine makes no system calls for the guest'),
  ignored(['-async-teardown'], undefined, 'memory is given back at the end in any case'),
  ignored(['-run-with'], 'WHAT', 'the process is run as it was started'),
  ignored(['-enable-sync-profile'], undefined, "QEMU's locks are not here"),
  ignored(['-audio-help', '-audiodev', '-audio'], 'WHAT', 'there is no sound yet, and no sound device'),
  ignored(['-seed'], 'NUMBER', 'random numbers come from the host, and are different each time'),
  ignored(['-watchdog-action'], 'WHAT', 'there is no watchdog'),
  ignored(['-portrait', '-full-screen', '-no-quit', '-alt-grab', '-ctrl-grab'], undefined, 'there is no window'),
  ignored(['-rotate'], 'DEGREES', 'there is no window'),
  ignored(['-no-acpi', '-no-hpet', '-no-fd-bootchk', '-win2k-hack'], undefined, 'it is for x86 boards'),
  ignored(['-singlestep', '-one-insn-per-tb'], undefined, "how code is translated is the engine's own affair"),
  ignored(['-tb-size'], 'N', 'the engine sizes its caches itself'),
  ignored(['-parallel'], 'LINE', 'the virt board has no such port, in QEMU neither'),
];

/** A row for what cannot be done here. */
function refused(names: readonly string[], takes: string | undefined, does: string): QemuOption {
  return {
    names,
    ...(takes !== undefined && { takes }),
    effect: 'refused',
    does,
    read: (_wanted, _argument, where) => {
      throw new QemuError(where, does);
    },
  };
}

export const REFUSED: readonly QemuOption[] = [
  refused(
    ['-enable-kvm', '-enable-hax'],
    undefined,
    'there is no hardware virtualisation of RISC-V on this host: leave it out, the engine translates',
  ),
  refused(['-numa'], 'WHAT', 'memory is all one node: leave it out'),
  refused(['-mem-path'], 'FILE', 'memory cannot be a file: leave it out'),
  refused(['-set'], 'GROUP.ID.ARGUMENT=VALUE', 'write the property where the device or drive is named'),
  refused(['-add-fd'], 'fd=N,set=N', 'files are named by their paths: write file=PATH'),
  refused(['-fda', '-fdb'], 'FILE', 'the virt board has no floppy drive, in QEMU neither'),
  refused(['-mtdblock'], 'FILE', 'the virt board has no such memory, in QEMU neither; flash is -drive if=pflash'),
  refused(
    ['-sd'],
    'FILE',
    'the virt board has no SD card, in QEMU neither: use -drive file=FILE,if=none,id=d -device virtio-blk-device,drive=d',
  ),
  refused(['-iscsi'], 'WHAT', 'drives are files of this host'),
  refused(['-usbdevice'], 'WHAT', 'there is no USB: use virtio devices'),
  refused(['-spice'], 'WHAT', 'there is no SPICE: the console is this terminal'),
  refused(['-curses', '-sdl', '-gtk'], undefined, 'there is no window from the command line: use -vnc :0, or the app'),
  refused(['-tpmdev'], 'WHAT', 'there is no TPM: leave it out'),
  refused(
    ['-qmp', '-qmp-pretty'],
    'LINE',
    'there is no QMP: use -monitor, or hartbox start and hartbox list --json to control boxes by programs',
  ),
  refused(['-debugcon'], 'LINE', 'the virt board has no such port, in QEMU neither: leave it out'),
  refused(['-preconfig', '--preconfig'], undefined, 'a machine is made in one go: use -S to hold it before its first instruction'),
  refused(['-dfilter'], 'RANGES', 'what is logged cannot be limited to addresses here: leave it out'),
  refused(['-trace'], 'WHAT', "QEMU's trace points are not here: see -d, and hartbox run --trace"),
  refused(['-plugin'], 'FILE', 'there are no plugins: see hartbox run --profile and --trace'),
  refused(['-loadvm'], 'TAG', 'whole machines cannot be saved yet: leave it out'),
  refused(['-incoming'], 'WHERE', 'machines do not move between hosts: leave it out'),
  refused(['-dump-vmstate'], 'FILE', 'machines do not move between hosts: leave it out'),
  refused(
    ['-daemonize'],
    undefined,
    'a machine stays in its terminal: write & behind the command, or use hartbox create and hartbox start',
  ),
  refused(['-chroot'], 'FOLDER', 'the process stays where it was started: use chroot(1)'),
  refused(['-runas'], 'USER', 'the process stays who started it: use sudo -u'),
  refused(['-option-rom'], 'FILE', 'there are no option ROMs on this board: leave it out'),
  refused(['-readconfig'], 'FILE', 'options are not read from files: write them on the command line'),
  refused(['-writeconfig'], 'FILE', 'options are not written to files: keep the command line'),
  refused(['-smbios', '-acpitable'], 'WHAT', 'tables cannot be added: leave it out'),
  refused(['-xen-domid'], 'N', 'there is no Xen'),
  refused(['-xen-attach', '-xen-domid-restrict'], undefined, 'there is no Xen'),
  refused(['-shim'], 'FILE', 'there are no shims on this board: leave it out'),
  refused(['-g'], 'WIDTHxHEIGHT', 'there is no display yet: leave it out'),
];
