import { parseArgs } from 'node:util';
import { UsageError } from './usage-error';

/** `optional`: a string that may be left out, `--name` or `--name=value`; left out it is empty. */
export type OptionTable = Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean; optional?: boolean }>;

type Value<Option> = Option extends { type: 'string'; multiple: true } ? string[] : Option extends { type: 'string' } ? string : boolean;
export type OptionValues<Table extends OptionTable> = { [Name in keyof Table]?: Value<Table[Name]> };

/**
 * Reads options up to the first argument that is none, or up to `--`; what follows comes back as it is, so that
 * `exec ls -l` needs no quoting.
 */
export function parseOptions<Table extends OptionTable>(
  command: string,
  table: Table,
  args: string[],
): { values: OptionValues<Table>; rest: string[] } {
  // To node:util an option whose value may be left out is a boolean: it never takes the next argument.
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { type, short, optional }]) => [
      name,
      { type: optional ? 'boolean' : type, ...(short && { short }) },
    ]),
  ) as Record<string, { type: 'string' | 'boolean'; short?: string }>;
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  const values: Record<string, string | boolean | string[]> = {};
  for (const token of tokens) {
    if (token.kind === 'positional') return { values: values as OptionValues<Table>, rest: args.slice(token.index) };
    if (token.kind === 'option-terminator') return { values: values as OptionValues<Table>, rest: args.slice(token.index + 1) };
    const option = table[token.name];
    if (!option) throw new UsageError(`There is no option ${token.rawName}.`, command);
    if (option.type === 'boolean') {
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value.`, command);
      values[token.name] = true;
    } else if (option.optional) {
      values[token.name] = token.value ?? '';
    } else {
      if (token.value === undefined) throw new UsageError(`${token.rawName} expects a value.`, command);
      if (option.multiple) values[token.name] = [...((values[token.name] as string[] | undefined) ?? []), token.value];
      else values[token.name] = token.value;
    }
  }
  return { values: values as OptionValues<Table>, rest: [] };
}
