import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { type BackendStatistics, type Frame, type GuestPort, type NetworkBackend, plainFrame } from './packet-port';
import { plainFrames } from './plain-frames';
import { notListening } from './stream';
import { formatSocketAddress } from './socket-address';

/** Bytes that may wait in the host's socket; what comes then is lost, as on any such network. */
const WAITING_MAX = 1 << 20;
/** Frames for the guest that are kept while it has no room. */
const KEPT_MAX = 256;

export interface DatagramOptions {
  local: { host: string; port: number };
  remote: { host: string; port: number };
}

/** QEMU's `-netdev dgram`: one UDP datagram for each frame, between two ends that know each other's address. */
export class DatagramBackend implements NetworkBackend {
  readonly name: string;
  readonly isUp = true;
  readonly #socket: Socket;
  readonly #statistics = { droppedFromGuest: 0, droppedToGuest: 0 };
  readonly #kept: Uint8Array[] = [];
  #guest: GuestPort | undefined;

  private constructor(socket: Socket, { remote }: DatagramOptions) {
    this.#socket = socket;
    this.name = `datagrams to ${formatSocketAddress(remote)}`;
    socket.on('message', (frame) => this.#receive(frame));
    // What cannot be sent is lost; the other end may come yet.
    socket.on('error', () => undefined);
  }

  /** Throws VmError 'Resource' where the host does not let it have the local address, or knows no such remote one. */
  static async open(options: DatagramOptions): Promise<DatagramBackend> {
    const { local, remote } = options;
    const socket = createSocket(isIP(local.host) === 6 ? 'udp6' : 'udp4');
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind(local.port, local.host, resolve);
      });
      // From now on the host passes on only what comes from there.
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.connect(remote.port, remote.host, () => resolve());
      });
    } catch (cause) {
      socket.close();
      throw notListening(`${formatSocketAddress(local)} (for ${formatSocketAddress(remote)})`, cause as NodeJS.ErrnoException);
    }
    socket.removeAllListeners('error');
    return new DatagramBackend(socket, options);
  }

  attach(guest: GuestPort): void {
    this.#guest = guest;
  }

  take(frame: Frame): boolean {
    for (const bytes of plainFrames(frame)) {
      if (this.#socket.getSendQueueSize() >= WAITING_MAX) this.#statistics.droppedFromGuest++;
      else
        this.#socket.send(bytes, (error) => {
          if (error) this.#statistics.droppedFromGuest++;
        });
    }
    return true;
  }

  flush(): void {}

  resume(): void {
    while (this.#kept.length > 0 && this.#guest?.take(plainFrame([this.#kept[0]]))) this.#kept.shift();
  }

  linkChanged(): void {}

  statistics(): BackendStatistics {
    return { ...this.#statistics };
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #receive(frame: Uint8Array): void {
    if (this.#kept.length === 0 && (this.#guest?.take(plainFrame([frame])) ?? true)) return;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(frame);
    else this.#statistics.droppedToGuest++;
  }
}
