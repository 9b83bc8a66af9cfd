import { expect, it } from 'vitest';
import { shownLines } from './log-filter';

const lines = [
  { text: 'Plain' },
  { level: 'info', text: 'One disk' },
  { level: 'error', text: 'No disk' },
  { level: 'debug', text: 'x' },
] as const;

it.each([
  ['debug', '', ['Plain', 'One disk', 'No disk', 'x']],
  ['info', '', ['Plain', 'One disk', 'No disk']],
  ['error', '', ['Plain', 'No disk']],
  ['debug', ' DISK no ', ['No disk']],
] as const)('from %s on, with "%s"', (level, search, shown) => {
  expect(shownLines(lines, level, search).map(({ text }) => text)).toEqual(shown);
});
