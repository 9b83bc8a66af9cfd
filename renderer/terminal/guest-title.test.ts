import { describe, expect, it } from 'vitest';
import { harmlessTitle } from './guest-title';

describe('harmlessTitle', () => {
  it.each([
    ['vim: notes.txt', 'vim: notes.txt'],
    ['  编辑器 — 文件  ', '编辑器 — 文件'],
    ['one\r\ntwo\tthree\u2028four', 'one two three four'],
    ['safe\u202Egpj.exe\u2066\u200B', 'safegpj.exe'],
    ['\u0007\u001b[31m', '[31m'],
    [`a${'\u0301'.repeat(50)}b`, `a${'\u0301'.repeat(3)}b`],
    ['', ''],
  ])('makes %j into %j', (text, title) => {
    expect(harmlessTitle(text)).toBe(title);
  });

  it('bounds the length without cutting a character in two', () => {
    const title = harmlessTitle('🦀'.repeat(10_000));
    expect([...title]).toHaveLength(80);
    expect(title.endsWith('🦀…')).toBe(true);
  });
});
