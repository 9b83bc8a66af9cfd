import { randomInt } from 'node:crypto';
import type { IpAddress } from '../addresses';
import { FlowTable } from '../flow-table';
import type { GuestLink } from '../guest-link';
import type { Packet } from '../packet';
import type { TimerWheel } from '../timer-wheel';
import { readU16 } from '../../checksum';
import { TcpConnection, type TcpOutput, type TcpOwner } from './connection';
import { SegmentWriter } from './output';
import { ACK, FIN, RST, Segment, SYN } from './segment';

/** Connections at a time; what comes beyond is refused. */
export const MOST_CONNECTIONS = 4096;

/** The owner learns its connection before the first call. */
export interface ConnectingOwner extends TcpOwner {
  connection: TcpConnection;
  /** The connection is in the table: connect outward. */
  begin(): void;
}

export interface TcpTargets {
  /** Who takes a connection to the packet's target; `refused` sends a RST, `ignored` says nothing, or no more than an ICMP message has said. */
  takerOf(packet: Packet, port: number): ConnectingOwner | 'refused' | 'ignored';
}

/** A connection that the guest still has, and nobody else: where it is, and what the guest expects next. */
export interface Orphan {
  mac: Uint8Array;
  guest: IpAddress;
  guestPort: number;
  remote: IpAddress;
  remotePort: number;
  next: number;
}

/** All TCP connections of a guest. */
export class TcpStack implements TcpOutput {
  readonly connections = new FlowTable<TcpConnection>();
  private readonly segment_ = new Segment();
  private readonly writer: SegmentWriter;
  private listed: TcpConnection[] = [];
  private spare: TcpConnection[] = [];
  /** The guest is to be told of these that they are over. */
  private readonly orphans: Orphan[] = [];

  constructor(
    private readonly link: GuestLink,
    private readonly wheel: TimerWheel,
    private readonly targets: TcpTargets,
    private readonly wantsFlush: () => void,
  ) {
    this.writer = new SegmentWriter(link);
  }

  /** A segment of the guest's, whose IP header was read. */
  receive(packet: Packet): void {
    const { bytes, dataAt, addressLength, sourceAt, targetAt } = packet;
    const segment = this.segment_;
    if (!segment.read(bytes, dataAt, packet.end - dataAt) || !packet.checksumHolds()) return;
    const guestPort = readU16(bytes, dataAt);
    const remotePort = readU16(bytes, dataAt + 2);
    const known = this.connections.find(bytes, sourceAt, addressLength, guestPort, targetAt, addressLength, remotePort);
    if (known && !known.receive(segment, packet)) return;
    // Nobody opens and ends in one segment, but scanners.
    if ((segment.flags & (SYN | FIN)) === (SYN | FIN)) return;
    if ((segment.flags & (SYN | ACK | RST)) === SYN) this.open(packet, guestPort, remotePort);
    else if (!(segment.flags & RST)) this.answerWithReset(packet, guestPort, remotePort);
  }

  /** Open a connection to the guest from an address of ours. Undefined: there are too many. */
  connect(guest: IpAddress, guestPort: number, from: IpAddress, fromPort: number, owner: ConnectingOwner): TcpConnection | undefined {
    if (!this.makeRoom()) return undefined;
    const connection = this.make(guest, guestPort, from, fromPort, owner);
    connection.mac.set(this.link.macOf(guest));
    connection.open();
    return connection;
  }

  /** A connection was closed: its owner says so. */
  forget(connection: TcpConnection): void {
    this.connections.remove(connection);
  }

  /** What the guest would have to be told if all of this were gone. Those that are still to be made it tries again by itself. */
  save(): Orphan[] {
    const open = [...this.connections].filter(({ state }) => state !== 'connecting' && state !== 'closed' && state !== 'time-wait');
    return [
      ...this.orphans,
      ...open.map(({ mac, guest, guestPort, remote, remotePort, sender }) => {
        return { mac: mac.slice(), guest, guestPort, remote, remotePort, next: sender.max };
      }),
    ];
  }

  load(orphans: readonly Orphan[]): void {
    this.orphans.push(...orphans);
  }

