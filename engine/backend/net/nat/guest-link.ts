import { type GuestPort, type Segmentation, plainFrame } from '../packet-port';
import { formatAddress, formatMac, type IpAddress, isMulticast } from './addresses';
import { addBytes, checksumOf, fold, writeU16 } from '../checksum';
import { ETHERNET, ICMP, IPV4, IPV6 } from './packet';
import { addPieces, pseudoHeader } from './sums';

/** Headers of a frame: Ethernet, IPv6, TCP with all options, and some. */
const HEADERS = 256;
/** Hosts of the guest's network whose hardware address is known; one guest may have several. */
export const MOST_NEIGHBOURS = 256;

/** Our own hardware address: locally administered, of the prefix that adapters have. */
export const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);
const BROADCAST_MAC = new Uint8Array(6).fill(0xff);

/**
 * The way to the guest: makes headers of frames in one buffer and hands them over. Write at `begin()`'s place into `headers`, put data into
 * `data`, and `send`.
 */
export class GuestLink {
  readonly headers = new Uint8Array(HEADERS);
  /** Data behind the headers: lent until `send` returns. */
  readonly data: Uint8Array[] = [];
  dropped = 0;
  private readonly views: Uint8Array[] = [];
  private readonly heads: Uint8Array[] = [];
  private readonly frame = plainFrame(this.views);
  private ipId = 0;
  private isV6 = false;
  private protocol = 0;
  private dataAt = 0;
  private readonly neighbours = new Map<string, Uint8Array>();
  /** The adapter has said that it has no room. */
  isBlocked = false;
  isUp = true;
  /** Called when a host is heard by an address that it was not known by. */
  onHeard: (() => void) | undefined;

  constructor(readonly port: GuestPort) {}

  get mtu(): number {
    return this.port.mtu;
  }

  /** Starts an IP packet; returns where in `headers` its data begin. */
  begin(mac: Uint8Array, source: IpAddress, target: IpAddress, protocol: number, hopLimit = 64): number {
    const { headers } = this;
    headers.set(mac, 0);
    headers.set(GATEWAY_MAC, 6);
    this.data.length = 0;
    this.protocol = protocol;
    this.isV6 = source.length === 16;
    if (this.isV6) {
      writeU16(headers, 12, IPV6);
      headers[14] = 0x60;
      headers[15] = headers[16] = headers[17] = 0;
      headers[20] = protocol;
      headers[21] = hopLimit;
      headers.set(source, 22);
      headers.set(target, 38);
      this.dataAt = 54;
    } else {
      writeU16(headers, 12, IPV4);
      headers[14] = 0x45;
      headers[15] = 0;
      writeU16(headers, 18, this.ipId++ & 0xffff);
      writeU16(headers, 20, 0);
      headers[22] = hopLimit;
      headers[23] = protocol;
      writeU16(headers, 24, 0);
      headers.set(source, 26);
      headers.set(target, 30);
      this.dataAt = 34;
    }
    return this.dataAt;
  }

  /**
   * Sends it: headers up to `end`, then `data`. `checksumAt` counts from the IP packet's data. `segmentSize` > 0: for the adapter to cut, TCP
   * only. False: no room.
   */
  send(end: number, checksumAt: number, segmentSize = 0): boolean {
    const { headers, data, isV6, dataAt, frame } = this;
    let length = end - dataAt;
    for (const piece of data) length += piece.length;
    if (segmentSize === 0 && length + dataAt - ETHERNET > this.port.mtu) return this.sendFragments(end, length, checksumAt);
    if (isV6) writeU16(headers, 18, length);
    else {
      writeU16(headers, 16, length + 20);
      writeU16(headers, 20, 0x4000);
      writeU16(headers, 24, 0);
      writeU16(headers, 24, checksumOf(addBytes(headers, ETHERNET, dataAt)));
    }
    const field = dataAt + checksumAt;
    writeU16(headers, field, 0);
    if (this.protocol !== ICMP && this.port.accepts.checksum) {
      writeU16(headers, field, fold(this.pseudo(length)));
      frame.checksumStart = dataAt;
      frame.checksumOffset = checksumAt;
    } else {
      frame.checksumStart = -1;
      writeU16(headers, field, this.checksum(end, length));
    }
    return this.handOver(end, segmentSize > 0 ? (isV6 ? 'tcp6' : 'tcp4') : 'none', segmentSize);
  }

  /** As `send`, for what is lost where there is no room, as in any network. */
  sendOrDrop(end: number, checksumAt: number): boolean {
    if (this.send(end, checksumAt)) return true;
    this.dropped++;
    return false;
  }

  /** Sends a frame that is no IP packet: `headers` up to `end`, with its Ethernet header. */
  sendRaw(end: number): boolean {
    this.data.length = 0;
    this.frame.checksumStart = -1;
    return this.handOver(end, 'none', 0);
  }

