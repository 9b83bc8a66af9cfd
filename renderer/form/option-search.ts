import { PAGES, type Page } from '../../engine/settings/option';
import { OPTIONS } from '../../engine/settings/settings';
import type { OptionWords } from '../option-words';
import { itemOptions } from '../option-texts';
import { fold, wordRank, wordsOf } from '../word-rank';

export type BoxOption = (typeof OPTIONS)[number];

/** It is called just that. */
const BEST = -1;
/** A word that is found only inside of another, in a text that explains: of any use only where there is nothing better. */
const HARDLY = 9;

/**
 * The options that hold all words of a query, by page, the best first: in name, other names, what its values and items are called, or help.
 */
export function searchOptions(query: string, words: OptionWords): { page: Page; options: BoxOption[] }[] {
  const wanted = wordsOf(query);
  const found = OPTIONS.flatMap((option) => {
    const texts = textsOf(option, words);
    const ranks = wanted.map((word) => rankOf(texts, word));
    return ranks.includes(Infinity) ? [] : [{ option, rank: Math.max(BEST, ...ranks) }];
  }).sort((a, b) => a.rank - b.rank);
  const useful = found.filter(({ rank }) => rank < HARDLY || found[0].rank >= HARDLY);
  const best = (page: Page): number => useful.findIndex(({ option }) => option.page === page);
  return PAGES.filter((page) => best(page) >= 0)
    .sort((a, b) => useful[best(a)].rank - useful[best(b)].rank)
    .map((page) => ({ page, options: useful.filter(({ option }) => option.page === page).map(({ option }) => option) }));
}

/** What is said of an option, the most telling first. */
function textsOf(option: BoxOption, words: OptionWords): { name: string[]; others: string[]; parts: string[]; help: string[] } {
  const items = itemOptions[option.key] ?? [];
  return {
    name: [option.key, words.label(option)].map(fold),
    others: words.alsoCalled(option).map(fold),
    parts: [
      ...Object.keys(option.choices ?? {}).flatMap((value) => [value, words.choice(option, value)]),
      // What a drive has is found with the drives.
      ...items.flatMap((one) => [one.key, words.label(one, option.key)]),
    ].map(fold),
    help: [words.help(option), ...items.map((one) => words.help(one, option.key))].map(fold),
  };
}

/** Whole words come before beginnings, and these before what is inside of words; names before what explains. By wordRank(). */
const RANKS = {
  name: [0, 1, 3, 5],
  others: [2, 2, 4, HARDLY],
  parts: [6, 6, 7, HARDLY],
  help: [7, 7, 8, HARDLY],
} as const;

function rankOf(texts: ReturnType<typeof textsOf>, word: string): number {
  if (texts.name.includes(word)) return BEST;
  const ranks = (Object.keys(RANKS) as (keyof typeof RANKS)[]).flatMap((kind) =>
    texts[kind].map((text) => {
      const rank = wordRank(text, word);
      return rank === undefined ? Infinity : RANKS[kind][rank];
    }),
  );
  return Math.min(...ranks);
}
