import type { MachineConfigInput } from '../settings/settings';
import type { Command } from './command';
import { EXEC, RUN, START } from './commands/running';
import { givenValues } from './given-values';
import { parseArguments } from './option-parser';
import { parseSeconds } from './quantities';
import { parseTimedScreenshot, type TimedScreenshot } from './timed-screenshots';
import { UsageError } from './usage-error';

/** What the options of `run` and `exec` say: only what was given, so that a saved box keeps the rest. */
export interface MachineOptions {
  config: Omit<MachineConfigInput, 'name'>;
  /** Milliseconds. */
  timeout: number | undefined;
  trace: string[];
  /** Where the trace `exec` begins: an address or a symbol. */
  traceFrom: string | undefined;
  /** Compare translated code with the interpreter as it runs. */
  checkJit: boolean;
  /** Tell where a fence.i is missing. */
  checkFences: boolean;
  /** Whether to report statistics, and every how many milliseconds besides the end. */
  stats: { every: number | undefined } | undefined;
  /** Where to write them as JSON. */
  statsJson: string | undefined;
  /** Where to write a profile of the guest. */
  profile: string | undefined;
  /** Symbols for the profile and the trace: files, and where they were loaded. */
  symbols: { file: string; base: bigint }[];
  /** Where to listen for a debugger; empty for the usual address. */
  gdb: string | undefined;
  /** Where to show the screen by VNC; empty for the usual address. And the file with its password. */
  vnc: string | undefined;
  vncPassword: string | undefined;
  screenshots: TimedScreenshot[];
  /** Write the device tree there, and end. */
  dumpDtb: string | undefined;
  /** The command is at a terminal. */
  tty: boolean;
  /** Wait before the first instruction. */
  paused: boolean;
  help: boolean;
}

const ROWS: Record<'run' | 'exec' | 'start', Command> = { run: RUN, exec: EXEC, start: START };

/** The options of a command that makes a machine, and its other arguments. Throws UsageError. */
export function parseMachineOptions(command: 'run' | 'exec' | 'start', args: string[]): { options: MachineOptions; rest: string[] } {
  const { values, settings, names, help } = parseArguments(
    ROWS[command] as Command<(typeof RUN)['options'] & (typeof EXEC)['options']>,
    args,
  );
  const wrong = (message: string): UsageError => new UsageError(message, command);
  for (const name of ['stats-json', 'profile', 'dump-dtb'] as const) {
    if (values[name] === '') throw wrong(`--${name} expects a file.`);
  }
  const trace = (values.trace ?? []).flatMap((topics) => topics.split(',')).filter((topic) => topic !== '');
  const isExecuted = trace.includes('exec');
  if (values.symbols && values.profile === undefined && !isExecuted && values.check !== 'fence.i')
    throw wrong('--symbols is of use only together with --profile, --trace exec or --check fence.i.');
  if (values['trace-from'] !== undefined && !isExecuted) throw wrong('--trace-from is of use only together with --trace exec.');
  if (values['vnc-password'] !== undefined && values.vnc === undefined) throw wrong('--vnc-password is of use only together with --vnc.');
  if (values.check !== undefined && values.check !== 'jit' && values.check !== 'fence.i')
    throw wrong(`--check expects jit or fence.i, not '${values.check}'.`);
  const checkFences = values.check === 'fence.i';
  const options: MachineOptions = {
    config: givenValues(settings, values.cdrom, command),
    timeout: values.timeout === undefined ? undefined : parseSeconds('--timeout', values.timeout),
    trace,
    traceFrom: values['trace-from'],
    stats: values.stats === undefined ? undefined : { every: parseInterval(values.stats) },
    statsJson: values['stats-json'],
    checkJit: values.check === 'jit',
    checkFences,
    profile: values.profile,
    symbols: (values.symbols ?? []).map(parseSymbols),
    gdb: values.gdb,
    vnc: values.vnc,
    vncPassword: values['vnc-password'],
    screenshots: (values.screenshot ?? []).map(parseTimedScreenshot),
    dumpDtb: values['dump-dtb'],
    tty: values.tty ?? false,
    paused: values.paused ?? false,
    help,
  };
  return { options, rest: names };
}

/** `vmlinux`, or `program@0x2aaaaaa000` for one that was loaded elsewhere than it was linked. */
function parseSymbols(text: string): { file: string; base: bigint } {
  const [, file, base = '0'] = /^(.+?)(?:@(0x[0-9a-f]{1,16}))?$/i.exec(text) ?? [];
  if (file === undefined) throw new UsageError('--symbols expects a file.');
  return { file, base: BigInt(base) };
}

/** The value of --stats: seconds between two reports, or nothing. */
function parseInterval(text: string): number | undefined {
  if (text === '') return undefined;
  const milliseconds = parseSeconds('--stats', text.replace(/s$/, ''));
  if (milliseconds < 100) throw new UsageError(`--stats reports at most every 0.1 seconds, not every ${text}.`);
  return milliseconds;
}
