import { describe, expect, it } from 'vitest';
import { problemsOf } from '../../engine/settings/problem';
import { boxValuesSchema } from '../../engine/settings/settings';
import { positionOf } from './json-text';
import { placeOf, readSettingsText, settingsText } from './settings-json';

describe('settings as text', () => {
  it('reads what it writes', () => {
    const values = { name: 'One', memory: 2 ** 30, source: 'disk', drives: [{ file: '/disk.img' }], priority: 'low' };
    expect(readSettingsText(settingsText(values)).values).toEqual(values);
  });

  it('leaves out what has no value', () => {
    expect(settingsText({ name: 'One', memory: undefined })).not.toContain('memory');
  });

  it.each([
    ['[]', 'object', 1],
    ['{"version": 3}', 'version', 1],
    ['{\n"hardwear": {}}', 'part', 2],
    ['{"host": 5}', 'partObject', 1],
    ['{"version": 2,\n"host": {\n"memory": 5}}', 'otherPart', 3],
    ['{', 'end', 1],
  ])('says what is wrong with %j', (text, code, line) => {
    const { mistake } = readSettingsText(text);
    expect(mistake?.code).toBe(code);
    expect(positionOf(text, mistake?.at ?? -1).line).toBe(line);
  });

  it('finds the place of a value that is wrong, and of one that is missing', () => {
    const text = '{\n"hardware": {\n"harts": 99,\n"drives": [\n{ "media": "disk" }\n]\n},\n"boot": {\n"sorce": "disk"\n}\n}';
    const read = readSettingsText(text);
    if (!read.values) throw new Error('no values');
    const checked = boxValuesSchema.safeParse(read.values);
    const lines = problemsOf(checked.error!, read.values).map((problem) => [
      problem.path,
      positionOf(text, placeOf(problem, read.document)).line,
    ]);
    expect(Object.fromEntries(lines)).toEqual({ harts: 3, 'drives.0.file': 5, sorce: 9 });
  });
});
