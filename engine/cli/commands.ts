import { OPTIONS } from '../settings/settings';
import { command, type Command, type OptionTable } from './command';

const JSON_ROW = { type: 'flag', help: 'as JSON' } as const;
const FORMAT_ROW = {
  type: 'value',
  short: 'f',
  value: 'raw|qcow2',
  choices: ['raw', 'qcow2'],
  help: 'instead of what the file looks like',
} as const;
const CDROM_ROW = {
  type: 'value',
  multiple: true,
  value: 'FILE',
  isFile: true,
  help: 'a disc, such as an ISO image: short for --drive file=FILE,media=cdrom; may be given more than once',
} as const;

const EXIT_CODES = `
Exit codes:
  2    the command line is wrong
  124  stopped by --timeout
  125  Hartbox could not do it: the message says why
  130  ended by Ctrl-C, 143 by a TERM signal
HARTBOX_DEBUG=1 in the environment shows where an error came from.`;

const DISK_CODES = `
Exit codes: 0 done, 2 the command line is wrong, 125 it could not be done: the message says why.`;

const VNC_PASSWORD = {
  type: 'value',
  value: 'FILE',
  isFile: true,
  help: 'its password is the first line of FILE, of which VNC looks at 8 characters; "none": everybody who reaches the address may come in  [one that is made; none for unix:PATH]',
} as const;

/** Options of one run of a machine, which no box keeps. */
const THIS_RUN = {
  timeout: { type: 'value', value: 'SECONDS', help: 'switch the box off after so long' },
  trace: {
    type: 'value',
    multiple: true,
    value: 'TOPIC[,…]',
    choices: ['mmio', 'virtio', 'trap', 'exec'],
    help: 'print what happens on stderr: mmio, virtio, trap, or exec for each instruction with the registers that it changes',
  },
  'trace-from': {
    type: 'value',
    value: 'ADDRESS|SYMBOL',
    help: 'begin the trace exec where a hart first comes to this instruction (0x…) or function; up to there it runs at full speed',
  },
  check: {
    type: 'value',
    value: 'jit',
    choices: ['jit'],
    help: 'do all that translated code does once more in the interpreter, and stop where they differ (one hart; several times slower)',
  },
  stats: {
    type: 'optional',
    value: 'SECONDS',
    help: 'say on stderr at the end what the harts did: speed, translation, traps and so on; with SECONDS also a line every so often',
  },
  'stats-json': { type: 'value', value: 'FILE', isFile: true, help: 'write that to FILE as JSON, at the end' },
  profile: {
    type: 'value',
    value: 'FILE',
    isFile: true,
    help: 'note about 1000 times a second what the guest executes, and write a profile to FILE at the end. Name it x.cpuprofile: Chrome DevTools, VS Code, speedscope and the Firefox Profiler open it',
  },
  symbols: {
    type: 'value',
    multiple: true,
    value: 'FILE[@ADDRESS]',
    isFile: true,
    help: "names for the profile and the trace exec: vmlinux or another ELF file, or a copy of the guest's /proc/kallsyms; where it was loaded, if not where it was linked. May be given more than once",
  },
  gdb: {
    type: 'optional',
    short: 's',
    value: 'ADDRESS',
    help: 'let a debugger attach at ADDRESS: PORT, HOST:PORT or unix:PATH  [127.0.0.1:1234]',
  },
  vnc: {
    type: 'optional',
    value: 'ADDRESS',
    help: 'show the screen by VNC at ADDRESS: PORT, HOST:PORT, :DISPLAY or unix:PATH  [127.0.0.1:5900]; a box without a screen gets one',
  },
  'vnc-password': VNC_PASSWORD,
  paused: {
    type: 'flag',
    short: 'S',
    help: 'wait before the first instruction, until a debugger or `hartbox resume` lets the box go on',
  },
} as const satisfies OptionTable;

const MACHINE_SETTINGS = OPTIONS.filter(({ part }) => part !== 'app');

