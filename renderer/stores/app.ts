import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { AppInfo, Habits, Language, LibraryLook, ScreenLook, Theme } from '../../main/contract';
import { request } from '../bridge';

/** The app itself, and what the user prefers; the main process keeps it. */
export const useApp = defineStore('app', () => {
  const info = ref<AppInfo>();
  /** What leads to everything by its name. */
  const isPaletteOpen = ref(false);

  async function load(): Promise<AppInfo> {
    info.value = await request('app.info');
    return info.value;
  }

  async function setTheme(theme: Theme): Promise<void> {
    if (info.value) info.value.theme = theme;
    await request('app.set-theme', theme);
  }

  async function setLanguage(language: Language): Promise<void> {
    if (info.value) info.value.language = language;
    await request('app.set-language', language);
  }

  async function setLook(change: Partial<LibraryLook>): Promise<void> {
    if (!info.value) return;
    info.value.look = { ...info.value.look, ...change };
    await request('app.set-look', { ...info.value.look });
  }

  async function setScreen(change: Partial<ScreenLook>): Promise<void> {
    if (!info.value) return;
    info.value.screen = { ...info.value.screen, ...change };
    await request('app.set-screen', { ...info.value.screen });
  }

  async function setHabits(change: Partial<Habits>): Promise<void> {
    if (!info.value) return;
    const before = info.value.habits;
    info.value.habits = { ...before, ...change };
    try {
      await request('app.set-habits', { ...info.value.habits });
    } catch (error) {
      info.value.habits = before;
      throw error;
    }
  }

  return { isPaletteOpen, setHabits, info, load, setTheme, setLanguage, setLook, setScreen };
});
