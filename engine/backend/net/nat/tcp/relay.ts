import type { HostSocket, SocketEvents } from '../host';
import type { WheelTimer } from '../timer-wheel';
import type { TcpConnection } from './connection';
import type { ByteSource } from './segment';
import type { ConnectingOwner } from './stack';

/** Bytes that one flow may have waiting in each direction, and how many where there are many flows with much waiting. */
const MOST_WAITING = 2 ** 20;
const FEW_WAITING = 2 ** 15;
/** Bytes of all flows in one direction from which on each one may only have few. */
const MOST_OF_ALL = 2 ** 26;
const BATCH = 2 ** 18;
/** How long the host may take over the last bytes of a guest that has closed. */
const LINGER_MS = 300_000;

/**
 * What guests write, gathered per batch, so that many small segments are one write of the host. One buffer serves for all flows: the host
 * nearly always takes all at once.
 */
export class BatchWriter {
  private buffer = Buffer.allocUnsafeSlow(BATCH);
  private used = 0;
  private relay: TcpRelay | undefined;
  /** Bytes that wait for the host, of all flows. */
  waitingForHost = 0;
  /** Bytes that wait for the guest, of all flows. */
  waitingForGuest = 0;

  take(relay: TcpRelay, source: ByteSource, at: number, length: number): void {
    if (this.relay !== relay) this.flush();
    this.relay = relay;
    while (length > 0) {
      const count = Math.min(length, BATCH - this.used);
      source.read(this.buffer, this.used, at, count);
      this.used += count;
      at += count;
      length -= count;
      if (this.used === BATCH) {
        this.flush();
        this.relay = relay;
      }
    }
  }

  /** Bytes of that flow that are not yet written. */
  held(relay: TcpRelay): number {
    return this.relay === relay ? this.used : 0;
  }

  flush(): void {
    const { relay, used } = this;
    this.relay = undefined;
    this.used = 0;
    if (!relay || used === 0) return;
    const bytes = this.buffer.subarray(0, used);
    // Where the host is behind already the bytes will lie there a while: not in a buffer that is mostly empty.
    const mustWait = relay.isBehind;
    if (relay.write(mustWait ? Buffer.from(bytes) : bytes) || mustWait) return;
    this.buffer = Buffer.allocUnsafeSlow(BATCH);
  }
}

/** Between a connection of the guest and a socket of the host. */
export class TcpRelay implements ConnectingOwner, SocketEvents {
  connection!: TcpConnection;
  private socket: HostSocket | undefined;
  private isPaused = false;
  private hostIsOver = false;
  private linger: WheelTimer | undefined;
  /** What counts in the sums of the writer. */
  private countedForHost = 0;
  private countedForGuest = 0;

  /**
   * `open` makes the socket, once the connection stands in the table; for one that came from the host it is there already. `unreachable` tells
   * the guest why there is no way, `over` that the flow is gone.
   */
  constructor(
    private readonly writer: BatchWriter,
    private readonly open: (events: SocketEvents) => HostSocket,
    private readonly unreachable: (relay: TcpRelay, code: string) => void,
    private readonly over: (relay: TcpRelay) => void,
  ) {}

  begin(): void {
    try {
      this.socket = this.open(this);
    } catch (cause) {
      this.fail((cause as NodeJS.ErrnoException).code ?? 'EINVAL');
    }
  }

  get isBehind(): boolean {
    return (this.socket?.pending ?? 0) > 0;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.socket || this.hostIsOver) return true;
    const taken = this.socket.write(bytes);
    this.count();
    return taken;
  }

  // What the connection asks and tells.

  room(): number {
    const { writer } = this;
    const most = writer.waitingForHost > MOST_OF_ALL ? FEW_WAITING : MOST_WAITING;
    return Math.max(most - (this.socket?.pending ?? 0) - writer.held(this), 0);
  }

  take(source: ByteSource, at: number, length: number): void {
    this.writer.take(this, source, at, length);
  }

  established(): void {
    if (this.isPaused) this.acknowledged();
  }

  acknowledged(): void {
    this.count();
    if (!this.isPaused || this.connection.sender.queue.length > this.most / 2) return;
    this.isPaused = false;
    this.socket?.resume();
  }

  guestEnded(): void {
    if (this.writer.held(this) > 0) this.writer.flush();
    this.socket?.end();
  }

  connectionClosed(reset: boolean): void {
    if (this.writer.held(this) > 0) this.writer.flush();
    this.over(this);
    this.count();
    if (this.hostIsOver) return;
    if (reset || !this.socket) {
      this.socket?.reset();
      this.finished();
      return;
    }
    this.linger = this.connection.wheel.timer(() => {
      this.socket?.reset();
      this.finished();
    });
    this.linger.set(LINGER_MS);
  }

  // What the socket tells.

  connected(): void {
    this.connection.accept();
  }

  data(bytes: Uint8Array): void {
    if (this.connection.state === 'closed') return;
    this.connection.write(bytes);
    this.count();
    if (this.isPaused || this.connection.sender.queue.length < this.most) return;
    this.isPaused = true;
    this.socket?.pause();
  }

  /** A socket that came from the host waits until the guest has accepted. */
  adopt(socket: HostSocket): void {
    this.socket = socket;
    this.isPaused = true;
    socket.pause();
  }

  ended(): void {
    this.connection.finish();
  }

  socketClosed(code: string | undefined): void {
    if (this.hostIsOver) return;
    if (code === undefined) this.finished();
    else this.fail(code);
  }

  drained(): void {
    this.count();
    this.connection.roomGrew();
  }

  private get most(): number {
    return this.writer.waitingForGuest > MOST_OF_ALL ? FEW_WAITING : MOST_WAITING;
  }

  private count(): void {
    const forHost = this.hostIsOver ? 0 : (this.socket?.pending ?? 0);
    const forGuest = this.connection.sender.queue.length;
    this.writer.waitingForHost += forHost - this.countedForHost;
    this.writer.waitingForGuest += forGuest - this.countedForGuest;
    this.countedForHost = forHost;
    this.countedForGuest = forGuest;
  }

  private fail(code: string): void {
    this.finished();
    const { connection } = this;
    if (connection.state === 'connecting') this.unreachable(this, code);
    else connection.abort();
  }

  /** The socket is gone. */
  private finished(): void {
    this.linger?.dispose();
    this.hostIsOver = true;
    this.count();
  }
}
