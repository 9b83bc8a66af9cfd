import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { Terminal } from '@xterm/xterm';
import { shallowReadonly, shallowRef } from 'vue';
import type { ConsoleMessage } from '../../engine/runner/console-channel';
import { CONSOLE_LIMITS, ConsoleSender } from '../../engine/runner/console-sender';
import { beep } from './beep';
import { clipboardText } from './guest-clipboard';
import { harmlessTitle } from './guest-title';
import { terminalTheme } from './terminal-theme';

/** What a guest may do beside writing text. */
export interface TerminalBehaviour {
  bell: 'none' | 'visual' | 'sound';
  /** Its terminal's title is shown beside the box's name. */
  guestTitle: boolean;
  /** It may write to the clipboard (OSC 52); reading it is never possible. */
  guestClipboard: boolean;
}

export interface TerminalSessionOptions {
  screenReaderMode: boolean;
  /** Points. */
  fontSize?: number;
  /** Read whenever it matters, so that a change is effective at once. */
  behaviour: Readonly<TerminalBehaviour>;
  /** The user wants to follow a link in the guest's output. */
  onLink: (url: string) => void;
  /** The guest writes to the clipboard, and may. */
  onClipboard: (text: string) => void;
  /** Told the lines on screen, without trailing empty ones, some time after they change. */
  onScreen: (lines: string[]) => void;
}

const FONT = '"JetBrains Mono Variable"';
export const FONT_SIZE = 13;
/** How long output may change before `onScreen` is told, in milliseconds. */
const SCREEN_MS = 250;
/** Characters of one command of the guest's to its terminal (OSC); xterm takes ten million, and hours for some of them. */
const MOST_COMMAND = 4096;
/** Those that xterm carries out: titles, colours, links. */
const COMMANDS = [0, 1, 2, 4, 8, 10, 11, 12, 104, 110, 111, 112];
/** Links that the guest may mark (OSC 8) in one run; xterm keeps each, some 6 KB, as long as its line. */
const MOST_LINKS = 20_000;
/** Bells closer together than this, in milliseconds, are one. */
const BELL_MS = 250;
/** Bytes that may wait for the guest to take them when there are more to send; a text that is pasted may be longer. */
const MOST_TYPED = 64 << 10;
/** How long what a machine wrote last may take to arrive after its end is known, in milliseconds. */
const LAST_WORDS_MS = 1000;
const isMac = navigator.userAgent.includes('Macintosh');

