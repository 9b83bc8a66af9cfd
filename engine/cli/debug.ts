import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { pacedWriter } from '../host/paced-writer';
import { Runner } from '../runner/runner';
import { DEBUG } from './commands/running';
import { debuggerArguments, findDebugger } from './debuggers';
import { exitCodeOfSignal } from './exit-codes';
import { givenValues } from './given-values';
import { checkConfig, prepare } from './machine-setup';
import { parseArguments } from './option-parser';
import { savedBox } from './run';
import { namedBox } from './running-box';
import { shellQuote } from './shell-quote';
import { UsageError } from './usage-error';

interface Wish {
  /** What was asked for by --with. */
  program: string | undefined;
  /** Say what to start, and start nothing. */
  print: boolean;
  symbols: string[];
}

/** `hartbox debug`: a debugger on a box that runs, or on a machine that is started for it. Returns the debugger's exit code. */
export async function debug(args: string[]): Promise<number> {
  const { values, settings, names } = parseArguments(DEBUG, args);
  const [name, surplus] = names;
  if (surplus !== undefined) throw new UsageError(`Only one box can be named; '${surplus}' is too much.`, 'debug');
  const config = givenValues(settings, values.cdrom, 'debug');
  const wish = { program: values.with, print: values.print ?? false, symbols: (values.symbols ?? []).map((file) => resolve(file)) };
  const client = name === undefined ? undefined : (await namedBox(name)).client;
  if (!client) {
    if (wish.print) throw new UsageError('--print is for a box that runs.', 'debug');
    // Without one there is nothing to start a machine for.
    wish.program ??= findDebugger();
    const box = name === undefined ? undefined : (await savedBox('debug', name, config)).box;
    if (!box) checkConfig('debug', config);
    const runner = new Runner({
      ...(box ? { box } : { ports: [] }),
      config,
      program: 'hartbox debug',
      dataDirectory: dataDirectory(),
      gdb: values.gdb ?? '0',
      paused: true,
    });
    return debugHere(runner, wish);
  }
  try {
    if (settings.size > 0 || values.cdrom) throw new UsageError(`${name} runs already: what it is made of cannot be changed now.`, 'debug');
    const { address, symbols } = await client.call('debug', values.gdb === undefined ? {} : { address: values.gdb });
    return await attach(address, [...symbols, ...wish.symbols], wish);
  } finally {
    client.close();
  }
}

/** A machine of this process, which ends with its debugger. Its console is what comes between the debugger's lines; keys are the debugger's. */
async function debugHere(runner: Runner, wish: Wish): Promise<number> {
  runner.on('warning', (warning) => process.stderr.write(`warning: ${warning.message}\n`));
  const machine = await prepare(runner);
  machine.console.onData(pacedWriter(process.stdout));
  await runner.start();
  try {
    const { address, symbols } = await runner.operations.debug({});
    return await attach(address, [...symbols, ...wish.symbols], wish);
  } finally {
    await runner.forceOff();
  }
}

async function attach(address: string, symbols: string[], { program, print }: Wish): Promise<number> {
  if (print) {
    const shown = program ?? 'gdb-multiarch';
    process.stdout.write(`${shellQuote([shown, ...debuggerArguments(shown, address, symbols)])}\n`);
    return 0;
  }
  const chosen = program ?? findDebugger();
  // Ctrl-C is the debugger's, which stops the guest by it.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  try {
    return await new Promise<number>((settle, fail) => {
      const child = spawn(chosen, debuggerArguments(chosen, address, symbols), { stdio: 'inherit' });
      child.on('error', (cause) =>
        fail(
          new VmError('Resource', `The debugger ${chosen} could not be started: ${cause.message}. Give another with --with.`, {
            cause,
            code: 'debugger-not-started',
            params: { program: chosen },
          }),
        ),
      );
      child.on('close', (code) => settle(code ?? exitCodeOfSignal('SIGTERM')));
    });
  } finally {
    process.off('SIGINT', ignore);
  }
}
