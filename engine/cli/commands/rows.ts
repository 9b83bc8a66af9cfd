import { OPTIONS } from '../../settings/settings';
import type { OptionTable } from '../command';

export const JSON_ROW = { type: 'flag', help: 'as JSON' } as const;

export const FORMAT_ROW = {
  type: 'value',
  short: 'f',
  value: 'raw|qcow2',
  choices: ['raw', 'qcow2'],
  help: 'instead of what the file looks like',
} as const;

export const CDROM_ROW = {
  type: 'value',
  multiple: true,
  value: 'FILE',
  isFile: true,
  help: 'a disc, such as an ISO image: short for --drive file=FILE,media=cdrom; may be given more than once',
} as const;

export const EXIT_CODES = `
Exit codes:
  2    the command line is wrong
  124  stopped by --timeout
  125  Hartbox could not do it: the message says why
  130  ended by Ctrl-C, 143 by a TERM signal
HARTBOX_DEBUG=1 in the environment shows where an error came from.`;

export const DISK_CODES = `
Exit codes: 0 done, 2 the command line is wrong, 125 it could not be done: the message says why.`;

export const VNC_PASSWORD = {
  type: 'value',
  value: 'FILE',
  isFile: true,
  help: 'its password is the first line of FILE, of which VNC looks at 8 characters; "none": everybody who reaches the address may come in  [one that is made; none for unix:PATH]',
} as const;

/** Options of one run of a machine, which no box keeps. */
export const THIS_RUN = {
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
    value: 'jit|fence.i',
    choices: ['jit', 'fence.i'],
    help: 'jit: do all that translated code does once more in the interpreter, and stop where they differ (one hart; several times slower). fence.i: say where the guest executes what it has stored without a fence.i in between (some ten times slower)',
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

export const MACHINE_SETTINGS = OPTIONS.filter(({ part }) => part !== 'app');