export const RUN = command({
  name: 'run',
  summary: 'start a box; this terminal is its console',
  usage: ['[BOX] [OPTIONS]'],
  about: `BOX is a name or id from \`hartbox list\`; options given here replace its own, for this run. Without BOX and --kernel the built-in Linux boots.

The terminal is raw: every key goes to the guest, Ctrl-C too, except
  Ctrl-A x       switch the box off and leave (exit code 0)
  Ctrl-A s       say what the harts have done so far (see --stats)
  Ctrl-A c       go on after the host's disk was full; the box also tries by itself
  Ctrl-A h       help
  Ctrl-A Ctrl-A  send Ctrl-A to the guest
Where standard input is a pipe or a file, all of it goes to the guest as it is.`,
  more: `
The exit code is the guest's own: 0 after a poweroff, the code of the test finisher, or what a bare-metal program wrote to \`tohost\`; 255 stands for all that do not fit into a byte.
${EXIT_CODES}`,
  options: {
    cdrom: CDROM_ROW,
    ...THIS_RUN,
    screenshot: {
      type: 'value',
      multiple: true,
      value: 'WHEN=FILE',
      help: "write what the screen shows to a PNG file, so many seconds after the start (20=boot.png) or when the console says a text ('login:=login.png'); a box without a screen gets one. May be given more than once",
    },
    'dump-dtb': { type: 'value', value: 'FILE', isFile: true, help: 'write the device tree that the guest would get to FILE, and end' },
  },
  settings: MACHINE_SETTINGS,
  arguments: ['box'],
});

export const EXEC = command({
  name: 'exec',
  summary: 'run one command in the built-in Linux',
  usage: ['[OPTIONS] [--] COMMAND [ARGUMENT…]'],
  about: `The command has this process's standard input, output and error, and its exit code is this process's.

  hartbox exec -- uname -m
  echo hello | hartbox exec -- tr a-z A-Z
  hartbox exec -- sh -c 'exit 7'; echo $?`,
  more: EXIT_CODES,
  options: { cdrom: CDROM_ROW, ...THIS_RUN },
  // Its console is not the terminal of this process.
  settings: MACHINE_SETTINGS.filter(({ key }) => key !== 'console'),
  endsAtFirst: true,
});

/** The command, for ourselves only, that is the process in the background. */
export const BACKGROUND = 'run-in-background';

export const START = command({
  name: 'start',
  summary: 'start a box in the background, and return when it runs',
  usage: ['BOX [OPTIONS]'],
  about: 'Look at it with `hartbox attach`, shut it down with `hartbox stop`. Options given here replace those of the box, for this run.',
  options: {
    cdrom: CDROM_ROW,
    timeout: THIS_RUN.timeout,
    trace: THIS_RUN.trace,
    'trace-from': THIS_RUN['trace-from'],
    symbols: THIS_RUN.symbols,
    check: THIS_RUN.check,
    gdb: THIS_RUN.gdb,
    vnc: THIS_RUN.vnc,
    'vnc-password': THIS_RUN['vnc-password'],
    paused: THIS_RUN.paused,
  },
  settings: MACHINE_SETTINGS,
  arguments: ['box'],
});

export const ATTACH = command({
  name: 'attach',
  summary: 'look at the console of a box that runs, and type into it',
  usage: ['BOX'],
  about: `All who look at a box see the same; it has the size of the terminal that was attached or resized last. Every key goes to the guest, except
  Ctrl-A d       detach: leave, and let the box go on
  Ctrl-A s       say what the harts have done so far
  Ctrl-A h       help
  Ctrl-A Ctrl-A  send Ctrl-A to the guest
Where standard input is no terminal, all of it goes to the guest as it is; its end does not detach.`,
  more: '\nThe exit code is 0 after Ctrl-A d, and that of `hartbox run` when the box ends.',
  options: {},
  arguments: ['box'],
});

export const STOP = command({
  name: 'stop',
  summary: 'shut a box down, and wait until it is off',
  usage: ['BOX [OPTIONS]'],
  about: 'The guest is asked to shut down, and gets the time that it takes to do so; a paused box goes on for that.',
  more: '\nThe exit code is 0 when the box is off, also if it was before; 124 if it did not shut down in time, and goes on.',
  options: {
    timeout: { type: 'value', value: 'SECONDS', help: 'how long to wait  [60]' },
    force: {
      type: 'flag',
      help: 'switch it off at once, without asking the guest, which may lose what it has not written. With --timeout: only if the guest has not shut down by then',
    },
  },
  arguments: ['box'],
});

export const PAUSE = command({
  name: 'pause',
  summary: 'hold a box: its harts and its clock stand still until it is resumed',
  usage: ['BOX'],
  options: {},
  arguments: ['box'],
});
export const RESUME = command({
  name: 'resume',
  summary: 'let a paused box go on; also one that waits for space on the disk of the host',
  usage: ['BOX'],
  options: {},
  arguments: ['box'],
});
export const RESET = command({
  name: 'reset',
  summary: 'start a box from the beginning, as its reset button does: the guest is not asked',
  usage: ['BOX'],
  options: {},
  arguments: ['box'],
});

