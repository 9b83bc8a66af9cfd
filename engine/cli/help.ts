const EXIT_CODES = `
Exit codes:
  the guest's own (see above), and
  2    the command line is wrong
  124  stopped by --timeout
  125  Hartbox could not do it: the message says why
  130  ended by Ctrl-C, 143 by a TERM signal
HARTBOX_DEBUG=1 in the environment shows where an error came from.
`;

const MACHINE_OPTIONS = `
Options:
  -m, --memory SIZE     guest memory, 16M to 3840M (a number alone is MiB)  [512M]
      --harts N         RISC-V hardware threads, 1 to 16  [1]
      --aia WHICH       interrupt controllers: none (a PLIC), aplic, or aplic-imsic, as QEMU's virt has them  [none]
      --no-jit          interpret only, without translating hot code to WebAssembly
      --kernel FILE     Linux Image (raw, gzip, zstd) or ELF file  [the default guest's]
      --initrd FILE     initial file system
      --append TEXT     added to the kernel's command line
      --firmware WHICH  opensbi (starts the kernel), uboot or edk2 (UEFI; they start what they find on the drives), none (the
                        kernel runs in machine mode), or a file that runs in machine mode  [opensbi]
      --flash-vars FILE where the firmware's variables are kept  [with edk2: a place of the VM or of the first drive]
      --fw-cfg name=opt/NAME,file=FILE or name=opt/NAME,string=TEXT
                        something for the guest to find by that name in fw_cfg; may be given more than once
      --bus BUS         where virtio devices sit: mmio or pci; a drive may say otherwise  [mmio]
      --virtio WHAT     what virtio devices offer beyond the usual: packed, in-order, notification-data (several with commas)
      --drive file=FILE[,if=virtio|scsi][,media=disk|cdrom][,format=auto|raw|qcow2][,readonly][,serial=TEXT]
              [,discard=on|off][,blocksize=512|4096][,queues=N][,id=NAME][,bus=mmio|pci]
                        a disk, or a disc; may be given more than once. Write ,, for a comma. auto looks at the file; say
                        raw for a raw disk to whose first bytes the guest writes an image of its own
      --cdrom FILE      a disc, such as an ISO image, in a SCSI CD-ROM drive; may be given more than once
      --scsi            a SCSI adapter even if no drive needs one: programs can attach drives to it later
      --nographic       no display, only the console; for now always so
      --timeout SECONDS switch the machine off after so long
      --trace TOPICS    print what happens on stderr: mmio, virtio, trap (several with commas)
      --check jit       do all that translated code does once more in the interpreter, and stop where they differ
                        (one hart; several times slower)
      --stats[=SECONDS]     say on stderr at the end what the harts did: speed, translation, traps and so on; with
                        SECONDS also a line every so often
      --stats-json FILE     write that to FILE as JSON, at the end
      --profile FILE        note about 1000 times a second what the guest executes, and write a profile to FILE at the end.
                        Name it x.cpuprofile: Chrome DevTools, VS Code, speedscope and the Firefox Profiler open it
      --symbols FILE[@ADDRESS]  names for the profile: vmlinux or another ELF file, or a copy of the guest's
                        /proc/kallsyms; where it was loaded, if not where it was linked. May be given more than once
  -h, --help            this help
`;

export const HELP = `Hartbox runs RISC-V virtual machines on an engine of its own.

Usage: hartbox COMMAND [OPTIONS]

Commands:
  run    start a machine; this terminal is its console
  exec   run one command in the default Linux guest
  list   show the virtual machines of the library
  disk   make and look after disk images
  setup  fetch and build the default guest
  help   help on a command: hartbox help run

  --version  the version
  -h, --help this help; also after each command
${EXIT_CODES}`;

export const RUN_HELP = `Start a machine whose console is this terminal.

Usage: hartbox run [VM] [OPTIONS]

VM is a name or id from \`hartbox list\`; options given here override its configuration, for this run. Without VM and
--kernel the default Linux guest boots.

The terminal is raw: every key goes to the guest, Ctrl-C too, except
  Ctrl-A x       switch the machine off and leave (exit code 0)
  Ctrl-A s       say what the harts have done so far (see --stats)
  Ctrl-A c       go on after the host's disk was full (which pauses the machine; it also tries by itself)
  Ctrl-A h       help
  Ctrl-A Ctrl-A  send Ctrl-A to the guest
Where standard input is a pipe or a file, all of it goes to the guest as it is.
${MACHINE_OPTIONS}
The guest's own exit code is 0 after a poweroff, the code of the test finisher, or what a bare-metal program wrote to
\`tohost\`; 255 stands for all that do not fit into a byte.
${EXIT_CODES}`;

export const EXEC_HELP = `Run one command in the default Linux guest, with this process's standard input, output and error.

Usage: hartbox exec [OPTIONS] [--] COMMAND [ARGUMENT…]

  hartbox exec -- uname -m
  echo hello | hartbox exec -- tr a-z A-Z
  hartbox exec -- sh -c 'exit 7'; echo $?

The exit code is the command's.
${MACHINE_OPTIONS}${EXIT_CODES}`;

export const LIST_HELP = `Show the virtual machines of the library.

Usage: hartbox list [--json]

Options:
      --json  as JSON, memory in bytes
  -h, --help  this help
`;

export const SETUP_HELP = `Fetch and build the default guest (112 MB from a Debian mirror, once), so that machines start at once.

Usage: hartbox setup [--json]

Options:
      --json  print the paths of its kernel, initramfs and firmware as JSON
  -h, --help  this help

HARTBOX_HOME in the environment says where Hartbox keeps machines and downloads.
`;
