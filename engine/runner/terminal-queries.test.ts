import { expect, it } from 'vitest';
import { withoutQueries } from './terminal-queries';

const cleaned = (text: string): string => Buffer.from(withoutQueries(Buffer.from(text))).toString();

it.each([
  ['where the cursor is', '\x1b[6n'],
  ['the same by DEC', '\x1b[?6n'],
  ['whether it is well', '\x1b[5n'],
  ['what it is', '\x1b[c'],
  ['what it is, by parameter', '\x1b[0c'],
  ['its version', '\x1b[>c'],
  ['its name', '\x1b[>0q'],
  ['what it is, as of old', '\x1bZ'],
  ['who is there', '\x05'],
  ['a mode', '\x1b[?2026$p'],
  ['its size', '\x1b[18t'],
  ['its keyboard', '\x1b[?u'],
  ['its background', '\x1b]11;?\x07'],
  ['a colour', '\x1b]4;1;?\x1b\\'],
  ['the clipboard', '\x1b]52;c;?\x07'],
  ['a setting', '\x1bP$q"p\x1b\\'],
  ['a capability', '\x1bP+q544e\x1b\\'],
])('past output does not ask a terminal %s', (_what, query) => {
  expect(cleaned(`before${query}after`)).toBe('beforeafter');
});

it('leaves all else as it was: colours, movements, titles, letters of any length', () => {
  const text = 'ü\x1b[1;31mred\x1b[0m\x1b[2J\x1b[H\x1b[?2004h\x1b]0;title?\x07\x1b]11;#000000\x07\x1b[8;24;80t\x1b[22;0t\x1b[4 q日本\r\n';
  expect(cleaned(text)).toBe(text);
});
