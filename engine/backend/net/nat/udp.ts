import { readU16, writeU16 } from '../checksum';
import { type Family, formatAddress, type IpAddress, isLoopback, parseAddress } from './addresses';
import { type Flow, FlowTable } from './flow-table';
import type { GuestLink } from './guest-link';
import type { DatagramEvents, HostDatagrams, NetworkHost } from './host';
import { firstBytes, type Icmp, reasonOf } from './icmp';
import { type Packet, UDP } from './packet';
import type { TimerWheel, WheelTimer } from './timer-wheel';

/** Sockets of the host for guests' UDP at a time: the one that is idle longest makes room. */
export const MOST_MAPPINGS = 1024;
/** How long one stays without traffic (RFC 4787 REQ-5: two minutes at least), and one that only asked a name server. */
const IDLE_MS = 180_000;
const IDLE_DNS_MS = 30_000;
const SWEEP_MS = 10_000;
const HEADER = 8;

/** Writes a datagram for the guest. */
export function sendDatagram(
  link: GuestLink,
  mac: Uint8Array,
  from: IpAddress,
  fromPort: number,
  to: IpAddress,
  toPort: number,
  payload: Uint8Array,
): void {
  const at = link.begin(mac, from, to, UDP);
  const { headers, data } = link;
  writeU16(headers, at, fromPort);
  writeU16(headers, at + 2, toPort);
  writeU16(headers, at + 4, payload.length + HEADER);
  data.push(payload);
  link.sendOrDrop(at + HEADER, 6);
}

/** One end of the guest's: all that it sends from there comes from one port of the host, and whoever answers there reaches it. */
export class UdpMapping implements Flow, DatagramEvents {
  readonly remote = new Uint8Array(0);
  readonly remotePort = 0;
  next: Flow | undefined = undefined;
  hash = 0;
  socket!: HostDatagrams;
  lastUsed: number;
  readonly since: number;
  bytesFromGuest = 0;
  bytesToGuest = 0;
  /** Whom the guest wrote to last. */
  peer: IpAddress = new Uint8Array(0);
  peerPort = 0;
  onlyDns = true;
  private lastAddress = '';
  private lastSource: IpAddress | undefined;

  constructor(
    private readonly udp: Udp,
    readonly guest: IpAddress,
    readonly guestPort: number,
    readonly mac: Uint8Array,
    now: number,
  ) {
    this.since = this.lastUsed = now;
  }

  message(bytes: Uint8Array, address: string, port: number): void {
    if (address !== this.lastAddress) {
      this.lastAddress = address;
      this.lastSource = parseAddress(address);
    }
    if (this.lastSource) this.udp.toGuest(this, this.lastSource, port, bytes);
  }

  failed(code: string, address: string, port: number, by?: string): void {
    const remote = parseAddress(address);
    if (remote) this.udp.failed(this, code, remote, port, by === undefined ? undefined : parseAddress(by));
  }
}

/** UDP of the guest to the world (RFC 4787: endpoint-independent mapping and filtering). */
export class Udp {
  readonly mappings = new FlowTable<UdpMapping>();
  private readonly timer: WheelTimer;

  constructor(
    private readonly link: GuestLink,
    private readonly host: NetworkHost,
    private readonly icmp: Icmp,
    private readonly wheel: TimerWheel,
    /** The address by which the guest knows the host itself. */
    private readonly gateway: (family: Family) => IpAddress | undefined,
    private readonly wantsFlush: () => void,
  ) {
    this.timer = wheel.timer(() => this.sweep());
  }

  /**
   * A datagram of the guest's to `target` as the host knows it: the packet's own unless that is the gateway. Its header was checked, and the
   * packet is whole.
   */
  send(packet: Packet, target: IpAddress): void {
    const { bytes, dataAt, addressLength } = packet;
    const guestPort = readU16(bytes, dataAt);
    const port = readU16(bytes, dataAt + 2);
    if (port === 0) return;
    const mapping = this.mappingOf(packet, guestPort);
    if (!mapping) {
      this.icmp.refuse(packet, 'prohibited');
      return;
    }
    mapping.lastUsed = this.wheel.now();
    mapping.peer = bytes.slice(packet.targetAt, packet.targetAt + addressLength);
    mapping.peerPort = port;
    if (port !== 53) mapping.onlyDns = false;
    const address = formatAddress(target);
    const from = dataAt + HEADER;
    // One frame for many datagrams, where the adapter left it to us to cut them.
    const step = packet.segmentation === 'udp' && packet.segmentSize > 0 ? packet.segmentSize : 65536;
    mapping.bytesFromGuest += packet.end - from;
    let at = from;
    do {
      const end = Math.min(at + step, packet.end);
      mapping.socket.send(Buffer.from(bytes.subarray(at, end)), port, address, Math.max(packet.hopLimit - 1, 1));
      at = end;
    } while (at < packet.end);
  }

  toGuest(mapping: UdpMapping, from: IpAddress, port: number, bytes: Uint8Array): void {
    const source = isLoopback(from) ? this.gateway(mapping.guest.length === 4 ? 4 : 6) : from;
    if (!source || source.length !== mapping.guest.length || bytes.length > 65507) return;
    mapping.lastUsed = this.wheel.now();
    mapping.bytesToGuest += bytes.length;
    sendDatagram(this.link, mapping.mac, source, port, mapping.guest, mapping.guestPort, bytes);
    this.wantsFlush();
  }

  failed(mapping: UdpMapping, code: string, to: IpAddress, port: number, by?: IpAddress): void {
    const reason = reasonOf(code);
    const remote = isLoopback(to) ? this.gateway(to.length === 4 ? 4 : 6) : to;
    if (!reason || !remote || remote.length !== mapping.guest.length) return;
    const start = firstBytes(mapping.guestPort, port, HEADER * 65536);
    this.icmp.refuseLate(reason, mapping.mac, mapping.guest, remote, UDP, start, by);
  }

  close(): void {
    for (const mapping of [...this.mappings]) this.drop(mapping);
    this.timer.cancel();
  }

  private mappingOf({ bytes, sourceAt, addressLength }: Packet, guestPort: number): UdpMapping | undefined {
    const known = this.mappings.find(bytes, sourceAt, addressLength, guestPort, sourceAt, 0, 0);
    if (known) return known;
    if (this.mappings.size >= MOST_MAPPINGS) this.dropOldest();
    const mapping = new UdpMapping(this, bytes.slice(sourceAt, sourceAt + addressLength), guestPort, bytes.slice(6, 12), this.wheel.now());
    const family = addressLength === 4 ? 4 : 6;
    let socket = this.host.datagrams(family, mapping);
    if (!socket && this.mappings.size > 0) {
      this.dropOldest();
      socket = this.host.datagrams(family, mapping);
    }
    if (!socket) return undefined;
    mapping.socket = socket;
    this.mappings.add(mapping);
    if (!this.timer.isSet) this.timer.set(SWEEP_MS);
    return mapping;
  }

  private drop(mapping: UdpMapping): void {
    if (this.mappings.remove(mapping)) mapping.socket.close();
  }

  private dropOldest(): void {
    let oldest: UdpMapping | undefined;
    for (const mapping of this.mappings) if (!oldest || mapping.lastUsed < oldest.lastUsed) oldest = mapping;
    if (oldest) this.drop(oldest);
  }

  private sweep(): void {
    const now = this.wheel.now();
    for (const mapping of [...this.mappings]) if (now - mapping.lastUsed > (mapping.onlyDns ? IDLE_DNS_MS : IDLE_MS)) this.drop(mapping);
    if (this.mappings.size > 0) this.timer.set(SWEEP_MS);
  }
}
