import { readU16, writeU16 } from '../../checksum';
import type { TcpConnection } from '../tcp/connection';
import type { ByteSource } from '../tcp/segment';
import type { ConnectingOwner } from '../tcp/stack';
import type { WheelTimer } from '../timer-wheel';
import type { DnsForwarder } from './forwarder';

/** Longest query that is taken, and how many of one connection are answered at a time. */
const MOST_BYTES = 4096;
const MOST_AT_ONCE = 8;
const IDLE_MS = 30_000;

/** DNS over TCP (RFC 7766): queries with their length before them. */
export class DnsTcpService implements ConnectingOwner {
  connection!: TcpConnection;
  private readonly received = new Uint8Array(MOST_BYTES + 2);
  private length = 0;
  private pending = 0;
  private hasEnded = false;
  private idle: WheelTimer | undefined;

  constructor(
    private readonly forwarder: DnsForwarder,
    private readonly over: (connection: TcpConnection) => void,
  ) {}

  begin(): void {
    this.idle = this.connection.wheel.timer(() => this.connection.abort());
    this.idle.set(IDLE_MS);
    this.connection.accept();
  }

  room(): number {
    return this.pending >= MOST_AT_ONCE ? 0 : this.received.length - this.length;
  }

  take(source: ByteSource, at: number, length: number): void {
    // More than was promised does not come.
    const count = Math.min(length, this.received.length - this.length);
    source.read(this.received, this.length, at, count);
    this.length += count;
    this.idle?.set(IDLE_MS);
    this.proceed();
  }

  established(): void {}

  acknowledged(): void {}

  guestEnded(): void {
    this.hasEnded = true;
    if (this.pending === 0) this.connection.finish();
  }

  connectionClosed(): void {
    this.idle?.dispose();
    this.over(this.connection);
  }

  private proceed(): void {
    while (this.pending < MOST_AT_ONCE && this.length >= 2) {
      const size = readU16(this.received, 0);
      if (size > MOST_BYTES) {
        this.connection.abort();
        return;
      }
      if (this.length < size + 2) break;
      const query = this.received.slice(2, size + 2);
      this.received.copyWithin(0, size + 2, this.length);
      this.length -= size + 2;
      this.pending++;
      void this.reply(query);
    }
  }

  private async reply(query: Uint8Array): Promise<void> {
    const answer = await this.forwarder.answer(query, true);
    this.pending--;
    if (this.connection.state === 'closed') return;
    if (!answer) return this.connection.abort();
    const framed = new Uint8Array(answer.length + 2);
    writeU16(framed, 0, answer.length);
    framed.set(answer, 2);
    this.connection.write(framed);
    this.proceed();
    this.connection.roomGrew();
    if (this.hasEnded && this.pending === 0) this.connection.finish();
  }
}
