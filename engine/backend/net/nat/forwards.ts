import { VmError } from '../../../errors/vm-error';
import { readU16 } from '../checksum';
import { formatEndpoint, type IpAddress } from './addresses';
import type { GuestLink } from './guest-link';
import {
  type DatagramEvents,
  type HostDatagrams,
  type HostListener,
  type HostSocket,
  type NetworkHost,
  type SocketEvents,
  USUAL_HOPS,
} from './host';
import type { Packet } from './packet';
import { type BatchWriter, TcpRelay } from './tcp/relay';
import type { TcpStack } from './tcp/stack';
import type { TimerWheel, WheelTimer } from './timer-wheel';
import { sendDatagram } from './udp';

/** A port of the host that leads to one of the guest. */
export interface ForwardSpec {
  protocol: 'tcp' | 'udp';
  /** Of the host: 127.0.0.1 for itself alone, 0.0.0.0 or :: for all. */
  hostAddress: string;
  /** 0: any that is free. */
  hostPort: number;
  guestPort: number;
}

export const MOST_FORWARDS = 256;
const MOST_PEERS = 256;
const IDLE_MS = 180_000;
const SWEEP_MS = 10_000;
/** Ports of the gateway from which the guest sees what comes from the host. */
const FIRST_PORT = 32768;
const LAST_PORT = 60999;

interface Open {
  spec: ForwardSpec;
  close: () => void;
}

interface Peer {
  address: string;
  port: number;
  gatewayPort: number;
  guestPort: number;
  socket: HostDatagrams;
  lastUsed: number;
}

export interface ForwardsOptions {
  host: NetworkHost;
  link: GuestLink;
  wheel: TimerWheel;
  tcp: TcpStack;
  writer: BatchWriter;
  gateway: () => IpAddress;
  /** Where the guest is. */
  guest: () => IpAddress;
  wantsFlush: () => void;
}

/** Ports of the host that lead to the guest: added, removed and seen while it runs. */
export class Forwards {
  private readonly open: Open[] = [];
  /** Who talks to the guest by UDP, by the port of the gateway that stands for him. */
  private readonly peers = new Map<number, Peer>();
  private readonly peerPorts = new Map<string, number>();
  private nextPort = FIRST_PORT;
  private readonly timer: WheelTimer;

  constructor(private readonly options: ForwardsOptions) {
    this.timer = options.wheel.timer(() => this.sweep());
  }

  list(): ForwardSpec[] {
    return this.open.map(({ spec }) => spec);
  }

  /** Returns it with the port that it has. Throws VmError where the host refuses the port. */
  async add(wanted: ForwardSpec): Promise<ForwardSpec> {
    if (this.open.length >= MOST_FORWARDS)
      throw VmError.config(`The box has ${MOST_FORWARDS} forwarded ports, which is the most: remove one first.`, {
        code: 'forwards-too-many',
        params: { most: MOST_FORWARDS },
      });
    try {
      const listener = await (wanted.protocol === 'tcp' ? this.listen(wanted) : this.listenDatagrams(wanted));
      const spec = { ...wanted, hostPort: listener.port };
      this.open.push({ spec, close: () => listener.close() });
      return spec;
    } catch (cause) {
      throw await this.refusal(wanted, cause);
    }
  }

  /** Connections that stand stay. Whether there was such a one. */
  remove({ protocol, hostAddress, hostPort }: Omit<ForwardSpec, 'guestPort'>): boolean {
    const at = this.open.findIndex(
      ({ spec }) => spec.protocol === protocol && spec.hostAddress === hostAddress && spec.hostPort === hostPort,
    );
    if (at < 0) return false;
    this.open[at].close();
    this.open.splice(at, 1);
    return true;
  }

  /** Whether a datagram of the guest's to the gateway was an answer to somebody who came by a forwarded port. */
  answered(packet: Packet): boolean {
    const { bytes, dataAt, end } = packet;
    const peer = this.peers.get(readU16(bytes, dataAt + 2));
    if (peer?.guestPort !== readU16(bytes, dataAt)) return false;
    peer.lastUsed = this.options.wheel.now();
    peer.socket.send(Buffer.from(bytes.subarray(dataAt + 8, end)), peer.port, peer.address, USUAL_HOPS);
    return true;
  }

  close(): void {
    for (const { close } of this.open.splice(0)) close();
    this.peers.clear();
    this.peerPorts.clear();
    this.timer.dispose();
  }

  private listen(spec: ForwardSpec): Promise<HostListener> {
    return this.options.host.listen(spec.hostAddress, spec.hostPort, (socket, _address, port) => this.accept(spec, socket, port));
  }

