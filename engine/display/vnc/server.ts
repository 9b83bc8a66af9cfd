import { createServer, type Server, type Socket } from 'node:net';
import { VmError } from '../../errors/vm-error';
import { type ListenAddress, listenFor, parseListenAddress } from '../../host/listen-address';
import type { Seat } from './seat';
import { VncSession } from './session';

/** The port of display 0. */
const FIRST_PORT = 5900;
/** Numbers below are of displays, not of ports. */
const DISPLAYS = 100;
/** Who may look at the same time. */
const MOST_CLIENTS = 8;
/** How long a client may take to come in, in milliseconds. */
const ENTRY_MS = 30_000;

/**
 * Where VNC's clients find a screen: as parseListenAddress() has it, and as clients write it: `:1` is display 1, which is port 5901. Empty is
 * 127.0.0.1:5900. Throws VmError 'Config'.
 */
export function parseVncAddress(text: string): ListenAddress {
  const address = parseListenAddress(text, FIRST_PORT);
  if (!address)
    throw VmError.config(`VNC cannot be listened for at "${text}". Give a port, HOST:PORT or unix:PATH, such as 127.0.0.1:${FIRST_PORT}.`, {
      code: 'vnc-address',
      params: { address: text },
    });
  if ('path' in address) return address;
  const isDisplay = address.port < DISPLAYS && (address.port > 0 || text === ':0');
  return isDisplay ? { ...address, port: FIRST_PORT + address.port } : address;
}

export interface VncServerOptions {
  /** Of at most 8 bytes that count; undefined: everybody may come in who can reach the address. */
  password?: string | undefined;
  /** How many look has changed. */
  onChange?: (clients: number) => void;
}

/** Shows a screen to clients of VNC (RFC 6143), and takes their keys and pointers. */
export class VncServer {
  readonly #sockets = new Set<Socket>();
  #entered = 0;

  private constructor(
    private readonly server: Server,
    private readonly seat: Seat,
    private readonly options: VncServerOptions,
    /** Where it listens. */
    readonly address: string,
  ) {
    server.on('connection', (socket) => this.#serve(socket));
  }

  /** Throws VmError 'Resource' where the address cannot be listened at. */
  static async listen(seat: Seat, address: ListenAddress, options: VncServerOptions = {}): Promise<VncServer> {
    const server = createServer({ noDelay: true });
    server.maxConnections = MOST_CLIENTS;
    const bound = await listenFor(
      server,
      address,
      ({ where, reason, how, cause }) =>
        new VmError('Resource', `VNC cannot be listened for at ${where}: ${how}. Give another address, such as port 0 for a free one.`, {
          cause,
          code: 'vnc-listen',
          params: { address: where, reason },
        }),
    );
    return new VncServer(server, seat, options, bound);
  }

  /** How many have come in and look. */
  get clients(): number {
    return this.#entered;
  }

  /** Nobody looks any more. */
  close(): void {
    this.server.close();
    for (const socket of this.#sockets) socket.destroySoon();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    let hasEntered = false;
    const timer = setTimeout(() => {
      if (!hasEntered) socket.destroy();
    }, ENTRY_MS);
    const session = new VncSession(
      this.seat,
      {
        send: (bytes) => {
          if (socket.writable) socket.write(bytes, () => session.drained());
        },
        close: () => socket.destroySoon(),
        get isBusy() {
          return socket.writableLength > 0;
        },
      },
      {
        password: this.options.password,
        onEntered: () => {
          hasEntered = true;
          clearTimeout(timer);
          this.#changed(1);
        },
      },
    );
    socket.on('data', (chunk: Buffer) => session.receive(chunk));
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      session.end();
      if (hasEntered) this.#changed(-1);
    });
  }

  #changed(by: number): void {
    this.#entered += by;
    this.options.onChange?.(this.#entered);
  }
}
