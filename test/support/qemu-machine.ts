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
}

/**
 * The arguments of qemu-system-riscv64 for a machine with the devices that Hartbox gives one: one hart, virtio over MMIO, the
 * guest's console (/dev/hvc0) on standard input and output. `memory`: MiB.
 */
export function qemuArguments(machine: LinuxMachine, memory: number): string[] {
  const board = ['-machine', 'virt', '-m', `${memory}`, '-smp', '1', '-display', 'none', '-monitor', 'none', '-serial', 'null'];
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
  return [...board, ...files, ...virtio, ...console, ...drives];
}
