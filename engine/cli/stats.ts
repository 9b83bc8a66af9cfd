import { sumOf } from '../index';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { STATS } from './commands/looking';
import { statisticsTable } from './statistics-report';

/** `hartbox stats`. */
export async function stats(args: string[]): Promise<number> {
  const parsed = parseBoxCommand(STATS, args);
  nothingMore('stats', parsed.rest);
  const { client } = await runningBox(parsed.name);
  const total = await client.call('statistics', {});
  client.close();
  if (parsed.values.json) process.stdout.write(`${JSON.stringify({ ...total, all: sumOf(total.harts) }, null, 2)}\n`);
  else process.stdout.write(statisticsTable(total));
  return 0;
}
