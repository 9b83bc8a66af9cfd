import type { Habits } from './habits';
import type { Update } from './update-check';
import type { Diagnosis } from '../engine/doctor/doctor';
import type { Graphics } from '../engine/doctor/host';
import type { ChannelKind } from '../engine/runner/channel';
import type { ErrorReport, Input, Progress, Status } from '../engine/runner/control';
import { type BoxNotices, type BoxRequests, boxNoticeNames, boxRequestNames } from './box-contract';
import { type InsideRequests, insideRequestNames } from './inside-contract';
import { type ImageNotices, type ImageRequests, imageNoticeNames, imageRequestNames } from './image-contract';
import { type LogRequests, logRequestNames } from './log-contract';
import { type Forward, type NetworkRequests, networkRequestNames } from './network-contract';
import type { BoxValues } from '../engine/settings/settings';

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
  source: BoxValues['source'];
  /** Name of the kernel's file, where a kernel is what starts. */
  kernel?: string | undefined;
  /** Name of the first disk's or disc's file, where that is what starts and has a name of its own. */
  disk?: string | undefined;
  icon: BoxValues['icon'];
  tags: readonly string[];
  autostart: boolean;
  /** The command that makes what it starts from; empty or left out where there is none. */
  build?: string;
  /** That runs now. */
  building?: boolean;
  /** What the guest may do in the terminal. */
  terminal: Pick<BoxValues, 'bell' | 'guestTitle' | 'guestClipboard'>;
  /** How many screens it has. */
  screens: number;
  /** Those that have windows of their own. */
  windows?: readonly number[];
  hasSound: boolean;
  /** How loud it is. */
  sound: Pick<BoxValues, 'volume' | 'muted'>;
  /** What it has to type and point with, while it runs. */
  input: readonly Input['device'][];
  /** How many terminals it has beside its console. */
  consoles: number;
  /** Where it shares its clipboard, while it runs: whether anybody in the guest does, and how often something was copied there. */
  clipboard?: Status['clipboard'];
  state: VmState;
  /** What runs it, where that is not this app: `hartbox run`. */
  program?: string | undefined;
  /** Keys of settings whose change waits for a restart. */
  pending: readonly string[];
  /** What its guest is reached by while it runs, and the ports of this computer that lead there. */
  network: { readonly addresses: readonly string[]; readonly forwards: readonly Forward[] };
  /** With `preparing`. */
  progress?: Progress | undefined;
  /** How far its guest's start is; undefined when that is over. */
  boot?: Status['boot'];
  /** With `broken` and `failed`. */
  error?: ErrorReport | undefined;
  /** With `off`: what its guest ended with the last time, where it gave a code. */
  exitCode?: number | undefined;
  /** What the machine reported while it went on; the latest. */
  warning?: ErrorReport | undefined;
  /** The engine process has not been heard of for a while. */
  unresponsive: boolean;
  /** The guest was asked to shut down and has not, for a while. */
  stalled: boolean;
  /** When it was last started with this app, in milliseconds since 1970. */
  lastUsed?: number;
}

export type Theme = 'system' | 'light' | 'dark';
/** What the app speaks: the window by renderer/locales, native dialogs by main/messages.ts. */
export type Locale = 'en' | 'de' | 'zh-CN';
/** `system`: the first of the user's languages that the app speaks, else English. */
export type Language = 'system' | Locale;

/** How the library is shown. */
export interface LibraryLook {
  layout: 'cards' | 'list';
  order: 'name' | 'used' | 'state';
}

/** How a box's screen is shown. */
export interface ScreenLook {
  /** native: a pixel of the guest is one of this computer's screen. fit: as large as the window allows. whole: each is as many by as many as fit. */
  scale: 'native' | 'fit' | 'whole';
  /** The guest is asked for as many pixels as the window has room for. */
  follow: boolean;
  /** What the mouse is where the guest has both: a tablet, which is nowhere caught, or a mouse, which is. */
  pointer: 'tablet' | 'mouse';
  /** What gives keyboard and mouse back to the app. */
  release: 'ctrl-alt-g' | 'ctrl-shift-f12' | 'right-ctrl';
  /** Texts come from this computer's input method, where the guest has somebody to paste them. */
  compose: boolean;
}

export type { Habits, Update };

