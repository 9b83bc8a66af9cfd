import dgram from 'node:dgram';
import dns from 'node:dns';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Family } from './addresses';
import type { DatagramEvents, HostDatagrams, HostListener, HostSocket, NetworkHost, SocketEvents } from './host';
import { openPing } from './ping-socket';
import { whoListens } from './port-owner';

/** Names that the system's resolver did not answer for so long are answered by a failure; it goes on by itself. */
const LOOKUP_MS = 15_000;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'EIO';

class NodeSocket implements HostSocket {
  events!: SocketEvents;
  private waits = false;
  private failure: string | undefined;
  private readonly written = (): void => {
    if (!this.waits) return;
    this.waits = this.socket.writableLength > 0;
    this.events.drained();
  };

  constructor(private readonly socket: net.Socket) {
    socket.on('connect', () => this.events.connected());
    socket.on('data', (bytes) => this.events.data(bytes));
    socket.on('end', () => this.events.ended());
    socket.on('error', (error) => {
      this.failure = codeOf(error);
    });
    socket.on('close', () => this.events.socketClosed(this.failure));
  }

  get pending(): number {
    return this.socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    this.socket.write(bytes, this.written);
    if (this.socket.writableLength === 0) return true;
    this.waits = true;
    return false;
  }

  end(): void {
    this.socket.end();
  }

  reset(): void {
    // One that is still connecting would first wait for that.
    if (this.socket.connecting) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }
}

class NodeDatagrams implements HostDatagrams {
  constructor(
    private readonly socket: dgram.Socket,
    private readonly events: DatagramEvents,
  ) {
    socket.on('message', (bytes, { address, port }) => events.message(bytes, address, port));
    socket.on('error', () => {});
  }

  get port(): number {
    try {
      return this.socket.address().port;
    } catch {
      return 0;
    }
  }

  send(bytes: Uint8Array, port: number, address: string): void {
    try {
      this.socket.send(bytes, port, address, (error) => {
        if (error) this.events.failed(codeOf(error), address, port);
      });
    } catch (error) {
      this.events.failed(codeOf(error), address, port);
    }
  }

  close(): void {
    this.socket.close();
  }
}

/** Addresses are numbers already: nothing is to be looked up. */
function socketFor(family: Family): dgram.Socket {
  return dgram.createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    lookup: (address, _options, call) => call(null, address, family),
  });
}

function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

/** The host as Node shows it. */
export const nodeHost: NetworkHost = {
  connect(address, port, events) {
    const socket = new NodeSocket(net.connect({ host: address, port, allowHalfOpen: true, noDelay: true }));
    socket.events = events;
    return socket;
  },

  async listen(address, port, accept): Promise<HostListener> {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      const one = new NodeSocket(socket);
      const events = accept(one, socket.remoteAddress ?? '', socket.remotePort ?? 0);
      if (events) one.events = events;
      else {
        one.events = DEAF;
        one.reset();
      }
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port, exclusive: true }, resolve);
    });
    server.on('error', () => {});
    return { port: (server.address() as net.AddressInfo).port, close: () => void server.close() };
  },

  datagrams(family, events) {
    return new NodeDatagrams(socketFor(family), events);
  },

  async listenDatagrams(address, port, events): Promise<HostDatagrams> {
    const socket = socketFor(familyOf(address));
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address, port, exclusive: true }, resolve);
    });
    return new NodeDatagrams(socket, events);
  },

  async lookup(name, family) {
    const answer = dns.promises.lookup(name, { all: true, family, order: 'verbatim' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTFOUND' || error.code === 'ENODATA') return [];
      throw error;
    });
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`The host's resolver did not answer for ${name} within ${LOOKUP_MS} ms.`)), LOOKUP_MS).unref();
    });
    const all = await Promise.race([answer, late]);
    return all.map(({ address, family: one }) => ({ address, family: one === 6 ? 6 : 4 }));
  },

  nameServers: () => dns.getServers(),

  ping: openPing,

  nets: () =>
    Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).flatMap(({ internal, cidr }) => (internal || cidr === null ? [] : [cidr])),
    ),

  async hasRoute(family) {
    const socket = socketFor(family);
    socket.on('error', () => {});
    // Nothing is sent: the host only looks for a way.
    const found = await new Promise<boolean>((resolve) => {
      socket.connect(9, family === 4 ? '198.51.100.1' : '2000::1', ((error?: Error) => resolve(!error)) as () => void);
    });
    socket.close();
    return found;
  },

  whoListens,
};

const DEAF: SocketEvents = {
  connected: () => {},
  data: () => {},
  ended: () => {},
  drained: () => {},
  socketClosed: () => {},
};
