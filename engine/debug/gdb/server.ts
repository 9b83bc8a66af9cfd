import { createServer, type Server, type Socket } from 'node:net';
import { VmError } from '../../errors/vm-error';
import { type ListenAddress, listenFor } from '../../host/listen-address';
import { encodePacket, textToHex } from './packet';
import { GdbSession } from './session';
import type { DebugTarget } from './target';

/** Connections that may wait for their refusal. */
const MOST_CONNECTIONS = 8;
/** How long a connection that is refused may take to read why, in milliseconds. */
const REFUSAL_MS = 2000;

export interface GdbServerOptions {
  /** Resolves when the machine has been switched on; before that debuggers wait for their answers. */
  ready?: Promise<unknown>;
  /** A debugger has come or gone. */
  onChange?: (isAttached: boolean) => void;
}

/** Listens for a debugger of a machine, one at a time. */
export class GdbServer {
  private session: { socket: Socket; end: Promise<void> } | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: DebugTarget,
    private readonly options: GdbServerOptions,
    /** Where it listens, as GDB takes it behind `target remote`. */
    readonly address: string,
  ) {
    server.on('connection', (socket) => this.greet(socket));
  }

  /** Throws VmError 'Resource' where the address cannot be listened at. */
  static async listen(target: DebugTarget, address: ListenAddress, options: GdbServerOptions = {}): Promise<GdbServer> {
    const server = createServer({ noDelay: true });
    server.maxConnections = MOST_CONNECTIONS;
    const bound = await listenFor(
      server,
      address,
      ({ where, reason, how, cause }) =>
        new VmError(
          'Resource',
          `A debugger cannot be listened for at ${where}: ${how}. Give another address, such as port 0 for a free one.`,
          {
            cause,
            code: 'gdb-listen',
            params: { address: where, reason },
          },
        ),
    );
    return new GdbServer(server, target, options, bound);
  }

  get isAttached(): boolean {
    return this.session !== undefined;
  }

  /** Let go of the debugger that is there, and listen no more. */
  async close(): Promise<void> {
    this.server.close();
    const { session } = this;
    for (const socket of this.sockets) socket.destroySoon();
    await session?.end;
  }

  private greet(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.session) this.refuse(socket);
    else this.session = { socket, end: this.serve(socket) };
  }

  private async serve(socket: Socket): Promise<void> {
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    this.options.onChange?.(true);
    const session = new GdbSession(this.target, {
      send: (bytes) => {
        if (socket.writable && !socket.write(bytes)) socket.pause();
      },
      close: () => socket.destroySoon(),
      ready: Promise.race([this.options.ready, closed]),
    });
    let isBusy = false;
    const goOn = (): void => {
      if (!isBusy && !socket.writableNeedDrain) socket.resume();
    };
    socket.on('drain', goOn);
    // One piece after another; those behind wait in the system.
    socket.on('data', (chunk: Uint8Array) => {
      isBusy = true;
      socket.pause();
      session
        .receive(chunk)
        .catch(() => socket.destroy())
        .finally(() => {
          isBusy = false;
          goOn();
        });
    });
    await closed;
    await session.end('lost');
    this.session = undefined;
    this.options.onChange?.(false);
  }

  /** In words that GDB shows, where it shows any. */
  private refuse(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), REFUSAL_MS);
    socket.on('close', () => clearTimeout(timer));
    socket.once('data', () => {
      socket.write('+');
      socket.write(encodePacket(`O${textToHex('Another debugger is attached to this machine; detach that first.\n')}`));
      socket.end(encodePacket('E.another debugger is attached to this machine'));
      socket.resume();
    });
  }
}
