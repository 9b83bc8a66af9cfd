import { EventEmitter } from 'node:events';
import { VmError } from '../errors/vm-error';
import { type ChannelKind, type Connection, joinChannels } from './channel';
import {
  type Arguments,
  EVENTS,
  type EventData,
  type EventName,
  OPERATIONS,
  type OperationName,
  type Result,
  type Status,
} from './control';
import { type ClientMessage, type ServerMessage, serverMessageSchema } from './control-message';
import { errorOf } from './error-report';
import { LineChannel } from './line-channel';
import type { Line } from './transport';

export interface ControlEvents extends Record<EventName, unknown[]> {
  status: [EventData<'status'>];
  warning: [EventData<'warning'>];
  statistics: [EventData<'statistics'>];
  heartbeat: [EventData<'heartbeat'>];
  exit: [EventData<'exit'>];
  /** The line is gone, after `exit` or without; the last event. */
  closed: [];
  /** Something came that is not part of the control table, and was ignored: why. */
  malformed: [string];
}

/** Somebody who controls a running box, wherever that runs. */
export interface ControlClient {
  /** Resolves with the answer. Throws VmError: the box's own, or 'State' (code `control-closed`) if the line ends before. */
  call<N extends OperationName>(name: N, args: Arguments<N>): Promise<Result<N>>;
  /** Returns a function that ends the listening. */
  on<E extends keyof ControlEvents>(event: E, listener: (...data: ControlEvents[E]) => void): () => void;
  /** The newest; undefined until the first has come. */
  readonly status: Status | undefined;
  readonly isClosed: boolean;
  /** The box's console, from its remembered output on, or its screens. Throws as call() does. */
  connect(kind: ChannelKind): Promise<Connection>;
  /** Give such a channel to whoever holds the other end of `port`, without a detour through this process where that can be. */
  lend(kind: ChannelKind, port: Connection): Promise<void>;
  /** Let go of the box; it goes on. */
  close(): void;
}

/** The client's end of a control line. */
export class LineClient implements ControlClient {
  status: Status | undefined;
  isClosed = false;
  private readonly events = new EventEmitter<ControlEvents>();
  private readonly calls = new Map<number, { settle: (ok: unknown) => void; fail: (error: Error) => void }>();
  private readonly channels = new Map<number, LineChannel>();
  private lastId = 0;

  constructor(private readonly line: Line) {
    line.listen({ message: (message) => this.receive(message), close: () => this.end() });
  }

  on<E extends keyof ControlEvents>(event: E, listener: (...data: ControlEvents[E]) => void): () => void {
    const emitter = this.events as EventEmitter;
    emitter.on(event, listener as (...data: unknown[]) => void);
    return () => emitter.off(event, listener as (...data: unknown[]) => void);
  }

  async call<N extends OperationName>(name: N, args: Arguments<N>): Promise<Result<N>> {
    const answer = await this.ask((id) => ({ id, call: name, args: args }));
    const result = OPERATIONS[name].result.safeParse(answer);
    if (result.success) return result.data as Result<N>;
    throw new VmError('Internal', `The box answered "${name}" with something else than was expected: ${result.error.message}`, {
      cause: result.error,
    });
  }

  async connect(kind: ChannelKind): Promise<Connection> {
    const channel = ++this.lastId;
    const connection = new LineChannel(
      (message) => this.send({ channel, message }),
      () => {
        this.channels.delete(channel);
        this.send({ shut: channel });
      },
    );
    this.channels.set(channel, connection);
    try {
      await this.ask((id) => ({ id, open: kind, channel }));
    } catch (error) {
      this.channels.delete(channel);
      throw error;
    }
    return connection;
  }

  async lend(kind: ChannelKind, port: Connection): Promise<void> {
    if (this.line.carriesPorts) await this.ask((id) => ({ id, open: kind, channel: 0 }), port);
    else joinChannels(kind, await this.connect(kind), port);
  }

  close(): void {
    this.line.close();
  }

  private send(message: ClientMessage, port?: Connection): void {
    this.line.send(message, port);
  }

  private ask(request: (id: number) => ClientMessage, port?: Connection): Promise<unknown> {
    if (this.isClosed) {
      port?.close();
      return Promise.reject(closed());
    }
    const id = ++this.lastId;
    return new Promise((settle, fail) => {
      this.calls.set(id, { settle, fail });
      this.send(request(id), port);
    });
  }

  private receive(received: unknown): void {
    const message = serverMessageSchema.safeParse(received);
    if (!message.success) this.events.emit('malformed', message.error.message);
    else if ('event' in message.data) this.tell(message.data.event, message.data.data);
    else if ('id' in message.data) this.settle(message.data);
    else if ('shut' in message.data) {
      const { shut } = message.data;
      const channel = this.channels.get(shut);
      this.channels.delete(shut);
      channel?.end();
    } else this.channels.get(message.data.channel)?.deliver(message.data.message);
  }

  private settle(answer: Extract<ServerMessage, { id: number }>): void {
    const call = this.calls.get(answer.id);
    this.calls.delete(answer.id);
    if ('error' in answer) call?.fail(errorOf(answer.error));
    else call?.settle(answer.ok);
  }

  private tell(name: string, received: unknown): void {
    if (!Object.hasOwn(EVENTS, name)) {
      this.events.emit('malformed', `There is no event ${name}.`);
      return;
    }
    const data = EVENTS[name as EventName].safeParse(received);
    if (!data.success) {
      this.events.emit('malformed', `${name}: ${data.error.message}`);
      return;
    }
    if (name === 'status') this.status = data.data as Status;
    (this.events as EventEmitter).emit(name, data.data);
  }

  private end(): void {
    this.isClosed = true;
    for (const { fail } of this.calls.values()) fail(closed());
    this.calls.clear();
    for (const channel of this.channels.values()) channel.end();
    this.channels.clear();
    this.events.emit('closed');
  }
}

function closed(): VmError {
  return new VmError('State', 'The box has ended, or is no longer to be reached.', { code: 'control-closed' });
}
