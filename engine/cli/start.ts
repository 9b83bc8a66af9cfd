import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ensureFolder } from '../host/ensure-folder';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { ENDING_SIGNALS } from '../host/ending-signals';
import { errorReportSchema, progressSchema } from '../runner/control';
import { errorOf, reportError } from '../runner/error-report';
import { Runner } from '../runner/runner';
import { BACKGROUND } from './commands/running';
import { Ending } from './ending';
import { EXIT_FAILURE, exitCodeOfSignal } from './exit-codes';
import { parseMachineOptions } from './machine-options';
import { ProgressLine } from './progress-line';
import { savedBox } from './run';
import { UsageError } from './usage-error';
import { describeVnc, vncWish } from './vnc';

/** What the process in the background tells the one that started it, until the box runs. */
const messageSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({ started: z.literal(true), debugger: z.string().optional(), vnc: z.string().optional() }),
  z.object({ error: errorReportSchema }),
]);
type Message = z.output<typeof messageSchema>;

/** `hartbox start`: run a box without a terminal. What goes wrong until it runs is told here. */
export async function start(args: string[]): Promise<number> {
  const { options, rest } = parseMachineOptions('start', args);
  const [name, surplus] = rest;
  if (name === undefined) throw new UsageError('Which box? Name one of those that hartbox list shows.', 'start');
  if (surplus !== undefined) throw new UsageError(`Only one box can be named; '${surplus}' is too much.`, 'start');
  const { box } = await savedBox('start', name, options.config);
  const logs = join(dataDirectory(), 'logs');
  ensureFolder(logs);
  const logFile = join(logs, `${box.id}-background.log`);
  const log = openSync(logFile, 'w', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], BACKGROUND, ...args], {
    detached: true,
    windowsHide: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  await untilItRuns(child, logFile);
  child.disconnect();
  child.unref();
  return 0;
}

function untilItRuns(child: ChildProcess, logFile: string): Promise<void> {
  const line = new ProgressLine(process.stderr);
  // Whoever breaks off here breaks off the start: the box hears that the line to here is gone.
  for (const signal of ENDING_SIGNALS) process.on(signal, () => process.exit(exitCodeOfSignal(signal)));
  return new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      reject(
        new VmError('Internal', `The process that was to run the box ended (${how}). What it said is in ${logFile}.`, {
          code: 'background-ended',
          params: { how, path: logFile },
        }),
      );
    });
    child.on('message', (received) => {
      const message = messageSchema.safeParse(received);
      if (!message.success) return;
      if ('progress' in message.data) line.update(message.data.progress);
      else if ('error' in message.data) reject(errorOf(message.data.error));
      else {
        if (message.data.vnc !== undefined) process.stderr.write(`${message.data.vnc}\n`);
        if (message.data.debugger !== undefined) process.stderr.write(`gdb: target remote ${message.data.debugger}\n`);
        resolve();
      }
    });
  }).finally(() => line.end());
}

/** The process in the background: a box without a terminal. Returns the exit code, which nobody waits for. */
export async function runInBackground(args: string[]): Promise<number> {
  const { options, rest } = parseMachineOptions('start', args);
  const ending = new Ending((message) => process.stderr.write(`${message}\n`));
  /** Resolves when it has left; whoever started this process may be gone. */
  const send = (message: Message): Promise<void> =>
    new Promise((resolve) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
      else resolve();
    });
  try {
    const runner = new Runner({
      ...(await savedBox('start', rest[0] ?? '', options.config)),
      program: 'hartbox start',
      dataDirectory: dataDirectory(),
      trace: options.trace,
      traceFrom: options.traceFrom,
      symbols: options.symbols,
      checkJit: options.checkJit,
      checkFences: options.checkFences,
      gdb: options.gdb,
      vnc: await vncWish(options),
      paused: options.paused,
    });
    runner.on('warning', (warning) => process.stderr.write(`warning: ${warning.message}\n`));
    runner.on('status', ({ progress }) => {
      if (progress) void send({ progress });
    });
    const breakOff = (): void => void runner.forceOff();
    process.on('disconnect', breakOff);
    // Whoever started this one may have been killed before.
    if (!process.connected) breakOff();
    const machine = await runner.prepare();
    await runner.start();
    process.off('disconnect', breakOff);
    ending.watch(machine, options.timeout);
    const shown = options.vnc === undefined ? undefined : describeVnc(await runner.operations.vnc({}), options);
    await send({ started: true, debugger: runner.status.debugger?.address, vnc: shown });
    const exit = await runner.wait();
    if (exit.error) process.stderr.write(`${exit.error.message}\n`);
    return ending.code ?? exit.code;
  } catch (error) {
    await send({ error: reportError(error) });
    return EXIT_FAILURE;
  }
}