export interface AppInfo {
  version: string;
  platform: string;
  theme: Theme;
  language: Language;
  look: LibraryLook;
  screen: ScreenLook;
  habits: Habits;
  /** A screen reader or the like is at work. */
  assistive: boolean;
}

/** What to do with running VMs when the window closes. */
export type CloseChoice = 'keep-running' | 'shut-down' | 'force-off' | 'cancel';

/** Requests of a window: arguments and answer. */
export interface Requests extends BoxRequests, ImageRequests, InsideRequests, LogRequests, NetworkRequests {
  'app.info'(): AppInfo;
  'app.set-theme'(theme: Theme): void;
  'app.set-language'(language: Language): void;
  'app.set-look'(look: LibraryLook): void;
  'app.set-screen'(look: ScreenLook): void;
  'app.set-habits'(habits: Habits): void;
  /** The newest version, where the user's preferences say; null if this is it. */
  'app.check-update'(): Update | null;
  'app.set-full-screen'(on: boolean): void;
  /** Have the app's first window show a page, as renderer/routes.ts has it: a window that shows a screen shows nothing else. */
  'app.show-page'(page: string): void;
  /** Open a web address that a guest wrote, once the user has confirmed it. */
  'app.open-link'(url: string): void;
  /** `always`: so without asking, from now on. */
  'app.close'(choice: CloseChoice, always: boolean): void;
  /** Files of boxes that the user opened with the app, to be imported; told once. */
  'app.opened-files'(): string[];
  /** Look at this computer; what the window draws with only the window knows. */
  'doctor.diagnose'(graphics: Graphics): Diagnosis;
  /** Write what was found last, without personal details, into a file that the user picks; answers its path, null if none was picked. */
  'doctor.save-report'(): string | null;
  'clipboard.write'(text: string): void;
  'clipboard.read'(): string;
  'library.list'(): VmView[];
  'library.show-files'(vm: string): void;
  'library.rename'(vm: string, name: string): void;
  'vm.start'(vm: string): void;
  'vm.power-off'(vm: string): void;
  'vm.force-off'(vm: string): void;
  'vm.pause'(vm: string): void;
  'vm.resume'(vm: string): void;
  'vm.reset'(vm: string): void;
  /** Let debuggers attach: where, and which files hold symbols of what runs. */
  'vm.debug'(vm: string): { address: string; symbols: string[] };
  /** Shut down and start again. */
  'vm.restart'(vm: string): void;
  /** Run its build command, once the user has agreed to that, and start it anew. */
  'vm.build'(vm: string): void;
  /** The answer is a MessagePort, posted to the window that asks as a ChannelPortMessage. */
  'vm.connect'(vm: string, kind: ChannelKind): void;
  /** Take a screen into a window of its own, bring that to the front, or put the screen back where it was. */
  'vm.screen-window'(vm: string, screen: number, isOpen: boolean): void;
  /** Write what a screen shows into a file that the user picks; answers its path, null if none was picked. */
  'vm.screenshot'(vm: string, screen: number): string | null;
  /** Begin a film of what the box shows, in a file that the user picks; answers its number, null if none was picked. */
  'recording.begin'(vm: string): number | null;
  'recording.write'(recording: number, data: Uint8Array): void;
  /** Answers where it is. */
  'recording.end'(recording: number): string;
  /** Let the guest have what is in this computer's clipboard, unless it has that; `asked`: by the user, in any case. */
  'vm.give-clipboard'(vm: string, asked: boolean): void;
  /** What was copied in the guest: a text, and a picture as PNG. */
  'vm.take-clipboard'(vm: string): { text?: string | undefined; png?: Uint8Array | undefined };
  /** Put what was taken from it into this computer's clipboard; the page has made the picture anew. */
  'vm.keep-clipboard'(vm: string, text: string | null, png: Uint8Array | null): void;
  /** Paste a text into the program of the guest that has the keyboard. */
  'vm.insert-text'(vm: string, text: string): void;
  /** Put files of this computer where the guest's user gets downloads. */
  'vm.send-files'(vm: string, files: string[]): void;
  /** Send no more of them: `vm.send-files` fails then. */
  'vm.cancel-files'(vm: string): void;
  /** How loud it is, from 0 to 100; its settings keep that. */
  'vm.set-volume'(vm: string, volume: number, muted: boolean): void;
  /** Ask the user, unless that was done, whether the guest may hear the microphone until it is off; `false`: it no longer may. Answers whether it may. */
  'vm.microphone'(vm: string, wanted: boolean): boolean;
}
export type RequestName = keyof Requests;

