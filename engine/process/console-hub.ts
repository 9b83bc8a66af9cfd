import type { ConsolePort } from '../virtio/devices/console-port';
import { type ConsoleMessage, consoleMessageSchema } from './console-channel';
import { CONSOLE_LIMITS, ConsoleSender } from './console-sender';

/** Most bytes of past output that a window gets when it connects. */
const HISTORY_BYTES = 256 * 1024;

/** The end of a MessagePort as Electron's utility process has it. */
export interface ClientPort {
  postMessage(message: ConsoleMessage): void;
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  start(): void;
  close(): void;
}

type GuestConsole = Pick<ConsolePort, 'write' | 'onData' | 'onDrain' | 'resize'>;

/**
 * Joins the guest's console with the one window that looks at it. Output is remembered, so that a window that connects
 * later sees how it came to this; with no window the guest runs on freely.
 */
export class ConsoleHub {
  private console: GuestConsole | undefined;
  private client: { port: ClientPort; sender: ConsoleSender } | undefined;
  private size: { columns: number; rows: number } | undefined;
  private readonly history: Uint8Array[] = [];
  private historyBytes = 0;
  /** Input taken from the window that the guest has not made room for. */
  private unacknowledged = 0;

  attach(console: GuestConsole): void {
    this.console = console;
    if (this.size) console.resize(this.size.columns, this.size.rows);
    console.onData((data) => {
      this.remember(data);
      return this.client?.sender.send(data);
    });
    console.onDrain(() => this.acknowledge());
  }

  /** A window connects; one that was connected before is replaced. */
  connect(port: ClientPort): void {
    this.disconnect();
    const sender = new ConsoleSender((data) => port.postMessage({ type: 'data', data }), CONSOLE_LIMITS);
    this.client = { port, sender };
    port.on('message', ({ data }) => {
      if (this.client?.port === port) this.receive(data);
    });
    port.on('close', () => {
      if (this.client?.port === port) this.disconnect();
    });
    for (const chunk of this.history) void sender.send(chunk);
    port.start();
  }

  private disconnect(): void {
    this.client?.sender.close();
    this.client?.port.close();
    this.client = undefined;
    this.unacknowledged = 0;
  }

  private receive(data: unknown): void {
    const message = consoleMessageSchema.safeParse(data);
    // Not from a window of ours: it gets no answer, and without acknowledgement it cannot send much.
    if (!message.success) return;
    switch (message.data.type) {
      case 'ack':
        this.client?.sender.acknowledge(message.data.bytes);
        break;
      case 'resize':
        this.size = { columns: message.data.columns, rows: message.data.rows };
        this.console?.resize(this.size.columns, this.size.rows);
        break;
      case 'data':
        this.unacknowledged += message.data.data.length;
        if (this.console?.write(message.data.data) !== false) this.acknowledge();
        break;
    }
  }

  private acknowledge(): void {
    if (this.unacknowledged === 0) return;
    this.client?.port.postMessage({ type: 'ack', bytes: this.unacknowledged });
    this.unacknowledged = 0;
  }

  private remember(data: Uint8Array): void {
    this.history.push(data);
    this.historyBytes += data.length;
    while (this.historyBytes > HISTORY_BYTES && this.history.length > 1) {
      this.historyBytes -= this.history.shift()?.length ?? 0;
    }
  }
}