  /** Where a frame for that address goes, as far as is known. */
  macOf(address: IpAddress): Uint8Array {
    return this.neighbours.get(key(address, 0, address.length)) ?? this.port.mac;
  }

  learn(bytes: Uint8Array, at: number, length: number, macAt: number): void {
    if (isMulticast(bytes, at, length) || bytes[macAt] & 1) return;
    const name = key(bytes, at, length);
    const known = this.neighbours.get(name);
    if (known) {
      for (let index = 0; index < 6; index++) known[index] = bytes[macAt + index];
      return;
    }
    if (this.neighbours.size >= MOST_NEIGHBOURS) this.neighbours.delete(this.neighbours.keys().next().value!);
    this.neighbours.set(name, bytes.slice(macAt, macAt + 6));
    this.onHeard?.();
  }

  /** Addresses that hosts of the guest's network have been heard by, the last heard first. */
  heard(): IpAddress[] {
    return [...this.neighbours.keys()].reverse().map(addressOf);
  }

  /** Who is where, as text; the first heard stands first. */
  saveNeighbours(): { address: string; mac: string }[] {
    return [...this.neighbours].map(([name, mac]) => ({ address: formatAddress(addressOf(name)), mac: formatMac(mac) }));
  }

  loadNeighbours(saved: readonly { address: IpAddress; mac: Uint8Array }[]): void {
    for (const { address, mac } of saved) this.neighbours.set(key(address, 0, address.length), mac);
  }

  forgetNeighbours(): void {
    this.neighbours.clear();
  }

  static readonly broadcast = BROADCAST_MAC;

  private pseudo(length: number): number {
    return pseudoHeader(this.headers, this.isV6 ? 22 : 26, this.dataAt, this.protocol, length);
  }

  private checksum(end: number, length: number): number {
    let sum = this.protocol === ICMP ? 0 : this.pseudo(length);
    sum = addBytes(this.headers, this.dataAt, end, sum);
    const checksum = checksumOf(addPieces(this.data, sum));
    // In UDP 0 stands for no checksum (RFC 768).
    return checksum === 0 && this.protocol === 17 ? 0xffff : checksum;
  }

  /** More than one packet takes: fragments, with the checksum made here. */
  private sendFragments(end: number, length: number, checksumAt: number): boolean {
    const { headers, isV6, dataAt } = this;
    writeU16(headers, dataAt + checksumAt, 0);
    writeU16(headers, dataAt + checksumAt, this.checksum(end, length));
    const all = new Uint8Array(length);
    all.set(headers.subarray(dataAt, end));
    let at = end - dataAt;
    for (const piece of this.data) {
      all.set(piece, at);
      at += piece.length;
    }
    const start = isV6 ? dataAt + 8 : dataAt;
    const most = (this.port.mtu - (start - ETHERNET)) & ~7;
    if (isV6) {
      headers[dataAt] = headers[20];
      headers[20] = 44;
      headers[dataAt + 1] = 0;
      writeU16(headers, dataAt + 4, 0);
      writeU16(headers, dataAt + 6, this.ipId++ & 0xffff);
    }
    this.frame.checksumStart = -1;
    for (let offset = 0; offset < length; offset += most) {
      const part = all.subarray(offset, Math.min(offset + most, length));
      const more = offset + most < length;
      if (isV6) {
        writeU16(headers, 18, part.length + 8);
        writeU16(headers, dataAt + 2, offset | (more ? 1 : 0));
      } else {
        writeU16(headers, 16, part.length + 20);
        writeU16(headers, 20, (offset >> 3) | (more ? 0x2000 : 0));
        writeU16(headers, 24, 0);
        writeU16(headers, 24, checksumOf(addBytes(headers, ETHERNET, dataAt)));
      }
      this.data.length = 0;
      this.data.push(part);
      if (!this.handOver(start, 'none', 0)) return false;
    }
    return true;
  }

  private handOver(end: number, segmentation: Segmentation, segmentSize: number): boolean {
    const { views, data, frame } = this;
    this.heads[end] ??= this.headers.subarray(0, end);
    views.length = 0;
    views.push(this.heads[end]);
    let length = end;
    for (const piece of data) {
      views.push(piece);
      length += piece.length;
    }
    frame.length = length;
    frame.segmentation = segmentation;
    frame.segmentSize = segmentSize;
    frame.headerLength = segmentSize > 0 ? end : 0;
    const taken = this.port.take(frame);
    views.length = data.length = 0;
    if (!taken) this.isBlocked = true;
    return taken;
  }
}

function key(bytes: Uint8Array, at: number, length: number): string {
  return length === 4
    ? `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
    : String.fromCharCode(...bytes.subarray(at, at + 16));
}

/** Of such a key; one of IPv4 has 15 characters at most. */
function addressOf(name: string): IpAddress {
  return name.length < 16 ? Uint8Array.from(name.split('.'), Number) : Uint8Array.from(name, (character) => character.charCodeAt(0));
}
