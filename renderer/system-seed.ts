import type { ImageBoxSeed } from '../main/image-contract';

/** What a new box of a system is told, as the form has it; what is undefined is as recommended. */
export interface SystemSeed {
  user: string;
  password: string;
  hostname: string | undefined;
  timezone: string;
  locale: string;
  /** Whose SSH keys let its user in: those of this computer's user, those in a file, or none. */
  keys: 'own' | 'file' | 'none';
  keyFile: string | undefined;
}

/** As is recommended on this computer. */
export function recommendedSeed(language: string): SystemSeed {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return { user: '', password: '', hostname: undefined, timezone: timeZone, locale: localeOf(language), keys: 'own', keyFile: undefined };
}

/** `de_AT.UTF-8` of `de-AT`; of a language alone with the land where most speak it. */
export function localeOf(tag: string): string {
  const { language, region } = new Intl.Locale(tag).maximize();
  return region === undefined ? 'C.UTF-8' : `${language}_${region}.UTF-8`;
}

/** For the request; what is empty is left to the engine. */
export function seedOf(seed: SystemSeed): ImageBoxSeed {
  const { keys, keyFile, ...texts } = seed;
  const given = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined && text !== ''));
  return { ...given, withKeys: keys === 'own', ...(keys === 'file' && keyFile !== undefined && { keyFile }) };
}
