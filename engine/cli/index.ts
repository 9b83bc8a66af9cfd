#!/usr/bin/env node
import { HARTBOX_VERSION } from '../host/version';
import { systemError } from '../errors/system-error';
import { ENDING_SIGNALS } from '../host/ending-signals';
import { EXIT_FAILURE, EXIT_USAGE } from './exit-codes';
import { flush, isReaderGone } from './host-streams';
import { UsageError } from './usage-error';

/** How long the message about a defect may take to leave this process, in milliseconds. */
const LAST_WORDS_MS = 1000;

async function main(words: string[]): Promise<number> {
  // At once: scripts ask for it, and all else takes longer to load.
  if (words[0] === '--version') {
    process.stdout.write(`${HARTBOX_VERSION}\n`);
    return 0;
  }
  const { dispatch } = await import('./dispatch');
  return dispatch(words);
}

/** One clear line (a guest's console may follow); the exit code. */
function report(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  if (process.env['HARTBOX_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n${describeCause(error)}`);
  if (error instanceof UsageError) {
    process.stderr.write(`hartbox: ${message}\nTry: hartbox ${error.command ? `${error.command} ` : ''}--help\n`);
    return EXIT_USAGE;
  }
  const known = systemError(error);
  const defect = known && known.kind !== 'Internal' ? '' : 'internal error: ';
  process.stderr.write(`hartbox: ${defect}${known?.message ?? message}\n`);
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
// Whoever read our output has gone: what is left to say has no reader, and that is no failure. A full disk is one.
const output: { failure?: Error } = {};
process.stdout.on('error', (error: Error) => {
  if (!isReaderGone(error)) output.failure ??= error;
});
process.stderr.on('error', () => undefined);

// Ending waits for system calls under way, and some never return (a file server that is gone): then the next signal is the system's.
process.on('exit', () => {
  for (const signal of ENDING_SIGNALS) process.removeAllListeners(signal);
});

let code = await main(process.argv.slice(2)).catch(report);
await flush(process.stdout, process.stderr);
if (output.failure) {
  code = EXIT_FAILURE;
  process.stderr.write(`hartbox: the standard output cannot be written: ${output.failure.message}\n`);
  await flush(process.stderr);
}
process.exit(code);
