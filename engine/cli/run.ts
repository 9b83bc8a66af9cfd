import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { asFileName } from '../host/file-name';
import { dataDirectory } from '../host/data-directory';
import { impliedSource, keepingVariables } from '../settings/boot';
import { type MachineConfigInput, machineConfig } from '../settings/settings';
import { Library } from '../runner/library';
import { Runner, type RunnerOptions } from '../runner/runner';
import { ConsoleEscape, type EscapeCommand } from './console-escape';
import { Ending } from './ending';
import { tellOfFullDisk } from './full-disk';
import { pacedWriter } from '../host/paced-writer';
import { readFrom } from './host-streams';
import { HostTerminal } from './host-terminal';
import { writeDeviceTree } from './info';
import { type MachineOptions, parseMachineOptions } from './machine-options';
import { checkConfig, prepare } from './machine-setup';
import { prepareProfile, writeProfile } from './profile-file';
import { recoverLibrary } from './recovery';
import { ReportFile } from './report-file';
import { reportStatistics, statisticsTable } from './statistics-report';
import { takeScreenshots } from './timed-screenshots';
import { UsageError } from './usage-error';
import { describeVnc, vncWish } from './vnc';

const KEYS = `
Ctrl-A x       switch the machine off and leave
Ctrl-A s       what the harts have done so far
Ctrl-A c       go on after the host's disk was full
Ctrl-A h       this help
Ctrl-A Ctrl-A  send Ctrl-A to the guest`;

const STAYS = 'This terminal runs the box, so it cannot be left. What runs without one: hartbox start, and hartbox attach to look at it.';

/** How long a machine runs on without input before that is explained, in milliseconds. */
const HINT_MS = 3000;

/** What is to be run: a machine without a place in the library, or one of its boxes, with what is different this time. */
type Subject = Pick<RunnerOptions, 'box' | 'config'> & { config: MachineConfigInput };

/** `hartbox run`: a machine whose console is this terminal. Returns the exit code. */
export async function run(args: string[]): Promise<number> {
  const { options, rest } = parseMachineOptions('run', args);
  const [name, surplus] = rest;
  if (surplus !== undefined) throw new UsageError(`Only one box can be named; '${surplus}' is too much.`, 'run');
  if (name !== undefined) return runMachine(await savedBox('run', name, options.config), options, name);
  const config = keepingVariables<MachineConfigInput>(options.config, flashFileOfDrive(options.config));
  checkConfig('run', config);
  return runMachine({ config }, options);
}

/** A box of the library by its name or id. Throws UsageError where the options given do not go with it, VmError if there is no such box. */
export async function savedBox(command: string, name: string, config: MachineConfigInput): Promise<Subject & { box: object }> {
  const library = new Library(dataDirectory());
  await recoverLibrary(library);
  const entry = await library.find(name);
  if (entry.error) throw entry.error;
  // Where nothing is given there is nothing on the command line to blame.
  const source = impliedSource(config) ?? entry.values.source;
  if (Object.keys(config).length > 0) checkConfig(command, { ...machineConfig(entry.values), ...config, source });
  return { box: { library, id: entry.id }, config };
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

async function runMachine({ box, config }: Subject, options: MachineOptions, name?: string): Promise<number> {
  const terminal = new HostTerminal(process.stdin, process.stdout);
  const ending = new Ending(terminal.tell);
  let stopInput = (): void => undefined;
  let endScreenshots = (): void => undefined;
  let hint: NodeJS.Timeout | undefined;
  try {
    const profile = await prepareProfile(options);
    const statsFile = options.statsJson === undefined ? undefined : await ReportFile.named('--stats-json', options.statsJson);
    const runner = new Runner({
      ...(box ? { box } : { ports: [] }),
      config: { ...(terminal.size && { console: terminal.size }), ...config },
      program: 'hartbox run',
      dataDirectory: dataDirectory(),
      trace: options.trace,
      traceFrom: options.traceFrom,
      symbols: options.symbols,
      checkJit: options.checkJit,
      checkFences: options.checkFences,
      profile: profile !== undefined,
      gdb: options.gdb,
      vnc: await vncWish(options),
      hasScreen: options.screenshots.length > 0,
      paused: options.paused,
    });
    runner.on('warning', (warning) => terminal.tell(`warning: ${warning.message}`));
    tellOfFullDisk(runner, terminal.tell, terminal.isInteractive ? ', or when you press Ctrl-A c' : '');
    const machine = await prepare(runner);
    if (options.dumpDtb !== undefined) {
      try {
        await writeDeviceTree(options.dumpDtb, machine.deviceTree());
      } finally {
        await runner.forceOff();
      }
      return 0;
    }
    reportStatistics(machine, options, statsFile, terminal.tell);
    if (profile) writeProfile(machine, profile, terminal.tell);
    machine.console.onData(pacedWriter(process.stdout));
    terminal.onResize((columns, rows) => runner.resize(columns, rows));

    const consoleEscape = new ConsoleEscape();
    const obey = (command: EscapeCommand): void => {
      if (command === 'quit') ending.now(0);
      else if (command === 'help') terminal.tell(KEYS);
      else if (command === 'continue') runner.retry();
      else if (command === 'detach') terminal.tell(STAYS);
      else terminal.tell(statisticsTable(machine.statistics).trimEnd());
    };
    const filter = (typed: Uint8Array): Uint8Array => {
      const { forward, commands } = consoleEscape.filter(typed);
      commands.forEach(obey);
      return forward;
    };
    if (terminal.isInteractive) terminal.tell('Ctrl-A x leaves, Ctrl-A h helps.');
    await runner.start();
    tellOfDebugger(runner, options, name, terminal.tell);
    if (options.vnc !== undefined) terminal.tell(describeVnc(await runner.operations.vnc({}), options));
    endScreenshots = takeScreenshots(machine, runner, options.screenshots, terminal.tell);
    ending.watch(machine, options.timeout);
    terminal.lend();
    let hasInput = terminal.isInteractive;
    // Piped input is the guest's as it is. Its end says nothing: the guest goes on, as on a serial line.
    stopInput = readFrom(process.stdin, machine.console, {
      filter: (data) => {
        hasInput = true;
        return terminal.isInteractive ? filter(data) : data;
      },
      onEnd: () => {
        // Most that have nothing to read end soon.
        if (!hasInput && options.timeout === undefined) hint = setTimeout(() => terminal.tell(closedInput(name)), HINT_MS);
      },
    });
    const exit = await runner.wait();
    ending.machineEnded();
    await Promise.all([statsFile?.written, profile?.file.written]);
    if (ending.code !== undefined) return ending.code;
    if (exit.error) throw exit.error;
    return exit.code;
  } finally {
    stopInput();
    endScreenshots();
    clearTimeout(hint);
    terminal.giveBack();
    ending.release();
  }
}

/** How to attach, and why nothing happens until then. */
export function tellOfDebugger(runner: Runner, { paused }: MachineOptions, name: string | undefined, tell: (text: string) => void): void {
  const { debugger: listening } = runner.status;
  if (listening) tell(`gdb: target remote ${listening.address}`);
  if (paused && !listening)
    tell(`The box waits before its first instruction${name === undefined ? '' : `; let it go on with: hartbox resume ${name}`}.`);
}

function closedInput(name: string | undefined): string {
  const how = name === undefined ? `send SIGTERM to process ${process.pid} to stop it` : `stop it with: hartbox stop ${name}`;
  return `standard input is closed; the box goes on, and takes no keys from here. ${how[0].toUpperCase()}${how.slice(1)}`;
}
