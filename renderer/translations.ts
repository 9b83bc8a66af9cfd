import { createI18n } from 'vue-i18n';
import de from './locales/de.json';
import en from './locales/en.json';

/** Locales that the app speaks; a language without a file gets English. */
export const locales = { en, de };
type Locale = keyof typeof locales;

/** The first language of the user's that the app speaks. */
export function preferredLocale(languages: readonly string[]): Locale {
  for (const language of languages) {
    const short = language.slice(0, 2).toLowerCase();
    if (short === 'en' || short === 'de') return short;
  }
  return 'en';
}

export function createTranslations(languages: readonly string[]) {
  return createI18n({ legacy: false, locale: preferredLocale(languages), fallbackLocale: 'en', messages: locales });
}
