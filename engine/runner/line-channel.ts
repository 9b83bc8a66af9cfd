import type { ChannelMessage, Connection } from './channel';

/** A channel that a control line carries among its other messages: either end of it. */
export class LineChannel implements Connection {
  private readonly onMessage: ((event: { data: unknown }) => void)[] = [];
  private readonly onClose: (() => void)[] = [];
  /** What came before start(): at most a window of it. */
  private early: unknown[] | undefined = [];
  private isOver = false;

  constructor(
    private readonly post: (message: ChannelMessage) => void,
    /** This end was closed; the other is to be told. */
    private readonly shut: () => void,
  ) {}

  postMessage(message: ChannelMessage): void {
    if (!this.isOver) this.post(message);
  }

  on(event: 'message', listener: (event: { data: unknown }) => void): void;
  on(event: 'close', listener: () => void): void;
  on(event: 'message' | 'close', listener: ((event: { data: unknown }) => void) | (() => void)): void {
    if (event === 'message') this.onMessage.push(listener);
    else this.onClose.push(listener as () => void);
  }

  start(): void {
    const early = this.early ?? [];
    this.early = undefined;
    for (const data of early) this.deliver(data);
  }

  close(): void {
    if (this.isOver) return;
    this.shut();
    this.end();
  }

  /** The other end has sent something. */
  deliver(data: unknown): void {
    if (this.early) this.early.push(data);
    else for (const listener of [...this.onMessage]) listener({ data });
  }

  /** The other end is gone. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const listener of [...this.onClose]) listener();
  }
}
