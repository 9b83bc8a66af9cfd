import { VmError } from '../../errors/vm-error';

/**
 * Why a guest does not get on with its start, by what it writes to its console; each with what to do. The first row that fits a line counts,
 * and the first reason that is found in a start: others are its consequences. `goesOn`: the guest does, and other reasons may come.
 */
interface Row {
  pattern: RegExp;
  say: (match: RegExpExecArray) => VmError;
  goesOn?: true;
}

const ROWS: Row[] = [
  {
    // Linux, init/do_mounts.c.
    pattern: /VFS: Unable to mount root fs on unknown-block\(0,0\)/,
    say: () =>
      new VmError(
        'Guest',
        'The kernel found no root file system: it was given neither an initrd nor a disk that it has a driver for. Distribution kernels need their initrd (--initrd); others want root= in their command line, and a drive.',
        { code: 'boot-no-root' },
      ),
  },
  {
    pattern: /VFS: Unable to mount root fs (?:on|via NFS)?\s*"?([^"\s]+)/,
    say: ([, device]) =>
      new VmError(
        'Guest',
        `The kernel could not mount its root file system ${device}: the disk has no file system there that the kernel knows. Check root= in its command line, and the drive.`,
        { code: 'boot-root-unmountable', params: { device } },
      ),
  },
  {
    // initramfs-tools of Debian and Ubuntu, dracut of Fedora and openSUSE, systemd.
    pattern:
      /VFS: Cannot open root device "([^"]+)"|ALERT! +(\S+) does not exist|(?:dracut|initqueue).*Warning: "?(\/dev\/\S+?)"? does not exist|Timed out waiting for device (\S+?)[. ]|Waiting for root device (\S+?)\.\.\./,
    say: ([, ...devices]) => {
      const device = devices.find((one) => one !== undefined) ?? 'root';
      return new VmError(
        'Guest',
        `The disk ${device} that the guest starts from is not there: no drive has it, or kernel and initrd lack its driver. Disks are /dev/vda, /dev/vdb, … in the order of the drives, and need virtio_blk; SCSI drives are /dev/sda, ….`,
        { code: 'boot-disk-missing', params: { device } },
      );
    },
  },
  {
    // ENOEXEC is 8.
    pattern: /(?:Failed to execute|Requested init) (\S+) .*error -8\b|(\S+): (?:cannot execute|Exec format error)/,
    say: ([, init, program]) => {
      const name = init ?? program;
      return new VmError(
        'Guest',
        `The guest cannot run ${name}: it was made for another kind of processor. The image has to be one for riscv64.`,
        { code: 'boot-wrong-architecture', params: { program: name } },
      );
    },
  },
  {
    pattern: /No working init found|Requested init (\S+) failed/,
    say: () =>
      new VmError(
        'Guest',
        'The kernel found no program to begin with (init): the initrd or the root file system is empty, is another one than was meant, or was made for another processor. Check init= and rdinit= in its command line.',
        { code: 'boot-no-init' },
      ),
  },
  {
    // The system's loader gives 127 where libraries are missing, a signal is in the low bits.
    pattern: /Attempted to kill init! exitcode=0x([0-9a-f]+)/,
    say: ([, status]) => {
      const code = Number.parseInt(status, 16);
      const signal = code & 0x7f;
      if (signal === 4)
        return new VmError(
          'Guest',
          "The guest's first program (init) ended by an illegal instruction: it was made for a processor with extensions that this box does not have. What it wanted is told with its other messages.",
          { code: 'boot-init-illegal' },
        );
      const how = signal === 0 ? `exit code ${code >> 8}` : `signal ${signal}`;
      return new VmError(
        'Guest',
        `The guest's first program (init) ended, by ${how}, and a Linux does not go on without it. Look at what it wrote last.`,
        { code: 'boot-init-ended', params: { how } },
      );
    },
  },
  {
    pattern:
      /Initramfs unpacking failed: (?:write error|no space)|System is deadlocked on memory|Out of memory and no killable processes|Failed to allocate .* for (?:initrd|initramfs)|initrd .*(?:extends beyond|overlaps|disabling initrd)/i,
    say: () =>
      new VmError('Guest', 'The guest has too little memory for its start. Give the box more of it (--memory), twice as much for a try.', {
        code: 'boot-memory',
      }),
  },
  {
    pattern: /Out of memory: Killed process \d+ \(([^)]*)\)/,
    say: ([, program]) =>
      new VmError(
        'Guest',
        `The guest ran out of memory, and has ended ${program} for that. Give the box more memory (--memory), or the guest swap space.`,
        { code: 'guest-memory', params: { program } },
      ),
    goesOn: true,
  },
  {
    pattern: /Initramfs unpacking failed: (.+)/,
    say: ([, why]) =>
      new VmError(
        'Guest',
        `The kernel cannot unpack the initrd: ${why}. The file is damaged, or of a kind that this kernel does not know.`,
        {
          code: 'boot-initrd-damaged',
          params: { why },
        },
      ),
  },
  {
    // EDK2; U-Boot, which tries the network last.
    pattern:
      /BdsDxe: No bootable option or device was found|^UEFI Interactive Shell|^No EFI system partition$|No bootable medium found|\*\* No bootable file found|Boot failed \(err=|^No ethernet found\.$|^\*\*\* ERROR: `serverip' not set/,
    say: () =>
      new VmError(
        'Guest',
        'The firmware found nothing that it can start: the box has no drive with a boot loader for riscv64. Give it one (--drive); an image for PCs (x86) or ARM does not start here.',
        { code: 'boot-nothing' },
      ),
  },
  {
    pattern: /Bad Linux RISCV Image magic|Wrong Image (?:Format|Type) for boot|Unknown image format/i,
    say: () =>
      new VmError('Guest', 'The boot loader found a kernel that is none for RISC-V, or is damaged.', { code: 'boot-foreign-kernel' }),
  },
  {
    pattern: /You are in emergency mode|Entering emergency mode|Cannot open access to console, the root account is locked/,
    say: () =>
      new VmError(
        'Guest',
        'The guest could not start all that it needs, and waits in its emergency mode: most often a disk of /etc/fstab is missing or damaged. In the guest, journalctl -xb says which.',
        { code: 'boot-emergency' },
      ),
  },
  {
    pattern: /Kernel panic - not syncing: (.+?)(?: \]---)?$/,
    say: ([, why]) =>
      new VmError('Guest', `The guest's kernel gave up: ${why}. The lines before that on its console say more.`, {
        code: 'boot-panic',
        params: { why },
      }),
  },
];

/** Reads a console line by line, and says what keeps the guest from starting. */
export class BootDiagnosis {
  private readonly said = new Set<Row>();
  private isFound = false;

  /** What a line tells; undefined where it tells nothing, or nothing new. */
  read(line: string): VmError | undefined {
    const row = ROWS.find(({ pattern }) => pattern.test(line));
    if (!row || this.said.has(row) || (this.isFound && !row.goesOn)) return undefined;
    this.said.add(row);
    this.isFound ||= !row.goesOn;
    return row.say(row.pattern.exec(line) as RegExpExecArray);
  }

  /** The guest starts anew. */
  reset(): void {
    this.said.clear();
    this.isFound = false;
  }
}

/** The firmware has handed over, and nobody has said anything since, for so many seconds. */
export function silentStart(seconds: number): VmError {
  return new VmError(
    'Guest',
    `Nothing has come from the guest since its firmware, for ${seconds} s. The kernel may be one for another processor, may need more memory than the box has, may not have found its console (console=ttyS0 or console=hvc0 in its command line), or may simply write nothing.`,
    { code: 'boot-silent', params: { seconds } },
  );
}
