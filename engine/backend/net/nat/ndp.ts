import { writeU16, writeU32 } from '../checksum';
import { type IpAddress, isAt, isZero } from './addresses';
import { GATEWAY_MAC, type GuestLink } from './guest-link';
import { ICMPV6, type Packet } from './packet';
import type { Subnet6 } from './subnet';

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);

/** Seconds for which the guest believes that there is a way out. */
const ROUTER_LIFETIME = 1800;

/** Neighbour discovery (RFC 4861): the guest's neighbours are the gateway and the name server, which are both us. */
export class NeighbourDiscovery {
  constructor(
    private readonly link: GuestLink,
    private readonly subnet: Subnet6,
    /** Whether IPv6 leads anywhere. */
    private readonly isOffered: () => boolean,
  ) {}

  /** Whether the message, whose checksum is right, was one of neighbour discovery. */
  receive(packet: Packet): boolean {
    const { bytes, dataAt, end, sourceAt } = packet;
    const type = bytes[dataAt];
    if (type < ROUTER_SOLICITATION || type > 137) return false;
    // From beyond a router it cannot have come.
    if (packet.hopLimit !== 255 || end - dataAt < 8) return true;
    const isNameless = isZero(bytes, sourceAt, 16);
    if (type === ROUTER_SOLICITATION) {
      if (!isNameless) this.learnFrom(packet, sourceAt, dataAt + 8, 1);
      if (this.isOffered()) this.advertiseRouter();
    } else if (type === NEIGHBOUR_SOLICITATION && end - dataAt >= 24) {
      if (isNameless) this.link.learn(bytes, dataAt + 8, 16, 6);
      else this.learnFrom(packet, sourceAt, dataAt + 24, 1);
      const target = this.subnet.ours.find((address) => isAt(bytes, dataAt + 8, address));
      if (target) this.advertise(target, packet, isNameless);
    } else if (type === NEIGHBOUR_ADVERTISEMENT && end - dataAt >= 24) this.learnFrom(packet, dataAt + 8, dataAt + 24, 2);
    return true;
  }

  /** Tell all that we are their router, with prefix, name server and MTU; `lifetime` 0: no longer (RFC 4861 §4.2, RFC 8106). */
  advertiseRouter(lifetime = ROUTER_LIFETIME): void {
    const { headers, mtu } = this.link;
    const { net, dns, linkLocal } = this.subnet;
    const start = this.link.begin(ALL_NODES_MAC, linkLocal, ALL_NODES, ICMPV6, 255);
    let at = start;
    headers[at] = ROUTER_ADVERTISEMENT;
    headers[at + 1] = 0;
    headers[at + 4] = 64;
    // Other settings by DHCPv6.
    headers[at + 5] = 0x40;
    writeU16(headers, at + 6, lifetime);
    writeU32(headers, at + 8, 0);
    writeU32(headers, at + 12, 0);
    at += 16;
    at = this.linkAddress(at, 1);
    headers[at] = 5;
    headers[at + 1] = 1;
    writeU16(headers, at + 2, 0);
    writeU32(headers, at + 4, Math.max(mtu, 1280));
    at += 8;
    headers[at] = 3;
    headers[at + 1] = 4;
    headers[at + 2] = net.prefix;
    headers[at + 3] = 0xc0;
    writeU32(headers, at + 4, 86400);
    writeU32(headers, at + 8, lifetime === 0 ? 0 : 14400);
    writeU32(headers, at + 12, 0);
    headers.set(net.address, at + 16);
    at += 32;
    headers[at] = 25;
    headers[at + 1] = 3;
    writeU16(headers, at + 2, 0);
    writeU32(headers, at + 4, lifetime);
    headers.set(dns, at + 8);
    this.link.sendOrDrop(at + 24, 2);
  }

  private advertise(target: IpAddress, { bytes, sourceAt }: Packet, toAll: boolean): void {
    const { headers } = this.link;
    const to = toAll ? ALL_NODES : bytes.slice(sourceAt, sourceAt + 16);
    const at = this.link.begin(toAll ? ALL_NODES_MAC : bytes.subarray(6, 12), target, to, ICMPV6, 255);
    headers[at] = NEIGHBOUR_ADVERTISEMENT;
    headers[at + 1] = 0;
    // Router, solicited unless for all, override.
    writeU32(headers, at + 4, toAll ? 0xa0000000 : 0xe0000000);
    headers.set(target, at + 8);
    this.link.sendOrDrop(this.linkAddress(at + 24, 2), 2);
  }

  private linkAddress(at: number, kind: number): number {
    const { headers } = this.link;
    headers[at] = kind;
    headers[at + 1] = 1;
    headers.set(GATEWAY_MAC, at + 2);
    return at + 8;
  }

  /** Looks for the link-layer address among the options. */
  private learnFrom({ bytes, end }: Packet, addressAt: number, optionsAt: number, kind: number): void {
    for (let at = optionsAt; at + 8 <= end && bytes[at + 1] > 0; at += bytes[at + 1] * 8)
      if (bytes[at] === kind) {
        this.link.learn(bytes, addressAt, 16, at + 2);
        return;
      }
  }
}
