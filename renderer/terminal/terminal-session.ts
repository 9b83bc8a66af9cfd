import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebglAddon } from '@xterm/addon-webgl';
import { Terminal } from '@xterm/xterm';
import type { ConsoleMessage } from '../../engine/process/console-channel';
import { CONSOLE_LIMITS, ConsoleSender } from '../../engine/process/console-sender';
import { terminalTheme } from './terminal-theme';

export interface TerminalSessionOptions {
  screenReaderMode: boolean;
  /** Told the lines on screen, without trailing empty ones, some time after they change. */
  onScreen: (lines: string[]) => void;
}

const FONT = '"JetBrains Mono Variable"';
const FONT_SIZE = 13;
/** How long output may change before `onScreen` is told, in milliseconds. */
const SCREEN_MS = 250;

/** A VM's terminal: xterm on one side, the console port on the other. Lives as long as the window. */
export class TerminalSession {
  readonly terminal: Terminal;
  readonly search = new SearchAddon({ highlightLimit: 1000 });
  private readonly fitting = new FitAddon();
  private readonly element = document.createElement('div');
  private readonly encoder = new TextEncoder();
  private port: MessagePort | undefined;
  private sender: ConsoleSender | undefined;
  private expecting = false;
  private used = false;
  private fitFrame: number | undefined;
  private screenTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: TerminalSessionOptions) {
    this.element.className = 'h-full w-full';
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
      fontFamily: `${FONT}, ui-monospace, monospace`,
      fontSize: FONT_SIZE,
      lineHeight: 1.2,
      scrollback: 10_000,
      screenReaderMode: options.screenReaderMode,
      macOptionIsMeta: true,
      theme: terminalTheme,
      overviewRuler: { width: 12 },
    });
    this.terminal.loadAddon(this.fitting);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = '11';
    this.terminal.onData((text) => void this.sender?.send(this.encoder.encode(text)));
    this.terminal.onBinary((text) => void this.sender?.send(Uint8Array.from(text, (character) => character.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => this.post({ type: 'resize', columns: cols, rows }));
    this.terminal.onWriteParsed(() => {
      this.screenTimer ??= setTimeout(() => {
        this.screenTimer = undefined;
        this.options.onScreen(this.screen());
      }, SCREEN_MS);
    });
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
    if (this.used) this.markRestart();
    this.used = true;
    this.port = port;
    this.sender = new ConsoleSender((data) => this.post({ type: 'data', data }), { ...CONSOLE_LIMITS, batchMs: 0 });
    port.onmessage = (event: MessageEvent<ConsoleMessage>) => this.receive(port, event.data);
    this.post({ type: 'resize', columns: this.terminal.cols, rows: this.terminal.rows });
  }

  disconnect(): void {
    this.expecting = false;
    this.sender?.close();
    this.sender = undefined;
    this.port?.close();
    this.port = undefined;
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
    this.terminal.write(`\x1b[!p\x1b[?25h\r\n\x1b[2m── ${new Date().toLocaleTimeString(document.documentElement.lang)} ──\x1b[0m\r\n\r\n`);
  }

  private receive(port: MessagePort, message: ConsoleMessage): void {
    if (message.type === 'ack') this.sender?.acknowledge(message.bytes);
    else if (message.type === 'data')
      this.terminal.write(message.data, () => port.postMessage({ type: 'ack', bytes: message.data.length } satisfies ConsoleMessage));
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
