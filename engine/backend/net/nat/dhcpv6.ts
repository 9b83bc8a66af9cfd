import { readU16, writeU16, writeU32 } from '../checksum';
import { addressIn, type IpAddress, isAt } from './addresses';
import { GATEWAY_MAC, type GuestLink } from './guest-link';
import type { Packet } from './packet';
import type { Subnet6 } from './subnet';
import { sendDatagram } from './udp';

export const DHCPV6_SERVER = 547;
const DHCPV6_CLIENT = 546;

const SOLICIT = 1;
const ADVERTISE = 2;
const REQUEST = 3;
const CONFIRM = 4;
const RENEW = 5;
const REBIND = 6;
const REPLY = 7;
const RELEASE = 8;
const DECLINE = 9;
const INFORMATION_REQUEST = 11;

const CLIENT_ID = 1;
const SERVER_ID = 2;
const IA_NA = 3;
const IA_ADDRESS = 5;
const RAPID_COMMIT = 14;
const STATUS = 13;
const DNS_SERVERS = 23;

const DUID = Uint8Array.of(0, 3, 0, 1, ...GATEWAY_MAC);
const PREFERRED_SECONDS = 14_400;
const VALID_SECONDS = 86_400;
const MOST_CLIENTS = 200;

/** A DHCPv6 server (RFC 8415): name servers for all, and an address for those that ask. */
export class Dhcp6 {
  /** Number of the address in the net, by the client's identifier. */
  private readonly leases = new Map<string, number>();

  constructor(
    private readonly link: GuestLink,
    private readonly subnet: Subnet6,
  ) {}

  save(): [client: string, number: number][] {
    return [...this.leases];
  }

  load(leases: ReturnType<Dhcp6['save']>): void {
    for (const [client, number] of leases) this.leases.set(client, number);
  }

  /** A datagram to the server's port. */
  receive(packet: Packet): void {
    const { bytes, end } = packet;
    const at = packet.dataAt + 8;
    if (end - at < 4) return;
    const options = readOptions(bytes, at + 4, end);
    const client = options.find(({ code }) => code === CLIENT_ID)?.value;
    const server = options.find(({ code }) => code === SERVER_ID)?.value;
    if (server && !(server.length === DUID.length && isAt(server, 0, DUID))) return;
    const type = bytes[at];
    if (type !== INFORMATION_REQUEST && !client) return;
    const isQuick = type === SOLICIT && options.some(({ code }) => code === RAPID_COMMIT);
    const reply: number[] = [type === SOLICIT && !isQuick ? ADVERTISE : REPLY, bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    switch (type) {
      case SOLICIT:
      case REQUEST:
      case RENEW:
      case REBIND:
        for (const { value } of options.filter(({ code }) => code === IA_NA).slice(0, 4))
          if (value.length >= 12) put(reply, IA_NA, this.association(value, this.addressFor(client!)));
        if (isQuick) put(reply, RAPID_COMMIT, new Uint8Array(0));
        break;
      case CONFIRM:
      case RELEASE:
      case DECLINE:
        put(reply, STATUS, new Uint8Array(2));
        if (type !== CONFIRM) this.leases.delete(Buffer.from(client!).toString('hex'));
        break;
      case INFORMATION_REQUEST:
        break;
      default:
        return;
    }
    if (client) put(reply, CLIENT_ID, client);
    put(reply, SERVER_ID, DUID);
    put(reply, DNS_SERVERS, this.subnet.dns);
    const to = bytes.slice(packet.sourceAt, packet.sourceAt + 16);
    sendDatagram(this.link, bytes.slice(6, 12), this.subnet.linkLocal, DHCPV6_SERVER, to, DHCPV6_CLIENT, Uint8Array.from(reply));
  }

  private addressFor(client: Uint8Array): IpAddress {
    const key = Buffer.from(client).toString('hex');
    let number = this.leases.get(key);
    if (number === undefined) {
      if (this.leases.size >= MOST_CLIENTS) this.leases.delete(this.leases.keys().next().value!);
      const taken = new Set(this.leases.values());
      number = 0x15;
      while (taken.has(number)) number++;
      this.leases.set(key, number);
    }
    return addressIn(this.subnet.net, number);
  }

  private association(asked: Uint8Array, address: IpAddress): Uint8Array {
    const value = new Uint8Array(12 + 28);
    value.set(asked.subarray(0, 4));
    writeU32(value, 4, PREFERRED_SECONDS / 2);
    writeU32(value, 8, Math.floor(PREFERRED_SECONDS * 0.8));
    writeU16(value, 12, IA_ADDRESS);
    writeU16(value, 14, 24);
    value.set(address, 16);
    writeU32(value, 32, PREFERRED_SECONDS);
    writeU32(value, 36, VALID_SECONDS);
    return value;
  }
}

function put(reply: number[], code: number, value: Uint8Array): void {
  reply.push(code >> 8, code & 0xff, value.length >> 8, value.length & 0xff, ...value);
}

function readOptions(bytes: Uint8Array, from: number, end: number): { code: number; value: Uint8Array }[] {
  const all: { code: number; value: Uint8Array }[] = [];
  for (let at = from; at + 4 <= end && all.length < 32; ) {
    const length = readU16(bytes, at + 2);
    if (at + 4 + length > end || length > 1024) break;
    all.push({ code: readU16(bytes, at), value: bytes.slice(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return all;
}
