import { join } from 'node:path';
import { BrowserWindow, nativeTheme } from 'electron';
import { APP_ORIGIN } from './asset-protocol';
import type { Preferences } from './preferences';

/** The colours behind the page until it has painted; those of renderer/style.css. */
const background = { light: '#f7f7f5', dark: '#131416' };

/** Open the app's one window. */
export function createWindow(preferences: Preferences): BrowserWindow {
  const { width, height, maximized } = preferences.window;
  const window = new BrowserWindow({
    width,
    height,
    minWidth: 640,
    minHeight: 480,
    show: false,
    title: 'Hartbox',
    backgroundColor: nativeTheme.shouldUseDarkColors ? background.dark : background.light,
    autoHideMenuBar: true,
    webPreferences: {
      preload: join(import.meta.dirname, '..', 'preload', 'index.cjs'),
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
      // Terminals keep taking their guests' output while the window is out of sight.
      backgroundThrottling: false,
    },
  });
  if (maximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  window.on('close', () => {
    const size = window.getNormalBounds();
    void preferences.set({ window: { width: size.width, height: size.height, maximized: window.isMaximized() } });
  });
  void window.loadURL(`${APP_ORIGIN}/index.html`);
  return window;
}
