import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';
import { defineComponent, h } from 'vue';
import { FINDINGS, type Finding, finding } from '../engine/doctor/findings';
import type { Locale } from '../main/contract';
import { useFindingText } from './finding-text';
import { createTranslations, doctorLocales } from './translations';

const others = (['de', 'zh-CN'] as const).map((locale) => [locale, doctorLocales[locale].finding] as const);
const placeholders = (text = ''): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

function say(locale: Locale, one: Finding): { text: string; advice?: string } {
  let said: { text: string; advice?: string } = { text: '' };
  const shown = defineComponent(() => {
    said = useFindingText()(one);
    return () => h('p');
  });
  mount(shown, { global: { plugins: [createTranslations(locale)] } });
  return said;
}

describe('findings of the Doctor in the languages of the window', () => {
  it.each(others)('have texts in %s for every id, with the same values in them, and for no others', (_locale, texts) => {
    expect(Object.keys(texts)).toEqual(Object.keys(FINDINGS));
    for (const [id, { text, advice }] of Object.entries<{ text: string; advice?: string }>(FINDINGS)) {
      expect(placeholders(texts[id].text), id).toEqual(placeholders(text));
      expect(texts[id].advice === undefined, id).toBe(advice === undefined);
      expect(placeholders(texts[id].advice), id).toEqual(placeholders(advice));
    }
  });

  it.each<[Locale, string]>([
    ['en', 'Only 1.5 GB are free on the disk of the data folder. Disks of boxes grow as guests write to them.'],
    ['de', 'Nur 1.5 GB sind auf der Festplatte des Datenordners frei. Platten von Boxen wachsen, wenn Gäste schreiben.'],
    ['zh-CN', '数据文件夹所在磁盘仅空闲 1.5 GB。虚拟机磁盘会随写入而增大。'],
  ])('are said in %s with their values', (locale, text) => {
    expect(say(locale, finding('disk-room-low', { freeBytes: 1.5 * 2 ** 30 })).text).toBe(text);
  });

  it.each(Object.keys(doctorLocales) as Locale[])('show values as they are in %s, whatever signs are in them', (locale) => {
    expect(say(locale, finding('webgl', { renderer: 'a | b {c} @:d' })).text).toContain('a | b {c} @:d');
  });
});
