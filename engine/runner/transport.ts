import type { Connection } from './channel';

/** Whom a line tells what happens on it. */
export interface LineListener {
  /** Something came, unchecked; with it a MessagePort where the line carries those. */
  message(message: unknown, port?: Connection): void;
  /** The other end is gone, or this one was closed; once, the last. */
  close(): void;
  /** The other end has taken what waited for it. */
  drain?(): void;
}

/** One end of a line on which the control table is spoken: in process, over a MessagePort, or over a local socket (socket-line.ts). */
export interface Line {
  /** Whether MessagePorts can go along with messages. */
  readonly carriesPorts: boolean;
  /** Bytes that were sent and that the other end has not taken; 0 where nobody can tell. */
  readonly backlog: number;
  /** Nothing happens once the line is closed. */
  send(message: unknown, port?: Connection): void;
  /** Take over what comes from now on, and what came while nobody listened. */
  listen(listener: LineListener): void;
  /** Leave something that came to who listens next. */
  keep(message: unknown, port?: Connection): void;
  /** Whether to leave what comes where it is for now; where that cannot be done, it comes all the same. */
  hold(hold: boolean): void;
  /** What was sent still leaves. */
  close(): void;
}

/** What all kinds of lines share: one listener, which may come later or be replaced, and one end. */
export abstract class BaseLine implements Line {
  readonly carriesPorts: boolean = false;
  protected isClosed = false;
  private listener: LineListener | undefined;
  private readonly early: [unknown, Connection | undefined][] = [];

  get backlog(): number {
    return 0;
  }

  abstract send(message: unknown, port?: Connection): void;
  abstract close(): void;

  hold(_hold: boolean): void {
    // Most lines cannot.
  }

  listen(listener: LineListener): void {
    this.listener = listener;
    for (const [message, port] of this.early.splice(0)) this.listener.message(message, port);
    if (this.isClosed) listener.close();
  }

  keep(message: unknown, port?: Connection): void {
    this.early.push([message, port]);
  }

  protected deliver(message: unknown, port?: Connection): void {
    if (this.isClosed) return;
    if (this.listener) this.listener.message(message, port);
    else this.early.push([message, port]);
  }

  protected drained(): void {
    if (!this.isClosed) this.listener?.drain?.();
  }

  protected end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.listener?.close();
  }
}

class DirectLine extends BaseLine {
  peer: DirectLine | undefined;

  send(message: unknown): void {
    const { peer } = this;
    if (this.isClosed || !peer) return;
    // As over any other line, whoever sends is not called back before it has returned.
    queueMicrotask(() => peer.deliver(message));
  }

  close(): void {
    if (this.isClosed) return;
    const { peer } = this;
    queueMicrotask(() => peer?.end());
    this.end();
  }
}

/** Both ends of a line within this process. */
export function directLines(): [Line, Line] {
  const ends: [DirectLine, DirectLine] = [new DirectLine(), new DirectLine()];
  ends[0].peer = ends[1];
  ends[1].peer = ends[0];
  return ends;
}

/**
 * What a MessagePort line stands on: Electron's UtilityProcess, its parentPort or a MessagePortMain, or a MessagePort of worker_threads.
 * Some hand over messages, others events with the message as `data`.
 */
export interface MessagePortLike {
  postMessage(message: unknown, transfer?: readonly never[]): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  start?(): void;
  close?(): void;
}

class PortLine extends BaseLine {
  constructor(
    private readonly port: MessagePortLike,
    override readonly carriesPorts: boolean,
  ) {
    super();
    port.on('message', (received) => {
      if (isPortEvent(received)) this.deliver(received.data, received.ports[0]);
      else this.deliver(received);
    });
    // parentPort and UtilityProcess have no such event; the owner of the process closes the line.
    (port as { on(event: string, listener: () => void): unknown }).on('close', () => this.end());
    port.start?.();
  }

  send(message: unknown, port?: Connection): void {
    if (this.isClosed) port?.close();
    else this.port.postMessage(message, port ? [port as never] : []);
  }

  close(): void {
    if (this.isClosed) return;
    this.end();
    this.port.close?.();
  }
}

/** No message of ours has `ports` of its own. */
function isPortEvent(received: unknown): received is { data: unknown; ports: Connection[] } {
  return typeof received === 'object' && received !== null && 'data' in received && 'ports' in received && Array.isArray(received.ports);
}

/** A line over a MessagePort. `carriesPorts`: it is one of Electron's, with which others can be sent. */
export function portLine(port: MessagePortLike, { carriesPorts = false } = {}): Line {
  return new PortLine(port, carriesPorts);
}
