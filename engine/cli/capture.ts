import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ENDING_SIGNALS } from '../host/ending-signals';
import { CAPTURE } from './commands/network';
import { parseSeconds } from './quantities';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { UsageError } from './usage-error';

/** `hartbox capture`: what goes through the network adapters of a box into a file, until Ctrl-C, for so long, or until the box is off. */
export async function capture(args: string[]): Promise<number> {
  const { name, values, rest } = parseBoxCommand(CAPTURE, args);
  nothingMore('capture', rest);
  const { output, timeout } = values;
  if (output === undefined || output === '') throw new UsageError('Where to? Name a file with -o.', 'capture');
  const limit = timeout === undefined ? undefined : parseSeconds('--timeout', timeout);
  const { client } = await runningBox(name);
  const over = new AbortController();
  const end = (): void => over.abort();
  let isOff = false;
  for (const signal of ENDING_SIGNALS) process.on(signal, end);
  client.on('closed', () => {
    isOff = true;
    end();
  });
  try {
    await client.call('capture-start', { file: resolve(output) });
    process.stderr.write(`hartbox: capturing to ${output}; ${limit === undefined ? 'Ctrl-C ends it' : 'it ends by itself'}.\n`);
    // A timer of so long that nobody sees its end keeps the process alive.
    await delay(limit ?? 2 ** 31 - 1, undefined, { signal: over.signal }).catch(() => undefined);
    if (isOff) process.stderr.write('hartbox: the box is off, and the capture complete.\n');
    else {
      const { frames, dropped } = await client.call('capture-end', {});
      process.stderr.write(
        `hartbox: ${frames} packets in ${output}${dropped > 0 ? `, ${dropped} left out: the disk was too slow` : ''}.\n`,
      );
    }
  } finally {
    for (const signal of ENDING_SIGNALS) process.off(signal, end);
    client.close();
  }
  return 0;
}
