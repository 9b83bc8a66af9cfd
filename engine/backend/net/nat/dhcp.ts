import { readU16, readU32, writeU32 } from '../checksum';
import { addressIn, formatMac, type IpAddress, isAt, isIn, isZero } from './addresses';
import { GuestLink } from './guest-link';
import type { Packet } from './packet';
import type { Subnet4 } from './subnet';
import { sendDatagram } from './udp';

export const DHCP_SERVER = 67;
export const DHCP_CLIENT = 68;
const MAGIC = 0x63825363;
const FIXED = 240;
const LEASE_SECONDS = 86_400;

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const DECLINE = 4;
const ACK = 5;
const NAK = 6;
const RELEASE = 7;
const INFORM = 8;

const ANY = new Uint8Array(4);
const ALL = new Uint8Array(4).fill(255);

/** A DHCP server (RFC 2131, 2132) for one guest, and for those that it has behind it. */
export class Dhcp {
  /** Number of the address in the net, by the client's hardware address; the one that was heard longest ago stands first. */
  private readonly leases = new Map<string, number>();
  private readonly refused = new Set<number>();

  constructor(
    private readonly link: GuestLink,
    private readonly subnet: Subnet4,
    /** Offered to the guest as its name. */
    private readonly hostName: string | undefined,
    private readonly domain: string,
  ) {}

  /** The address of the guest itself: the first that was given out, or that would be. */
  get guest(): IpAddress {
    return addressIn(this.subnet.net, this.subnet.firstGuest);
  }

  /** The addresses that are given out. */
  get given(): IpAddress[] {
    return [...this.leases.values()].map((number) => addressIn(this.subnet.net, number));
  }

  save(): { leases: [mac: string, number: number][]; refused: number[] } {
    return { leases: [...this.leases], refused: [...this.refused] };
  }

  load({ leases, refused }: ReturnType<Dhcp['save']>): void {
    for (const [mac, number] of leases) this.leases.set(mac, number);
    for (const number of refused) this.refused.add(number);
  }

  /** A datagram to the server's port. */
  receive(packet: Packet): void {
    const { bytes } = packet;
    const at = packet.dataAt + 8;
    const { end } = packet;
    if (end - at < FIXED || bytes[at] !== 1 || bytes[at + 1] !== 1 || bytes[at + 2] !== 6 || readU32(bytes, at + 236) !== MAGIC) return;
    const type = option(bytes, at, end, 53);
    const server = option(bytes, at, end, 54);
    const wanted = option(bytes, at, end, 50);
    if (type.length !== 1) return;
    const isForOther = server.length === 4 && !isAt(server, 0, this.subnet.gateway);
    const mac = formatMac(bytes.subarray(at + 28, at + 34));
    const current = bytes.slice(at + 12, at + 16);
    switch (type[0]) {
      case DISCOVER:
        this.answer(packet, at, OFFER, this.lease(mac, wanted));
        return;
      case REQUEST: {
        if (isForOther) return;
        const address = this.lease(mac, wanted.length === 4 ? wanted : current);
        const asked = wanted.length === 4 ? wanted : current;
        this.answer(packet, at, address && isAt(address, 0, asked) ? ACK : NAK, address);
        return;
      }
      case INFORM:
        this.answer(packet, at, ACK, undefined);
        return;
      case DECLINE:
        // Somebody there has it already.
        if (!isForOther && wanted.length === 4 && this.leases.has(mac) && this.refused.size < this.subnet.guests / 2)
          this.refused.add(this.leases.get(mac)!);
        this.leases.delete(mac);
        return;
      case RELEASE:
        if (!isForOther) this.leases.delete(mac);
    }
  }

