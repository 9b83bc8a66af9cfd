/** As one types it: without case and accents. */
export function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** The words of a query. */
export function wordsOf(query: string): string[] {
  return fold(query).split(/\s+/).filter(Boolean);
}

/** How well a word is found in a text, both folded: 0 where the text begins with it, 1 for a whole word, 2 where a word begins with it, 3 inside of one; else undefined. */
export type WordRank = 0 | 1 | 2 | 3;
export function wordRank(text: string, word: string): WordRank | undefined {
  let best: WordRank | undefined;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (at === 0) return 0;
    const starts = isBetween(text[at - 1], word[0]);
    const rank = !starts ? 3 : isBetween(word.at(-1), text[at + word.length]) ? 1 : 2;
    if (best === undefined || rank < best) best = rank;
  }
  return best;
}

/** Whether a word may end and another begin between two characters. Chinese leaves no space between words. */
function isBetween(before: string | undefined, after: string | undefined): boolean {
  const goesOn = (character: string | undefined): boolean =>
    character !== undefined && /[\p{L}\p{N}]/u.test(character) && !/\p{sc=Han}/u.test(character);
  return !goesOn(before) || !goesOn(after);
}
