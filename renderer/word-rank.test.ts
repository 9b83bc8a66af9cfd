import { expect, it } from 'vitest';
import { fold, wordRank, wordsOf } from './word-rank';

it.each([
  ['Harts', 'hart', 0],
  ['Memory balloon', 'balloon', 1],
  ['Memory balloon', 'ball', 2],
  ['A program, or RAM', 'ram', 1],
  ['A program', 'ram', 3],
  ['A program that is rampant', 'ram', 2],
  ['Memory', 'disk', undefined],
  ['屏幕的分辨率', '分辨率', 1],
  ['Größe', 'grosse', undefined],
  ['Größe', 'große', 0],
] as const)('in %j, %j has the rank %s', (text, word, rank) => {
  expect(wordRank(fold(text), fold(word))).toBe(rank);
});

it('takes a query apart', () => {
  expect(wordsOf('  Café  AU ')).toEqual(['cafe', 'au']);
  expect(wordsOf(' ')).toEqual([]);
});