  /** A guest that only waits for data would wait for ever. */
  private resetOrphans(): void {
    while (this.orphans.length > 0 && this.link.isUp && !this.link.isBlocked) {
      const { mac, guest, guestPort, remote, remotePort, next } = this.orphans[0];
      if (!this.writer.reset(mac, remote, remotePort, guest, guestPort, next, 0, RST)) return;
      this.orphans.shift();
    }
  }

  /** The batch is over, or the adapter has room again. */
  settle(): void {
    if (this.orphans.length > 0) this.resetOrphans();
    if (this.listed.length === 0 || this.link.isBlocked) return;
    const list = this.listed;
    this.listed = this.spare;
    for (const connection of list) connection.isListed = false;
    for (const connection of list) {
      if (this.link.isBlocked) this.later(connection);
      else connection.proceed();
    }
    list.length = 0;
    this.spare = list;
  }

  /** All connections end: with a RST for the guest, or without a word where it has forgotten them itself. */
  reset(tellGuest: boolean): void {
    for (const connection of [...this.connections]) {
      if (tellGuest) connection.abort();
      else connection.drop();
    }
    this.listed.length = 0;
    this.orphans.length = 0;
  }

  /** The guest may have begun anew: ask of every connection whether it is still there. */
  doubt(): void {
    for (const connection of this.connections) connection.doubt();
  }

  private open(packet: Packet, guestPort: number, remotePort: number): void {
    const { bytes, addressLength, sourceAt, targetAt } = packet;
    if (guestPort === 0 || remotePort === 0) return;
    const taker = this.targets.takerOf(packet, remotePort);
    if (taker === 'refused') this.answerWithReset(packet, guestPort, remotePort);
    if (typeof taker === 'string') return;
    if (!this.makeRoom()) {
      this.answerWithReset(packet, guestPort, remotePort);
      return;
    }
    const guest = bytes.slice(sourceAt, sourceAt + addressLength);
    const remote = bytes.slice(targetAt, targetAt + addressLength);
    const connection = this.make(guest, guestPort, remote, remotePort, taker);
    connection.heardSyn(this.segment_, bytes.subarray(6, 12));
    taker.begin();
  }

  private make(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number, owner: ConnectingOwner): TcpConnection {
    const connection = new TcpConnection(this, this.wheel, guest, guestPort, remote, remotePort, owner);
    connection.linkMss = Math.min(this.link.mtu - (guest.length === 4 ? 40 : 60), 65495);
    owner.connection = connection;
    this.connections.add(connection);
    return connection;
  }

  /** Connections that are over, but for waiting, make room for new ones. */
  private makeRoom(): boolean {
    if (this.connections.size < MOST_CONNECTIONS) return true;
    let oldest: TcpConnection | undefined;
    for (const connection of this.connections)
      if (connection.state === 'time-wait' && (!oldest || connection.lastUsed < oldest.lastUsed)) oldest = connection;
    oldest?.drop();
    return oldest !== undefined;
  }

  private answerWithReset(packet: Packet, guestPort: number, remotePort: number): void {
    const { bytes, addressLength, sourceAt, targetAt } = packet;
    const { flags, ack, seq, span } = this.segment_;
    const from = bytes.subarray(targetAt, targetAt + addressLength);
    const to = bytes.subarray(sourceAt, sourceAt + addressLength);
    const mac = bytes.subarray(6, 12);
    if (flags & ACK) this.writer.reset(mac, from, remotePort, to, guestPort, ack, 0, RST);
    else this.writer.reset(mac, from, remotePort, to, guestPort, 0, (seq + span) | 0, RST | ACK);
  }

  // What connections ask for.

  segment(connection: TcpConnection, flags: number, seq: number, at: number, length: number): number {
    if (this.link.isBlocked) return -1;
    const sent = this.writer.write(connection, flags, seq, at, length);
    this.wantsFlush();
    return sent;
  }

  later(connection: TcpConnection): void {
    if (connection.isListed) return;
    connection.isListed = true;
    this.listed.push(connection);
    // Without room nothing can be done before `resume`.
    if (!this.link.isBlocked) this.wantsFlush();
  }

  isBlocked(): boolean {
    return this.link.isBlocked;
  }

  largest(connection: TcpConnection, mss: number): number {
    return this.writer.largest(connection.guest.length === 16, mss);
  }

  initialSequence(): number {
    return randomInt(2 ** 32) | 0;
  }
}
