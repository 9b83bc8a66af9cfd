import { describe, expect, it } from 'vitest';
import { JsonMistake, positionOf, readJson } from './json-text';

function mistake(text: string): { code: string; at: number } {
  try {
    readJson(text);
  } catch (error) {
    if (error instanceof JsonMistake) return { code: error.code, at: error.at };
  }
  return { code: 'none', at: -1 };
}

describe('readJson', () => {
  it.each(['{}', '[]', ' {"a": [1, -2.5e3, true, null, {"b": "\\u00e4\\n"}], "c": {}} ', '"x"', '{"__proto__": 1}'])(
    'reads %s as JSON.parse does',
    (text) => {
      expect(readJson(text).value).toEqual(JSON.parse(text));
      expect(mistake(text).code).toBe('none');
    },
  );

  it('says where everything stands', () => {
    const text = '{\n  "hardware": {\n    "drives": [{ "file": "x" }]\n  }\n}';
    const { places } = readJson(text);
    expect(text.slice(places.get('hardware.drives.0.file'))).toMatch(/^"file": "x"/);
    expect(positionOf(text, places.get('hardware.drives.0.file')!)).toEqual({ line: 3, column: 18 });
  });

  it.each([
    ['{"a" 1}', 'colon', 5],
    ['{"a": 1 "b": 2}', 'comma', 8],
    ['{"a": 1,}', 'key', 8],
    ['{"a": }', 'value', 6],
    ['{"a": 01}', 'value', 6],
    ['{"a": tru}', 'value', 6],
    ['{"a": "x\n"}', 'string', 8],
    ['{"a": "x', 'string', 6],
    ['{"a": "\\q"}', 'escape', 6],
    ['{"a": 1, "a": 2}', 'twice', 9],
    ['{"a": [1', 'end', 8],
    ['', 'end', 0],
    ['{} x', 'rest', 3],
    ['['.repeat(50), 'value', 33],
  ])('says what is wrong with %j', (text, code, at) => {
    expect(mistake(text)).toEqual({ code, at });
  });
});
