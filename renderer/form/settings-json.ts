import { SETTINGS_VERSION, byPart } from '../../engine/settings/file';
import type { SettingProblem } from '../../engine/settings/problem';
import { type Part, OPTIONS, PARTS } from '../../engine/settings/settings';
import { type Values, withoutMissing } from './box-form';
import { type JsonDocument, JsonMistake, readJson } from './json-text';

/** The values as the text of a settings file. */
export function settingsText(values: Values): string {
  return `${JSON.stringify({ version: SETTINGS_VERSION, ...byPart(withoutMissing(values)) }, null, 2)}\n`;
}

/** What is wrong with the text as a whole, so that there are no values in it. `code` below `json` in the translations. */
export interface TextMistake {
  code: string;
  params: Record<string, string | number>;
  at: number;
}

export type SettingsText = { values: Values; document: JsonDocument; mistake?: undefined } | { values?: undefined; mistake: TextMistake };

/** The values in such a text; each by itself may still be wrong. */
export function readSettingsText(text: string): SettingsText {
  let document: JsonDocument;
  try {
    document = readJson(text);
  } catch (error) {
    if (error instanceof JsonMistake) return { mistake: { code: error.code, params: {}, at: error.at } };
    throw error;
  }
  const { value: file, places } = document;
  const at = (path: string): number => places.get(path) ?? 0;
  if (!isObject(file)) return { mistake: { code: 'object', params: {}, at: at('') } };
  const values: Values = {};
  for (const [name, part] of Object.entries(file)) {
    if (name === '$schema') continue;
    if (name === 'version') {
      if (part !== SETTINGS_VERSION) return { mistake: { code: 'version', params: { version: SETTINGS_VERSION }, at: at('version') } };
      continue;
    }
    if (!Object.hasOwn(PARTS, name))
      return { mistake: { code: 'part', params: { name, parts: Object.keys(PARTS).join(', ') }, at: at(name) } };
    if (!isObject(part)) return { mistake: { code: 'partObject', params: { name }, at: at(name) } };
    for (const [key, value] of Object.entries(part)) {
      const right = partOf(key);
      if (right !== undefined && right !== name)
        return { mistake: { code: 'otherPart', params: { name: key, part: right }, at: at(`${name}.${key}`) } };
      // The check of the values names what there is not.
      Object.defineProperty(values, key, { value, enumerable: true, writable: true, configurable: true });
    }
  }
  return { values, document };
}

/** Where in the text the value of a problem stands; a value that is missing, where it should be. */
export function placeOf({ path }: SettingProblem, { places }: JsonDocument): number {
  const keys = path.split('.');
  const part = partOf(keys[0]);
  for (let length = keys.length; length > 0; length--) {
    const inParts = [...(part === undefined ? Object.keys(PARTS) : [part])].map((name) =>
      places.get([name, ...keys.slice(0, length)].join('.')),
    );
    const found = inParts.find((place) => place !== undefined);
    if (found !== undefined) return found;
  }
  return (part !== undefined ? places.get(part) : undefined) ?? 0;
}

function partOf(key: string): Part | undefined {
  return OPTIONS.find((option) => option.key === key)?.part;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
