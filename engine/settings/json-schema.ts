import { z } from 'zod';
import { SETTINGS_VERSION } from './file';
import { infoOf } from './option';
import { PARTS, PART_NAMES, type Part } from './settings';

export const PART_TITLES: Record<Part, string> = {
  hardware: 'What the guest finds',
  boot: 'What the box starts with',
  host: 'How the host runs the box',
  app: 'How the box is shown',
};

/** The settings file as JSON Schema, for editors: they complete options and underline what is wrong. */
export function settingsFileSchema(): Record<string, unknown> {
  const parts = PART_NAMES.map((part) => {
    const { $schema: _, ...schema } = z.toJSONSchema(PARTS[part], {
      io: 'input',
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        const info = infoOf(zodSchema);
        if (!info) return;
        jsonSchema.title = info.label;
        jsonSchema.description = info.help;
        const { choices, orFile } = info;
        if (!choices) return;
        const numbers = jsonSchema.anyOf?.flatMap(({ const: one }) => (one === undefined ? [] : [one]));
        const values = jsonSchema.enum ?? numbers ?? Object.keys(choices);
        // Editors show these beside the values; other readers skip the word.
        const described = { enum: values, enumDescriptions: values.map((value) => choices[String(value)]) };
        if (orFile) jsonSchema.anyOf = [described, { type: 'string', minLength: 1, description: 'the path of a file' }];
        else if (jsonSchema.type === 'array') jsonSchema.items = { type: 'string', ...described };
        else {
          delete jsonSchema.anyOf;
          Object.assign(jsonSchema, described);
        }
      },
    });
    return [part, { title: PART_TITLES[part], ...schema }] as const;
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Settings of a Hartbox box',
    type: 'object',
    properties: {
      $schema: { type: 'string' },
      version: { const: SETTINGS_VERSION, description: 'of the form of this file' },
      ...Object.fromEntries(parts),
    },
    required: ['version'],
    additionalProperties: false,
  };
}
