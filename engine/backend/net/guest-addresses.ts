import { readU16 } from './checksum';
import { formatAddress, type IpAddress } from './nat/addresses';
import type { Frame } from './packet-port';
import { copyOf, etherType } from './plain-frames';

const ARP = 0x0806;
const IPV6 = 0x86dd;
/** Messages of neighbour discovery are small, and so are those of ARP. */
const LENGTH_MAX = 256;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const ADDRESSES_MAX = 16;

/**
 * What a guest is reached by where nobody gives it addresses on this side: what it says of itself by ARP (RFC 826) and by neighbour
 * discovery (RFC 4861, 4862), without addresses of its link alone.
 */
export class GuestAddresses {
  /** The one heard of last comes last. */
  readonly #known = new Set<string>();

  /** Called when there is one more. */
  onHeard: (() => void) | undefined;

  /** A frame that the guest has sent. */
  look(frame: Frame): void {
    if (frame.length > LENGTH_MAX) return;
    const bytes = frame.views[0].length === frame.length ? frame.views[0] : copyOf(frame);
    const { type, at } = etherType(bytes);
    if (type === ARP) this.#add(senderOf(bytes, at));
    else if (type === IPV6) this.#add(neighbourOf(bytes, at));
  }

  /** IPv4 first, the newest first. */
  list(): string[] {
    const all = [...this.#known].reverse();
    return [...all.filter((one) => !one.includes(':')), ...all.filter((one) => one.includes(':'))];
  }

  #add(address: IpAddress | undefined): void {
    if (!address || !isUsable(address)) return;
    const text = formatAddress(address);
    const isNew = !this.#known.delete(text);
    this.#known.add(text);
    if (this.#known.size > ADDRESSES_MAX) this.#known.delete([...this.#known][0]);
    if (isNew) this.onHeard?.();
  }
}

/** Of Ethernet and IPv4. */
function senderOf(bytes: Uint8Array, at: number): IpAddress | undefined {
  const isIpv4 =
    bytes.length >= at + 28 && readU16(bytes, at) === 1 && readU16(bytes, at + 2) === 0x0800 && readU16(bytes, at + 4) === 0x0604;
  return isIpv4 ? bytes.slice(at + 14, at + 18) : undefined;
}

/** Who asks for a neighbour, or for itself whether it is the only one; who says where it is. */
function neighbourOf(bytes: Uint8Array, at: number): IpAddress | undefined {
  const message = at + 40;
  if (bytes.length < message + 24 || bytes[at + 6] !== ICMPV6 || bytes[at + 7] !== 255) return undefined;
  const source = bytes.slice(at + 8, at + 24);
  const isNobody = source.every((byte) => byte === 0);
  if (bytes[message] === ADVERTISEMENT || (bytes[message] === SOLICITATION && isNobody)) return bytes.slice(message + 8, message + 24);
  return bytes[message] === SOLICITATION ? source : undefined;
}

function isUsable(address: IpAddress): boolean {
  if (address.every((byte) => byte === 0)) return false;
  if (address.length === 4) return address[0] < 224 && address[0] !== 127;
  return address[0] !== 0xff && !(address[0] === 0xfe && (address[1] & 0xc0) === 0x80);
}
