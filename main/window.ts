import { join } from 'node:path';
import { BrowserWindow, app, nativeTheme, screen } from 'electron';
import { APP_ORIGIN } from './asset-protocol';
import type { WindowPlace } from './preferences';
import { reachablePlace } from './window-place';

/** The colours behind the page until it has painted; those of renderer/style.css. */
const background = { light: '#f7f7f5', dark: '#131416' };

/** A window that has been still for this long, in milliseconds, is where the user wants it. */
const STILL_MS = 400;

export interface WindowOptions {
  place: WindowPlace;
  /** Called with where it is, as that changes. */
  keep: (place: WindowPlace) => void;
  /** The page that it shows at first, as renderer/routes.ts has it. */
  page?: string;
  isHidden?: boolean;
}

/** Open a window of the app: all are confined alike. */
export function createWindow({ place, keep, page = '/', isHidden = false }: WindowOptions): BrowserWindow {
  const window = new BrowserWindow({
    ...reachablePlace(
      place,
      screen.getAllDisplays().map((display) => display.workArea),
    ),
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
      devTools: !app.isPackaged,
      // Terminals keep taking their guests' output while the window is out of sight.
      backgroundThrottling: false,
    },
  });
  // Not before it is shown: that would show it, empty as it is.
  window.once('ready-to-show', () => {
    if (!isHidden) {
      if (place.maximized) window.maximize();
      window.show();
    }
    remember(window, keep);
  });
  const load = (): void => void window.loadURL(`${APP_ORIGIN}/index.html#${page}`);
  // To about:blank a page goes without asking (security.ts forbids all that asks), and would leave an empty window.
  window.webContents.on('did-navigate', (_event, url) => {
    if (!url.startsWith(`${APP_ORIGIN}/`)) load();
  });
  load();
  return window;
}

/** Keep size and place, as they change and once more at the end; the app waits for the last to be written (index.ts). */
function remember(window: BrowserWindow, keep: WindowOptions['keep']): void {
  let timer: NodeJS.Timeout | undefined;
  const save = (): void => {
    clearTimeout(timer);
    if (!window.isDestroyed()) keep({ ...window.getNormalBounds(), maximized: window.isMaximized() });
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(save, STILL_MS);
  };
  window.on('resize', later);
  window.on('move', later);
  window.on('maximize', later);
  window.on('unmaximize', later);
  window.on('close', save);
}
