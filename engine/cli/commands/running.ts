import { command } from '../command';
import { CDROM_ROW, EXIT_CODES, THIS_RUN, MACHINE_SETTINGS } from './rows';

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
  hartbox exec -- sh -c 'exit 7'; echo $?
  hartbox exec -t -- top`,
  more: EXIT_CODES,
  options: {
    cdrom: CDROM_ROW,
    tty: {
      type: 'flag',
      short: 't',
      help: 'give the command a terminal, this one: for editors, top, a shell. Output and errors come as one then; every key goes to the guest, Ctrl-C too, but Ctrl-A x, which ends it',
    },
    ...THIS_RUN,
  },
  // Its console has the size of the terminal of this process, if it has to do with that at all.
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

export const DEV = command({
  name: 'dev',
  summary: 'build what a box starts from, and run it; and again whenever a file is saved',
  usage: ['BOX [OPTIONS]'],
  about: `The settings build and buildFolder of the box say how: a command of this computer, such as make, and where its sources are.

  hartbox create xv6 --kernel kernel/kernel --firmware none --drive file=fs.img,format=raw
  hartbox set xv6 build='make kernel/kernel fs.img' buildFolder=.
  hartbox dev xv6

While it builds the box stands still. Where that fails the box goes on as it was; else it is switched off, and starts anew. Keys go to the guest as with \`hartbox run\`, except
  Ctrl-A b       build and start again now
  Ctrl-A x       switch the box off and leave
  Ctrl-A h       help
  Ctrl-A Ctrl-A  send Ctrl-A to the guest`,
  more: '\nThe exit code is 0 after Ctrl-A x; with --once that of the guest, as with `hartbox run`, or 125 where the build fails.',
  options: {
    once: { type: 'flag', help: 'build, run the box to its end, and leave' },
    timeout: THIS_RUN.timeout,
  },
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
  options: {
    terminal: { type: 'value', value: 'NAME', help: 'another terminal of the box: hvc1 to hvc3, as many as its setting consoles says' },
  },
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
