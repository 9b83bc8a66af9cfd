import './less-memory';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as electron from 'electron';
import {
  BrowserWindow,
  Menu,
  MessageChannelMain,
  Notification,
  Tray,
  app,
  clipboard,
  dialog,
  ipcMain,
  nativeImage,
  nativeTheme,
  powerMonitor,
  powerSaveBlocker,
  protocol,
  session,
  shell,
  systemPreferences,
  utilityProcess,
} from 'electron';
import log from 'electron-log/node';
import { ENDING_SIGNALS } from '../engine/host/ending-signals';
import { dataDirectory } from '../engine/host/data-directory';
import { ensureFolder } from '../engine/host/ensure-folder';
import { findRunning } from '../engine/runner/control-socket';
import { Library } from '../engine/runner/library';
import type { V8Verdict } from '../engine/threads/v8-verdict-schema';
import { v8Verdict } from '../engine/threads/v8-verdict';
import { APP_SCHEME, serveAsset } from './asset-protocol';
import { boxRequests } from './box-requests';
import { Builds } from './builds';
import { Clipboards } from './clipboards';
import { CloseGuard } from './close-guard';
import {
  CHANNEL_PREFIX,
  type Locale,
  type NoticeName,
  type Notices,
  PORT_CHANNEL,
  type RequestName,
  type VmView,
  localeFor,
} from './contract';
import { doctorRequests } from './doctor-requests';
import { EngineHost, engineEnvironment } from './engine-host';
import { engineLog, engineLogFile } from './engine-log';
import { insideRequests } from './inside-requests';
import { imageRequests } from './image-requests';
import { type RequestHandlers, answerRequest } from './ipc';
import { keepAwake } from './keep-awake';
import { logRequests } from './log-requests';
import { Machines } from './machines';
import { messages } from './messages';
import { Microphones } from './microphones';
import { networkRequests } from './network-requests';
import { notifyOfBoxes } from './notifier';
import { linkOpener } from './open-link';
import { OpenedFiles } from './opened-files';
import { Preferences } from './preferences';
import { Recordings } from './recordings';
import { confinePages, confineSession } from './security';
import { ScreenWindows } from './screen-windows';
import { HIDDEN, setStartAtLogin } from './start-at-login';
import { TrayIcon, trayPicture } from './tray-icon';
import { trialInUtility } from './trial-in-utility';
import { systemClipboard } from './system-clipboard';
import { checkForUpdate } from './update-check';
import { createWindow } from './window';

const home = dataDirectory();
const DAY_MS = 86_400_000;
const rendererRoot = join(import.meta.dirname, '..', 'renderer');

/** How far the window of a screen opens from the app's, in pixels: both are seen. */
const CASCADE = 40;

/** The window of the library and its boxes; while it is closed there is no other. */
let window: BrowserWindow | undefined;
/** The window whose request is being answered: its dialogs are over it, its ports go to it. */
const asking = new AsyncLocalStorage<BrowserWindow | undefined>();

function tell<N extends NoticeName>(to: BrowserWindow, name: N, notice: Notices[N]): boolean {
  if (to.isDestroyed() || to.webContents.isCrashed() || to.webContents.isLoading()) return false;
  to.webContents.send(CHANNEL_PREFIX + name, notice);
  return true;
}

/** Tell all windows. Whether the first of them hears it. */
function notify<N extends NoticeName>(name: N, notice: Notices[N]): boolean {
  for (const one of BrowserWindow.getAllWindows()) if (one !== window) tell(one, name, notice);
  return window !== undefined && tell(window, name, notice);
}

/** Tell all windows but the one that has just asked for it. */
function tellOthers(): void {
  for (const one of BrowserWindow.getAllWindows()) if (one !== asking.getStore()) tell(one, 'app.changed', null);
}

