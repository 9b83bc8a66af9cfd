import { itemsOf } from '../engine/settings/items';
import type { Option } from '../engine/settings/option';
import { OPTIONS } from '../engine/settings/settings';
import { newDiskOption } from './form/new-disk-option';
import { programOption } from './form/program-option';

/** Words for an option: its name, what it does, and what its values are called. */
export interface OptionTexts {
  label: string;
  help: string;
  choice?: Record<string, string>;
  /** Those of a drive stand below `drives`, those of an adapter below `network`, those of a share below `shares`. */
  [nested: string]: string | Record<string, string> | OptionTexts | undefined;
}

/** The options of each thing in such a list, by the key of the list: `drives`, `network`, `shares`. */
export const itemOptions: Readonly<Record<string, readonly Option[]>> = Object.fromEntries(
  OPTIONS.flatMap((option) => {
    const list = itemsOf(option);
    return list ? [[option.key, list.options]] : [];
  }),
);
export const driveOptions: readonly Option[] = itemOptions['drives'];
export const networkOptions: readonly Option[] = itemOptions['network'];
export const shareOptions: readonly Option[] = itemOptions['shares'];

/** The English words for all options, as messages under `option`: the description is their one home. */
export function englishOptionTexts(): Record<string, OptionTexts> {
  const texts = textsOf([...OPTIONS, programOption, newDiskOption]);
  for (const [key, options] of Object.entries(itemOptions)) Object.assign(texts[key], textsOf(options));
  return texts;
}

function textsOf(options: readonly Option[]): Record<string, OptionTexts> {
  return Object.fromEntries(
    options.map(({ key, label, help, choices }) => [
      key,
      {
        label,
        help: asSentence(help),
        ...(choices && { choice: Object.fromEntries(Object.entries(choices).map(([value, name]) => [value, asSentence(name)])) }),
      },
    ]),
  );
}

/** The command line writes small, a window begins with a capital; but for names such as qcow2. */
function asSentence(text: string): string {
  return /^\S*\d/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
