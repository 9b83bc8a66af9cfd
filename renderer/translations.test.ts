import { describe, expect, it } from 'vitest';
import { locales, preferredLocale } from './translations';

function keys(messages: object, prefix = ''): string[] {
  return Object.entries(messages).flatMap(([key, value]) =>
    typeof value === 'string' ? [`${prefix}${key}`] : keys(value as object, `${prefix}${key}.`),
  );
}
function placeholders(messages: object): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(messages).flatMap(([key, value]) =>
      typeof value === 'string'
        ? [[key, [...new Set(value.match(/\{\w+\}/g))].sort()]]
        : Object.entries(placeholders(value as object)).map(([inner, found]) => [`${key}.${inner}`, found]),
    ),
  );
}

describe('translations', () => {
  it('say everything in every language, with the same values in it', () => {
    expect(keys(locales.de)).toEqual(keys(locales.en));
    expect(placeholders(locales.de)).toEqual(placeholders(locales.en));
  });

  it('follow the first language that there is, else English', () => {
    expect(preferredLocale(['fr-FR', 'de-AT', 'en'])).toBe('de');
    expect(preferredLocale(['EN-us'])).toBe('en');
    expect(preferredLocale(['ja'])).toBe('en');
    expect(preferredLocale([])).toBe('en');
  });
});
