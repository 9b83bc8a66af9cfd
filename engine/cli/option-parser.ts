import { parseArgs } from 'node:util';
import { nearest } from '../settings/nearest';
import type { Option } from '../settings/option';
import { type Command, HELP_ROW, type OptionRow, type OptionTable } from './command';
import { optionRow, rowName } from './option-rows';
import { UsageError } from './usage-error';

type Value<Row> = Row extends { type: 'flag' } ? boolean : Row extends { multiple: true } ? string[] : string;
export type OptionValues<Table extends OptionTable> = { [Name in keyof Table]?: Value<Table[Name]> };

/** What people who know QEMU write, and what stands for it here. */
const HABITS: Readonly<Record<string, string>> = {
  nographic: 'leave it out: the console of the box is this terminal in any case',
  display: 'leave it out: the console of the box is this terminal in any case',
  serial: 'leave it out: the console of the box is this terminal in any case',
  monitor: 'leave it out: Ctrl-A h, while the box runs, says what can be done',
  machine: 'leave it out: there is one board, like virt of QEMU',
  smp: 'write --harts N',
  bios: 'write --firmware FILE',
  hda: 'write --drive file=FILE',
  snapshot: 'make a copy of the image first: hartbox disk create COPY --backing FILE',
};

export interface Arguments<Table extends OptionTable> {
  values: OptionValues<Table>;
  /** Options of a box, and the texts they were given as. */
  settings: ReadonlyMap<Option, readonly string[]>;
  /** What is no option; where the command ends at the first of these, all from there on. */
  names: string[];
  help: boolean;
}

/** Read the options of a command, in any order with its arguments; after `--` everything is an argument. Throws UsageError. */
export function parseArguments<Table extends OptionTable>(command: Command<Table>, args: readonly string[]): Arguments<Table> {
  const settings = new Map((command.settings ?? []).map((option) => [rowName(option), option]));
  const rows = new Map<string, OptionRow>([...Object.entries(command.options), ...rowsOf(settings.values()), ['help', HELP_ROW]]);
  const wrong = (message: string): UsageError => new UsageError(message, command.name);
  // To node:util an option whose value may be left out is a boolean: it never takes the next argument.
  const known: Record<string, { type: 'string' | 'boolean'; short?: string }> = {};
  for (const [name, { type, short }] of rows) {
    known[name] = { type: type === 'value' ? 'string' : 'boolean', ...(short !== undefined && { short }) };
    if (type === 'switch') known[`no-${name}`] = { type: 'boolean' };
  }
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, tokens: true });
  const values: Record<string, string | boolean | string[]> = {};
  const given = new Map<Option, string[]>();
  const done = (names: string[]): Arguments<Table> => ({
    values: values as OptionValues<Table>,
    settings: given,
    names,
    help: values['help'] === true,
  });
  const names: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option-terminator') return done([...names, ...args.slice(token.index + 1)]);
    if (token.kind === 'positional') {
      if (command.endsAtFirst) return done(args.slice(token.index));
      names.push(token.value);
      continue;
    }
    const [, qemuWord] = /^-([a-z][a-z-]+)$/.exec(args[token.index]) ?? [];
    // `-kernel Image` would be read as `-k -e …`, and `-machine` as `-m achine`.
    if (qemuWord !== undefined && (rows.has(qemuWord) || Object.hasOwn(HABITS, qemuWord)))
      throw wrong(Object.hasOwn(HABITS, qemuWord) ? habit(args[token.index]) : `Options have two dashes here: write --${qemuWord}.`);
    const row = rows.get(token.name) ?? rows.get(token.name.replace(/^no-/, ''));
    const isNegated = !rows.has(token.name);
    if (!row || (isNegated && row.type !== 'switch')) throw wrong(unknown(token.rawName, token.name, [...rows.keys()]));
    const name = isNegated ? token.name.slice(3) : token.name;
    const text = textOf(row, token.rawName, token.value, isNegated, wrong);
    const option = settings.get(name);
    if (option) given.set(option, row.multiple ? [...(given.get(option) ?? []), text] : [text]);
    else if (row.multiple) values[name] = [...((values[name] as string[] | undefined) ?? []), text];
    else values[name] = row.type === 'flag' ? true : text;
  }
  return done(names);
}

function rowsOf(options: Iterable<Option>): [string, OptionRow][] {
  return [...options].map((option) => [rowName(option), optionRow(option)]);
}

function textOf(
  row: OptionRow,
  rawName: string,
  value: string | undefined,
  isNegated: boolean,
  wrong: (message: string) => UsageError,
): string {
  if (row.type === 'flag' || isNegated) {
    if (value !== undefined) throw wrong(`${rawName} takes no value.`);
    return isNegated ? 'off' : '';
  }
  if (row.type === 'switch') return value ?? 'on';
  if (row.type === 'optional') return value ?? '';
  if (value === undefined) throw wrong(`${rawName} expects a value: ${rawName} ${row.value ?? 'VALUE'}.`);
  return value;
}

function unknown(rawName: string, name: string, known: string[]): string {
  if (Object.hasOwn(HABITS, name) && rawName.startsWith('--')) return habit(rawName);
  const near = nearest(name, known);
  return `There is no option ${rawName}${near === undefined || name.length === 1 ? '.' : `; did you mean --${near}?`}`;
}

function habit(rawName: string): string {
  return `There is no option ${rawName}: ${HABITS[rawName.replace(/^--?/, '')]}.`;
}

/** Exactly these arguments, of which those that end in `?` may be missing. Throws UsageError. */
export function expectNames(command: Command, names: readonly string[], expected: readonly string[]): void {
  const needed = expected.filter((name) => !name.endsWith('?'));
  if (names.length < needed.length) throw new UsageError(`${command.name} expects ${expected[names.length]}.`, command.name);
  if (names.length > expected.length) {
    const what =
      expected.length === 0 ? `${command.name} takes no argument; '${names[0]}'` : `${command.name}: '${names[expected.length]}'`;
    throw new UsageError(`${what} is too much.`, command.name);
  }
}
