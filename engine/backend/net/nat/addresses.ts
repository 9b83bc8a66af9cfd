import { isIP } from 'node:net';

/** IP addresses are their bytes, 4 or 16, in the order of the network. */
export type IpAddress = Uint8Array;
export type Family = 4 | 6;

/** The bytes of an address that is written as text; undefined if it is none. */
export function parseAddress(text: string): IpAddress | undefined {
  const bare = text.includes('%') ? text.slice(0, text.indexOf('%')) : text;
  const family = isIP(bare);
  if (family === 4) return Uint8Array.from(bare.split('.'), Number);
  if (family !== 6) return undefined;
  let words = bare;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare);
  if (dotted) {
    const hex = (high: string, low: string): string => ((Number(high) << 8) | Number(low)).toString(16);
    words = `${dotted[1]}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}`;
  }
  const [head, tail] = words.split('::') as [string, string | undefined];
  const parse = (part: string): number[] => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const front = parse(head);
  const back = tail === undefined ? [] : parse(tail);
  const all = tail === undefined ? front : [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  const bytes = new Uint8Array(16);
  all.forEach((word, index) => {
    bytes[index * 2] = word >> 8;
    bytes[index * 2 + 1] = word & 0xff;
  });
  return bytes;
}

/** As people write it (RFC 5952). */
export function formatAddress(bytes: Uint8Array, at = 0, length = bytes.length - at): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const words: number[] = [];
  for (let index = 0; index < 16; index += 2) words.push((bytes[at + index] << 8) | bytes[at + index + 1]);
  let longest = 1;
  let longestAt = -1;
  for (let index = 0; index < 8; ) {
    let end = index;
    while (end < 8 && words[end] === 0) end++;
    if (end - index > longest) {
      longest = end - index;
      longestAt = index;
    }
    index = end === index ? index + 1 : end;
  }
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  return longestAt < 0 ? hex(0, 8) : `${hex(0, longestAt)}::${hex(longestAt + longest, 8)}`;
}

/** `1.2.3.4:80`, `[::1]:80`. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Whether bytes of a packet are that address. */
export function isAt(bytes: Uint8Array, at: number, address: IpAddress): boolean {
  for (let index = 0; index < address.length; index++) if (bytes[at + index] !== address[index]) return false;
  return true;
}

export function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let index = at; index < at + length; index++) if (bytes[index] !== 0) return false;
  return true;
}

/** A net as in `10.0.0.0/8`. */
export interface Net {
  address: IpAddress;
  /** Bits of it that all addresses of the net share. */
  prefix: number;
}

/** A net or a single address; undefined if the text is none. Bits behind the prefix count as 0. */
export function parseNet(text: string): Net | undefined {
  const [host, bits, more] = text.split('/') as [string, string | undefined, string | undefined];
  const address = parseAddress(host);
  if (!address || more !== undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return undefined;
  const prefix = bits === undefined ? address.length * 8 : Number(bits);
  if (prefix > address.length * 8) return undefined;
  for (let index = 0; index < address.length; index++) {
    const keep = Math.min(Math.max(prefix - index * 8, 0), 8);
    address[index] &= (0xff00 >> keep) & 0xff;
  }
  return { address, prefix };
}

export function formatNet({ address, prefix }: Net): string {
  return `${formatAddress(address)}/${prefix}`;
}

export function isIn(bytes: Uint8Array, at: number, length: number, net: Net): boolean {
  if (net.address.length !== length) return false;
  const whole = net.prefix >> 3;
  for (let index = 0; index < whole; index++) if (bytes[at + index] !== net.address[index]) return false;
  const rest = net.prefix & 7;
  return rest === 0 || ((bytes[at + whole] ^ net.address[whole]) & (0xff00 >> rest) & 0xff) === 0;
}

export function overlap(one: Net, other: Net): boolean {
  if (one.address.length !== other.address.length) return false;
  const [wide, narrow] = one.prefix <= other.prefix ? [one, other] : [other, one];
  return isIn(narrow.address, 0, narrow.address.length, wide);
}

/** The n-th address of a net. */
export function addressIn({ address, prefix }: Net, n: number): IpAddress {
  const bytes = new Uint8Array(address);
  let carry = n;
  for (let index = bytes.length - 1; index >= prefix >> 3 && carry > 0; index--) {
    carry += bytes[index];
    bytes[index] = carry & 0xff;
    carry >>>= 8;
  }
  return bytes;
}

const net = (text: string): Net => parseNet(text)!;
const LOOPBACK = [net('127.0.0.0/8'), net('::1/128')];
const UNSPECIFIED = [net('0.0.0.0/8'), net('::/128')];
/** Ways to write an IPv4 address as one of IPv6: the host's own system would connect to that. */
const MAPPED = [net('::ffff:0:0/96'), net('::/96')];
const MULTICAST = [net('224.0.0.0/4'), net('ff00::/8'), net('255.255.255.255/32')];

const inOne = (nets: readonly Net[], bytes: Uint8Array, at: number, length: number): boolean =>
  nets.some((one) => isIn(bytes, at, length, one));

export function isMulticast(bytes: Uint8Array, at: number, length: number): boolean {
  return inOne(MULTICAST, bytes, at, length);
}

export function isLoopback(bytes: Uint8Array, at = 0, length = bytes.length - at): boolean {
  return inOne(LOOPBACK, bytes, at, length);
}

/** Whether the address means a machine beyond the network that a guest sees: none of the host's inside, of no group, of no one. */
export function isRoutable(bytes: Uint8Array, at: number, length: number): boolean {
  if (inOne(LOOPBACK, bytes, at, length) || inOne(UNSPECIFIED, bytes, at, length)) return false;
  if (length === 4) return bytes[at] < 224;
  return !inOne(MAPPED, bytes, at, length) && bytes[at] !== 0xff && !(bytes[at] === 0xfe && (bytes[at + 1] & 0xc0) === 0x80);
}
