import type { ErrorReport, Progress } from '../engine/process/contract';

/**
 * What window and main process say to each other: the one list of channels that main, preload and renderer share.
 * Types and names only, so that the sandboxed preload script stays small; ipc.ts checks the values.
 */

/**
 * broken: its configuration cannot be used. off, failed: not running (failed: it ended with an error). preparing: the
 * default guest is being fetched. starting, running, paused, stopping (asked to shut down): its engine process is up.
 */
export type VmState = 'broken' | 'off' | 'failed' | 'preparing' | 'starting' | 'running' | 'paused' | 'stopping';

/** A VM as the window shows it. */
export interface VmView {
  id: string;
  name: string;
  /** Bytes; 0 if broken. */
  memory: number;
  harts: number;
  /** Name of the kernel's file; undefined: the default guest. */
  kernel?: string;
  state: VmState;
  /** With `preparing`. */
  progress?: Progress;
  /** With `broken` and `failed`. */
  error?: ErrorReport;
  /** What the machine reported while it went on; the latest. */
  warning?: ErrorReport;
  /** The engine process has not been heard of for a while. */
  unresponsive: boolean;
  /** The guest was asked to shut down and has not, for a while. */
  stalled: boolean;
}

export type Theme = 'system' | 'light' | 'dark';

export interface AppInfo {
  version: string;
  platform: string;
  theme: Theme;
  /** A screen reader or the like is at work. */
  assistive: boolean;
}

/** What to do with running VMs when the window closes. */
export type CloseChoice = 'keep-running' | 'shut-down' | 'force-off' | 'cancel';

/** Requests of the window: arguments and answer. */
export interface Requests {
  'app.info'(): AppInfo;
  'app.set-theme'(theme: Theme): void;
  'app.close'(choice: CloseChoice): void;
  'clipboard.write'(text: string): void;
  'clipboard.read'(): string;
  'library.list'(): VmView[];
  'library.show-files'(vm: string): void;
  'vm.start'(vm: string): void;
  'vm.power-off'(vm: string): void;
  'vm.force-off'(vm: string): void;
  'vm.pause'(vm: string): void;
  'vm.resume'(vm: string): void;
  /** The answer is a MessagePort, posted to the window as `{ type: 'hartbox.console', vm }`. */
  'vm.console'(vm: string): void;
}
export type RequestName = keyof Requests;

/** What main tells the window without being asked. */
export interface Notices {
  /** A VM changed. */
  'vm.changed': VmView;
  /** The window was asked to close while these VMs run: ask the user, then request `app.close`. */
  'app.close-requested': VmView[];
}
export type NoticeName = keyof Notices;

/** How a request ends; errors travel as data, since Electron would reduce them to a string. */
export type Answer<T> = { ok: true; value: T } | { ok: false; error: ErrorReport };

const requestNames: Record<RequestName, true> = {
  'app.info': true,
  'app.set-theme': true,
  'app.close': true,
  'clipboard.write': true,
  'clipboard.read': true,
  'library.list': true,
  'library.show-files': true,
  'vm.start': true,
  'vm.power-off': true,
  'vm.force-off': true,
  'vm.pause': true,
  'vm.resume': true,
  'vm.console': true,
};
const noticeNames: Record<NoticeName, true> = { 'vm.changed': true, 'app.close-requested': true };

export function isRequestName(name: string): name is RequestName {
  return Object.hasOwn(requestNames, name);
}
export function isNoticeName(name: string): name is NoticeName {
  return Object.hasOwn(noticeNames, name);
}

/** Prefix of all channels of ours in Electron's IPC. */
export const CHANNEL_PREFIX = 'hartbox:';
/** The channel on which main hands console ports to the preload script, and the message it passes on to the page. */
export const CONSOLE_CHANNEL = `${CHANNEL_PREFIX}console`;
export interface ConsolePortMessage {
  type: 'hartbox.console';
  vm: string;
}

/** What the preload script puts on `window.hartbox`. */
export interface Bridge {
  request<N extends RequestName>(name: N, ...args: Parameters<Requests[N]>): Promise<Answer<ReturnType<Requests[N]>>>;
  /** Returns a function that ends the listening. */
  on<N extends NoticeName>(name: N, listener: (notice: Notices[N]) => void): () => void;
}
