import type { z } from 'zod';
import { VmError } from '../errors/vm-error';
import { type MachineStatistics, between } from '../hart/statistics';
import type { ChannelKind, Connection } from './channel';
import {
  type Arguments,
  type EventData,
  type EventName,
  HEARTBEAT_MS,
  OPERATIONS,
  type OperationName,
  type Result,
  type Status,
} from './control';
import { type ClientMessage, type ServerMessage, clientMessageSchema } from './control-message';
import { reportError } from './error-report';
import { LineChannel } from './line-channel';
import type { Line } from './transport';

/** What each row of the control table does. Whom `watch-statistics` tells is the server's business. */
export type Operations = {
  [N in Exclude<OperationName, 'watch-statistics'>]: (args: z.output<(typeof OPERATIONS)[N]['args']>) => Promise<Result<N>> | Result<N>;
};

/** What a server needs of a running box (runner.ts). */
export interface Controlled {
  readonly status: Status;
  readonly statistics: MachineStatistics;
  readonly operations: Operations;
  /** Somebody comes to look, and stays until the connection closes. */
  connect(kind: ChannelKind, connection: Connection): void;
  on(event: 'status', listener: () => void): unknown;
  on(event: 'warning' | 'full', listener: (warning: Error) => void): unknown;
  on(event: 'exit', listener: (exit: EventData<'exit'>) => void): unknown;
  off(event: 'status' | 'warning' | 'full' | 'exit', listener: (...data: never[]) => void): unknown;
}

/** Bytes that a client has not taken at which it gets no more events but the newest status, later, and is not read from. */
const BEHIND_BYTES = 512 * 1024;
/** How long it may stay behind, in milliseconds, and how many bytes may wait for it at most, some more than the longest log; then it is let go. */
const BEHIND_MS = 10_000;
const BEHIND_MOST = 8 * 1024 * 1024;
/** Milliseconds from one status to the next: whatever changes as often as a guest or another client likes, a person sees no more. */
const STATUS_MS = 50;
/** Calls of one client that may be under way, and channels that it may have open. */
const MOST_CALLS = 64;
const MOST_CHANNELS = 8;
/** Malformed messages for which a client is let go: nobody sends them by mistake so often. */
const MOST_MALFORMED = 100;
/** How long calls may go on when the box has ended, in milliseconds. */
const LAST_CALLS_MS = 500;

/** One client of a box. */
export interface ServedClient {
  /** Resolves when the line is closed: the client has left, or the box has ended and it has been told. */
  readonly closed: Promise<void>;
}

/** Speak the control table with the client at the other end of the line, until either leaves. Nothing that it sends disturbs the box. */
export function serveControl(box: Controlled, line: Line): ServedClient {
  return new ControlServer(box, line);
}

class ControlServer implements ServedClient {
  readonly closed: Promise<void>;
  private resolveClosed: () => void = () => undefined;
  private readonly underWay = new Set<Promise<void>>();
  private readonly channels = new Map<number, LineChannel>();
  private readonly heartbeat: NodeJS.Timeout;
  private statisticsTimer: NodeJS.Timeout | undefined;
  private behindTimer: NodeJS.Timeout | undefined;
  private statusTimer: NodeJS.Timeout | undefined;
  private statusIsDue = false;
  private malformed = 0;
  private isOver = false;
  /** The client has begun a capture. */
  private isCapturing = false;
  private readonly onStatus = (): void => {
    this.statusIsDue = true;
    if (!this.statusTimer) this.tellStatus();
  };
  private readonly onWarning = (warning: Error): void => this.tell('warning', reportError(warning));
  private readonly onExit = (exit: EventData<'exit'>): void => void this.finish(exit);

  constructor(
    private readonly box: Controlled,
    private readonly line: Line,
  ) {
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    box.on('status', this.onStatus);
    box.on('warning', this.onWarning);
    box.on('full', this.onWarning);
    box.on('exit', this.onExit);
    this.heartbeat = setInterval(() => this.tell('heartbeat', {}), HEARTBEAT_MS);
    this.onStatus();
    line.listen({
      message: (message, port) => this.receive(message, port),
      drain: () => this.caughtUp(),
      close: () => this.end(),
    });
  }

  private receive(received: unknown, port: Connection | undefined): void {
    if (this.isOver) {
      port?.close();
      return;
    }
    const message = clientMessageSchema.safeParse(received);
    if (!message.success) {
      port?.close();
      this.refuse(received, message.error.message);
    } else if ('call' in message.data) this.answer(message.data);
    else if ('open' in message.data) this.open(message.data, port);
    else if ('shut' in message.data) this.shut(message.data.shut);
    else this.channels.get(message.data.channel)?.deliver(message.data.message);
  }

