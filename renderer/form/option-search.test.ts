import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';
import type { Locale } from '../../main/contract';
import { type OptionWords, useOptionWords } from '../option-words';
import { createTranslations } from '../translations';
import { searchOptions } from './option-search';

function found(query: string, locale: Locale = 'en'): string[] {
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

  it.each<[string, string, Locale?]>([
    ['Harts', 'harts'],
    ['ram', 'memory'],
    ['cpu', 'harts'],
    ['smp', 'harts'],
    ['resolution', 'screenSize'],
    ['usb', 'input'],
    ['ssh', 'sshUser'],
    ['port', 'network'],
    ['memory', 'memory'],
    ['arbeitsspeicher', 'memory', 'de'],
    ['auflösung', 'screenSize', 'de'],
    ['cpu', 'harts', 'de'],
    ['内存', 'memory', 'zh-CN'],
    ['分辨率', 'screenSize', 'zh-CN'],
    ['处理器', 'harts', 'zh-CN'],
    ['ssh', 'sshUser', 'zh-CN'],
    ['port22', 'network', 'zh-CN'],
  ])('shows first for %j: %s', (query, key, locale) => {
    expect(found(query, locale)[0]).toBe(key);
  });

  it('leaves out what only contains the letters in an explanation, but where there is nothing else', () => {
    // "program"
    expect(found('ram')).not.toContain('source');
    expect(found('rogra')).toContain('source');
  });

  it('understands what is typed without accents, in the language of the user', () => {
    expect(found('prioritat', 'de')).toEqual(['priority']);
    expect(found('schlagworter', 'de')).toEqual(['tags']);
  });
});
