import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';
import { type OptionWords, useOptionWords } from '../option-words';
import { createTranslations } from '../translations';
import { searchOptions } from './option-search';

function found(query: string, locale: 'en' | 'de' = 'en'): string[] {
  let words: OptionWords | undefined;
  const setup = (): (() => undefined) => {
    words = useOptionWords();
    return () => undefined;
  };
  mount({ setup }, { global: { plugins: [createTranslations(locale)] } });
  return searchOptions(query, words!).flatMap(({ options }) => options.map((option) => option.key));
}

describe('search for options', () => {
  it.each([
    ['clipboard', ['clipboard', 'guestClipboard']],
    ['FLASHVARS', ['flashVars']],
    ['osc title', []],
    ['u-boot', ['firmware']],
    ['serial number', ['drives']],
    ['', expect.arrayContaining(['name', 'jit']) as string[]],
  ])('finds %j', (query, keys) => {
    expect(found(query)).toEqual(keys);
  });

  it('understands what is typed without accents, in the language of the user', () => {
    expect(found('prioritat', 'de')).toEqual(['priority']);
    expect(found('schlagworter', 'de')).toEqual(['tags']);
  });
});
