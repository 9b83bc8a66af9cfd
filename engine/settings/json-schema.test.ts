import { describe, expect, it } from 'vitest';
import { settingsFileSchema } from './json-schema';
import { OPTIONS } from './settings';

interface Node {
  title?: string;
  description?: string;
  enum?: unknown[];
  enumDescriptions?: string[];
  properties?: Record<string, Node>;
  items?: Node;
  anyOf?: Node[];
  [word: string]: unknown;
}
const schema = settingsFileSchema() as unknown as Node;

describe('the JSON Schema of settings files', () => {
  it.each(OPTIONS.map((option) => [option.key, option] as const))('has %s with its words', (key, option) => {
    const node = schema.properties?.[option.part].properties?.[key];
    expect(node).toMatchObject({ title: option.label, description: option.help });
    if (!option.choices) return;
    const described = option.kind === 'choices' ? node?.items : option.orFile ? node?.anyOf?.[0] : node;
    expect(described?.enum?.map(String)).toEqual(Object.keys(option.choices));
    expect(described?.enumDescriptions).toEqual(Object.values(option.choices));
  });

  it('knows nothing else', () => {
    expect(Object.keys(schema.properties ?? {})).toEqual(['$schema', 'version', 'hardware', 'boot', 'host', 'app']);
    expect(schema['additionalProperties']).toBe(false);
    expect(schema.properties?.['hardware']['additionalProperties']).toBe(false);
    const drive = schema.properties?.['hardware'].properties?.['drives'].items;
    expect(drive?.properties?.['blockSize'].enum).toEqual([512, 4096]);
    expect(drive?.['required']).toEqual(['file']);
  });
});
