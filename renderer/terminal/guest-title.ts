/** Longest title that is shown, in characters. */
const LONGEST = 80;

/**
 * A title that a guest gave its terminal, made harmless: one line of bounded length, without characters that are invisible or change the
 * direction of what stands beside it.
 */
export function harmlessTitle(text: string): string {
  const visible = text
    .slice(0, 20 * LONGEST)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    // Formatting (the directional marks among it), surrogates, private use, unassigned.
    .replace(/[\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, '')
    // More marks on one letter than any language has reach into the lines around.
    .replace(/(\p{M}{3})\p{M}+/gu, '$1')
    .trim();
  const characters = [...visible];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join('')}…` : visible;
}
