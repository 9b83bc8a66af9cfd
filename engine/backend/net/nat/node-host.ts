import dgram from 'node:dgram';
import dns from 'node:dns';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { isInHostsFile } from './hosts-file';
import type { Family } from './addresses';
import { type DatagramSocket, openDatagramSocket } from '../../../host/datagram-socket';
import { guestDescriptors } from '../../../host/guest-descriptors';
import {
  type DatagramEvents,
  type HostDatagrams,
  type HostListener,
  type HostSocket,
  type NetworkHost,
  type SocketEvents,
  USUAL_HOPS,
} from './host';
import { openPing } from './ping-socket';
import { whoListens } from './port-owner';

/** Names that the system's resolver did not answer for so long are answered by a failure; it goes on by itself. */
const LOOKUP_MS = 15_000;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'EIO';

class NodeSocket implements HostSocket {
  events!: SocketEvents;
  private waits = false;
  private failure: string | undefined;
  /** Until it is connected: makes a socket to where else it may go. */
  private another: (() => net.Socket) | undefined;
  private readonly written = (): void => {
    if (!this.waits) return;
    this.waits = this.socket.writableLength > 0;
    this.events.drained();
  };

  constructor(private socket: net.Socket) {
    this.listen();
  }

  /**
   * One that tries the other address where nobody is at the first. Node's own way of trying several (autoSelectFamily) takes half as long
   * again for each connection, and gives up an address that is only slow.
   */
  static toEither(port: number, address: string, otherwise: string): NodeSocket {
    const one = new NodeSocket(open(port, address));
    one.another = () => open(port, otherwise);
    return one;
  }

  private listen(): void {
    const { socket } = this;
    socket.on('connect', () => {
      this.another = this.failure = undefined;
      this.events.connected();
    });
    socket.on('data', (bytes) => this.events.data(bytes));
    socket.on('end', () => this.events.ended());
    socket.on('error', (error) => {
      this.failure ??= codeOf(error);
    });
    socket.on('close', () => {
      const { another } = this;
      if (!another) {
        this.events.socketClosed(this.failure);
        return;
      }
      this.another = undefined;
      this.socket = another();
      this.listen();
    });
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
    this.another = undefined;
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
  private hops = USUAL_HOPS;
  private isOpen = true;

  constructor(
    private readonly socket: dgram.Socket,
    private readonly events: DatagramEvents,
    private readonly own?: DatagramSocket,
    /** It is the guest's: one of those that guests may have. */
    private readonly isCounted = false,
  ) {
    socket.on('message', (bytes, { address, port }) => events.message(bytes, address, port));
    socket.on('error', () => this.tellErrors());
  }

  get port(): number {
    try {
      return this.socket.address().port;
    } catch {
      return 0;
    }
  }

  send(bytes: Uint8Array, port: number, address: string, hopLimit: number): void {
    try {
      if (hopLimit !== this.hops) this.limitHops(hopLimit);
      this.transmit(bytes, port, address);
    } catch (error) {
      this.events.failed(codeOf(error), address, port);
    }
  }

  private limitHops(limit: number): void {
    this.hops = limit;
    if (this.own) this.own.setHopLimit(limit);
    else if (this.port > 0) this.socket.setTTL(limit);
    // Node's own takes none before its first datagram.
    else this.hops = USUAL_HOPS;
  }

  private transmit(bytes: Uint8Array, port: number, address: string, repeats = this.own ? 1 : 0): void {
    this.socket.send(bytes, port, address, (error) => {
      if (!error || !this.isOpen) return;
      this.tellErrors();
      // It may be what became of an earlier one that was told instead of sending this one.
      if (repeats > 0 && this.isOpen) this.transmit(bytes, port, address, repeats - 1);
      else this.events.failed(codeOf(error), address, port);
    });
  }

  private tellErrors(): void {
    const errors = (this.isOpen && this.own?.errors()) || [];
    for (const { code, address, port, by } of errors) this.events.failed(code, address, port, by);
  }

  close(): void {
    this.isOpen = false;
    this.socket.close();
    if (this.isCounted) guestDescriptors.give();
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

/** What the system says of a process that has all descriptors it may have. */
const TOO_MANY = 'EMFILE';

/** One of those that guests may have; where there are no more, it closes with TOO_MANY. */
function open(port: number, host: string): net.Socket {
  if (!guestDescriptors.take())
    return new net.Socket().destroy(Object.assign(new Error('The guest has too many sockets.'), { code: TOO_MANY }));
  return counted(net.connect({ port, host, allowHalfOpen: true, noDelay: true }));
}

function counted(socket: net.Socket): net.Socket {
  return socket.once('close', () => guestDescriptors.give());
}

/** The host as Node shows it. */
export const nodeHost: NetworkHost = {
  connect(address, port, events, otherwise) {
    const socket = otherwise === undefined ? new NodeSocket(open(port, address)) : NodeSocket.toEither(port, address, otherwise);
    socket.events = events;
    return socket;
  },

  async listen(address, port, accept): Promise<HostListener> {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      if (!guestDescriptors.take()) {
        socket.destroy();
        return;
      }
      const one = new NodeSocket(counted(socket));
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
    if (!guestDescriptors.take()) return undefined;
    const socket = socketFor(family);
    const own = openDatagramSocket(family);
    if (own) socket.bind({ fd: own.fd, exclusive: true });
    return new NodeDatagrams(socket, events, own, true);
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
    // A name of several labels is a whole one: the host's search domains are for the others. Its hosts file knows no dot at the end.
    const whole = name.includes('.') && !(await isInHostsFile(name)) ? `${name}.` : name;
    const answer = dns.promises.lookup(whole, { all: true, family, order: 'verbatim' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTFOUND' || error.code === 'ENODATA') return [];
      throw error;
    });
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`The host's resolver did not answer for ${name} within ${LOOKUP_MS} ms.`)), LOOKUP_MS).unref();
    });
    const all = await Promise.race([answer, late]);
    return all.map(({ address, family: one }) => ({ address, family: one === 6 ? 6 : 4 }));
  },

  // The default resolver knows those of when the process began; networks change, and a VPN brings its own.
  nameServers: () => new dns.Resolver().getServers(),

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
