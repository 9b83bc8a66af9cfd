/** What a machine of Linux is started from: paths of files, and the kernel's command line. */
export interface LinuxMachine {
  kernel: string;
  initrd: string;
  firmware: string;
  append: string;
  /** A raw image: a virtio disk, the guest's /dev/vda. */
  disk?: string;
  /** Further virtio disks: /dev/vdb and so on. */
  data?: { file: string; format: 'raw' | 'qcow2' }[];
  /** A network adapter with NAT, by which the guest reaches this computer as 10.0.2.2. */
  network?: boolean;
  /** A screen of so many pixels with a keyboard, on PCI; shown by VNC at this socket of the file system, without a password. */
  screen?: { width: number; height: number; vnc: string };
  /** Folders of this computer, on PCI, which QEMU shares by 9P whatever is said here. */
  shares?: { folder: string; tag: string; protocol: '9p' | 'virtio-fs' }[];
}

/**
 * The arguments of qemu-system-riscv64 for a machine with the devices that Hartbox gives one: one hart, virtio over MMIO, the
 * guest's console (/dev/hvc0) on standard input and output. `memory`: MiB.
 */
export function qemuArguments(machine: LinuxMachine, memory: number): string[] {
  const board = ['-machine', 'virt', '-m', `${memory}`, '-smp', '1', '-monitor', 'none', '-serial', 'null'];
  const files = ['-kernel', machine.kernel, '-initrd', machine.initrd, '-bios', machine.firmware, '-append', machine.append];
  const virtio = [
    '-global',
    'virtio-mmio.force-legacy=false',
    '-device',
    'virtio-rng-device,bus=virtio-mmio-bus.0',
    '-device',
    'virtio-serial-device,bus=virtio-mmio-bus.1',
  ];
  const console = ['-chardev', 'stdio,id=console,signal=off', '-device', 'virtconsole,chardev=console'];
  const disks = [...(machine.disk === undefined ? [] : [{ file: machine.disk, format: 'raw' }]), ...(machine.data ?? [])];
  // A comma within a file's name is written twice. Linux finds what is on the last bus first.
  const drives = disks.flatMap(({ file, format }, i) => [
    ...['-drive', `file=${file.replaceAll(',', ',,')},format=${format},if=none,id=disk${i},discard=unmap`],
    ...['-device', `virtio-blk-device,drive=disk${i},bus=virtio-mmio-bus.${7 - i}`],
  ]);
  const network = machine.network ? ['-netdev', 'user,id=net', '-device', 'virtio-net-device,netdev=net,bus=virtio-mmio-bus.2'] : [];
  const shares = (machine.shares ?? []).flatMap(({ folder, tag }, i) => [
    ...['-fsdev', `local,id=share${i},path=${folder.replaceAll(',', ',,')},security_model=none`],
    ...['-device', `virtio-9p-pci,fsdev=share${i},mount_tag=${tag}`],
  ]);
  const { screen } = machine;
  const shown = screen
    ? [
        ...['-vnc', `unix:${screen.vnc}`, '-device', `virtio-gpu-pci,xres=${screen.width},yres=${screen.height}`],
        ...['-device', 'virtio-keyboard-pci'],
      ]
    : ['-display', 'none'];
  return [...board, ...shown, ...files, ...virtio, ...console, ...network, ...drives, ...shares];
}

/** How a machine comes to its operating system, and where its disk sits. */
export interface BootWay {
  /** `opensbi` is given the kernel; the others look for it on the disk. */
  firmware: 'opensbi' | 'uboot' | 'edk2';
  interface: 'virtio' | 'scsi';
  bus: 'mmio' | 'pci';
  aia: 'none' | 'aplic-imsic';
  format: 'raw' | 'qcow2';
}

/** A machine that boots in such a way; its console is the first UART. Paths of files. */
export interface BootMachine extends BootWay {
  disk: string;
  /** What runs in M-mode, and what comes after. */
  opensbi: string;
  next: { kernel: string; initrd: string; append: string } | { uboot: string } | { code: string; variables: string; jump: string };
}

/** Goes on in S-mode in the first flash bank: lui t0, 0x20000; jr t0. QEMU 7.2 cannot be told to, but takes it for a kernel. */
export const JUMP_TO_FLASH: Uint8Array = Uint8Array.of(0xb7, 0x02, 0x00, 0x20, 0x67, 0x80, 0x02, 0x00);

/** The arguments of qemu-system-riscv64 for such a machine with one hart. `memory`: MiB. */
export function bootArguments(machine: BootMachine, memory: number): string[] {
  const { interface: kind, bus, aia, format, next } = machine;
  const path = (file: string): string => file.replaceAll(',', ',,');
  const board = ['-machine', `virt,aia=${aia}`, '-m', `${memory}`, '-smp', '1', '-display', 'none', '-monitor', 'none'];
  const console = ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'];
  const inFlash = (file: string, address: number): string[] => [
    '-device',
    `loader,file=${path(file)},addr=0x${address.toString(16)},force-raw=on`,
  ];
  const files =
    'kernel' in next
      ? ['-kernel', next.kernel, '-initrd', next.initrd, '-append', next.append]
      : 'uboot' in next
        ? ['-kernel', next.uboot]
        : ['-kernel', next.jump, ...inFlash(next.code, 0x20000000), ...inFlash(next.variables, 0x22000000)];
  const on = bus === 'pci' ? 'pci' : 'device';
  const disk =
    kind === 'virtio' ? ['-device', `virtio-blk-${on},drive=disk`] : ['-device', `virtio-scsi-${on}`, '-device', 'scsi-hd,drive=disk'];
  return [
    ...board,
    ...['-bios', machine.opensbi],
    ...console,
    ...files,
    ...['-global', 'virtio-mmio.force-legacy=false', '-device', `virtio-rng-${on}`],
    ...['-drive', `file=${path(machine.disk)},format=${format},if=none,id=disk`],
    ...disk,
  ];
}
