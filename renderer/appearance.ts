import { Monitor, Moon, Sun } from '@lucide/vue';
import { type WritableComputedRef, computed } from 'vue';
import { useI18n } from 'vue-i18n';
import type { Language, Locale, Theme } from '../main/contract';
import { useApp } from './stores/app';

/** Each by its own name, for whoever cannot read the one that is on. */
const LANGUAGES: Record<Locale, string> = { en: 'English', de: 'Deutsch', 'zh-CN': '简体中文' };

export const THEMES = [
  { value: 'system', icon: Monitor },
  { value: 'light', icon: Sun },
  { value: 'dark', icon: Moon },
] as const;
export const LANGUAGE_CHOICES: readonly Language[] = ['system', ...(Object.keys(LANGUAGES) as Locale[])];

/** How the app looks and what it speaks, wherever that is chosen. */
export function useAppearance(): {
  theme: WritableComputedRef<Theme>;
  language: WritableComputedRef<Language>;
  nameOf: (language: Language) => string;
} {
  const { t } = useI18n();
  const app = useApp();
  return {
    theme: computed({ get: () => app.info?.theme ?? 'system', set: (value) => void app.setTheme(value) }),
    language: computed({ get: () => app.info?.language ?? 'system', set: (value) => void app.setLanguage(value) }),
    nameOf: (language) => (language === 'system' ? t('preferences.themes.system') : LANGUAGES[language]),
  };
}
