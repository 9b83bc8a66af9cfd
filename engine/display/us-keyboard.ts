/** The keys of a US keyboard from left to right, with and without Shift, by the code of the first (Linux's input-event-codes.h). */
const ROWS: readonly (readonly [first: number, plain: string, shifted: string])[] = [
  [2, '1234567890-=', '!@#$%^&*()_+'],
  [16, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [30, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [43, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
];

export const KEY_LEFTSHIFT = 42;
export const KEY_ENTER = 28;

/** What has to be pressed for a character; undefined where such a keyboard cannot type it. */
export function keyFor(character: string): { code: number; isShifted: boolean } | undefined {
  if (character === '\n') return { code: KEY_ENTER, isShifted: false };
  if (character === '\t') return { code: 15, isShifted: false };
  if (character === ' ') return { code: 57, isShifted: false };
  for (const [first, plain, shifted] of ROWS) {
    for (const keys of [plain, shifted])
      if (keys.includes(character)) return { code: first + keys.indexOf(character), isShifted: keys === shifted };
  }
  return undefined;
}

/** What a key types; undefined for keys that are no characters. */
export function characterOf(code: number, isShifted: boolean): string | undefined {
  if (code === 57) return ' ';
  const row = ROWS.find(([first, plain]) => code >= first && code < first + plain.length);
  return row?.[isShifted ? 2 : 1][code - row[0]];
}
