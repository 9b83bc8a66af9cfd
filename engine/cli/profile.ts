import { resolve } from 'node:path';
import { PROFILE } from './commands/looking';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { formatTable } from './table';
import { UsageError } from './usage-error';

const SECONDS = 5;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** `hartbox profile`. */
export async function profile(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(PROFILE, args);
  nothingMore('profile', rest);
  const seconds = values.seconds === undefined ? SECONDS : Number(values.seconds);
  if (!(seconds >= 0.2 && seconds <= 60))
    throw new UsageError(`--seconds takes a number from 0.2 to 60, not '${values.seconds}'.`, 'profile');
  const { client } = await runningBox(name);
  const found = await client.call('profile', {
    seconds,
    // The process that hosts the box may be at home elsewhere.
    symbols: values.symbols?.map((file) => resolve(file)),
    ...(values.out !== undefined && { file: resolve(values.out) }),
  });
  client.close();
  if (values.json) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    return 0;
  }
  const rows = found.spots.map(({ name: what, privilege, share }) => [percent(share), privilege, what]);
  process.stdout.write(formatTable([['share', 'mode', 'function or page'], [percent(found.idle), '', '(idle)'], ...rows], [0]));
  return 0;
}
