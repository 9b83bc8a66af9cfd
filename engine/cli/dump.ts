import { resolve } from 'node:path';
import { DUMP } from './commands/looking';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { UsageError } from './usage-error';

/** `hartbox dump`. */
export async function dump(args: string[]): Promise<number> {
  const { name, rest } = parseBoxCommand(DUMP, args);
  const [file, ...surplus] = rest;
  if (file === undefined) throw new UsageError('Which file is the memory to be written to?', 'dump');
  nothingMore('dump', surplus);
  const { client } = await runningBox(name);
  await client.call('dump', { file: resolve(file) });
  client.close();
  return 0;
}
