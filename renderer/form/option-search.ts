import { PAGES, type Page } from '../../engine/settings/option';
import { OPTIONS } from '../../engine/settings/settings';
import type { OptionWords } from '../option-words';
import { itemOptions } from '../option-texts';

export type BoxOption = (typeof OPTIONS)[number];

/** The options that hold all words of a query, by page: in name, help, key, or the names of their values. */
export function searchOptions(query: string, words: OptionWords): { page: Page; options: BoxOption[] }[] {
  const wanted = fold(query).split(/\s+/).filter(Boolean);
  const found = OPTIONS.filter((option) => {
    const text = fold(
      [
        option.key,
        words.label(option),
        words.help(option),
        ...Object.keys(option.choices ?? {}).flatMap((value) => [value, words.choice(option, value)]),
        // What a drive has is found with the drives.
        ...(itemOptions[option.key] ?? []).flatMap((one) => [one.key, words.label(one, option.key), words.help(one, option.key)]),
      ].join('\n'),
    );
    return wanted.every((word) => text.includes(word));
  });
  return PAGES.map((page) => ({ page, options: found.filter((option) => option.page === page) })).filter(
    ({ options }) => options.length > 0,
  );
}

/** As one types it: without case and accents. */
function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
