import { readU16, writeU16 } from '../checksum';
import { type IpAddress, isAt, isZero } from './addresses';
import { GATEWAY_MAC, type GuestLink } from './guest-link';
import { ARP, ETHERNET, IPV4, type Packet } from './packet';

const REQUEST = 1;
const REPLY = 2;
const LENGTH = 28;

/** ARP (RFC 826): we have the addresses of the gateway and of the name server. */
export function receiveArp(packet: Packet, link: GuestLink, ours: readonly IpAddress[]): void {
  const { bytes } = packet;
  const at = ETHERNET;
  if (
    packet.length < at + LENGTH ||
    readU16(bytes, at) !== 1 ||
    readU16(bytes, at + 2) !== IPV4 ||
    bytes[at + 4] !== 6 ||
    bytes[at + 5] !== 4
  )
    return;
  const sender = at + 14;
  const target = at + 24;
  // Who only asks whether an address is free has none yet (RFC 5227).
  if (!isZero(bytes, sender, 4)) link.learn(bytes, sender, 4, at + 8);
  if (readU16(bytes, at + 6) !== REQUEST || !ours.some((address) => isAt(bytes, target, address))) return;
  const { headers } = link;
  headers.set(bytes.subarray(6, 12), 0);
  headers.set(GATEWAY_MAC, 6);
  writeU16(headers, 12, ARP);
  writeU16(headers, at, 1);
  writeU16(headers, at + 2, IPV4);
  headers[at + 4] = 6;
  headers[at + 5] = 4;
  writeU16(headers, at + 6, REPLY);
  headers.set(GATEWAY_MAC, at + 8);
  headers.set(bytes.subarray(target, target + 4), sender);
  headers.set(bytes.subarray(at + 8, at + 14), at + 18);
  headers.set(bytes.subarray(sender, sender + 4), target);
  link.sendRaw(at + LENGTH);
}
