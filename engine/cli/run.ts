import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { asFileName } from '../host/file-name';
import { dataDirectory } from '../images/data-directory';
import { keepingVariables, type MachineConfigInput } from '../machine/config';
import { VmLibrary } from '../machine/vm-library';
import { ConsoleEscape, type EscapeCommand } from './console-escape';
import { Ending } from './ending';
import { exitCodeOfGuest } from './exit-codes';
import { continueWhenThereIsSpace } from './full-disk';
import { RUN_HELP } from './help';
import { readFrom, writeTo } from './host-streams';
import { HostTerminal } from './host-terminal';
import { type MachineOptions, parseMachineOptions } from './machine-options';
import { createMachine } from './machine-setup';
import { prepareProfile, writeProfile } from './profile-file';
import { reportStatistics, statisticsTable } from './statistics-report';
import { UsageError } from './usage-error';

const KEYS = `
Ctrl-A x       switch the machine off and leave
Ctrl-A s       what the harts have done so far
Ctrl-A c       go on after the host's disk was full
Ctrl-A h       this help
Ctrl-A Ctrl-A  send Ctrl-A to the guest`;

/** `hartbox run`: a machine whose console is this terminal. Returns the exit code. */
export async function run(args: string[]): Promise<number> {
  const { options, rest } = parseMachineOptions('run', args);
  if (options.help) {
    process.stdout.write(RUN_HELP);
    return 0;
  }
  const [name, surplus] = rest;
  if (surplus !== undefined) throw new UsageError(`Only one VM can be named; '${surplus}' is too much.`, 'run');
  if (name === undefined)
    return runMachine(keepingVariables<MachineConfigInput>(options.config, flashFileOfDrive(options.config)), options);

  const library = new VmLibrary(dataDirectory());
  const entry = await library.find(name);
  if (entry.error) throw entry.error;
  const lock = await library.lock(entry.id, 'hartbox run');
  try {
    const config = { ...entry.config, ...options.config };
    return await runMachine(keepingVariables<MachineConfigInput>(config, library.flashFile(entry.id)), options);
  } finally {
    await lock.release();
  }
}

/** What UEFI knows of how to boot a disk stays with the disk; without one it need not outlast the machine. */
function flashFileOfDrive({ drives = [] }: MachineConfigInput): string | undefined {
  const disk = drives[0]?.file;
  if (disk === undefined) return undefined;
  const path = resolve(disk);
  // On Windows a file answers to its name in any case.
  const identity = process.platform === 'win32' ? path.toLowerCase() : path;
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 8);
  return join(dataDirectory(), 'flash', `${asFileName(basename(disk))}-${hash}.fd`);
}

async function runMachine(config: MachineConfigInput, options: MachineOptions): Promise<number> {
  const terminal = new HostTerminal(process.stdin, process.stdout);
  const ending = new Ending(terminal.tell);
  let stopInput = (): void => undefined;
  try {
    const profile = await prepareProfile(options);
    const machine = await createMachine(
      'run',
      { ...config, console: terminal.size ?? {} },
      { trace: options.trace, checkJit: options.checkJit, profile: profile !== undefined },
    );
    reportStatistics(machine, options, terminal.tell);
    if (profile) writeProfile(machine, profile, terminal.tell);
    machine.on('warning', (warning) => terminal.tell(`warning: ${warning.message}`));
    const retry = continueWhenThereIsSpace(machine, terminal.tell, terminal.isInteractive ? ', or when you press Ctrl-A c' : '');
    machine.console.onData(writeTo(process.stdout));
    terminal.onResize((columns, rows) => machine.console.resize(columns, rows));

    const consoleEscape = new ConsoleEscape();
    const obey = (command: EscapeCommand): void => {
      if (command === 'quit') ending.now(0);
      else if (command === 'help') terminal.tell(KEYS);
      else if (command === 'continue') retry();
      else terminal.tell(statisticsTable(machine.statistics).trimEnd());
    };
    const filter = (typed: Uint8Array): Uint8Array => {
      const { forward, commands } = consoleEscape.filter(typed);
      commands.forEach(obey);
      return forward;
    };
    if (terminal.isInteractive) terminal.tell('Ctrl-A x leaves, Ctrl-A h helps.');
    await machine.start();
    ending.watch(machine, options.timeout);
    terminal.lend();
    // Piped input is the guest's as it is. Its end says nothing: the guest goes on, as on a serial line.
    stopInput = readFrom(process.stdin, machine.console, terminal.isInteractive ? { filter } : {});
    const exit = await machine.wait();
    if (ending.code !== undefined) return ending.code;
    if (exit.error) throw exit.error;
    return exitCodeOfGuest(exit.code);
  } finally {
    stopInput();
    terminal.giveBack();
    ending.release();
  }
}