export const DEBUG = command({
  name: 'debug',
  summary: 'start a debugger on a box: one that runs, or one that is started for it',
  usage: ['BOX [OPTIONS]', '[OPTIONS]'],
  about: `A box that runs stops while the debugger looks, and goes on when that leaves. One that is off, or what the options describe, is started and waits before its first instruction; its output stands between the debugger's lines, and it ends with the debugger.

  hartbox debug Debian
  hartbox debug --kernel kernel.elf --firmware none

GDB (gdb-multiarch, riscv64-*-gdb) or LLDB is started, whichever is found, with the symbols of kernel and firmware if those are ELF files. Others, such as VS Code, attach by themselves: see --print. \`monitor help\` in GDB says what Hartbox has beside GDB's own commands.`,
  more: '\nThe exit code is that of the debugger.',
  options: {
    with: {
      type: 'value',
      value: 'PROGRAM',
      isFile: true,
      help: 'this debugger; one with lldb in its name is started as LLDB, others as GDB',
    },
    print: { type: 'flag', help: 'print the command that would attach to the box, and start nothing' },
    symbols: {
      type: 'value',
      multiple: true,
      value: 'FILE',
      isFile: true,
      help: 'an ELF file with more symbols. May be given more than once',
    },
    gdb: { type: 'value', value: 'ADDRESS', help: 'where the box listens, if it does not yet  [127.0.0.1:1234, or a free port]' },
    cdrom: CDROM_ROW,
  },
  settings: MACHINE_SETTINGS,
  arguments: ['box'],
});

export const STATS = command({
  name: 'stats',
  summary: 'show what the harts of a box have done since it was switched on',
  usage: ['BOX [OPTIONS]'],
  options: { json: { type: 'flag', help: 'as JSON, in the form of `hartbox run --stats-json`' } },
  arguments: ['box'],
});

export const INFO = command({
  name: 'info',
  summary: 'show what lies where in the memory of a box, or its device tree, whether it runs or is off',
  usage: ['BOX [OPTIONS]'],
  options: {
    dts: { type: 'flag', help: 'the device tree that the guest gets, as source text' },
    'dump-dtb': { type: 'value', value: 'FILE', isFile: true, help: 'write the device tree to FILE, as firmware and kernels take it' },
    json: { type: 'flag', help: 'the memory as JSON' },
  },
  arguments: ['box'],
});

export const RAM = command({
  name: 'ram',
  summary: 'show how the memory of a box that runs is used, or ask its guest to get by with less or more of it',
  usage: ['BOX [OPTIONS]', 'BOX SIZE [OPTIONS]'],
  options: {
    reclaim: { type: 'flag', help: 'give all that is free in the guest to this computer now; little by little that happens by itself' },
    json: { type: 'flag', help: 'as JSON, in bytes' },
  },
  arguments: ['box'],
});

export const SCREENSHOT = command({
  name: 'screenshot',
  summary: 'write what a screen of a box that runs shows to a PNG file',
  usage: ['BOX FILE.png [OPTIONS]'],
  options: { screen: { type: 'value', value: 'N', help: 'which of its screens; the first is 0 (default: 0)' } },
  arguments: ['box'],
});

export const VNC = command({
  name: 'vnc',
  summary: 'show the screen of a box that runs to VNC viewers, and say where',
  usage: ['BOX [OPTIONS]'],
  about: `Any viewer will do. VNC is not encrypted: to look from another computer, forward the port by ssh -L.
The guest's resolution follows the viewer's window, where both can do that.`,
  options: {
    address: { type: 'value', value: 'ADDRESS', help: 'where: PORT, HOST:PORT, :DISPLAY or unix:PATH  [127.0.0.1:5900, or a free port]' },
    password: VNC_PASSWORD,
  },
  arguments: ['box'],
});

export const TYPE = command({
  name: 'type',
  summary: 'type on the keyboard of a box that runs',
  usage: ['BOX TEXT [OPTIONS]'],
  about: 'As on a US keyboard. What the guest makes of it depends on the keyboard that it is set to.',
  options: { enter: { type: 'flag', help: 'press Enter behind it' } },
  arguments: ['box'],
});

