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
const fold = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/**
 * What has all words of the query, the best first: those whose name begins with it, then those with a word that does, then others. What is
 * equally good stays in its order.
 */
export function searchEntries(entries: readonly PaletteEntry[], query: string): PaletteEntry[] {
  const wanted = fold(query).split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return entries.slice(0, MOST);
  const whole = wanted.join(' ');
  const found = entries.flatMap((entry) => {
    const label = fold(entry.label);
    const all = `${label} ${fold(entry.kind)} ${fold(entry.also ?? '')}`;
    if (!wanted.every((word) => all.includes(word))) return [];
    const words = label.split(/[\s:()–-]+/);
    const starts = wanted.every((word) => words.some((one) => one.startsWith(word)));
    return [{ entry, rank: label.startsWith(whole) ? 0 : starts ? 1 : wanted.every((word) => label.includes(word)) ? 2 : 3 }];
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
