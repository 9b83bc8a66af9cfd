import { settingsFileSchema } from '../settings/json-schema';
import { SCHEMA } from './commands/program';
import { expectNames, parseArguments } from './option-parser';

/** `hartbox schema`: what settings files may hold, for editors. */
export async function schema(args: string[]): Promise<number> {
  expectNames(SCHEMA, parseArguments(SCHEMA, args).names, []);
  process.stdout.write(`${JSON.stringify(settingsFileSchema(), null, 2)}\n`);
  return 0;
}