export const CLICK = command({
  name: 'click',
  summary: 'click at a pixel of the screen of a box that runs',
  usage: ['BOX X Y [OPTIONS]'],
  options: {
    button: { type: 'value', value: 'BUTTON', help: 'left, right or middle (default: left)' },
    double: { type: 'flag', help: 'twice' },
  },
  arguments: ['box'],
});

export const LOGS = command({
  name: 'logs',
  summary: 'show what a box that runs has reported: warnings, and what was asked of it',
  usage: ['BOX [OPTIONS]'],
  options: { follow: { type: 'flag', help: 'go on until the box is off' } },
  arguments: ['box'],
});

export const NETWORK = command({
  name: 'network',
  summary: 'show the network adapters and flows of a box that runs, forward ports, pull cables',
  usage: ['COMMAND BOX [ARGUMENTS]'],
  about: 'What they are connected to stands in its settings: see `hartbox help network`.',
  options: {},
  isGroup: true,
});
export const NETWORK_LIST = command({
  name: 'network list',
  summary: 'show its adapters, and what went through them',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});
export const NETWORK_FLOWS = command({
  name: 'network flows',
  summary: 'show what the guest talks with through NAT',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});
export const NETWORK_FORWARDS = command({
  name: 'network forwards',
  summary: 'show the ports of this computer that lead to the guest',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});
export const NETWORK_FORWARD = command({
  name: 'network forward',
  summary: 'let a port of this computer lead to the guest, until the box is switched off',
  usage: ['BOX HERE:GUEST'],
  about:
    '2222:22 is port 2222 of this computer and port 22 of the guest; udp:5353:53 the same for UDP; *:8080:80 is for other computers too; 0:80 takes any port that is free and prints it. To have it always: `hartbox set BOX network=nat,forward=2222:22`.',
  options: {},
  arguments: ['box', 'word'],
});
export const NETWORK_UNFORWARD = command({
  name: 'network unforward',
  summary: 'forward a port no more; connections that stand stay',
  usage: ['BOX HERE:GUEST'],
  options: {},
  arguments: ['box', 'word'],
});
export const NETWORK_UP = command({
  name: 'network up',
  summary: 'put the cable of an adapter in',
  usage: ['BOX [ID]'],
  about: 'ID is that of `hartbox network list`; a box with one adapter needs none.',
  options: {},
  arguments: ['box', 'word'],
});
export const NETWORK_DOWN = command({
  name: 'network down',
  summary: 'pull the cable of an adapter out, until the box is switched off',
  usage: ['BOX [ID]'],
  about: 'ID is that of `hartbox network list`; a box with one adapter needs none.',
  options: {},
  arguments: ['box', 'word'],
});
export const NETWORK_LINE = command({
  name: 'network line',
  summary: 'make the line of an adapter slow, long or bad, until the box is switched off',
  usage: ['BOX [ID] [OPTIONS]'],
  about:
    'For experiments; packets both ways are meant. What is not named stays as it is, 0 ends it; without options what the line does is shown. ID is that of `hartbox network list`; a box with one adapter needs none. To have it always: `hartbox set BOX network=nat,rate=2000,delay=50,loss=1`.',
  options: {
    rate: { type: 'value', value: 'KBIT', help: 'so many kbit/s go through; what would wait longer than 200 ms for its turn is lost' },
    delay: { type: 'value', value: 'MS', help: 'each packet is so many milliseconds under way' },
    loss: { type: 'value', value: 'PERCENT', help: 'so many of a hundred packets are lost' },
  },
  arguments: ['box', 'word'],
});

export const CAPTURE = command({
  name: 'capture',
  summary: 'write what goes through the network adapters of a box that runs to a file',
  usage: ['BOX -o FILE [OPTIONS]'],
  about:
    'The file is one of pcapng, as Wireshark, tshark and tcpdump read it; one of that name is replaced. It ends with Ctrl-C, or with the box.',
  options: {
    output: { type: 'value', short: 'o', value: 'FILE', isFile: true, help: 'the file' },
    timeout: { type: 'value', value: 'SECONDS', help: 'end after so long' },
  },
  arguments: ['box'],
});

