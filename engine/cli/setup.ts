import { SETUP_HELP } from './help';
import { prepareDefaultGuest } from './machine-setup';
import { parseOptions } from './option-parser';
import { UsageError } from './usage-error';

/** `hartbox setup`: fetch and build the default guest, so that the first machine starts at once. */
export async function setup(args: string[]): Promise<number> {
  const { values, rest } = parseOptions('setup', { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }, args);
  if (values.help) {
    process.stdout.write(SETUP_HELP);
    return 0;
  }
  if (rest[0] !== undefined) throw new UsageError(`setup takes no argument; '${rest[0]}' is too much.`, 'setup');
  const guest = await prepareDefaultGuest();
  if (values.json) process.stdout.write(`${JSON.stringify(guest, null, 2)}\n`);
  else process.stderr.write('The default guest is ready.\n');
  return 0;
}
