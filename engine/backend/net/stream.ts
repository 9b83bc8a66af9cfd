import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { systemError } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import { FrameStream } from './frame-stream';
import { type BackendStatistics, type Frame, type GuestPort, type NetworkBackend, plainFrame } from './packet-port';
import { plainFrames } from './plain-frames';
import { formatSocketAddress, type SocketAddress } from './socket-address';

/** From a connection that failed or ended to the next attempt, in milliseconds. */
const RECONNECT_MS = 1000;
/** The length before each frame. */
const LENGTH_BYTES = 4;

export interface StreamOptions {
  address: SocketAddress;
  /** Wait for the other end to connect, instead of connecting to it. */
  server: boolean;
  /** How long to wait before the next attempt to connect, in milliseconds. */
  reconnectMs?: number;
}

/**
 * QEMU's `-netdev stream`: frames on a TCP or Unix connection. A client that has lost its connection, or found nobody, tries again; a server
 * waits for the next. One at a time is connected: who comes meanwhile is turned away. The link is up while somebody is there.
 */
export class StreamBackend implements NetworkBackend {
  readonly name: string;
  readonly #options: StreamOptions;
  readonly #statistics = { droppedFromGuest: 0, droppedToGuest: 0 };
  #guest: GuestPort | undefined;
  #server: Server | undefined;
  #stream: FrameStream | undefined;
  #connecting: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** What was told of last, so that a peer that stays away is no flood of warnings. */
  #told = '';

  private constructor(options: StreamOptions) {
    this.#options = options;
    const where = formatSocketAddress(options.address);
    this.name = options.server ? `stream at ${where}` : `stream to ${where}`;
  }

  /** A server that listens, or a client that goes on trying. Throws VmError 'Resource' where the host does not let it listen. */
  static async open(options: StreamOptions): Promise<StreamBackend> {
    const backend = new StreamBackend(options);
    if (options.server) await backend.#listen();
    else backend.#connect();
    return backend;
  }

  get isUp(): boolean {
    return this.#stream !== undefined;
  }

  attach(guest: GuestPort): void {
    this.#guest = guest;
  }

  take(frame: Frame): boolean {
    const stream = this.#stream;
    if (!stream) {
      this.#statistics.droppedFromGuest++;
      return true;
    }
    if (!stream.hasRoom) return false;
    for (const bytes of plainFrames(frame, LENGTH_BYTES)) stream.send(bytes);
    return true;
  }

  flush(): void {
    this.#stream?.flush();
  }

  resume(): void {
    this.#stream?.resume();
  }

  linkChanged(): void {}

  statistics(): BackendStatistics {
    return { ...this.#statistics };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#connecting?.destroy();
    this.#stream?.destroy();
    const server = this.#server;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async #listen(): Promise<void> {
    const server = createServer((socket) => {
      if (this.#stream || this.#isClosed) socket.destroy();
      else this.#use(socket);
    });
    const where = formatSocketAddress(this.#options.address);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(notListening(where, cause)));
      server.listen(this.#options.address, resolve);
    });
    // A connection that could not be taken; the next one may be.
    server.on('error', () => undefined);
    this.#server = server;
  }

  #connect(): void {
    const { address } = this.#options;
    const socket = createConnection(address);
    this.#connecting = socket;
    const failed = (cause: Error): void => {
      this.#connecting = undefined;
      this.#tell(cause);
      this.#later();
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      this.#connecting = undefined;
      this.#told = '';
      this.#use(socket);
    });
  }

  #use(socket: Socket): void {
    socket.setNoDelay(true);
    this.#stream = new FrameStream(socket, {
      frame: (views) => this.#guest?.take(plainFrame(views)) ?? true,
      drain: () => this.#guest?.resume(),
      close: (problem) => this.#lost(problem),
    });
    this.#guest?.linkChanged(true);
  }

  #lost(problem: string | undefined): void {
    this.#stream = undefined;
    if (this.#isClosed) return;
    this.#guest?.linkChanged(false);
    // What waited for room is dropped now.
    this.#guest?.resume();
    const where = formatSocketAddress(this.#options.address);
    if (problem !== undefined) {
      this.#guest?.warn(
        new VmError('Network', `What is connected by ${where} does not speak QEMU's stream protocol: ${problem}. It was disconnected.`, {
          code: 'network-peer-protocol',
          params: { address: where },
        }),
      );
    }
    if (!this.#options.server) this.#later();
  }

  #later(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#connect(), this.#options.reconnectMs ?? RECONNECT_MS);
  }

  #tell(cause: Error): void {
    const where = formatSocketAddress(this.#options.address);
    if (this.#isClosed || this.#told === cause.message) return;
    this.#told = cause.message;
    this.#guest?.warn(
      new VmError('Network', `Nobody answers at ${where} (${cause.message}). The adapter connects as soon as somebody does.`, {
        cause,
        code: 'network-peer-missing',
        params: { address: where },
      }),
    );
  }
}

/** That an address cannot be listened at. */
export function notListening(where: string, cause: NodeJS.ErrnoException): VmError {
  if (cause.code === 'EADDRINUSE')
    return new VmError('Resource', `${where} is in use already: another program, or another box, listens there. Choose another address.`, {
      cause,
      code: 'address-in-use',
      params: { address: where },
    });
  return (
    systemError(cause, `The address ${where} could not be listened at`) ??
    new VmError('Resource', `The address ${where} could not be listened at: ${cause.message}.`, {
      cause,
      code: 'address-not-usable',
      params: { address: where, reason: cause.code ?? cause.message },
    })
  );
}