const SSH_PORT = { type: 'value', value: 'PORT', help: 'where the server in the box listens  [22]' } as const;
const SSH_OPTION = { type: 'value', short: 'o', multiple: true, value: 'NAME=VALUE', help: 'an option of ssh_config(5)' } as const;
export const SSH = command({
  name: 'ssh',
  summary: 'a shell or a command in a box that runs, where an SSH server runs in it',
  usage: ['[OPTIONS] [USER@]BOX [COMMAND…]'],
  about:
    "It is this computer's own ssh that does it, by a port that leads into the box and is made where there is none. The keys by which the box is known stay in its folder. Without USER it is root.",
  options: { port: SSH_PORT, option: SSH_OPTION },
  arguments: ['box', 'word'],
  endsAtFirst: true,
});
export const COPY = command({
  name: 'cp',
  summary: 'copy files to and from a box that runs, where an SSH server runs in it',
  usage: ['[OPTIONS] FILE… [USER@]BOX:PATH', '[OPTIONS] [USER@]BOX:PATH… FILE'],
  about: "It is this computer's own scp that does it; see hartbox ssh. A file whose name has a colon is written with its folder: ./a:b",
  options: {
    port: SSH_PORT,
    option: SSH_OPTION,
    recursive: { type: 'flag', short: 'r', help: 'folders with all that is in them' },
    legacy: { type: 'flag', help: 'by the old protocol of scp, for servers that have no SFTP' },
  },
  arguments: ['file'],
});

export const DRIVE = command({
  name: 'drive',
  summary: 'show and change the drives of a box, running or not',
  usage: ['COMMAND BOX [OPTIONS]'],
  about:
    'The settings of the box are changed, and what can be is changed at once where it runs: SCSI drives and discs come and go, virtio disks at the next start. ID is that of `hartbox drive list`.',
  options: {},
  isGroup: true,
});
const LOCKED_ROW = { type: 'flag', help: 'though the guest has locked the drive' } as const;
export const DRIVE_LIST = command({
  name: 'drive list',
  summary: 'show its drives',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});
export const DRIVE_ATTACH = command({
  name: 'drive attach',
  summary: 'add a drive',
  usage: ['BOX file=FILE[,…]'],
  about: 'What describes the drive is the same as for the option --drive of `hartbox run`: see `hartbox help drives`.',
  options: {},
  arguments: ['box', 'drive'],
});
export const DRIVE_DETACH = command({
  name: 'drive detach',
  summary: 'take a drive away',
  usage: ['BOX ID'],
  options: {},
  arguments: ['box', 'word'],
});
export const DRIVE_INSERT = command({
  name: 'drive insert',
  summary: 'put a disc into a CD-ROM drive',
  usage: ['BOX ID FILE [OPTIONS]'],
  options: { force: LOCKED_ROW },
  arguments: ['box', 'word', 'file'],
});
export const DRIVE_EJECT = command({
  name: 'drive eject',
  summary: 'take the disc out, while the box runs',
  usage: ['BOX ID [OPTIONS]'],
  options: { force: LOCKED_ROW },
  arguments: ['box', 'word'],
});
export const DRIVE_RESIZE = command({
  name: 'drive resize',
  summary: 'let a disk grow, to 20G for example',
  usage: ['BOX ID SIZE'],
  options: {},
  arguments: ['box', 'word', 'word'],
});

export const LIST = command({
  name: 'list',
  summary: 'show the boxes of this user',
  usage: ['[OPTIONS]'],
  options: { json: { type: 'flag', help: 'as JSON, sizes in bytes' } },
});

export const CREATE = command({
  name: 'create',
  summary: 'make a box',
  usage: ['NAME [OPTIONS]'],
  about: `  hartbox create Debian --firmware edk2 --memory 2G --disk 20G --cdrom debian.iso`,
  options: {
    disk: {
      type: 'value',
      value: 'SIZE[,format=raw|qcow2]',
      help: 'a new empty disk in the folder of the box, behind its other drives; it takes space as it is written to',
    },
    cdrom: CDROM_ROW,
    json: { type: 'flag', help: 'print the id and the settings of the new box as JSON' },
  },
  settings: OPTIONS.filter(({ key }) => key !== 'name'),
  arguments: ['word'],
});

export const GET = command({
  name: 'get',
  summary: 'show the settings of a box',
  usage: ['BOX [KEY] [--json]'],
  about: 'Without KEY: all settings, and which of them were set. `hartbox help options` explains them.',
  options: { json: { type: 'flag', help: 'as JSON: value, default, and whether it was set' } },
  arguments: ['box', 'option'],
});