/** What main tells all windows without being asked. */
export interface Notices extends BoxNotices, ImageNotices {
  /** A VM changed. */
  'vm.changed': VmView;
  /** A VM is no longer in the library. */
  'vm.removed': string;
  /** To one of them: whether it can be seen at all, and whether it fills the screen. */
  'app.window': { visible: boolean; fullScreen: boolean };
  /** In another window something of `app.info` was changed. */
  'app.changed': null;
  /** The window was asked to close while these VMs run: ask the user, then request `app.close`. */
  'app.close-requested': VmView[];
  /** The user has picked a box in the system's tray, or a notification about it. */
  'app.show-page': string;
  /** There are files for `app.opened-files`. */
  'app.files-opened': null;
}
export type NoticeName = keyof Notices;

/** How a request ends; errors travel as data, since Electron would reduce them to a string. */
export type Answer<T> = { ok: true; value: T } | { ok: false; error: ErrorReport };

const requestNames: Record<RequestName, true> = {
  ...boxRequestNames,
  ...insideRequestNames,
  ...imageRequestNames,
  ...logRequestNames,
  ...networkRequestNames,
  'app.info': true,
  'app.set-theme': true,
  'app.set-language': true,
  'app.set-look': true,
  'app.set-screen': true,
  'app.set-habits': true,
  'app.check-update': true,
  'app.set-full-screen': true,
  'app.show-page': true,
  'app.open-link': true,
  'app.close': true,
  'app.opened-files': true,
  'doctor.diagnose': true,
  'doctor.save-report': true,
  'clipboard.write': true,
  'clipboard.read': true,
  'library.list': true,
  'library.show-files': true,
  'library.rename': true,
  'vm.start': true,
  'vm.power-off': true,
  'vm.force-off': true,
  'vm.pause': true,
  'vm.resume': true,
  'vm.reset': true,
  'vm.debug': true,
  'vm.restart': true,
  'vm.build': true,
  'vm.connect': true,
  'vm.screen-window': true,
  'vm.screenshot': true,
  'recording.begin': true,
  'recording.write': true,
  'recording.end': true,
  'vm.give-clipboard': true,
  'vm.take-clipboard': true,
  'vm.keep-clipboard': true,
  'vm.insert-text': true,
  'vm.send-files': true,
  'vm.cancel-files': true,
  'vm.set-volume': true,
  'vm.microphone': true,
};
const noticeNames: Record<NoticeName, true> = {
  ...boxNoticeNames,
  ...imageNoticeNames,
  'vm.changed': true,
  'vm.removed': true,
  'app.window': true,
  'app.changed': true,
  'app.close-requested': true,
  'app.show-page': true,
  'app.files-opened': true,
};

export function isRequestName(name: string): name is RequestName {
  return Object.hasOwn(requestNames, name);
}
export function isNoticeName(name: string): name is NoticeName {
  return Object.hasOwn(noticeNames, name);
}

/** Prefix of all channels of ours in Electron's IPC. */
export const CHANNEL_PREFIX = 'hartbox:';
/** The channel on which main hands ports to boxes to the preload script, and the message it passes on to the page. */
export const PORT_CHANNEL = `${CHANNEL_PREFIX}port`;
export interface ChannelPortMessage {
  type: 'hartbox.port';
  vm: string;
  kind: ChannelKind;
}

/** What the preload script puts on `window.hartbox`. */
export interface Bridge {
  request<N extends RequestName>(name: N, ...args: Parameters<Requests[N]>): Promise<Answer<ReturnType<Requests[N]>>>;
  /** Returns a function that ends the listening. */
  on<N extends NoticeName>(name: N, listener: (notice: Notices[N]) => void): () => void;
  /** Where a file that was dropped on the page lies; empty where it lies nowhere. */
  pathOf(file: File): string;
}

/** What to speak, from what the user chose and the system's languages. Any Chinese is closer to a reader of another than English. */
export function localeFor(language: Language, systemLanguages: readonly string[]): Locale {
  if (language !== 'system') return language;
  const known: Partial<Record<string, Locale>> = { en: 'en', de: 'de', zh: 'zh-CN' };
  for (const tag of systemLanguages) {
    const locale = known[tag.toLowerCase().split(/[-_]/)[0]];
    if (locale) return locale;
  }
  return 'en';
}
