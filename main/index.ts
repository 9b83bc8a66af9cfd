import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BrowserWindow,
  Menu,
  MessageChannelMain,
  app,
  clipboard,
  dialog,
  ipcMain,
  nativeTheme,
  powerMonitor,
  powerSaveBlocker,
  protocol,
  session,
  shell,
  utilityProcess,
} from 'electron';
import log from 'electron-log/main';
import { ENDING_SIGNALS } from '../engine/host/ending-signals';
import { dataDirectory } from '../engine/images/data-directory';
import { VmLibrary } from '../engine/machine/vm-library';
import type { V8Verdict } from '../engine/process/contract';
import { v8Verdict } from '../engine/process/v8-verdict';
import { APP_SCHEME, serveAsset } from './asset-protocol';
import { CloseGuard } from './close-guard';
import { CHANNEL_PREFIX, CONSOLE_CHANNEL, type NoticeName, type Notices, type RequestName } from './contract';
import { EngineHost, engineEnvironment } from './engine-host';
import { engineLog, engineLogFile } from './engine-log';
import { type RequestHandlers, answerRequest } from './ipc';
import { keepAwake } from './keep-awake';
import { Machines } from './machines';
import { Preferences } from './preferences';
import { confinePages, confineSession } from './security';
import { trialInUtility } from './trial-in-utility';
import { createWindow } from './window';

const home = dataDirectory();
const rendererRoot = join(import.meta.dirname, '..', 'renderer');

let window: BrowserWindow | undefined;

function notify<N extends NoticeName>(name: N, notice: Notices[N]): boolean {
  if (!window || window.isDestroyed() || window.webContents.isCrashed() || window.webContents.isLoading()) return false;
  window.webContents.send(CHANNEL_PREFIX + name, notice);
  return true;
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
  nativeTheme.themeSource = preferences.theme;
  const library = new VmLibrary(home);
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
    logFile: (vm) => engineLogFile(vm, home),
  });
  machines.on('changed', (view) => notify('vm.changed', view));
  keepAwake(machines, powerSaveBlocker);
  const guard = new CloseGuard({
    machines,
    ask: (running) => notify('app.close-requested', running),
    window: () => (window?.isDestroyed() ? undefined : window),
    app,
    dialog,
  });

  const handlers: RequestHandlers = {
    'app.info': () => ({
      version: app.getVersion(),
      platform: process.platform,
      theme: preferences.theme,
      assistive: app.accessibilitySupportEnabled,
    }),
    'app.set-theme': async (theme) => {
      nativeTheme.themeSource = theme;
      await preferences.set({ theme });
    },
    'app.close': (choice) => guard.choose(choice),
    'clipboard.write': (text) => clipboard.writeText(text),
    'clipboard.read': () => clipboard.readText(),
    'library.list': () => machines.list(),
    'library.show-files': (vm) => shell.showItemInFolder(library.configFile(vm)),
    'vm.start': (vm) => machines.start(vm),
    'vm.power-off': (vm) => machines.powerOff(vm),
    'vm.force-off': (vm) => machines.forceOff(vm),
    'vm.pause': (vm) => machines.pause(vm),
    'vm.resume': (vm) => machines.resume(vm),
    'vm.console': (vm) => {
      const { port1, port2 } = new MessageChannelMain();
      machines.connectConsole(vm, port1);
      window?.webContents.postMessage(CONSOLE_CHANNEL, vm, [port2]);
    },
  };
  for (const name of Object.keys(handlers) as RequestName[]) {
    ipcMain.handle(CHANNEL_PREFIX + name, (event, ...args: unknown[]) => {
      const frame = event.senderFrame;
      return answerRequest(handlers, name, { url: frame?.url, isMainFrame: frame !== null && frame === event.sender.mainFrame }, args);
    });
  }

  const open = (): void => {
    // macOS and a second start may ask before there can be a window; the first one comes by itself.
    if (!app.isReady()) return;
    if (window && !window.isDestroyed()) {
      if (window.isMinimized()) window.restore();
      window.show();
      window.focus();
      return;
    }
    window = createWindow(preferences);
    guard.guard(window);
    window.webContents.on('render-process-gone', (_event, details) => {
      log.error('The window crashed and is loaded again.', details);
      if (details.reason !== 'clean-exit' && !window?.isDestroyed()) window?.reload();
    });
  };

  app.on('second-instance', open);
  app.on('activate', open);
  app.on('window-all-closed', () => app.quit());
  void app.whenReady().then(() => {
    confineSession(session.defaultSession);
    protocol.handle(APP_SCHEME, (request) => serveAsset(rendererRoot, request));
    open();
    // Now, since Electron sets up its own way with signals while it starts: that one quits as a user does, with questions on macOS.
    for (const signal of ENDING_SIGNALS) process.on(signal, () => guard.end(signal));
    // Linux and macOS; Windows tells the window.
    powerMonitor.on('shutdown', (event?: Electron.Event) => {
      if (machines.active().length > 0) event?.preventDefault();
      guard.end('shutdown');
    });
  });
}

// Before anything touches it: everything that the app keeps lies in the one data directory.
try {
  mkdirSync(join(home, 'app'), { recursive: true });
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
  const reason = error instanceof Error ? error.message : String(error);
  dialog.showErrorBox(
    'Hartbox cannot use its data folder',
    `${home}\n\n${reason}\n\nMake the folder writable, or set HARTBOX_HOME to another one.`,
  );
  app.exit(1);
}