export const SET = command({
  name: 'set',
  summary: 'change the settings of a box',
  usage: ['BOX KEY=VALUE… [--KEY VALUE…] [--unset KEY…]'],
  about: `A list is given whole: what it had before is replaced. A running box takes some changes at once; for the others the answer says that it has to be switched on again.

  hartbox set Debian memory=1G harts=2
  hartbox set Debian drives=file=a.qcow2 drives=file=b.iso,media=cdrom
  hartbox set Debian --unset append`,
  options: {
    unset: { type: 'value', multiple: true, value: 'KEY', help: 'back to the default; may be given more than once' },
    json: { type: 'flag', help: 'print what changed as JSON' },
  },
  settings: OPTIONS,
  arguments: ['box', 'assignment'],
});

export const CLONE = command({
  name: 'clone',
  summary: 'copy a box',
  usage: ['BOX [NAME] [OPTIONS]'],
  options: {
    linked: { type: 'flag', help: 'keep of its disks only what differs from those of BOX, which must then not change any more' },
    json: { type: 'flag', help: 'print the id and the settings of the new box as JSON' },
  },
  arguments: ['box', 'word'],
});

export const RENAME = command({
  name: 'rename',
  summary: 'give a box another name',
  usage: ['BOX NAME'],
  options: {},
  arguments: ['box', 'word'],
});

export const DELETE = command({
  name: 'delete',
  summary: 'move a box to the trash',
  usage: ['BOX [OPTIONS]'],
  about: 'It stays there with its disks until the trash is emptied: see `hartbox trash`.',
  options: { yes: { type: 'flag', short: 'y', help: 'do not ask' } },
  arguments: ['box'],
});

export const TRASH = command({
  name: 'trash',
  summary: 'look after the boxes that were deleted',
  usage: ['COMMAND [OPTIONS]'],
  options: {},
  isGroup: true,
});
export const TRASH_LIST = command({
  name: 'trash list',
  summary: 'show the boxes in the trash',
  usage: ['[--json]'],
  options: { json: JSON_ROW },
});
export const TRASH_RESTORE = command({
  name: 'trash restore',
  summary: 'take a box back out of the trash',
  usage: ['BOX'],
  options: {},
  arguments: ['trashed'],
});
export const TRASH_EMPTY = command({
  name: 'trash empty',
  summary: 'delete for good what is in the trash',
  usage: ['[BOX…] [OPTIONS]'],
  options: { yes: { type: 'flag', short: 'y', help: 'do not ask' } },
  arguments: ['trashed'],
});

export const EXPORT = command({
  name: 'export',
  summary: 'write a box with its disks into one file',
  usage: ['BOX FILE [OPTIONS]'],
  options: { force: { type: 'flag', help: 'replace FILE if it exists, once the new one is complete' } },
  arguments: ['box', 'file'],
});

export const IMPORT = command({
  name: 'import',
  summary: 'make a box from an exported file',
  usage: ['FILE [OPTIONS]'],
  about: 'It has its old name, or one like it that is free, unless another is given.',
  options: {
    json: { type: 'flag', help: 'print the id and the settings of the new box as JSON' },
  },
  settings: OPTIONS.filter(({ key }) => key === 'name'),
  arguments: ['file'],
});

export const DISK = command({
  name: 'disk',
  summary: 'make and look after disk images',
  usage: ['COMMAND [OPTIONS]'],
  about: 'Disk images are raw files and qcow2. No box may use an image while it is changed.',
  options: {},
  isGroup: true,
});

/** What a new qcow2 image may be asked for. */
const CREATION = {
  format: { ...FORMAT_ROW, help: 'of the new image  [raw if its name ends in .img, .raw or .iso, else qcow2]' },
  'cluster-size': { type: 'value', value: 'SIZE', help: 'of qcow2, 512 to 2M  [64K]' },
  'extended-l2': { type: 'flag', help: '32 subclusters in each cluster: less to copy over a backing file' },
  'lazy-refcounts': { type: 'flag', help: 'let QEMU put off some writes' },
  'refcount-bits': { type: 'value', value: 'N', help: '1, 2, 4 … 64  [16]' },
  compat: { type: 'value', value: '2|3', choices: ['2', '3'], help: 'version of qcow2  [3]' },
} as const satisfies OptionTable;

export const DISK_CREATE = command({
  name: 'disk create',
  summary: 'make an empty disk image',
  usage: ['FILE [SIZE] [OPTIONS]'],
  about: `SIZE is 20G, 512M and the like, or a number of bytes; with --backing it may be left out. The image takes little space until it is written to.`,
  more: DISK_CODES,
  options: {
    ...CREATION,
    backing: {
      type: 'value',
      short: 'b',
      value: 'FILE',
      isFile: true,
      help: 'show what this disk has until it is overwritten; it must not change any more',
    },
    'backing-format': { ...FORMAT_ROW, short: undefined, help: 'of that file' },
    json: { type: 'flag', help: 'print what `disk info --json` prints' },
  },
  arguments: ['file', 'word'],
});

