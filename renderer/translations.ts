import { createI18n } from 'vue-i18n';
import { type Language, type Locale, localeFor } from '../main/contract';
import de from './locales/de.json';
import en from './locales/en.json';
import deDoctor from './locales/doctor/de.json';
import zhCNDoctor from './locales/doctor/zh-CN.json';
import deErrors from './locales/errors/de.json';
import zhCNErrors from './locales/errors/zh-CN.json';
import deOptions from './locales/options/de.json';
import zhCNOptions from './locales/options/zh-CN.json';
import deSearch from './locales/search/de.json';
import enSearch from './locales/search/en.json';
import zhCNSearch from './locales/search/zh-CN.json';
import zhCN from './locales/zh-CN.json';
import { type OptionTexts, englishOptionTexts } from './option-texts';

export const locales: Record<Locale, typeof en> = { en, de, 'zh-CN': zhCN };

/** What options are called, and what can be wrong with their values. The English of both comes with their description. */
export const optionLocales: Record<Locale, { option: Record<string, OptionTexts>; error: Record<string, string> }> = {
  en: { option: englishOptionTexts(), error: {} },
  de: deOptions,
  'zh-CN': zhCNOptions,
};

/** Words by which options are looked for beside those that they are called and explained with. Those of English count in each language. */
export const searchLocales: Record<Locale, { search: Record<string, string> }> = {
  en: { search: enSearch },
  de: { search: deSearch },
  'zh-CN': { search: zhCNSearch },
};

/** What errors say by their codes, and what things in them are called. The English of errors comes with them. */
export const errorLocales: Record<Locale, { error: Record<string, string>; word: Record<string, Record<string, string>> }> = {
  en: { error: {}, word: {} },
  de: deErrors,
  'zh-CN': zhCNErrors,
};

/** What the Doctor finds, by the ids of engine/doctor/findings.ts. The English comes with each finding. */
export const doctorLocales: Record<Locale, { finding: Record<string, { text: string; advice?: string }> }> = {
  en: { finding: {} },
  de: deDoctor,
  'zh-CN': zhCNDoctor,
};

function messagesIn(locale: Locale) {
  const { option, error } = optionLocales[locale];
  const { error: errors, word } = errorLocales[locale];
  return { ...locales[locale], ...doctorLocales[locale], ...searchLocales[locale], option, error: { ...errors, ...error }, word };
}

export function createTranslations(locale: Locale) {
  const messages = { en: messagesIn('en'), de: messagesIn('de'), 'zh-CN': messagesIn('zh-CN') };
  return createI18n({ legacy: false, locale, fallbackLocale: 'en', messages });
}

/** Speak what the user chose, on the page and to assistive technology. */
export function speak(translations: ReturnType<typeof createTranslations>, language: Language): void {
  const locale = localeFor(language, navigator.languages);
  translations.global.locale.value = locale;
  document.documentElement.lang = locale;
}