function run(): void {
  // Root on Linux, who has to switch it off, is the exception.
  if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
  protocol.registerSchemesAsPrivileged([{ scheme: APP_SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
  confinePages();
  // The terminal wants the keys that a menu would take; macOS cannot do without a menu.
  Menu.setApplicationMenu(
    process.platform === 'darwin' ? Menu.buildFromTemplate([{ role: 'appMenu' }, { role: 'editMenu' }, { role: 'windowMenu' }]) : null,
  );

  const preferences = new Preferences(home);
  nativeTheme.themeSource = preferences.get('theme');
  void preferences.removeLeftovers();
  const locale = (): Locale => localeFor(preferences.get('language'), systemLanguages());
  const firstWindow = (): BrowserWindow | undefined => (window?.isDestroyed() ? undefined : window);
  /** The one that asks, else the first. */
  const openWindow = (): BrowserWindow | undefined => {
    const asker = asking.getStore();
    return asker && !asker.isDestroyed() ? asker : firstWindow();
  };
  const library = new Library(home);
  /** What a crash has left is put right while Electron starts. */
  const recovery = library.recover();
  const fork: typeof utilityProcess.fork = (...args) => utilityProcess.fork(...args);
  /** While it is being found out; the file that keeps it is read again for each machine. */
  let v8: Promise<V8Verdict> | undefined;
  const verdict = (): Promise<V8Verdict> => {
    v8 ??= v8Verdict(home, trialInUtility(fork, engineEnvironment(home))).finally(() => {
      v8 = undefined;
    });
    return v8;
  };
  const machines = new Machines({
    library,
    startEngine: (vm) => new EngineHost(vm, home, { fork, app, log: engineLog(vm, home), v8: verdict() }),
    findRunning: (vm) => findRunning(home, vm),
    logFile: (vm) => engineLogFile(vm, home),
  });
  const screenWindows = new ScreenWindows({
    machines,
    open: (vm, screen) => openScreen(vm, screen),
    onChange: (vm) => machines.note(vm, {}),
  });
  /** With what the app itself knows of a box. */
  const remembered = (view: VmView): VmView => ({
    ...view,
    lastUsed: preferences.get('lastUsed')[view.id],
    windows: screenWindows.of(view.id),
  });
  machines.on('changed', (view) => {
    if (view.state === 'starting') void preferences.set({ lastUsed: { ...preferences.get('lastUsed'), [view.id]: Date.now() } });
    notify('vm.changed', remembered(view));
  });
  machines.on('removed', (id) => notify('vm.removed', id));
  const openedFiles = new OpenedFiles(() => notify('app.files-opened', null));
  openedFiles.addCommandLine(process.argv.slice(1), process.cwd());
  keepAwake(machines, powerSaveBlocker);
  const guard = new CloseGuard({
    machines,
    ask: (running) => notify('app.close-requested', running),
    window: firstWindow,
    app,
    dialog,
    locale,
    habit: () => preferences.get('habits').close,
  });
  const showBox = (vm?: string): void => {
    open();
    if (vm !== undefined) notify('app.show-page', `/box/${vm}`);
  };
  const tray = new TrayIcon({
    machines,
    createTray: () =>
      new Tray(trayPicture(process.platform === 'darwin' ? 16 : 32, (bitmap, size) => nativeImage.createFromBitmap(bitmap, size))),
    buildMenu: (template) => Menu.buildFromTemplate(template),
    locale,
    open: showBox,
    quit: () => guard.quit(),
  });
  const tellUser = (note: { title: string; body: string }, chosen: () => void): void => {
    if (!Notification.isSupported()) return;
    const notification = new Notification(note);
    notification.on('click', chosen);
    notification.show();
  };
  notifyOfBoxes({
    machines,
    isSeen: () => BrowserWindow.getFocusedWindow() !== null,
    isOn: () => preferences.get('habits').notify,
    show: (note, vm) => tellUser(note, () => showBox(vm)),
    locale,
  });

  const microphones = new Microphones({ machines, dialog, systemPreferences, window: openWindow, locale });
  const clipboards = new Clipboards(machines, systemClipboard(electron));
  const builds = new Builds({ machines, settings: (vm) => library.settings(vm), dialog, window: openWindow, locale });
  const recordings = new Recordings();
  const prefer = async (change: Parameters<typeof preferences.set>[0]): Promise<void> => {
    await preferences.set(change);
    tellOthers();
  };
  const openLink = linkOpener({ dialog, shell, window: openWindow, locale });
  const handlers: RequestHandlers = {
    ...boxRequests({
      library,
      dialog,
      window: openWindow,
      locale,
      recovery,
      tell: (progress) => notify('box.progress', progress),
      applyLive: (vm) => machines.applySettings(vm),
    }),
    ...doctorRequests({ dataFolder: home, verdict, dialog, window: openWindow, locale }),
    ...insideRequests({ machines, library, dataFolder: home, shell }),
    ...imageRequests({ library, dataFolder: home, fork, verdict, log, tell: (notice) => notify('image.progress', notice) }),
    ...logRequests({ machines, dataDirectory: home, dialog, window: openWindow, locale }),
    ...networkRequests({ machines, dialog, window: openWindow, locale, openLink }),
    'app.info': () => ({
      version: app.getVersion(),
      platform: process.platform,
      theme: preferences.get('theme'),
      language: preferences.get('language'),
      look: preferences.get('look'),
      screen: preferences.get('screen'),
      habits: preferences.get('habits'),
      assistive: app.accessibilitySupportEnabled,
    }),
    'app.set-theme': async (theme) => {
      nativeTheme.themeSource = theme;
      await prefer({ theme });
    },
    'app.set-language': (language) => prefer({ language }),
    'app.set-look': (look) => prefer({ look }),
    'app.set-screen': (screen) => prefer({ screen }),
    'app.set-habits': async (habits) => {
      if (habits.login !== preferences.get('habits').login) await setStartAtLogin(habits.login, app);
      await prefer({ habits });
      tray.isOn = habits.tray;
    },
    'app.check-update': async () => (await checkForUpdate(preferences.get('habits').feed, app.getVersion())) ?? null,
    'app.set-full-screen': (on) => openWindow()?.setFullScreen(on),
    'app.show-page': (page) => {
      open();
      notify('app.show-page', page);
    },
    'app.open-link': (url) => openLink(url),
    'app.close': async (choice, always) => {
      if (always && choice !== 'cancel') await preferences.set({ habits: { ...preferences.get('habits'), close: choice } });
      await guard.choose(choice);
    },
    'app.opened-files': () => openedFiles.take(),
    'clipboard.write': (text) => clipboard.writeText(text),
    'clipboard.read': () => clipboard.readText(),
    'library.list': async () => (await machines.list()).map(remembered),
    'library.show-files': (vm) => shell.showItemInFolder(library.configFile(vm)),
    'library.rename': async (vm, name) => library.rename(vm, name),
    'vm.start': (vm) => machines.start(vm),
    'vm.power-off': (vm) => machines.powerOff(vm),
    'vm.force-off': (vm) => machines.forceOff(vm),
    'vm.pause': (vm) => machines.pause(vm),
    'vm.resume': (vm) => machines.resume(vm),
    'vm.reset': (vm) => machines.reset(vm),
    'vm.debug': (vm) => machines.debug(vm),
    'vm.restart': (vm) => machines.restart(vm),
    'vm.build': (vm) => builds.build(vm),
    'vm.connect': async (vm, kind) => {
      const { port1, port2 } = new MessageChannelMain();
      await machines.connect(vm, kind, port1);
      asking.getStore()?.webContents.postMessage(PORT_CHANNEL, { vm, kind }, [port2]);
    },
    'vm.screen-window': (vm, screen, isOpen) => {
      // A box that there is not has none.
      machines.nameOf(vm);
      if (isOpen) screenWindows.open(vm, screen);
      else screenWindows.close(vm, screen);
    },
    'vm.screenshot': async (vm, screen) => {
      const file = await pickFile(openWindow(), `${vm}.png`, messages[locale()].files.picture, 'png');
      if (file !== undefined) await machines.screenshot(vm, screen, file);
      return file ?? null;
    },
    'recording.begin': async (vm) => {
      const { files } = messages[locale()];
      const page = asking.getStore();
      const path = await pickFile(page, `${vm}.webm`, files.recording, 'webm');
      return path === undefined || !page || page.isDestroyed() ? null : recordings.begin(path, page.webContents.id);
    },
    'recording.write': (id, data) => recordings.write(id, data),
    'recording.end': (id) => recordings.end(id),
    'vm.give-clipboard': (vm, asked) => clipboards.give(vm, asked),
    'vm.take-clipboard': (vm) => clipboards.take(vm),
    'vm.keep-clipboard': (vm, text, png) => clipboards.keep(vm, text, png),
    'vm.insert-text': async (vm, text) => {
      await machines.call(vm, 'insert-text', { text });
    },
    'vm.send-files': async (vm, files) => {
      await machines.call(vm, 'send-files', { files });
    },
    'vm.cancel-files': async (vm) => {
      await machines.call(vm, 'cancel-files', {});
    },
    'vm.set-volume': async (vm, volume, muted) => {
      await library.change(vm, (set) => ({ ...set, volume, muted }));
    },
    'vm.microphone': (vm, wanted) => microphones.allow(vm, wanted),
  };
  for (const name of Object.keys(handlers) as RequestName[]) {
    ipcMain.handle(CHANNEL_PREFIX + name, (event, ...args: unknown[]) => {
      const frame = event.senderFrame;
      const sender = { url: frame?.url, isMainFrame: frame !== null && frame === event.sender.mainFrame };
      return asking.run(BrowserWindow.fromWebContents(event.sender) ?? undefined, () => answerRequest(handlers, name, sender, args));
    });
  }

  /** The page does not see for itself whether it is seen: it is not throttled when it is not (window.ts). */
  const tellOfWindow = (of: BrowserWindow): void => {
    const tellState = (): void => {
      tell(of, 'app.window', { visible: of.isVisible() && !of.isMinimized(), fullScreen: of.isFullScreen() });
    };
    for (const event of ['show', 'hide', 'minimize', 'restore', 'enter-full-screen', 'leave-full-screen'] as const)
      of.on(event as 'show', tellState);
    of.webContents.on('did-finish-load', tellState);
    const { id } = of.webContents;
    for (const event of ['did-finish-load', 'render-process-gone', 'destroyed'] as const)
      of.webContents.on(event as 'destroyed', () => void recordings.endAll(id));
    of.webContents.on('render-process-gone', (_event, details) => {
      log.error('A window crashed and is loaded again.', details);
      if (details.reason !== 'clean-exit' && !of.isDestroyed()) of.reload();
    });
  };

  const openScreen = (vm: string, screen: number): BrowserWindow => {
    const key = `${vm}/${screen}`;
    const { x = CASCADE, y = CASCADE, width, height } = firstWindow()?.getNormalBounds() ?? preferences.get('window');
    const opened = createWindow({
      place: preferences.get('screenWindows')[key] ?? { x: x + CASCADE, y: y + CASCADE, width, height, maximized: false },
      keep: (place) => void preferences.set({ screenWindows: { ...preferences.get('screenWindows'), [key]: place } }),
      page: `/box/${vm}/screen/${screen}`,
    });
    tellOfWindow(opened);
    return opened;
  };
  machines.on('removed', (vm) => {
    const places = Object.entries(preferences.get('screenWindows'));
    const kept = places.filter(([key]) => !key.startsWith(`${vm}/`));
    if (kept.length < places.length) void preferences.set({ screenWindows: Object.fromEntries(kept) });
  });

  let wasOpen = false;
  const open = (): void => {
    // macOS and a second start may ask before there can be a window; the first one comes by itself.
    if (!app.isReady()) return;
    if (window && !window.isDestroyed()) {
      if (window.isMinimized()) window.restore();
      window.show();
      window.focus();
      return;
    }
    const isHidden = !wasOpen && process.argv.includes(HIDDEN) && preferences.get('habits').tray;
    wasOpen = true;
    window = createWindow({ place: preferences.get('window'), keep: (place) => void preferences.set({ window: place }), isHidden });
    guard.guard(window);
    tellOfWindow(window);
    window.on('closed', () => screenWindows.closeAll());
  };

  /** Once a day, and only where the user has said where. */
  const lookForUpdate = async (): Promise<void> => {
    const { feed, notify: mayTell } = preferences.get('habits');
    const { at, told } = preferences.get('updateCheck');
    if (feed === '' || Math.abs(Date.now() - at) < DAY_MS) return;
    try {
      const update = await checkForUpdate(feed, app.getVersion());
      await preferences.set({ updateCheck: { at: Date.now(), told: update?.version ?? told } });
      if (update && update.version !== told && mayTell)
        tellUser({ title: messages[locale()].notes.update(update.version), body: '' }, () => void openLink(update.url));
    } catch (error) {
      log.warn('No update could be looked for.', error);
    }
  };

  /** Start what is to start with the app, once what a crash has left is put right. */
  const startBoxes = async (): Promise<void> => {
    for (const { message } of await recovery) log.warn(message);
    for (const { id, autostart, state } of await machines.list()) {
      // Why one does not start is shown with it.
      if (autostart && state === 'off') await machines.start(id).catch((error: unknown) => log.warn(`${id} was not started.`, error));
    }
  };

  app.on('second-instance', (_event, words, folder) => {
    open();
    openedFiles.addCommandLine(words.slice(1), folder);
  });
  // macOS has no command line for this.
  app.on('open-file', (event, path) => {
    event.preventDefault();
    open();
    openedFiles.add(path);
  });
  app.on('activate', open);
  app.on('window-all-closed', () => app.quit());
  app.on('will-quit', (event) => {
    event.preventDefault();
    // To quit once more, after having been kept from it, is something that Electron 33 does not always come to an end with.
    void preferences.settled().finally(() => app.exit(0));
  });
  void app.whenReady().then(() => {
    confineSession(session.defaultSession, { mayListen: () => microphones.isAllowed });
    library.watch((ids) => {
      // Whoever shows a box learns of it from there; settings pages look again by themselves.
      void machines.list().catch((error: unknown) => log.error('The library could not be read.', error));
      notify('box.changed', { ids });
    });
    protocol.handle(APP_SCHEME, (request) => serveAsset(rendererRoot, request));
    open();
    tray.isOn = preferences.get('habits').tray;
    void lookForUpdate();
    setInterval(() => void lookForUpdate(), DAY_MS).unref();
    void startBoxes().catch((error: unknown) => log.error('The library could not be read.', error));
    // Now, since Electron sets up its own way with signals while it starts: that one quits as a user does, with questions on macOS.
    for (const signal of ENDING_SIGNALS) process.on(signal, () => guard.end(signal));
    // Linux and macOS; Windows tells the window.
    powerMonitor.on('shutdown', (event?: Electron.Event) => {
      if (machines.active().length > 0) event?.preventDefault();
      guard.end('shutdown');
    });
  });
}

/** Where the user wants a new file to be; undefined if nowhere. */
async function pickFile(parent: BrowserWindow | undefined, name: string, kind: string, extension: string): Promise<string | undefined> {
  const options = { defaultPath: name, filters: [{ name: kind, extensions: [extension] }] };
  const { filePath } = await (parent ? dialog.showSaveDialog(parent, options) : dialog.showSaveDialog(options));
  return filePath || undefined;
}

// Before anything touches it: everything that the app keeps lies in the one data directory.
try {
  ensureFolder(join(home, 'app'));
  app.setPath('userData', join(home, 'app'));
  log.transports.file.resolvePathFn = () => join(home, 'logs', 'app.log');
  log.errorHandler.startCatching({ showDialog: false });
  if (app.requestSingleInstanceLock()) {
    run();
  } else {
    console.error('Hartbox is already running; its window was brought to the front.');
    app.quit();
  }
} catch (error) {
  void endWithoutData(error instanceof Error ? error.message : String(error));
}

/** Say why there is no app, where it is seen: a native dialog takes a display, and Electron that is ready. */
async function endWithoutData(reason: string): Promise<void> {
  const say = messages[localeFor('system', systemLanguages())];
  const detail = say.dataFolderDetail(home, reason);
  console.error(`${say.dataFolder}: ${detail}`);
  const hasDisplay = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (hasDisplay) {
    // Electron's own files must not take the place of ours in the user's folder for settings.
    app.setPath('userData', mkdtempSync(join(tmpdir(), 'hartbox-')));
    await app.whenReady();
    await dialog.showMessageBox({ type: 'error', title: 'Hartbox', message: say.dataFolder, detail, buttons: [say.quit], noLink: true });
  }
  app.exit(1);
}

function systemLanguages(): string[] {
  // What Electron was told to speak comes first.
  return [app.commandLine.getSwitchValue('lang'), ...app.getPreferredSystemLanguages()];
}
