import { writeCpio } from '../images/cpio';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import type { VirtualMachine } from '../machine/virtual-machine';
import { Runner } from '../runner/runner';
import { ConsoleEscape } from './console-escape';
import { Ending } from './ending';
import { exitCodeOfSignal } from './exit-codes';
import { tellOfFullDisk } from './full-disk';
import { pacedWriter } from '../host/paced-writer';
import { readFrom } from './host-streams';
import { HostTerminal } from './host-terminal';
import { parseMachineOptions } from './machine-options';
import { checkConfig, prepare } from './machine-setup';
import { OutputTail } from './output-tail';
import { shellQuote } from './shell-quote';
import { prepareProfile, writeProfile } from './profile-file';
import { ReportFile } from './report-file';
import { tellOfDebugger } from './run';
import { reportStatistics } from './statistics-report';
import { UsageError } from './usage-error';

const PORTS = { stdin: 'hartbox.stdin', stdout: 'hartbox.stdout', stderr: 'hartbox.stderr', status: 'hartbox.status' };
/** What the guest says by the status port when the command begins at the terminal. */
const BEGIN = 'begin\n';
const END_OF_TRANSMISSION = 4;
const ONLINE = { type: 'file', path: 'hartbox/online', mode: 0o644, data: new Uint8Array() } as const;
const TTY = { ...ONLINE, path: 'hartbox/tty' } as const;

/** `hartbox exec`: one command in the default guest, with this process's streams. Returns the command's exit status. */
export async function exec(args: string[]): Promise<number> {
  const { options, rest } = parseMachineOptions('exec', args);
  if (rest.length === 0) throw new UsageError('Which command? For example: hartbox exec -- uname -m', 'exec');

  const terminal = new HostTerminal(process.stdin, process.stdout);
  const ending = new Ending(terminal.tell);
  const script = new TextEncoder().encode(`#!/bin/sh\n${shellQuote(rest)}\n`);
  // Nobody reads the kernel's messages unless something goes wrong, so there should be few to print.
  const config = {
    ...(options.tty && terminal.size && { console: terminal.size }),
    ...options.config,
    append: ['quiet', options.config.append].filter(Boolean).join(' '),
  };
  let stopInput = (): void => undefined;
  try {
    const profile = await prepareProfile(options);
    const statsFile = options.statsJson === undefined ? undefined : await ReportFile.named('--stats-json', options.statsJson);
    const { network } = checkConfig('exec', config);
    const extraInitrd = writeCpio([
      { type: 'directory', path: 'hartbox' },
      { type: 'file', path: 'hartbox/exec', mode: 0o755, data: script },
      // The command is not to come before the address, where there will be one.
      ...(options.tty ? [TTY] : []),
      ...(network.some(({ connection, link }) => connection === 'nat' && link) ? [ONLINE] : []),
    ]);
    const runner = new Runner({
      config,
      program: 'hartbox exec',
      dataDirectory: dataDirectory(),
      trace: options.trace,
      traceFrom: options.traceFrom,
      symbols: options.symbols,
      checkJit: options.checkJit,
      checkFences: options.checkFences,
      profile: profile !== undefined,
      gdb: options.gdb,
      paused: options.paused,
      extraInitrd,
      ports: options.tty ? [PORTS.status] : Object.values(PORTS),
    });
    const machine = await prepare(runner);
    reportStatistics(machine, options, statsFile, terminal.tell);
    if (profile) writeProfile(machine, profile, terminal.tell);
    runner.on('warning', (warning) => terminal.tell(`warning: ${warning.message}`));
    tellOfFullDisk(runner, terminal.tell);
    const consoleTail = new OutputTail();
    let panic = false;
    const streams = options.tty ? byTerminal(machine, runner, terminal, ending) : byPorts(machine, terminal);
    stopInput = () => streams.stopInput();
    machine.console.onData((data) => {
      if (process.env['HARTBOX_DEBUG']) process.stderr.write(data);
      consoleTail.push(data);
      // A kernel that panicked waits for ever.
      if (!panic && consoleTail.text().includes('Kernel panic')) {
        panic = true;
        setTimeout(() => void machine.stop(), 500);
      }
      return streams.onConsole?.(data);
    });
    const status = new OutputTail();
    let hasBegun = false;
    machine.port(PORTS.status).onData((data) => {
      status.push(data);
      if (hasBegun || !status.text().startsWith(BEGIN)) return;
      hasBegun = true;
      streams.onBegin?.();
    });
    await runner.start();
    tellOfDebugger(runner, options, undefined, terminal.tell);
    ending.watch(machine, options.timeout);
    streams.onStart?.();
    const exit = await runner.wait();
    ending.machineEnded();
    await Promise.all([statsFile?.written, profile?.file.written]);
    if (ending.code !== undefined) return ending.code;
    if (exit.error) throw exit.error;
    const reported = /^(\d+)\s*$/.exec(status.text().replace(BEGIN, ''));
    if (reported && !panic) return Number(reported[1]);
    const what = panic ? 'The guest kernel panicked.' : 'The guest ended without saying how the command did.';
    throw new VmError('Guest', `${what} The last of its console:\n${consoleTail.text().trimEnd() || '(nothing)'}`);
  } finally {
    stopInput();
    terminal.giveBack();
    ending.release();
  }
}

/** The ways of the command's input and output. */
interface Streams {
  onConsole?: (data: Uint8Array) => Promise<void> | undefined;
  /** The machine runs. */
  onStart?: () => void;
  /** The command begins, where the guest says so. */
  onBegin?: () => void;
  stopInput: () => void;
}

/** A console port for each of this process's streams. */
function byPorts(machine: VirtualMachine, terminal: HostTerminal): Streams {
  machine.port(PORTS.stdout).onData(pacedWriter(process.stdout));
  machine.port(PORTS.stderr).onData(pacedWriter(process.stderr));
  const stdin = machine.port(PORTS.stdin);
  // The guest writes to its input once, when it is about to read. Before that it does not see an end.
  const isRead = new Promise<void>((resolve) => stdin.onData(() => resolve()));
  const streams: Streams = {
    onStart: () => {
      streams.stopInput = readFrom(process.stdin, stdin, {
        windowsConsole: process.platform === 'win32' && terminal.isInteractive,
        onEnd: () => void isRead.then(() => stdin.end()),
      });
    },
    stopInput: () => undefined,
  };
  return streams;
}

/** The guest's console, from where the command begins. */
function byTerminal(machine: VirtualMachine, runner: Runner, terminal: HostTerminal, ending: Ending): Streams {
  let show: Streams['onConsole'];
  terminal.onResize((columns, rows) => runner.resize(columns, rows));
  const streams: Streams = {
    onConsole: (data) => show?.(data),
    onBegin: () => {
      show = pacedWriter(process.stdout);
      terminal.lend();
      const keys = new ConsoleEscape();
      streams.stopInput = readFrom(process.stdin, machine.console, {
        filter: (typed) => {
          if (!terminal.isInteractive) return typed;
          const { forward, commands } = keys.filter(typed);
          if (commands.includes('quit')) ending.now(exitCodeOfSignal('SIGINT'));
          return forward;
        },
        // What a terminal has for an end.
        onEnd: () => void machine.console.write(Uint8Array.of(END_OF_TRANSMISSION)),
      });
    },
    stopInput: () => undefined,
  };
  return streams;
}
