import { dataDirectory } from '../../host/data-directory';
import { Library } from '../../runner/library';
import { impliedSource } from '../../settings/boot';
import { type BoxValuesInput, OPTIONS, optionOf } from '../../settings/settings';
import { formatTexts } from '../../settings/text';
import { RENAME, SET } from '../commands/library';
import { asUsageError, givenValues } from '../given-values';
import { expectNames, parseArguments } from '../option-parser';
import { UsageError } from '../usage-error';
import { keyed } from './get';
import { applyToRunning } from './live-change';

type Setting = (typeof OPTIONS)[number];

/** `hartbox set`: change the settings of a box. */
export async function set(args: string[]): Promise<number> {
  const { values: own, settings, names } = parseArguments(SET, args);
  const [name, ...assignments] = names;
  if (name === undefined) throw new UsageError('set expects a BOX.', 'set');
  const texts = new Map([...settings].map(([option, given]) => [keyed(option.key, 'set'), [...given]]));
  for (const assignment of assignments) {
    const [, key = '', text] = /^([^=]*)=(.*)$/s.exec(assignment) ?? [];
    if (text === undefined) throw new UsageError(`set expects KEY=VALUE, not '${assignment}'.`, 'set');
    const option = keyed(key, 'set');
    texts.set(option, [...(texts.get(option) ?? []), text]);
  }
  const unset = (own.unset ?? []).flatMap((keys) => keys.split(',')).map((key) => keyed(key, 'set'));
  const both = unset.find((option) => texts.has(option));
  if (both) throw new UsageError(`${both.key}: it is either set or unset, not both.`, 'set');
  if (texts.size + unset.length === 0) throw new UsageError('set expects what to change: KEY=VALUE, --KEY VALUE or --unset KEY.', 'set');
  return change(name, 'set', givenValues(texts, undefined, 'set'), unset, own.json ?? false);
}

/** `hartbox rename`: the name alone; its id stays. */
export async function rename(args: string[]): Promise<number> {
  const { names } = parseArguments(RENAME, args);
  expectNames(RENAME, names, ['a BOX', 'a NAME']);
  const [box, name] = names;
  return change(box, 'rename', givenValues(new Map([[keyed('name'), [name]]]), undefined, 'rename'), [], false);
}

async function change(box: string, command: string, given: BoxValuesInput, unset: readonly Setting[], isJson: boolean): Promise<number> {
  const library = new Library(dataDirectory());
  const { id, values: old, error } = await library.find(box);
  if (error) throw error;
  const changing = library.change(id, (before) => {
    // What is named is meant to be started, whatever was started before.
    const source = impliedSource(given);
    const after: BoxValuesInput = { ...before, ...given, ...(source !== undefined && { source }) };
    for (const { key } of unset) delete after[key as keyof BoxValuesInput];
    return after;
  });
  const { values, changed: keys } = await changing.catch((reason: unknown) => {
    throw asUsageError(reason, command);
  });
  const changed = OPTIONS.filter(({ key }) => keys.includes(key));
  const later =
    changed.length > 0
      ? await applyToRunning(
          dataDirectory(),
          id,
          keys.filter((key) => optionOf(key)?.part !== 'app'),
        )
      : [];
  const shown = (option: Setting, from: typeof values): string =>
    formatTexts(option, from[option.key as keyof typeof from]).join(' ') || 'nothing';
  if (isJson) {
    const rows = changed.map((option) => [
      option.key,
      { from: old[option.key as keyof typeof old], to: values[option.key as keyof typeof values] },
    ]);
    process.stdout.write(`${JSON.stringify({ id, changed: Object.fromEntries(rows) as object, atNextStart: later }, null, 2)}\n`);
    return 0;
  }
  for (const option of changed) process.stdout.write(`${option.key}: ${shown(option, values)} (was ${shown(option, old)})\n`);
  if (changed.length === 0) process.stdout.write('Nothing to change: it is like that already.\n');
  if (later.length > 0)
    process.stderr.write(`hartbox: The box runs. Switch it off and on again for this to take effect: ${later.join(', ')}.\n`);
  return 0;
}