export const DISK_INFO = command({
  name: 'disk info',
  summary: 'show what an image is',
  usage: ['FILE [OPTIONS]'],
  about:
    'Its size, format and snapshots, and the files that it and the images below it name: backing files, data files, and which of them it may not use (see `hartbox disk trust`).',
  more: DISK_CODES,
  options: { format: FORMAT_ROW, json: JSON_ROW },
  arguments: ['file'],
});

export const DISK_CHECK = command({
  name: 'disk check',
  summary: 'look for damage in a qcow2 image, and repair it',
  usage: ['FILE [OPTIONS]'],
  more: `
Exit codes: 0 nothing is wrong (any more), 1 the image is damaged, 3 only space is lost, 2 the command line is wrong, 125 it could not be checked.`,
  options: {
    repair: {
      type: 'optional',
      value: 'leaks',
      choices: ['leaks', 'all'],
      help: 'set right what can be (make a copy first); with leaks, only give back space that nobody uses',
    },
    format: FORMAT_ROW,
    json: { type: 'flag', help: 'counts of `corruptions` and `leaks`: `found`, and `left` after a repair' },
  },
  arguments: ['file'],
});

export const DISK_RESIZE = command({
  name: 'disk resize',
  summary: 'change the size of a disk',
  usage: ['FILE SIZE|+SIZE [OPTIONS]'],
  about: "The guest's partitions and file systems stay as they are.",
  more: DISK_CODES,
  options: {
    shrink: { type: 'flag', help: 'let a raw disk lose its end (a qcow2 disk cannot)' },
    format: FORMAT_ROW,
    json: JSON_ROW,
  },
  arguments: ['file', 'word'],
});

export const DISK_CONVERT = command({
  name: 'disk convert',
  summary: 'copy a disk into a new image, of the other format or compressed',
  usage: ['FROM TO [OPTIONS]'],
  about: `All that the disk shows, with all of its backing files, is copied; zeroes take no space in the new image. Interrupted, it leaves TO as it was.`,
  more: DISK_CODES,
  options: {
    ...CREATION,
    'from-format': { ...FORMAT_ROW, short: undefined, help: 'of the image that is copied' },
    compress: { type: 'flag', short: 'c', help: 'compress it (qcow2)' },
    force: { type: 'flag', help: 'replace TO if it exists, once the copy is complete' },
    json: { type: 'flag', help: 'print what `disk info --json` prints of TO' },
  },
  arguments: ['file', 'file'],
});

export const DISK_COMMIT = command({
  name: 'disk commit',
  summary: 'write what an image has of its own into its backing file',
  usage: ['FILE [OPTIONS]'],
  about: `The image is empty then and shows the same. Other images over the same backing file lose their base. Interrupted, FILE still shows what it did: commit it again.`,
  more: DISK_CODES,
  options: { json: JSON_ROW },
  arguments: ['file'],
});

export const DISK_TRUST = command({
  name: 'disk trust',
  summary: 'let an image use files outside of its folder',
  usage: ['FILE [OPTIONS]', '[--json]'],
  about: `An image can name other files: a backing file, which is read, or a data file, which is read and written. By itself it may only use what lies in its own folder (no hidden files, no absolute paths). This allows the files that \`hartbox disk info FILE\` shows as not allowed; an image that names another file later has to be allowed again. Images that were made here with --backing, and those of linked clones, need no permission.

Without FILE it shows all that is allowed.`,
  more: DISK_CODES,
  options: {
    withdraw: { type: 'flag', help: 'allow no longer what FILE was allowed' },
    format: FORMAT_ROW,
    json: JSON_ROW,
  },
  arguments: ['file'],
});

export const SETUP = command({
  name: 'setup',
  summary: 'fetch and build the built-in Linux',
  usage: ['[OPTIONS]'],
  about: 'It is 112 MB from a Debian mirror, once; then boxes start at once.',
  more: '\nHARTBOX_HOME in the environment says where Hartbox keeps boxes and downloads.',
  options: { json: { type: 'flag', help: 'print the paths of its kernel, initramfs and firmware as JSON' } },
});

