import { dataDirectory } from '../../host/data-directory';
import { Library } from '../../runner/library';
import { nearest } from '../../settings/nearest';
import { OPTIONS, PART_NAMES } from '../../settings/settings';
import { formatTexts } from '../../settings/text';
import { GET } from '../commands/library';
import { expectNames, parseArguments } from '../option-parser';
import { formatTable } from '../table';
import { UsageError } from '../usage-error';

/** `hartbox get`: the settings of a box, and which of them were set. */
export async function get(args: string[]): Promise<number> {
  const { values: given, names } = parseArguments(GET, args);
  expectNames(GET, names, ['a BOX', 'a KEY?']);
  const [name, key] = names;
  const option = key === undefined ? undefined : keyed(key);
  const library = new Library(dataDirectory());
  const { id } = await library.find(name);
  const { set, values } = await library.settings(id);
  const describe = (one: Setting) => ({
    value: values[one.key as keyof typeof values],
    default: one.default,
    set: Object.hasOwn(set, one.key),
  });
  if (option) {
    const { value, set: isSet } = describe(option);
    if (given.json) print({ key: option.key, ...describe(option) });
    // A script wants the value alone, a person also where it comes from.
    else
      process.stdout.write(`${formatTexts(option, value).join('\n')}${process.stdout.isTTY ? `  (${isSet ? 'set' : 'default'})` : ''}\n`);
    return 0;
  }
  if (given.json) {
    print(Object.fromEntries(OPTIONS.map((one) => [one.key, describe(one)])));
    return 0;
  }
  for (const part of PART_NAMES) {
    const rows = OPTIONS.filter((one) => one.part === part).flatMap((one) => {
      const { value, set: isSet } = describe(one);
      const [first = '', ...more] = formatTexts(one, value).flatMap((text) => text.split('\n'));
      return [[`  ${one.key}`, isSet ? 'set' : 'default', first], ...more.map((text) => ['', '', text])];
    });
    process.stdout.write(`${part}\n${formatTable(rows)}`);
  }
  return 0;
}

type Setting = (typeof OPTIONS)[number];

/** The setting of that key. Throws UsageError. */
export function keyed(key: string, command = 'get'): Setting {
  const option = OPTIONS.find((one) => one.key === key);
  if (option) return option;
  const near = nearest(
    key,
    OPTIONS.map((one) => one.key),
  );
  throw new UsageError(`${key}: there is no such option${near === undefined ? '.' : `; did you mean ${near}?`}`, command);
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