  /** The client's address: the one that it has or asks for, if that is free. */
  private lease(mac: string, wanted: Uint8Array): IpAddress | undefined {
    const { net, firstGuest, guests } = this.subnet;
    const had = this.leases.get(mac);
    if (had !== undefined) {
      this.leases.delete(mac);
      this.leases.set(mac, had);
      return addressIn(net, had);
    }
    const taken = new Set([...this.leases.values(), ...this.refused]);
    let number: number | undefined;
    if (wanted.length === 4 && isIn(wanted, 0, 4, net)) {
      for (let one = firstGuest; one < firstGuest + guests; one++)
        if (!taken.has(one) && isAt(wanted, 0, addressIn(net, one))) number = one;
    }
    for (let one = firstGuest; number === undefined && one < firstGuest + guests; one++) if (!taken.has(one)) number = one;
    if (number === undefined) {
      const oldest = this.leases.keys().next().value;
      if (oldest === undefined) return undefined;
      number = this.leases.get(oldest)!;
      this.leases.delete(oldest);
    }
    this.leases.set(mac, number);
    return addressIn(net, number);
  }

  private answer(packet: Packet, at: number, type: number, address: IpAddress | undefined): void {
    const { bytes } = packet;
    const { gateway, dns, net, all } = this.subnet;
    if (type === OFFER && !address) return;
    const isNak = type === NAK;
    const isInform = address === undefined && !isNak;
    const reply = new Uint8Array(548);
    reply[0] = 2;
    reply[1] = 1;
    reply[2] = 6;
    reply.set(bytes.subarray(at + 4, at + 8), 4);
    reply.set(bytes.subarray(at + 10, at + 12), 10);
    const client = bytes.slice(at + 12, at + 16);
    if (!isNak) {
      if (type === ACK) reply.set(client, 12);
      if (address) reply.set(address, 16);
      reply.set(gateway, 20);
    }
    reply.set(bytes.subarray(at + 28, at + 44), 28);
    writeU32(reply, 236, MAGIC);
    let length = FIXED;
    const put = (code: number, value: Uint8Array): void => {
      if (value.length === 0 || value.length > 255 || length + value.length + 3 > reply.length) return;
      reply[length] = code;
      reply[length + 1] = value.length;
      reply.set(value, length + 2);
      length += 2 + value.length;
    };
    put(53, Uint8Array.of(type));
    put(54, gateway);
    if (!isNak) {
      if (!isInform) {
        put(51, word(LEASE_SECONDS));
        put(58, word(LEASE_SECONDS / 2));
        put(59, word(Math.floor(LEASE_SECONDS * 0.875)));
      }
      put(1, word((0xffffffff << (32 - net.prefix)) >>> 0));
      put(3, gateway);
      put(6, dns);
      put(28, all);
      put(26, Uint8Array.of(this.link.mtu >> 8, this.link.mtu & 0xff));
      if (this.hostName !== undefined) put(12, Buffer.from(this.hostName, 'latin1'));
      put(15, Buffer.from(this.domain, 'latin1'));
    }
    reply[length++] = 255;
    // RFC 2131 §4.1: to the address that the client has, or to all where it wants that or cannot receive otherwise yet.
    const hasAddress = !isNak && !isZero(client, 0, 4);
    const toAll = isNak || (!hasAddress && ((readU16(bytes, at + 10) & 0x8000) !== 0 || !address));
    const mac = bytes.slice(at + 28, at + 34);
    const to = hasAddress ? client : toAll ? ALL : (address ?? ANY);
    sendDatagram(
      this.link,
      toAll ? GuestLink.broadcast : mac,
      gateway,
      DHCP_SERVER,
      to,
      DHCP_CLIENT,
      reply.subarray(0, Math.max(length, 300)),
    );
  }
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** The value of an option, empty where it is missing. */
function option(bytes: Uint8Array, start: number, end: number, code: number): Uint8Array {
  let at = start + FIXED;
  while (at + 1 < end && bytes[at] !== 255) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    if (at + 2 + length > end) break;
    if (bytes[at] === code) return bytes.slice(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return new Uint8Array(0);
}
