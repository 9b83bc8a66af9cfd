import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { plainText } from '../runner/boot/console-lines';
import type { Result } from '../runner/control';
import { savedConsole } from '../runner/saved-console';
import { LOGS } from './commands/looking';
import { namedBox, nothingMore, parseBoxCommand, runningBox } from './running-box';
import { UsageError } from './usage-error';

type Line = Result<'log'>['lines'][number];

/** How often news are looked for, in milliseconds. */
const FOLLOW_MS = 500;

/** `hartbox logs`. */
export async function logs(args: string[]): Promise<number> {
  const parsed = parseBoxCommand(LOGS, args);
  nothingMore('logs', parsed.rest);
  if (parsed.values.serial) {
    if (parsed.values.follow) throw new UsageError('--serial shows what was written so far; to follow it: hartbox attach BOX', 'logs');
    return serial(parsed.name);
  }
  const { client } = await runningBox(parsed.name);
  let last: Line | undefined;
  try {
    for (;;) {
      const { lines } = await client.call('log', {});
      const known = lines.findLastIndex((line) => line.at === last?.at && line.text === last.text);
      for (const { at, level, text } of lines.slice(known + 1))
        process.stdout.write(`${new Date(at).toISOString()} ${level.padEnd(7)} ${text}\n`);
      last = lines.at(-1);
      if (!parsed.values.follow) break;
      await delay(FOLLOW_MS);
    }
  } catch (error) {
    if (!(parsed.values.follow && error instanceof VmError && error.code === 'control-closed')) throw error;
  }
  client.close();
  return 0;
}

/** What the guest wrote to its console, now or when it ran last. */
async function serial(name: string): Promise<number> {
  const { id, client } = await namedBox(name);
  const text = client ? (await client.call('console-history', {})).text : await savedConsole(dataDirectory(), id);
  client?.close();
  // For a terminal as it was; for files and pipes without colours.
  process.stdout.write(process.stdout.isTTY ? text : plainText(text).replaceAll('\r', ''));
  return 0;
}
