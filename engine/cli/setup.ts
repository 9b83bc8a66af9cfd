import { SETUP } from './commands/program';
import { prepareDefaultGuest } from './machine-setup';
import { expectNames, parseArguments } from './option-parser';

/** `hartbox setup`: fetch and build the default guest, so that the first machine starts at once. */
export async function setup(args: string[]): Promise<number> {
  const { values, names } = parseArguments(SETUP, args);
  expectNames(SETUP, names, []);
  const guest = await prepareDefaultGuest();
  if (values.json) process.stdout.write(`${JSON.stringify(guest, null, 2)}\n`);
  else process.stderr.write('The built-in Linux is ready.\n');
  return 0;
}
