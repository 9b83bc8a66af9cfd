import type { ConsolePort } from '../virtio/devices/console-port';
import type { Connection } from './channel';
import { type ConsoleMessage, consoleMessageSchema } from './console-channel';
import { CONSOLE_LIMITS, ConsoleSender } from './console-sender';
import { LastBytes } from './last-bytes';
import { withoutQueries } from './terminal-queries';

/** Most bytes of past output that a window gets when it connects. */
const HISTORY_BYTES = 256 * 1024;
/** How long the guest waits for one who does not take its output, in milliseconds. Then that one misses some. */
const PATIENCE_MS = 3000;
/** What one who missed output reads when there is more. */
const MISSED = new TextEncoder().encode('\r\n[Hartbox: some of the output is missing here, for it was not read in time]\r\n');
/** Bytes that a window may send without waiting for the guest to take them; it should stop at half of that. */
const MOST_INPUT = 2 * CONSOLE_LIMITS.window;

type GuestConsole = Pick<ConsolePort, 'write' | 'onData' | 'onDrain' | 'resize'>;

/**
 * Joins the guest's console with those who look at it, windows and terminals. All see the same output and may type; the terminal has the
 * size of who said so last. Output is remembered, so that a window that connects later sees how it came to this; with no window the guest
 * runs on freely, and one that does not read holds it up for a moment only.
 */
export class ConsoleHub {
  private console: GuestConsole | undefined;
  private readonly viewers = new Set<Viewer>();
  private size: { columns: number; rows: number } | undefined;
  private readonly history = new LastBytes(HISTORY_BYTES);

  constructor(
    /** Told of a new size of the terminal. */
    private readonly onResize: (columns: number, rows: number) => void = () => undefined,
  ) {}

  attach(console: GuestConsole): void {
    this.console = console;
    if (this.size) console.resize(this.size.columns, this.size.rows);
    console.onData((data) => {
      this.history.add(data);
      const holding = [...this.viewers].map((viewer) => viewer.show(data)).filter((held) => held !== undefined);
      return holding.length > 0 ? Promise.all(holding).then(() => undefined) : undefined;
    });
    console.onDrain(() => {
      for (const viewer of this.viewers) viewer.acknowledge();
    });
  }

  /** Somebody comes to look, and stays until the connection closes. */
  connect(connection: Connection<ConsoleMessage>): void {
    const viewer = new Viewer(connection);
    this.viewers.add(viewer);
    connection.on('message', ({ data }) => {
      if (this.viewers.has(viewer)) this.receive(viewer, data);
    });
    connection.on('close', () => this.drop(viewer));
    void viewer.show(this.past);
    connection.start();
  }

  /** Also from outside: the terminal that the box was started in. */
  resize(columns: number, rows: number): void {
    this.size = { columns, rows };
    this.console?.resize(columns, rows);
    this.onResize(columns, rows);
  }

  /** What was written last. */
  get text(): string {
    return new TextDecoder().decode(this.past);
  }

  /** The same, for a terminal, which is not to answer it. */
  private get past(): Uint8Array {
    return withoutQueries(this.history.all());
  }

  private drop(viewer: Viewer): void {
    if (this.viewers.delete(viewer)) viewer.close();
  }

  private receive(viewer: Viewer, data: unknown): void {
    const message = consoleMessageSchema.safeParse(data);
    // Not from a window of ours: it gets no answer, and without acknowledgement it cannot send much.
    if (!message.success) return;
    switch (message.data.type) {
      case 'ack':
        viewer.acknowledged(message.data.bytes);
        break;
      case 'resize':
        this.resize(message.data.columns, message.data.rows);
        break;
      case 'data':
        viewer.unacknowledged += message.data.data.length;
        if (viewer.unacknowledged > MOST_INPUT) this.drop(viewer);
        else if (this.write(message.data.data)) viewer.acknowledge();
        break;
    }
  }

  /** Returns whether there is room for more. */
  private write(data: Uint8Array): boolean {
    try {
      return this.console?.write(data) !== false;
    } catch {
      // The guest takes nothing any more, and no more is taken from those who type.
      return false;
    }
  }
}

/** One who looks at the console. */
class Viewer {
  /** Input taken that the guest has not made room for. */
  unacknowledged = 0;
  private sender: ConsoleSender;
  /** Bytes sent that it is not done with. */
  private outstanding = 0;
  private isBehind = false;

  constructor(private readonly connection: Connection<ConsoleMessage>) {
    this.sender = this.newSender();
  }

  /** Send output on. A promise means: wait. */
  show(data: Uint8Array): Promise<void> | undefined {
    if (this.isBehind) return undefined;
    const held = this.sender.send(data);
    if (!held) return undefined;
    const timer = setTimeout(() => {
      // What waits is lost to it, and the guest goes on.
      this.isBehind = true;
      this.sender.close();
    }, PATIENCE_MS);
    return held.finally(() => clearTimeout(timer));
  }

  acknowledged(bytes: number): void {
    this.outstanding = Math.max(0, this.outstanding - bytes);
    if (!this.isBehind) this.sender.acknowledge(bytes);
    else if (this.outstanding === 0) {
      this.isBehind = false;
      this.sender = this.newSender();
      void this.sender.send(MISSED);
    }
  }

  /** The guest has room for more input. */
  acknowledge(): void {
    if (this.unacknowledged === 0) return;
    this.connection.postMessage({ type: 'ack', bytes: this.unacknowledged });
    this.unacknowledged = 0;
  }

  close(): void {
    this.sender.close();
    this.connection.close();
  }

  private newSender(): ConsoleSender {
    return new ConsoleSender((data) => {
      this.outstanding += data.length;
      this.connection.postMessage({ type: 'data', data });
    }, CONSOLE_LIMITS);
  }
}
