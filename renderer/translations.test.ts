import { describe, expect, it } from 'vitest';
import { type Locale, localeFor } from '../main/contract';
import { createTranslations, locales } from './translations';

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
  it.each(Object.keys(locales) as Locale[])('say everything in %s, with the same values in it', (locale) => {
    expect(keys(locales[locale])).toEqual(keys(locales.en));
    // A language whose words for one and for many are the same has no forms to choose from.
    expect(placeholders(locales[locale])).toEqual(placeholders(locales.en));
  });

  it.each<[Locale, string[]]>([
    ['en', ['no boxes', '1 box', '2 boxes', '21 boxes']],
    ['de', ['keine Boxen', '1 Box', '2 Boxen', '21 Boxen']],
    ['zh-CN', ['0 台虚拟机', '1 台虚拟机', '2 台虚拟机', '21 台虚拟机']],
  ])('count in %s', (locale, counted) => {
    const { t } = createTranslations(locale).global;
    expect([0, 1, 2, 21].map((n) => t('library.boxes', n))).toEqual(counted);
  });

  it('follow the first language that there is, else English', () => {
    expect(localeFor('system', ['fr-FR', 'de-AT', 'en'])).toBe('de');
    expect(localeFor('system', ['EN-us'])).toBe('en');
    expect(localeFor('system', ['zh-Hant-TW', 'en'])).toBe('zh-CN');
    expect(localeFor('system', ['ja', 'denmark'])).toBe('en');
    expect(localeFor('system', ['', 'ja'])).toBe('en');
    expect(localeFor('system', [])).toBe('en');
  });

  it('follow the user before the system', () => {
    expect(localeFor('de', ['zh-CN'])).toBe('de');
  });
});
