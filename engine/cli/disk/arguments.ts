import { parseOptions, type OptionTable, type OptionValues } from '../option-parser';
import { parseSize } from '../quantities';
import { UsageError } from '../usage-error';

const COMMON = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const satisfies OptionTable;

/** Options anywhere among the arguments of a disk command; after `--` everything is an argument. */
export function parseArguments<Table extends OptionTable>(
  command: string,
  table: Table,
  args: string[],
): { values: OptionValues<Table & typeof COMMON>; names: string[] } {
  const all = { ...COMMON, ...table };
  let values: OptionValues<typeof all> = {};
  const names: string[] = [];
  for (let rest = args; rest.length > 0; ) {
    const parsed = parseOptions(`disk ${command}`, all, rest);
    values = { ...values, ...parsed.values };
    const isLiteral = rest[rest.length - parsed.rest.length - 1] === '--';
    names.push(...(isLiteral ? parsed.rest : parsed.rest.slice(0, 1)));
    rest = isLiteral ? [] : parsed.rest.slice(1);
  }
  return { values: values, names };
}

/** Exactly these arguments, of which those that end in `?` may be missing. */
export function expectArguments(command: string, names: string[], expected: string[]): void {
  const needed = expected.filter((name) => !name.endsWith('?'));
  if (names.length < needed.length) throw new UsageError(`disk ${command} expects ${expected[names.length]}.`, `disk ${command}`);
  if (names.length > expected.length) throw new UsageError(`disk ${command}: '${names[expected.length]}' is too much.`, `disk ${command}`);
}

export function parseFormat(option: string, text: string | undefined): 'raw' | 'qcow2' | undefined {
  if (text === undefined || text === 'raw' || text === 'qcow2') return text;
  throw new UsageError(`${option} expects raw or qcow2, not '${text}'.`);
}

/** Bytes of a disk: `20G`, `512M`; a number alone is in bytes, as with qemu-img. */
export function parseDiskSize(what: string, text: string): number {
  return /^\d+$/.test(text) ? Number(text) : parseSize(what, text);
}

export function parsePower(option: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDiskSize(option, text);
}
