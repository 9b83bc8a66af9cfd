import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../errors/vm-error';
import type { Result } from '../runner/control';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { LOGS } from './commands/looking';

type Line = Result<'log'>['lines'][number];

/** How often news are looked for, in milliseconds. */
const FOLLOW_MS = 500;

/** `hartbox logs`. */
export async function logs(args: string[]): Promise<number> {
  const parsed = parseBoxCommand(LOGS, args);
  nothingMore('logs', parsed.rest);
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
