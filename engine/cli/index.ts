#!/usr/bin/env node
import { VmError } from '../bus/vm-error';
import { version } from '../../package.json';
import { disk } from './disk';
import { DISK_HELP } from './disk/help';
import { exec } from './exec';
import { EXIT_FAILURE, EXIT_USAGE } from './exit-codes';
import { EXEC_HELP, HELP, LIST_HELP, RUN_HELP, SETUP_HELP } from './help';
import { flush } from './host-streams';
import { list } from './list';
import { run } from './run';
import { setup } from './setup';
import { UsageError } from './usage-error';

/** How long the message about a defect may take to leave this process, in milliseconds. */
const LAST_WORDS_MS = 1000;

const COMMANDS: Record<string, { run: (args: string[]) => Promise<number>; help: string }> = {
  run: { run, help: RUN_HELP },
  exec: { run: exec, help: EXEC_HELP },
  list: { run: list, help: LIST_HELP },
  disk: { run: disk, help: DISK_HELP },
  setup: { run: setup, help: SETUP_HELP },
};

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) {
    process.stderr.write(HELP);
    return EXIT_USAGE;
  }
  if (name === '--version') {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) {
    process.stdout.write(HELP);
    return 0;
  }
  const isHelp = name === 'help';
  const command = Object.hasOwn(COMMANDS, isHelp ? args[0] : name) ? COMMANDS[isHelp ? args[0] : name] : undefined;
  if (!command) throw new UsageError(`There is no command '${isHelp ? args[0] : name}'. There are: ${Object.keys(COMMANDS).join(', ')}.`);
  if (!isHelp) return command.run(args);
  process.stdout.write(command.help);
  return 0;
}

/** One clear line (a guest's console may follow); the exit code. */
function report(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  if (process.env['HARTBOX_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n${describeCause(error)}`);
  if (error instanceof UsageError) {
    process.stderr.write(`hartbox: ${message}\nTry: hartbox ${error.command ? `${error.command} ` : ''}--help\n`);
    return EXIT_USAGE;
  }
  const defect = error instanceof VmError && error.kind !== 'Internal' ? '' : 'internal error: ';
  process.stderr.write(`hartbox: ${defect}${message}\n`);
  return EXIT_FAILURE;
}

function describeCause(error: Error): string {
  return error.cause instanceof Error ? `caused by ${error.cause.stack}\n${describeCause(error.cause)}` : '';
}

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => {
    const exit = process.exit.bind(process, report(error));
    // Output may be slow to leave (at a Windows console, into a pipe elsewhere), but nobody waits for a reader that does not read.
    void flush(process.stdout, process.stderr).then(exit);
    setTimeout(exit, LAST_WORDS_MS);
  });
}
// Whoever read our output has gone: what is left to say has no reader, and that is no failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const code = await main(process.argv.slice(2)).catch(report);
await flush(process.stdout, process.stderr);
process.exit(code);