  private accept(spec: ForwardSpec, socket: HostSocket, port: number): SocketEvents | undefined {
    const { tcp, writer, gateway, guest } = this.options;
    const relay = new TcpRelay(
      writer,
      () => socket,
      (one) => one.connection.abort(),
      (one) => tcp.forget(one.connection),
    );
    relay.adopt(socket);
    const target = guest();
    // The port that the client has, so that it is found again in the guest's logs, if nobody else has it.
    let from = port;
    for (let tries = 0; tcp.connections.get(target, spec.guestPort, gateway(), from) && tries < 64; tries++) from = this.freePort();
    if (tcp.connections.get(target, spec.guestPort, gateway(), from)) return undefined;
    return tcp.connect(target, spec.guestPort, gateway(), from, relay) ? relay : undefined;
  }

  private async listenDatagrams(spec: ForwardSpec): Promise<HostListener> {
    const events: DatagramEvents = {
      message: (bytes, address, port) => this.toGuest(spec, socket, bytes, address, port),
      failed: () => {},
    };
    const socket = await this.options.host.listenDatagrams(spec.hostAddress, spec.hostPort, events);
    return {
      port: socket.port,
      close: () => {
        for (const [port, peer] of this.peers) if (peer.socket === socket) this.forget(port);
        socket.close();
      },
    };
  }

  private toGuest(spec: ForwardSpec, socket: HostDatagrams, bytes: Uint8Array, address: string, port: number): void {
    const { link, gateway, guest, wheel, wantsFlush } = this.options;
    const key = `${spec.hostAddress}/${socket.port}/${address}/${port}`;
    let number = this.peerPorts.get(key);
    if (number === undefined) {
      if (this.peers.size >= MOST_PEERS) this.forgetOldest();
      number = port;
      for (let tries = 0; (number < 1024 || this.peers.has(number)) && tries < MOST_PEERS * 2; tries++) number = this.freePort();
      this.peerPorts.set(key, number);
      this.peers.set(number, { address, port, gatewayPort: number, guestPort: spec.guestPort, socket, lastUsed: 0 });
      if (!this.timer.isSet) this.timer.set(SWEEP_MS);
    }
    this.peers.get(number)!.lastUsed = wheel.now();
    const target = guest();
    sendDatagram(link, link.macOf(target), gateway(), number, target, spec.guestPort, bytes);
    wantsFlush();
  }

  private freePort(): number {
    this.nextPort = this.nextPort >= LAST_PORT ? FIRST_PORT : this.nextPort + 1;
    return this.nextPort;
  }

  private forget(port: number): void {
    this.peers.delete(port);
    for (const [key, one] of this.peerPorts) if (one === port) this.peerPorts.delete(key);
  }

  private forgetOldest(): void {
    let oldest: Peer | undefined;
    for (const peer of this.peers.values()) if (!oldest || peer.lastUsed < oldest.lastUsed) oldest = peer;
    if (oldest) this.forget(oldest.gatewayPort);
  }

  private sweep(): void {
    const before = this.options.wheel.now() - IDLE_MS;
    for (const [port, peer] of this.peers) if (peer.lastUsed < before) this.forget(port);
    if (this.peers.size > 0) this.timer.set(SWEEP_MS);
  }

  private async refusal({ protocol, hostAddress, hostPort }: ForwardSpec, cause: unknown): Promise<VmError> {
    if (cause instanceof VmError) return cause;
    const { code } = cause as NodeJS.ErrnoException;
    const port = `${protocol} port ${formatEndpoint(hostAddress, hostPort)}`;
    if (code === 'EADDRINUSE') {
      const owner = await this.options.host.whoListens(protocol, hostPort);
      return new VmError(
        'Resource',
        `The ${port} of this computer is in use${owner ? ` by ${owner}` : ''}: choose another, or end what uses it.`,
        {
          cause,
          code: owner ? 'forward-port-busy-by' : 'forward-port-busy',
          params: { port: formatEndpoint(hostAddress, hostPort), owner: owner ?? '' },
        },
      );
    }
    if (code === 'EACCES')
      return new VmError(
        'Resource',
        `This computer does not let you have the ${port}: ports below 1024 are for administrators on many systems. Choose a higher one.`,
        {
          cause,
          code: 'forward-port-refused',
          params: { port: formatEndpoint(hostAddress, hostPort) },
        },
      );
    if (code === 'EADDRNOTAVAIL')
      return new VmError(
        'Resource',
        `This computer has no address ${hostAddress}: forward from one that it has, such as 127.0.0.1, or 0.0.0.0 for all.`,
        {
          cause,
          code: 'forward-address-unknown',
          params: { address: hostAddress },
        },
      );
    return new VmError('Resource', `The ${port} of this computer could not be opened: ${(cause as Error).message}`, {
      cause,
      code: 'forward-failed',
      params: { port: formatEndpoint(hostAddress, hostPort), reason: (cause as Error).message },
    });
  }
}
