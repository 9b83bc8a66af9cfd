import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectation } from '../engine/settings/problem';
import { OPTIONS } from '../engine/settings/settings';
import { newDiskOption } from './form/new-disk-option';
import { driveOptions, englishOptionTexts, networkOptions, shareOptions } from './option-texts';
import { optionLocales, searchLocales } from './translations';

const others = Object.entries(optionLocales).filter(([name]) => name !== 'en') as [
  string,
  { option: object; error: Record<string, string> },
][];

function paths(texts: object, prefix = ''): string[] {
  return Object.entries(texts)
    .flatMap(([key, value]) => (typeof value === 'string' ? [`${prefix}${key}`] : paths(value as object, `${prefix}${key}.`)))
    .sort();
}

/** The codes that checking settings can end with: of each kind of value, of the rules between values, and of unknown names. */
function codes(): string[] {
  const kinds = [...OPTIONS, ...driveOptions, ...networkOptions, ...shareOptions, newDiskOption].map((option) => expectation(option).code);
  const source = ['settings', 'network', 'share']
    .map((name) => readFileSync(join(import.meta.dirname, `../engine/settings/${name}.ts`), 'utf8'))
    .join('');
  const rules = [...source.matchAll(/report\((?:\s*'\w+',)?\s*'([\w-]+)'/g)].map(([, rule]) => `setting-${rule}`);
  expect(rules.length).toBeGreaterThan(5);
  return [...new Set([...kinds, ...rules, 'setting-missing', 'setting-unknown', 'setting-unknown-near', 'setting-wrong'])].sort();
}

describe('words for options', () => {
  it('are in English those of their description', () => {
    const { memory, kernel, drives } = englishOptionTexts();
    expect(memory.label).toBe('Memory');
    expect(kernel.label).toBe('Kernel');
    expect(drives).toMatchObject({
      label: 'Drives',
      file: { label: 'Image' },
      blockSize: { choice: { 512: '512 bytes' } },
      format: { choice: { qcow2: 'qcow2' } },
    });
  });

  it.each(others)('are all there in %s, and no others', (_locale, { option }) => {
    expect(paths(option)).toEqual(paths(englishOptionTexts()));
  });

  it.each(Object.entries(searchLocales))('know in %s no other words for options that there are not', (_locale, { search }) => {
    const keys: string[] = OPTIONS.map(({ key }) => key);
    expect(Object.keys(search).filter((key) => !keys.includes(key))).toEqual([]);
  });

  it.each(others)('say in %s what can be wrong, and nothing else', (_locale, { error }) => {
    expect(Object.keys(error).sort()).toEqual(codes());
  });

  it.each(others)('use in %s only what comes with the problem', (_locale, { error }) => {
    const known = new Map(
      [...OPTIONS, ...driveOptions, ...networkOptions, ...shareOptions].map((option) => {
        const { code, params } = expectation(option);
        return [code, Object.keys(params)];
      }),
    );
    for (const [code, text] of Object.entries(error)) {
      const allowed = ['option', 'given', ...(code === 'setting-unknown-near' ? ['near'] : (known.get(code) ?? []))];
      for (const [, name] of text.matchAll(/\{(\w+)\}/g)) expect(allowed).toContain(name);
    }
  });
});
