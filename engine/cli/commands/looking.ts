import { command } from '../command';
import { VNC_PASSWORD } from './rows';

export const STATS = command({
  name: 'stats',
  summary: 'show what the harts of a box have done since it was switched on',
  usage: ['BOX [OPTIONS]'],
  options: { json: { type: 'flag', help: 'as JSON, in the form of `hartbox run --stats-json`' } },
  arguments: ['box'],
});

export const PROFILE = command({
  name: 'profile',
  summary: 'look for some seconds where a box that runs spends its time, by the functions of its kernel',
  usage: ['BOX [OPTIONS]'],
  about: `The names of a Linux kernel's functions come out of the guest's memory. Of programs pages are shown where no file names their functions.
A profile from the first instruction on: hartbox run --profile FILE.`,
  options: {
    seconds: { type: 'value', value: 'N', help: 'for how long: 0.2 to 60 (default: 5)' },
    symbols: {
      type: 'value',
      value: 'FILE',
      isFile: true,
      multiple: true,
      help: 'an ELF file with more names, or a copy of /proc/kallsyms',
    },
    out: { type: 'value', value: 'FILE', isFile: true, help: 'all of it, with who called whom, as a .cpuprofile for flame-graph viewers' },
    json: { type: 'flag', help: 'as JSON; shares are parts of one' },
  },
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

const SCREEN = { type: 'value', value: 'N', help: 'which of its screens; the first is 0 (default: 0)' } as const;

export const SCREENSHOT = command({
  name: 'screenshot',
  summary: 'write what a screen of a box that runs shows to a PNG file',
  usage: ['BOX FILE.png [OPTIONS]'],
  options: { screen: SCREEN },
  arguments: ['box'],
});

export const DUMP = command({
  name: 'dump',
  summary: 'write the memory and the registers of a box that runs to a file',
  usage: ['BOX FILE'],
  about: `The file is an ELF core: gdb-multiarch reads it. Memory is in it by physical addresses and, where a kernel runs, by
its own. A file of that name is replaced; the box stands still meanwhile. See also --watchdog-dump.`,
  options: {},
  arguments: ['box'],
});

export const VNC = command({
  name: 'vnc',
  summary: 'show a screen of a box that runs to VNC viewers, and say where',
  usage: ['BOX [OPTIONS]'],
  about: `Any viewer will do. VNC is not encrypted: to look from another computer, forward the port by ssh -L.
The guest's resolution follows the viewer's window, where both can do that.`,
  options: {
    screen: SCREEN,
    address: { type: 'value', value: 'ADDRESS', help: 'where: PORT, HOST:PORT, :DISPLAY or unix:PATH  [127.0.0.1:5900, or a free port]' },
    password: VNC_PASSWORD,
  },
  arguments: ['box'],
});

export const TYPE = command({
  name: 'type',
  summary: 'type on the keyboard of a box that runs',
  usage: ['BOX TEXT [OPTIONS]'],
  about: `As on a US keyboard; what the guest makes of it depends on the keyboard that it is set to. A text with letters that such a keyboard has not is pasted,
by Shift+Insert: for that the box's setting --clipboard has to be on, and spice-vdagent has to run in its guest.`,
  options: { enter: { type: 'flag', help: 'press Enter behind it' } },
  arguments: ['box'],
});

export const CLIPBOARD = command({
  name: 'clipboard',
  summary: 'print what is in the clipboard of a box that runs, put something there, or send files to its user',
  usage: ['BOX get [--picture FILE.png]', 'BOX set TEXT', 'BOX set - < FILE', 'BOX set --picture FILE.png', 'BOX send FILE…'],
  about: `The box's setting --clipboard has to be on, and spice-vdagent has to run in its guest, as it does on most desktops.`,
  options: { picture: { type: 'value', value: 'FILE.png', help: 'a picture instead of a text' } },
  arguments: ['box'],
});

export const CLICK = command({
  name: 'click',
  summary: 'click at a pixel of a screen of a box that runs',
  usage: ['BOX X Y [OPTIONS]'],
  options: {
    screen: SCREEN,
    button: { type: 'value', value: 'BUTTON', help: 'left, right or middle (default: left)' },
    double: { type: 'flag', help: 'twice' },
  },
  arguments: ['box'],
});

export const LOGS = command({
  name: 'logs',
  summary: 'show what a box that runs has reported: warnings, and what was asked of it',
  usage: ['BOX [OPTIONS]'],
  options: {
    follow: { type: 'flag', help: 'go on until the box is off' },
    serial: { type: 'flag', help: 'what the guest wrote to its console instead, the last 256 KB; also of a box that is off' },
  },
  arguments: ['box'],
});
