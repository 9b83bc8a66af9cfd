/** The word that was probably meant: the only one that begins like that, or the one that is the fewest letters away, two at most. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const longer = known.filter((one) => word.length > 1 && one.toLowerCase().startsWith(word.toLowerCase()));
  if (longer.length === 1) return longer[0];
  const away = known.map((one) => ({ one, letters: distance(one.toLowerCase(), word.toLowerCase()) }));
  return away.filter(({ letters, one }) => letters <= 2 && letters < one.length).sort((a, b) => a.letters - b.letters)[0]?.one;
}

/** Levenshtein's: how many letters to change, add or leave out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
