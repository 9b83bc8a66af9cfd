import { writeU16, writeU32 } from '../../checksum';
import type { GuestLink } from '../guest-link';
import { TCP } from '../packet';
import type { TcpConnection } from './connection';
import { RECEIVE_SCALE } from './receiver';
import { ACK, FIN, PSH, RST, SYN } from './segment';

/** Longest header of a segment that may have data: IPv6, TCP with time stamps. */
const HEADERS = 40 + 32;
const CHECKSUM_AT = 16;

/** Writes segments of connections into frames for the guest. */
export class SegmentWriter {
  private readonly blocks = new Int32Array(8);

  constructor(private readonly link: GuestLink) {}

  /** Time stamps are the wheel's milliseconds; 0 means none. */
  static clock(now: number): number {
    return (Math.floor(now) + 1) | 0;
  }

  /** See TcpOutput.segment. */
  write(connection: TcpConnection, flags: number, seq: number, at: number, length: number): number {
    const { link } = this;
    const { headers, data } = link;
    const { receiver, sender } = connection;
    const start = link.begin(connection.mac, connection.remote, connection.guest, TCP);
    let sent = 0;
    if (length > 0) {
      sent = sender.queue.slice(at, length, data);
      if (sent < length) flags &= ~(FIN | PSH);
    }
    const isSyn = (flags & SYN) !== 0;
    writeU16(headers, start, connection.remotePort);
    writeU16(headers, start + 2, connection.guestPort);
    writeU32(headers, start + 4, seq);
    writeU32(headers, start + 8, flags & ACK ? receiver.next : 0);
    headers[start + 13] = flags;
    const edge = receiver.edge;
    writeU16(headers, start + 14, flags & RST ? 0 : receiver.advertise(isSyn));
    writeU16(headers, start + 18, 0);
    const end =
      flags & RST ? start + 20 : isSyn ? this.synOptions(connection, start + 20) : this.options(connection, start + 20, length === 0);
    headers[start + 12] = ((end - start) >> 2) << 4;
    const segmentSize = sent > sender.mss ? sender.mss : 0;
    if (link.send(end, CHECKSUM_AT, segmentSize)) return sent;
    receiver.edge = edge;
    return -1;
  }

  /** The answer to a segment of a connection that does not exist (RFC 9293 §3.10.7.1). False: there was no room. */
  reset(
    mac: Uint8Array,
    from: Uint8Array,
    fromPort: number,
    to: Uint8Array,
    toPort: number,
    seq: number,
    ack: number,
    flags: number,
  ): boolean {
    const { headers } = this.link;
    const start = this.link.begin(mac, from, to, TCP);
    writeU16(headers, start, fromPort);
    writeU16(headers, start + 2, toPort);
    writeU32(headers, start + 4, seq);
    writeU32(headers, start + 8, ack);
    headers[start + 12] = 0x50;
    headers[start + 13] = flags;
    writeU16(headers, start + 14, 0);
    writeU16(headers, start + 18, 0);
    return this.link.sendOrDrop(start + 20, CHECKSUM_AT);
  }

  /** Bytes of the largest segment: a multiple of the MSS where the adapter cuts it. */
  largest(isV6: boolean, mss: number): number {
    const { accepts } = this.link.port;
    if (!(isV6 ? accepts.tcp6 : accepts.tcp4)) return mss;
    return Math.max(Math.floor((65535 - HEADERS) / mss), 1) * mss;
  }

  private synOptions(connection: TcpConnection, from: number): number {
    const { headers } = this.link;
    let at = from;
    headers[at] = 2;
    headers[at + 1] = 4;
    writeU16(headers, at + 2, connection.linkMss);
    at += 4;
    if (connection.hasTimestamps) {
      headers[at] = connection.sackPermitted ? 4 : 1;
      headers[at + 1] = connection.sackPermitted ? 2 : 1;
      at = this.timestamp(connection, at + 2);
    } else if (connection.sackPermitted) {
      headers[at] = headers[at + 1] = 1;
      headers[at + 2] = 4;
      headers[at + 3] = 2;
      at += 4;
    }
    if (connection.scales) {
      headers[at] = 1;
      headers[at + 1] = 3;
      headers[at + 2] = 3;
      headers[at + 3] = RECEIVE_SCALE;
      at += 4;
    }
    return at;
  }

  private options(connection: TcpConnection, from: number, mayHaveBlocks: boolean): number {
    const { headers } = this.link;
    let at = from;
    if (connection.hasTimestamps) {
      headers[at] = headers[at + 1] = 1;
      at = this.timestamp(connection, at + 2);
    }
    if (!mayHaveBlocks || !connection.sackPermitted || !connection.receiver.hasGaps) return at;
    const count = connection.receiver.blocks(this.blocks, connection.hasTimestamps ? 3 : 4);
    headers[at] = headers[at + 1] = 1;
    headers[at + 2] = 5;
    headers[at + 3] = 2 + count * 8;
    at += 4;
    for (let index = 0; index < count * 2; index++, at += 4) writeU32(headers, at, this.blocks[index]);
    return at;
  }

  private timestamp(connection: TcpConnection, at: number): number {
    const { headers } = this.link;
    headers[at] = 8;
    headers[at + 1] = 10;
    writeU32(headers, at + 2, SegmentWriter.clock(connection.wheel.now()));
    writeU32(headers, at + 6, connection.recentTimestamp);
    return at + 10;
  }
}
