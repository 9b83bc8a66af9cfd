import { mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTick } from 'vue';
import type { AppInfo, Locale } from '../../main/contract';
import { createPages } from '../routes';
import { useApp } from '../stores/app';
import { createTranslations } from '../translations';
import CommandPalette from './command-palette.vue';

const pages = createPages();
let wrapper: ReturnType<typeof mount> | undefined;
beforeEach(() => setActivePinia(createPinia()));
afterEach(() => wrapper?.unmount());

async function open(locale: Locale = 'en'): Promise<HTMLElement[]> {
  useApp().info = { platform: 'linux', theme: 'system', language: 'system', habits: { fontSize: 13 } } as AppInfo;
  wrapper = mount(CommandPalette, { global: { plugins: [createTranslations(locale), pages] }, attachTo: document.body });
  useApp().isPaletteOpen = false;
  await nextTick();
  useApp().isPaletteOpen = true;
  await nextTick();
  await nextTick();
  return [...document.querySelectorAll<HTMLElement>('[role=option]')];
}
const choose = async (locale: Locale, name: string): Promise<void> => {
  (await open(locale)).find(({ textContent }) => textContent.includes(name))?.click();
  await nextTick();
  await nextTick();
};

describe('the palette', () => {
  it('leads to every page that is not of one box', async () => {
    const push = vi.spyOn(pages, 'push').mockResolvedValue(undefined);
    const names = (await open()).map(({ textContent }) => textContent).filter((text) => text.endsWith('Page'));
    for (const name of names) {
      wrapper?.unmount();
      await choose('en', name);
    }
    const paths = pages.getRoutes().map(({ path }) => path);
    expect(push.mock.calls.map(([to]) => to).sort()).toEqual(paths.filter((path) => !path.includes(':')).sort());
  });

  it('sets appearance and language, whatever language is on', async () => {
    const setLanguage = vi.spyOn(useApp(), 'setLanguage').mockResolvedValue(undefined);
    const setTheme = vi.spyOn(useApp(), 'setTheme').mockResolvedValue(undefined);
    await choose('zh-CN', 'English');
    expect(setLanguage).toHaveBeenCalledWith('en');
    wrapper?.unmount();
    await choose('de', 'Dunkel');
    expect(setTheme).toHaveBeenCalledWith('dark');
  });
});
