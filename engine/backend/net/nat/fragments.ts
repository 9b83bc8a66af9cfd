import { addBytes, checksumOf, writeU16 } from '../checksum';
import type { Packet } from './packet';
import type { TimerWheel, WheelTimer } from './timer-wheel';

/** Packets in pieces, and bytes of them, that are kept at a time; and pieces of one. */
const MOST_PACKETS = 32;
const MOST_BYTES = 2 ** 20;
const MOST_PIECES = 128;
const PATIENCE_MS = 30_000;

interface Assembly {
  key: string;
  since: number;
  /** Frame up to the fragmented part: of the first fragment. */
  head: Uint8Array | undefined;
  /** Of the first fragment too: where its headers name what follows, and what that is. */
  nextHeaderAt: number;
  protocol: number;
  pieces: { offset: number; bytes: Uint8Array }[];
  bytes: number;
  /** Length of the whole, once the last piece is here. */
  total: number;
}

/**
 * Puts fragments together (RFC 791 §3.2, RFC 8200 §4.5). A packet whose fragments overlap is forgotten altogether (RFC 5722), as are those
 * that stay in pieces.
 */
export class Fragments {
  private readonly assemblies = new Map<string, Assembly>();
  private bytes = 0;
  private readonly timer: WheelTimer;

  constructor(private readonly wheel: TimerWheel) {
    this.timer = wheel.timer(() => this.expire());
  }

  /** Takes a fragment. True: the packet is whole, and stands in `packet` as a frame that was read anew must be. */
  add(packet: Packet): boolean {
    const { fragmentOffset: offset, moreFragments, dataAt, end } = packet;
    const length = end - dataAt;
    if (length <= 0 || offset + length > 65535 || (moreFragments && length % 8 !== 0)) return false;
    const bytes = packet.whole();
    const key = `${packet.isV6 ? '' : packet.protocol}/${packet.fragmentId}/${bytes.subarray(packet.sourceAt, packet.sourceAt + 2 * packet.addressLength).join()}`;
    let assembly = this.assemblies.get(key);
    if (!assembly) {
      while (this.assemblies.size >= MOST_PACKETS) this.forget(this.assemblies.values().next().value!);
      assembly = { key, since: this.wheel.now(), head: undefined, nextHeaderAt: 0, protocol: 0, pieces: [], bytes: 0, total: -1 };
      this.assemblies.set(key, assembly);
      if (!this.timer.isSet) this.timer.set(PATIENCE_MS);
    }
    let at = 0;
    while (at < assembly.pieces.length && assembly.pieces[at].offset < offset) at++;
    const previous = assembly.pieces[at - 1];
    const next = assembly.pieces[at];
    // The same again is no harm.
    if (next?.offset === offset && next.bytes.length === length) return false;
    const overlaps = (previous && previous.offset + previous.bytes.length > offset) || (next && offset + length > next.offset);
    const isBeyond = assembly.total >= 0 && (offset + length > assembly.total || (!moreFragments && offset + length !== assembly.total));
    if (overlaps || isBeyond || assembly.pieces.length >= MOST_PIECES) {
      this.forget(assembly);
      return false;
    }
    assembly.pieces.splice(at, 0, { offset, bytes: bytes.slice(dataAt, end) });
    assembly.bytes += length;
    this.bytes += length;
    if (!moreFragments) assembly.total = offset + length;
    // Of IPv6, without the fragment header.
    if (offset === 0) {
      assembly.head = bytes.slice(0, packet.isV6 ? dataAt - 8 : dataAt);
      assembly.nextHeaderAt = packet.nextHeaderAt;
      assembly.protocol = packet.protocol;
    }
    const last = assembly.pieces[assembly.pieces.length - 1];
    if (assembly.total >= 0 && last.offset + last.bytes.length > assembly.total) {
      this.forget(assembly);
      return false;
    }
    if (assembly.bytes === assembly.total && assembly.head) {
      this.forget(assembly);
      return this.join(packet, assembly.head, assembly);
    }
    while (this.bytes > MOST_BYTES) this.forget(this.assemblies.values().next().value!);
    return false;
  }

  clear(): void {
    this.assemblies.clear();
    this.bytes = 0;
    this.timer.cancel();
  }

  private join(packet: Packet, head: Uint8Array, { pieces, total, nextHeaderAt, protocol }: Assembly): boolean {
    const { bytes, ipAt } = packet;
    const length = head.length + total;
    if (length - ipAt > 65535 + (packet.isV6 ? 40 : 0)) return false;
    bytes.set(head);
    let at = head.length;
    for (const piece of pieces) {
      bytes.set(piece.bytes, at);
      at += piece.bytes.length;
    }
    if (packet.isV6) {
      writeU16(bytes, ipAt + 4, length - ipAt - 40);
      bytes[nextHeaderAt] = protocol;
    } else {
      writeU16(bytes, ipAt + 2, length - ipAt);
      writeU16(bytes, ipAt + 6, 0);
      writeU16(bytes, ipAt + 10, 0);
      writeU16(bytes, ipAt + 10, checksumOf(addBytes(bytes, ipAt, head.length)));
    }
    packet.loadBytes(length);
    return true;
  }

  private forget(assembly: Assembly): void {
    if (this.assemblies.delete(assembly.key)) this.bytes -= assembly.bytes;
  }

  private expire(): void {
    const before = this.wheel.now() - PATIENCE_MS;
    for (const assembly of this.assemblies.values()) if (assembly.since <= before + 50) this.forget(assembly);
    if (this.assemblies.size > 0) this.timer.set(PATIENCE_MS / 4);
  }
}