/** A VM's terminal: xterm on one side, the console port on the other. Lives as long as the window. */
export class TerminalSession {
  readonly terminal: Terminal;
  readonly search = new SearchAddon({ highlightLimit: 1000 });
  /** The title that the guest gave its terminal, made harmless; empty where it may not. */
  private readonly guestTitle = shallowRef('');
  readonly title = shallowReadonly(this.guestTitle);
  /** Where the link below the pointer leads, and whether it is in the lower half of the window. */
  private readonly hoveredLink = shallowRef<{ url: string; isLow: boolean }>();
  readonly link = shallowReadonly(this.hoveredLink);
  /** Counts bells that are to be seen. */
  private readonly visibleBells = shallowRef(0);
  readonly bells = shallowReadonly(this.visibleBells);
  /** Links that the guest has marked in this run. */
  private links = 0;
  private lastBell = -BELL_MS;
  private readonly fitting = new FitAddon();
  private readonly element = document.createElement('div');
  private readonly encoder = new TextEncoder();
  private port: MessagePort | undefined;
  private sender: ConsoleSender | undefined;
  /** Bytes that wait for the guest. */
  private typed = 0;
  private expecting = false;
  private used = false;
  private fitFrame: number | undefined;
  /** Ends the connection to a machine that is off, once its last words have been read. */
  private drain: (() => void) | undefined;
  private readonly blinks = !matchMedia('(prefers-reduced-motion: reduce)').matches;
  private screenTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: TerminalSessionOptions) {
    this.element.className = 'h-full w-full';
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: this.blinks,
      fontFamily: `${FONT}, ui-monospace, monospace`,
      fontSize: options.fontSize ?? FONT_SIZE,
      lineHeight: 1.2,
      scrollback: 10_000,
      screenReaderMode: options.screenReaderMode,
      macOptionIsMeta: true,
      theme: terminalTheme,
      // No reports of the window's title, place or size, and no power over them (CSI t).
      windowOptions: {},
      // Links that the guest marked (OSC 8); without this xterm asks with a box of the browser's and opens a window.
      linkHandler: this.linkHandler(),
      overviewRuler: { width: 12 },
    });
    this.terminal.loadAddon(this.fitting);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = '11';
    const { activate, hover, leave } = this.linkHandler();
    this.terminal.loadAddon(new WebLinksAddon(activate, { hover, leave }));
    this.terminal.onBell(() => this.ring());
    this.terminal.onTitleChange((title) => {
      this.guestTitle.value = options.behaviour.guestTitle ? harmlessTitle(title) : '';
    });
    // True: nothing more is done about it.
    for (const command of COMMANDS) this.terminal.parser.registerOscHandler(command, (data) => data.length > MOST_COMMAND);
    this.terminal.parser.registerOscHandler(8, (data) => !data.endsWith(';') && ++this.links > MOST_LINKS);
    this.terminal.parser.registerOscHandler(52, (data) => {
      const text = options.behaviour.guestClipboard ? clipboardText(data) : undefined;
      if (text !== undefined) options.onClipboard(text);
      return true;
    });
    this.terminal.onData((text) => this.type(this.encoder.encode(text)));
    this.terminal.onBinary((text) => this.type(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => this.post({ type: 'resize', columns: cols, rows }));
    this.terminal.onWriteParsed(() => {
      this.screenTimer ??= setTimeout(() => {
        this.screenTimer = undefined;
        this.options.onScreen(this.screen());
      }, SCREEN_MS);
    });
  }

  set fontSize(points: number) {
    this.terminal.options.fontSize = points;
    this.fit();
  }

  /** There is a port, or one has been asked for. */
  get isConnected(): boolean {
    return this.port !== undefined || this.expecting;
  }

  expectConnection(): void {
    this.expecting = true;
  }

  connect(port: MessagePort): void {
    // It comes too late: the machine has ended meanwhile.
    if (!this.expecting) {
      port.close();
      return;
    }
    this.disconnect();
    this.drain?.();
    this.terminal.options.disableStdin = false;
    this.terminal.options.cursorBlink = this.blinks;
    if (this.used) this.markRestart();
    this.used = true;
    this.links = 0;
    this.port = port;
    this.sender = new ConsoleSender((data) => this.post({ type: 'data', data }), { ...CONSOLE_LIMITS, batchMs: 0 });
    port.onmessage = (event: MessageEvent<ConsoleMessage>) => this.receive(port, event.data);
    this.post({ type: 'resize', columns: this.terminal.cols, rows: this.terminal.rows });
  }

  disconnect(): void {
    this.expecting = false;
    this.sender?.close();
    this.sender = undefined;
    const { port } = this;
    if (!port) return;
    this.port = undefined;
    // A cursor that blinks says that somebody listens.
    this.terminal.options.disableStdin = true;
    this.terminal.options.cursorBlink = false;
    const timer = setTimeout(() => this.drain?.(), LAST_WORDS_MS);
    this.drain = () => {
      clearTimeout(timer);
      this.drain = undefined;
      port.close();
      // A program that had taken the mouse would keep it from selecting what is there to read.
      this.terminal.write('\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l');
      this.guestTitle.value = '';
    };
  }

  /** Show the terminal in an element of the page; call `fit` whenever that has a new size. */
  async mount(container: HTMLElement): Promise<void> {
    // Measured before its font is there, the terminal would have cells of another font's size.
    await Promise.all(['normal', 'bold'].map((weight) => document.fonts.load(`${weight} ${FONT_SIZE}px ${FONT}`)));
    container.append(this.element);
    if (!this.terminal.element) {
      this.terminal.open(this.element);
      this.useWebgl();
    }
  }

  unmount(): void {
    this.element.remove();
  }

  /** Fill the element that the terminal is shown in, with the next frame: only then has xterm noticed that it is visible. */
  fit(): void {
    this.fitFrame ??= requestAnimationFrame(() => {
      this.fitFrame = undefined;
      if (!this.element.isConnected || this.element.clientWidth === 0) return;
      const { viewportY, baseY } = this.terminal.buffer.active;
      this.fitting.fit();
      if (viewportY === baseY) this.terminal.scrollToBottom();
    });
  }

  /** The lines on screen. */
  private screen(): string[] {
    const buffer = this.terminal.buffer.active;
    const lines = Array.from({ length: this.terminal.rows }, (_, row) => buffer.getLine(buffer.baseY + row)?.translateToString(true) ?? '');
    while (lines.length > 0 && lines[lines.length - 1] === '') lines.pop();
    return lines;
  }

  /** What an earlier run left behind stays readable above a line with the time; its modes do not stay. */
  private markRestart(): void {
    if (this.terminal.buffer.active.type === 'alternate') this.terminal.write('\x1b[?1049l');
    // Also colours that were redefined (OSC 104, 110 to 112).
    this.terminal.write('\x1b[!p\x1b[?25h\x1b]104\x07\x1b]110\x07\x1b]111\x07\x1b]112\x07');
    this.terminal.write(`\r\n\x1b[2m── ${new Date().toLocaleTimeString(document.documentElement.lang)} ──\x1b[0m\r\n\r\n`);
  }

  /** Also what the terminal answers: a guest that asks and asks and takes no answer is not answered any more. */
  private type(bytes: Uint8Array): void {
    if (this.typed > MOST_TYPED) return;
    const sent = this.sender?.send(bytes);
    if (!sent) return;
    this.typed += bytes.length;
    void sent.then(() => {
      this.typed -= bytes.length;
    });
  }

  private receive(port: MessagePort, message: ConsoleMessage): void {
    if (message.type === 'ack') this.sender?.acknowledge(message.bytes);
    else if (message.type === 'data')
      this.terminal.write(message.data, () => port.postMessage({ type: 'ack', bytes: message.data.length } satisfies ConsoleMessage));
  }

  private ring(): void {
    const now = performance.now();
    const { bell } = this.options.behaviour;
    if (bell === 'none' || now - this.lastBell < BELL_MS) return;
    this.lastBell = now;
    if (bell === 'sound') beep();
    else this.visibleBells.value++;
  }

  /** A link says where it leads while the pointer is on it, and is followed with Ctrl, on macOS with Cmd: a click alone may be meant otherwise. */
  private linkHandler() {
    return {
      activate: (event: MouseEvent, url: string): void => {
        if (isMac ? event.metaKey : event.ctrlKey) this.options.onLink(url);
      },
      hover: (event: MouseEvent, url: string): void => {
        this.hoveredLink.value = { url, isLow: event.clientY > window.innerHeight / 2 };
      },
      leave: (): void => {
        this.hoveredLink.value = undefined;
      },
    };
  }

  private post(message: ConsoleMessage): void {
    this.port?.postMessage(message);
  }

  /** The fast renderer where there is WebGL; the terminal draws with the DOM where there is none, or once it is lost. */
  private useWebgl(): void {
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose());
      this.terminal.loadAddon(webgl);
    } catch {
      // No WebGL here.
    }
  }
}