export const DOCTOR = command({
  name: 'doctor',
  summary: 'look at this computer for what keeps boxes from running, or makes them slow',
  usage: ['[OPTIONS]'],
  about: `Looks at Node and its JavaScript engine, processors and memory, the disk of the data folder (which it writes up to 32 MiB to), boxes and what was left by work that was ended, mirrors, proxies and ports. What is as it should be is shown with --all.`,
  more: '\nExit codes: 0 boxes can run, 1 a problem was found, 2 the command line is wrong, 125 the report cannot be written.',
  options: {
    all: { type: 'flag', short: 'a', help: 'also what is as it should be' },
    json: { type: 'flag', help: 'as JSON, all of it, with personal details' },
    report: {
      type: 'value',
      value: 'FILE',
      isFile: true,
      help: 'write all to FILE, to be attached to a bug report: without the name of the user, the home folder, the name of this computer, and passwords in addresses',
    },
  },
});

export const QEMU = command({
  name: 'qemu',
  summary: 'run a machine by a command line of qemu-system-riscv64',
  usage: ['[QEMU OPTIONS]'],
  about: `What there is not here is refused by name. \`hartbox qemu -help\` lists all options of QEMU and what each does here; with -verbose you see what makes no difference. \`hartbox-qemu\` is the same in one word: make qemu QEMU=hartbox-qemu

  hartbox qemu -machine virt -nographic -kernel Image -append console=ttyS0
  hartbox qemu -machine virt -bios none -kernel kernel -smp 3 -nographic -s -S`,
  more: `
The exit code is that of QEMU: what the guest gave to the test finisher (its low 8 bits), 0 after a poweroff, Ctrl-A x or a signal, 1 where it could not be done.`,
  options: {},
  isForeign: true,
  arguments: ['file'],
});

export const SCHEMA = command({
  name: 'schema',
  summary: 'print the JSON Schema of settings files',
  usage: [''],
  about: 'Editors complete and check settings files by it.',
  options: {},
});

export const COMPLETION = command({
  name: 'completion',
  summary: 'print what makes the shell complete commands, options and boxes',
  usage: ['bash|zsh|fish'],
  about: `To have it in every shell:
  bash  echo 'source <(hartbox completion bash)' >> ~/.bashrc
  zsh   echo 'source <(hartbox completion zsh)' >> ~/.zshrc
  fish  hartbox completion fish > ~/.config/fish/completions/hartbox.fish`,
  options: {},
  // `completion words …` is for the scripts: what follows is the command line that is being typed.
  endsAtFirst: true,
});

export const HELP = command({
  name: 'help',
  summary: 'help on a command or on the settings of a box',
  usage: ['[COMMAND] [--markdown]', 'options [--markdown]', 'KEY'],
  about: `\`hartbox help run\` is the same as \`hartbox run --help\`. \`hartbox help options\` explains all settings of a box, \`hartbox help memory\` one of them.`,
  options: { markdown: { type: 'flag', help: 'as Markdown; without COMMAND a reference of all commands and settings' } },
  arguments: ['command'],
});

/** All commands, in the order of the help. */
export const COMMANDS = [
  RUN,
  EXEC,
  LIST,
  START,
  ATTACH,
  STOP,
  PAUSE,
  RESUME,
  RESET,
  DEBUG,
  STATS,
  INFO,
  RAM,
  SCREENSHOT,
  VNC,
  TYPE,
  CLICK,
  LOGS,
  NETWORK,
  NETWORK_LIST,
  NETWORK_FLOWS,
  NETWORK_FORWARDS,
  NETWORK_FORWARD,
  NETWORK_UNFORWARD,
  NETWORK_UP,
  NETWORK_DOWN,
  NETWORK_LINE,
  CAPTURE,
  SSH,
  COPY,
  DRIVE,
  DRIVE_LIST,
  DRIVE_ATTACH,
  DRIVE_DETACH,
  DRIVE_INSERT,
  DRIVE_EJECT,
  DRIVE_RESIZE,
  CREATE,
  GET,
  SET,
  CLONE,
  RENAME,
  DELETE,
  TRASH,
  TRASH_LIST,
  TRASH_RESTORE,
  TRASH_EMPTY,
  EXPORT,
  IMPORT,
  DISK,
  DISK_CREATE,
  DISK_INFO,
  DISK_CHECK,
  DISK_RESIZE,
  DISK_CONVERT,
  DISK_COMMIT,
  DISK_TRUST,
  SETUP,
  DOCTOR,
  QEMU,
  SCHEMA,
  COMPLETION,
  HELP,
] as const satisfies readonly Command[];