  /** Say so where there is somebody to be answered. */
  private refuse(received: unknown, why: string): void {
    const { id } = (typeof received === 'object' && received !== null ? received : {}) as { id?: unknown };
    if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0)
      this.send({
        id,
        error: reportError(new VmError('Config', `This is no request that a box understands: ${why}`, { code: 'control-unclear' })),
      });
    if (++this.malformed >= MOST_MALFORMED) this.line.close();
  }

  private answer({ id, call, args }: Extract<ClientMessage, { call: string }>): void {
    if (this.underWay.size >= MOST_CALLS) {
      const error = new VmError('State', `The box is still busy with ${MOST_CALLS} requests of this client.`, {
        code: 'control-busy',
        params: { most: MOST_CALLS },
      });
      this.send({ id, error: reportError(error) });
      return;
    }
    const reply = (message: ServerMessage): void => {
      // Whoever is answered knows already what the box is now.
      this.tellStatus();
      this.send(message);
    };
    const done = this.perform(call, args).then(
      (ok) => reply({ id, ok }),
      (error: unknown) => reply({ id, error: reportError(error) }),
    );
    this.underWay.add(done);
    void done.finally(() => this.underWay.delete(done));
  }

  private async perform(call: string, given: unknown): Promise<Record<string, unknown>> {
    if (!Object.hasOwn(OPERATIONS, call)) {
      throw VmError.config(`A box understands no "${call}". It may be run by another version of Hartbox: restart the box with this one.`, {
        code: 'control-unknown',
        params: { call },
      });
    }
    const name = call as OperationName;
    const args = OPERATIONS[name].args.safeParse(given);
    if (!args.success)
      throw VmError.config(`"${call}" was asked with something else than it takes: ${args.error.message}`, {
        code: 'control-mismatch',
        params: { call },
      });
    if (name === 'watch-statistics') {
      this.watchStatistics((args.data as Arguments<'watch-statistics'>).every);
      return {};
    }
    const result = await this.box.operations[name](args.data as never);
    if (name === 'capture-start') this.isCapturing = true;
    else if (name === 'capture-end') this.isCapturing = false;
    // Who left meanwhile does not end it any more.
    if (name === 'capture-start' && this.isOver) this.endCapture();
    return result;
  }

  private open({ id, open, channel }: Extract<ClientMessage, { open: string }>, port: Connection | undefined): void {
    if (port) {
      this.box.connect(open, port);
      this.send({ id, ok: {} });
      return;
    }
    if (this.channels.size >= MOST_CHANNELS || this.channels.has(channel)) {
      const error = VmError.config(`A client may have ${MOST_CHANNELS} consoles and screens open, each under a number of its own.`, {
        code: 'control-consoles',
        params: { most: MOST_CHANNELS },
      });
      this.send({ id, error: reportError(error) });
      return;
    }
    const connection = new LineChannel(
      (message) => this.send({ channel, message }),
      () => {
        this.channels.delete(channel);
        this.send({ shut: channel });
      },
    );
    this.channels.set(channel, connection);
    this.send({ id, ok: {} });
    this.box.connect(open, connection);
  }

  private shut(channel: number): void {
    const connection = this.channels.get(channel);
    this.channels.delete(channel);
    connection?.end();
  }

  private watchStatistics(every: number): void {
    clearInterval(this.statisticsTimer);
    this.statisticsTimer = undefined;
    if (every === 0) return;
    let last = this.box.statistics;
    this.statisticsTimer = setInterval(() => {
      if (!['running', 'stopping'].includes(this.box.status.state)) return;
      const total = this.box.statistics;
      // Nobody looked at a machine that was not there yet.
      if (last.harts.length === total.harts.length) this.tell('statistics', { total, interval: between(last, total) });
      last = total;
    }, every);
  }

  /** Who does not take events gets fewer of them. */
  private tell<N extends EventName>(event: N, data: EventData<N>): void {
    if (!this.isBehind || event === 'exit') this.send({ event, data: data });
  }

  /** The newest, once it is time and there is room. */
  private tellStatus(): void {
    if (!this.statusIsDue || this.isBehind || this.isOver) return;
    clearTimeout(this.statusTimer);
    this.statusIsDue = false;
    this.tell('status', this.box.status);
    this.statusTimer = setTimeout(() => {
      this.statusTimer = undefined;
      this.tellStatus();
    }, STATUS_MS);
  }

  private send(message: ServerMessage): void {
    if (this.isOver) return;
    this.line.send(message);
    if (!this.isBehind) return;
    this.line.hold(true);
    this.behindTimer ??= setTimeout(() => this.line.close(), BEHIND_MS);
    if (this.line.backlog >= BEHIND_MOST) this.line.close();
  }

  private get isBehind(): boolean {
    return this.line.backlog >= BEHIND_BYTES;
  }

  private caughtUp(): void {
    if (this.isOver || this.isBehind) return;
    clearTimeout(this.behindTimer);
    this.behindTimer = undefined;
    this.line.hold(false);
    if (!this.statusTimer) this.tellStatus();
  }

  private endCapture(): void {
    if (!this.isCapturing) return;
    this.isCapturing = false;
    Promise.resolve(this.box.operations['capture-end']({})).catch(() => undefined);
  }

  /** The box has ended. Whoever asked gets an answer before the last word. */
  private async finish(exit: EventData<'exit'>): Promise<void> {
    let limit: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, LAST_CALLS_MS);
    });
    await Promise.race([Promise.all(this.underWay), patience]);
    clearTimeout(limit);
    this.tellStatus();
    this.tell('exit', exit);
    this.line.close();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearInterval(this.heartbeat);
    clearInterval(this.statisticsTimer);
    clearTimeout(this.behindTimer);
    clearTimeout(this.statusTimer);
    this.box.off('status', this.onStatus);
    this.box.off('warning', this.onWarning);
    this.box.off('full', this.onWarning);
    this.box.off('exit', this.onExit);
    for (const connection of this.channels.values()) connection.end();
    this.channels.clear();
    this.endCapture();
    this.resolveClosed();
  }
}
