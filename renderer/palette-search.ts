import { fold, wordRank, wordsOf } from './word-rank';

/** Something that the palette offers. */
export interface PaletteEntry {
  id: string;
  /** What kind of thing it is, in the user's language: a page, a box, a setting. */
  kind: string;
  label: string;
  /** Words by which it is found too. */
  also?: string;
  run: () => void;
}

const MOST = 50;
/** How good it is where a word is found in the name or in other words, by its rank there. */
const NAMED = [1, 1, 1, 4] as const;
const ELSEWHERE = [2, 2, 3, 5] as const;

/**
 * What has all words of the query, the best first: those whose name begins with it, then those with words that do, in the name before
 * elsewhere, then others. What is equally good stays in its order.
 */
export function searchEntries(entries: readonly PaletteEntry[], query: string): PaletteEntry[] {
  const wanted = wordsOf(query);
  if (wanted.length === 0) return entries.slice(0, MOST);
  const whole = wanted.join(' ');
  const found = entries.flatMap((entry) => {
    const label = fold(entry.label);
    const others = fold(`${entry.kind} ${entry.also ?? ''}`);
    const rankIn = (text: string, ranks: readonly number[], word: string): number => ranks[wordRank(text, word) ?? Infinity] ?? Infinity;
    const ranks = wanted.map((word) => Math.min(rankIn(label, NAMED, word), rankIn(others, ELSEWHERE, word)));
    return ranks.includes(Infinity) ? [] : [{ entry, rank: label.startsWith(whole) ? 0 : Math.max(...ranks) }];
  });
  return found
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MOST)
    .map(({ entry }) => entry);
}

type Key = Pick<KeyboardEvent, 'code' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;

/**
 * Whether a key opens the palette: Ctrl+Shift+P or (on macOS) Cmd+Shift+P and Cmd+K everywhere; F1 and Ctrl+K where keys are not the guest's.
 */
export function isPaletteKey({ code, ctrlKey, shiftKey, altKey, metaKey }: Key, isMac: boolean, isGuests: boolean): boolean {
  if (altKey) return false;
  const command = isMac ? metaKey && !ctrlKey : ctrlKey && !metaKey;
  if (code === 'KeyP') return command && shiftKey;
  if (code === 'KeyK') return command && !shiftKey && (isMac || !isGuests);
  return code === 'F1' && !ctrlKey && !metaKey && !shiftKey && !isGuests;
}

/** The key that is shown for it. */
export function paletteKeyName(isMac: boolean, t: (key: string) => string): string {
  return isMac ? '⌘K' : `${t('display.key.ctrl')}+K`;
}
