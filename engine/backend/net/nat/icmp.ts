import { addBytes, checksumOf, readU16, writeU16, writeU32 } from '../checksum';
import { formatAddress, type Family, type IpAddress, isAt, isLoopback, parseAddress } from './addresses';
import type { GuestLink } from './guest-link';
import type { HostPing, NetworkHost, PingEvents } from './host';
import { ICMP, ICMPV6, type Packet } from './packet';
import type { TimerWheel } from './timer-wheel';

/** Echo requests on their way. */
const MOST_ECHOES = 256;
/** Error messages in a second; more are not sent (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f). */
const MOST_ERRORS = 100;

/** Why a packet did not get where it should, as type and code of either family. */
export const REASONS = {
  'no-route': { 4: [3, 0], 6: [1, 0] },
  'host-unreachable': { 4: [3, 1], 6: [1, 3] },
  'protocol-unreachable': { 4: [3, 2], 6: [4, 1] },
  'port-unreachable': { 4: [3, 3], 6: [1, 4] },
  prohibited: { 4: [3, 13], 6: [1, 1] },
  'hop-limit': { 4: [11, 0], 6: [3, 0] },
} as const satisfies Record<string, Record<Family, readonly [number, number]>>;
export type Reason = keyof typeof REASONS;

interface Echo {
  guest: IpAddress;
  mac: Uint8Array;
  remote: IpAddress;
  identifier: number;
  sequence: number;
}

/** Our own addresses. */
export interface OwnAddresses {
  /** Whether an address is the gateway's or the name server's. */
  isOurs(bytes: Uint8Array, at: number, length: number): boolean;
  /** Whether an address means a group, or all of the guest's net. */
  isForMany(bytes: Uint8Array, at: number, length: number): boolean;
  /** Where messages come from; undefined where the guest has no such family. */
  gateway(family: Family): IpAddress | undefined;
}

/** ICMP and ICMPv6 but for neighbour discovery: echoes and error messages (RFC 792, RFC 4443). */
export class Icmp implements PingEvents {
  private readonly echoes = new Map<number, Echo>();
  private readonly pings: Record<Family, HostPing | false | undefined> = { 4: undefined, 6: undefined };
  private nextSequence = 0;
  private errors = 0;
  private errorsSince = 0;

  constructor(
    private readonly link: GuestLink,
    private readonly host: NetworkHost,
    private readonly own: OwnAddresses,
    private readonly wheel: TimerWheel,
    private readonly wantsFlush: () => void,
  ) {}

  /** An echo request of the guest's, whose checksum is right; `mayLeave` for those that are not for us. */
  echo(packet: Packet, mayLeave: () => Reason | undefined): void {
    const bytes = packet.whole();
    const { sourceAt, targetAt, addressLength, dataAt, end } = packet;
    if (end - dataAt < 8 || this.own.isForMany(bytes, targetAt, addressLength)) return;
    const guest = bytes.slice(sourceAt, sourceAt + addressLength);
    const remote = bytes.slice(targetAt, targetAt + addressLength);
    const echo: Echo = {
      guest,
      mac: bytes.slice(6, 12),
      remote,
      identifier: readU16(bytes, dataAt + 4),
      sequence: readU16(bytes, dataAt + 6),
    };
    const payload = bytes.slice(dataAt + 8, end);
    if (this.own.isOurs(bytes, targetAt, addressLength)) {
      this.answer(echo, payload);
      return;
    }
    const reason = mayLeave();
    if (reason) {
      this.refuse(packet, reason);
      return;
    }
    const family = addressLength === 4 ? 4 : 6;
    this.pings[family] ??= this.host.ping(family, this) ?? false;
    const ping = this.pings[family];
    if (!ping) {
      this.refuse(packet, 'prohibited');
      return;
    }
    if (this.echoes.size >= MOST_ECHOES) this.echoes.delete(this.echoes.keys().next().value!);
    const sequence = this.nextSequence++ & 0xffff;
    this.echoes.delete(sequence);
    this.echoes.set(sequence, echo);
    ping.send(payload, sequence, formatAddress(remote), Math.max(packet.hopLimit - 1, 1));
  }

  /** Tell the guest that this packet did not get there. */
  refuse(packet: Packet, reason: Reason): void {
    const { bytes, ipAt, dataAt, sourceAt, targetAt, addressLength } = packet;
    // Never about a message for many, nor about an error (RFC 1122 §3.2.2).
    if (this.own.isForMany(bytes, targetAt, addressLength) || bytes[0] & 1 || this.isError(packet)) return;
    const length = Math.min(packet.end, dataAt + (packet.isV6 ? 256 : 8)) - ipAt;
    const quote = new Uint8Array(length);
    packet.read(quote, 0, ipAt, length);
    this.error(reason, bytes.slice(6, 12), bytes.slice(sourceAt, sourceAt + addressLength), quote);
  }

