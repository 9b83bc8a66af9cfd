import type { Family } from './addresses';

/** What a socket of the host tells. All of it comes on its own turn of the event loop, never from within a call to the socket. */
export interface SocketEvents {
  connected(): void;
  /** The receiver keeps the bytes. */
  data(bytes: Uint8Array): void;
  /** The other side sends no more. */
  ended(): void;
  /** What was written is on its way; more may be. */
  drained(): void;
  /** It is over; `code` as ECONNREFUSED where it did not end in peace. */
  socketClosed(code: string | undefined): void;
}

/** A TCP socket of the host. */
export interface HostSocket {
  /** Bytes that were written and that the host has not taken yet. */
  readonly pending: number;
  /** True: the host has taken all at once, and the bytes may be used again. False: they must stay as they are until they are `drained`. */
  write(bytes: Uint8Array): boolean;
  /** No more is written. */
  end(): void;
  /** Break it off, with a RST. */
  reset(): void;
  pause(): void;
  resume(): void;
}

/** Something that waits at a port of the host. */
export interface HostListener {
  /** The port that it has. */
  readonly port: number;
  close(): void;
}

/** A UDP socket of the host. */
export interface HostDatagrams {
  readonly port: number;
  /** Lost where the host cannot send it, or the network says so: `failed` tells why. It may pass so many routers. */
  send(bytes: Uint8Array, port: number, address: string, hopLimit: number): void;
  close(): void;
}

export interface DatagramEvents {
  message(bytes: Uint8Array, address: string, port: number): void;
  /** With where it went; `by` is who has said so, where that is known. ETTL: it has passed too many routers. */
  failed(code: string, address: string, port: number, by?: string): void;
}

/** What is left of 64 after ourselves: as good as what the host's own packets have. */
export const USUAL_HOPS = 63;

/** Echo requests to the world. */
export interface HostPing {
  /** `false`: the host does not let us. */
  send(payload: Uint8Array, sequence: number, address: string, hopLimit: number): boolean;
  close(): void;
}

export interface PingEvents {
  reply(payload: Uint8Array, sequence: number, address: string): void;
  /** As that of datagrams. */
  failed(code: string, sequence: number, address: string, by?: string): void;
}

/** What the network of a guest needs of the host; tests put their own in. */
export interface NetworkHost {
  /** `otherwise` is tried where nobody is at `address`. */
  connect(address: string, port: number, events: SocketEvents, otherwise?: string): HostSocket;
  /** Throws what Node does: EADDRINUSE, EACCES. `accept` returns undefined to turn a connection away. */
  listen(
    address: string,
    port: number,
    accept: (socket: HostSocket, address: string, port: number) => SocketEvents | undefined,
  ): Promise<HostListener>;
  /** Not bound to a port until something is sent. Undefined: the host lends no more. */
  datagrams(family: Family, events: DatagramEvents): HostDatagrams | undefined;
  listenDatagrams(address: string, port: number, events: DatagramEvents): Promise<HostDatagrams>;
  /** As the host itself resolves. Empty: there is no such name, or it has no address of the family (0: of any). Throws where nobody could say. */
  lookup(name: string, family: Family | 0): Promise<{ address: string; family: Family }[]>;
  /** Name servers, as `1.2.3.4` or `[::1]:53`. */
  nameServers(): string[];
  /** Undefined: the host lends no socket for it. */
  ping(family: Family, events: PingEvents): HostPing | undefined;
  /** Nets of the host's own adapters, as `192.168.1.2/24`. */
  nets(): string[];
  /** Whether a packet of that family finds a way out of the host. */
  hasRoute(family: Family): Promise<boolean>;
  /** Who has the port, in words, where the host tells. */
  whoListens(protocol: 'tcp' | 'udp', port: number): Promise<string | undefined>;
}
