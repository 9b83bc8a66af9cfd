import { expect, it } from 'vitest';
import { localeOf, recommendedSeed, seedOf } from './system-seed';

it.each([
  ['de-AT', 'de_AT.UTF-8'],
  ['zh-Hans-CN', 'zh_CN.UTF-8'],
  ['en', 'en_US.UTF-8'],
  ['und-x-none', 'en_US.UTF-8'],
])('makes of %s the locale %s', (tag, locale) => {
  expect(localeOf(tag)).toBe(locale);
});

it('recommends what this computer has, and leaves out what is empty', () => {
  const seed = recommendedSeed('de-DE');
  expect(seedOf(seed)).toEqual({ timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, locale: 'de_DE.UTF-8', withKeys: true });
  expect(seedOf({ ...seed, user: 'alice', hostname: 'web', timezone: '', locale: '', keys: 'file', keyFile: '/key.pub' })).toEqual({
    user: 'alice',
    hostname: 'web',
    withKeys: false,
    keyFile: '/key.pub',
  });
  expect(seedOf({ ...seed, keys: 'none', keyFile: '/key.pub' })).not.toHaveProperty('keyFile');
});