  /** The same where the packet is gone: `start` are the first 8 bytes that it had behind its IP header, `by` who says so, if not we. */
  refuseLate(
    reason: Reason,
    mac: Uint8Array,
    guest: IpAddress,
    remote: IpAddress,
    protocol: number,
    start: Uint8Array,
    by?: IpAddress,
  ): void {
    const isV6 = guest.length === 16;
    const header = isV6 ? 40 : 20;
    const quote = new Uint8Array(header + start.length);
    if (isV6) {
      quote[0] = 0x60;
      writeU16(quote, 4, start.length);
      quote[6] = protocol;
      quote[7] = 64;
      quote.set(guest, 8);
      quote.set(remote, 24);
    } else {
      quote[0] = 0x45;
      writeU16(quote, 2, header + start.length);
      quote[8] = 64;
      quote[9] = protocol;
      quote.set(guest, 12);
      quote.set(remote, 16);
      writeU16(quote, 10, checksumOf(addBytes(quote, 0, 20)));
    }
    quote.set(start, header);
    this.error(reason, mac, guest, quote, by);
  }

  close(): void {
    for (const family of [4, 6] as const) {
      const ping = this.pings[family];
      if (ping) ping.close();
      this.pings[family] = undefined;
    }
    this.echoes.clear();
  }

  private error(reason: Reason, mac: Uint8Array, guest: IpAddress, quote: Uint8Array, by?: IpAddress): void {
    const now = this.wheel.now();
    if (now - this.errorsSince >= 1000) {
      this.errorsSince = now;
      this.errors = 0;
    }
    if (this.errors++ >= MOST_ERRORS) return;
    const family = guest.length === 4 ? 4 : 6;
    // Who speaks of the host itself is not known to the guest by that address.
    const from = by?.length === guest.length && !isLoopback(by) ? by : this.own.gateway(family);
    if (!from) return;
    const [type, code] = REASONS[reason][family];
    const at = this.link.begin(mac, from, guest, family === 4 ? ICMP : ICMPV6);
    const { headers, data } = this.link;
    headers[at] = type;
    headers[at + 1] = code;
    // Of IPv6 it is where the header names the protocol.
    writeU32(headers, at + 4, reason === 'protocol-unreachable' && family === 6 ? 6 : 0);
    data.push(quote);
    this.link.sendOrDrop(at + 8, 2);
    this.wantsFlush();
  }

  private isError({ bytes, protocol, dataAt }: Packet): boolean {
    if (protocol === ICMP) return bytes[dataAt] !== 8;
    return protocol === ICMPV6 && bytes[dataAt] < 128;
  }

  // What the host tells of echoes.

  reply(payload: Uint8Array, sequence: number, address: string): void {
    const echo = this.echoTo(sequence, address);
    if (echo) this.answer(echo, payload);
  }

  failed(code: string, sequence: number, address: string, by = ''): void {
    const reason = reasonOf(code);
    const echo = this.echoTo(sequence, address);
    if (!echo || !reason) return;
    const isV6 = echo.guest.length === 16;
    const start = new Uint8Array(8);
    start[0] = isV6 ? 128 : 8;
    writeU16(start, 4, echo.identifier);
    writeU16(start, 6, echo.sequence);
    this.refuseLate(reason, echo.mac, echo.guest, echo.remote, isV6 ? ICMPV6 : ICMP, start, parseAddress(by));
  }

  /** The echo of that number, which is done with then. */
  private echoTo(sequence: number, address: string): Echo | undefined {
    const echo = this.echoes.get(sequence);
    const from = parseAddress(address);
    if (!echo || !from || from.length !== echo.remote.length || !isAt(from, 0, echo.remote)) return undefined;
    this.echoes.delete(sequence);
    return echo;
  }

  private answer(echo: Echo, payload: Uint8Array): void {
    const isV6 = echo.guest.length === 16;
    const at = this.link.begin(echo.mac, echo.remote, echo.guest, isV6 ? ICMPV6 : ICMP);
    const { headers, data } = this.link;
    headers[at] = isV6 ? 129 : 0;
    headers[at + 1] = 0;
    writeU16(headers, at + 4, echo.identifier);
    writeU16(headers, at + 6, echo.sequence);
    data.push(payload);
    this.link.sendOrDrop(at + 8, 2);
    this.wantsFlush();
  }
}

/** First 8 bytes of a TCP or UDP header, as error messages quote them. */
export function firstBytes(sourcePort: number, targetPort: number, word: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU16(bytes, 0, sourcePort);
  writeU16(bytes, 2, targetPort);
  writeU32(bytes, 4, word);
  return bytes;
}

/** What an error of the host's means for the guest; undefined where it hears nothing, as from a network that is silent. */
export function reasonOf(code: string): Reason | undefined {
  switch (code) {
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'ENETDOWN':
      return 'no-route';
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
      return 'host-unreachable';
    case 'ECONNREFUSED':
      return 'port-unreachable';
    case 'ETTL':
      return 'hop-limit';
    case 'EACCES':
    case 'EPERM':
      return 'prohibited';
    default:
      return undefined;
  }
}
