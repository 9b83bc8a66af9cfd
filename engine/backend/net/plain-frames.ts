import { addBytes, checksumOf, fold, readU16, readU32, writeU16, writeU32 } from './checksum';
import type { Frame } from './packet-port';

const ETHERNET_BYTES = 14;
const VLAN_TAGS = [0x8100, 0x88a8];
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
/** Flags of TCP: what only the last segment keeps, and what only the first does. */
const TCP_FIN_PSH = 0x09;
const TCP_CWR = 0x80;
/** Most segments that one frame makes: 64 KiB in pieces of the least size that any TCP uses, and more. */
const SEGMENTS_MAX = 2048;

/** Type of what is in the frame, behind VLAN tags, and where it begins. */
export function etherType(bytes: Uint8Array): { type: number; at: number } {
  let at = ETHERNET_BYTES - 2;
  while (at + 6 <= bytes.length && at < ETHERNET_BYTES + 6 && VLAN_TAGS.includes(readU16(bytes, at))) at += 4;
  return { type: at + 2 <= bytes.length ? readU16(bytes, at) : 0, at: at + 2 };
}

/** All bytes of a frame in one piece of their own, behind `room` bytes for a header. */
export function copyOf({ views, length }: Pick<Frame, 'views' | 'length'>, room = 0): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(room + length);
  let at = room;
  for (const view of views) {
    copy.set(view, at);
    at += view.length;
  }
  return copy;
}

/**
 * What a network card would put on the wire for a frame: copies, with every checksum made and large frames cut up. Each has `room` bytes
 * before it for a header. None where the frame is not what it says it is.
 */
export function plainFrames(frame: Frame, room = 0): Uint8Array<ArrayBuffer>[] {
  const whole = copyOf(frame, room);
  const bytes = whole.subarray(room);
  if (frame.segmentation !== 'none') return segments(frame, bytes, room);
  if (frame.checksumStart >= 0 && !makeChecksum(bytes, frame.checksumStart, frame.checksumOffset)) return [];
  return [whole];
}

/**
 * A copy of a frame for who looks on: one packet, however large, with the checksums that its sender left to others, or that nobody needed
 * to look at.
 */
export function wireCopy(frame: Frame): Uint8Array<ArrayBuffer> {
  const bytes = copyOf(frame);
  if (frame.checksumStart >= 0) makeChecksum(bytes, frame.checksumStart, frame.checksumOffset);
  else if (frame.checksumValid) completeTransport(bytes);
  return bytes;
}

/** Make the checksum of a TCP or UDP packet that is no fragment and whose header stands right behind that of IP. */
function completeTransport(bytes: Uint8Array): void {
  const { type, at: network } = etherType(bytes);
  const isIpv4 = type === IPV4;
  if ((!isIpv4 && type !== IPV6) || bytes.length < network + (isIpv4 ? 20 : 40)) return;
  const transport = network + (isIpv4 ? (bytes[network] & 0xf) * 4 : 40);
  const protocol = bytes[network + (isIpv4 ? 9 : 6)];
  const isFragment = isIpv4 && (readU16(bytes, network + 6) & 0x3fff) !== 0;
  const length = isIpv4 ? readU16(bytes, network + 2) - (transport - network) : readU16(bytes, network + 4);
  const end = transport + length;
  if (isFragment || (protocol !== TCP && protocol !== UDP) || length < (protocol === TCP ? 20 : 8) || end > bytes.length) return;
  setTransportChecksum(bytes.subarray(0, end), network, isIpv4, transport, protocol);
}

/** Fill in the checksum that is to be made over the bytes from `start` on; false where its place is not inside. */
function makeChecksum(bytes: Uint8Array, start: number, offset: number): boolean {
  if (start + offset + 2 > bytes.length) return false;
  const checksum = checksumOf(addBytes(bytes, start, bytes.length));
  // UDP writes 0 as its other form: 0 means that there is none (RFC 768).
  writeU16(bytes, start + offset, checksum === 0 && offset === 6 ? 0xffff : checksum);
  return true;
}

/** Cut one frame into what it stands for. The transport header begins where the checksum does. */
function segments(frame: Frame, bytes: Uint8Array, room: number): Uint8Array<ArrayBuffer>[] {
  const { segmentSize, checksumStart: transport } = frame;
  const { type, at: network } = etherType(bytes);
  const isTcp = frame.segmentation !== 'udp';
  const isIpv4 = type === IPV4;
  const fits = isTcp ? type === (frame.segmentation === 'tcp4' ? IPV4 : IPV6) : isIpv4 || type === IPV6;
  if (!fits || transport < network + (isIpv4 ? 20 : 40) || transport + (isTcp ? 20 : 8) > bytes.length || segmentSize < 1) return [];
  if (isIpv4 && (bytes[network] & 0xf) * 4 !== transport - network) return [];
  const headers = transport + (isTcp ? (bytes[transport + 12] >>> 4) * 4 : 8);
  if (headers < transport + (isTcp ? 20 : 8) || headers > bytes.length) return [];
  const count = Math.max(1, Math.ceil((bytes.length - headers) / segmentSize));
  if (count > SEGMENTS_MAX) return [];

  const result: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i < count; i++) {
    const from = headers + i * segmentSize;
    const to = Math.min(from + segmentSize, bytes.length);
    const whole = new Uint8Array(room + headers + to - from);
    const segment = whole.subarray(room);
    segment.set(bytes.subarray(0, headers));
    segment.set(bytes.subarray(from, to), headers);
    setNetworkLength(segment, network, isIpv4, i);
    if (isTcp) {
      writeU32(segment, transport + 4, (readU32(bytes, transport + 4) + i * segmentSize) >>> 0);
      if (i + 1 < count) segment[transport + 13] &= ~TCP_FIN_PSH;
      if (i > 0) segment[transport + 13] &= ~TCP_CWR;
    } else writeU16(segment, transport + 4, segment.length - transport);
    setTransportChecksum(segment, network, isIpv4, transport, isTcp ? TCP : UDP);
    result.push(whole);
  }
  return result;
}

/** The packet ends where the frame does; it is the one with number `index` of those that one header was made for. */
function setNetworkLength(bytes: Uint8Array, network: number, isIpv4: boolean, index: number): void {
  if (!isIpv4) {
    writeU16(bytes, network + 4, bytes.length - network - 40);
    return;
  }
  const header = (bytes[network] & 0xf) * 4;
  writeU16(bytes, network + 2, bytes.length - network);
  writeU16(bytes, network + 4, (readU16(bytes, network + 4) + index) & 0xffff);
  writeU16(bytes, network + 10, 0);
  writeU16(bytes, network + 10, checksumOf(addBytes(bytes, network, network + header)));
}

/** Make the checksum of a TCP or UDP packet that reaches to the frame's end. */
function setTransportChecksum(bytes: Uint8Array, network: number, isIpv4: boolean, transport: number, protocol: number): void {
  const field = transport + (protocol === TCP ? 16 : 6);
  const addresses = isIpv4 ? addBytes(bytes, network + 12, network + 20) : addBytes(bytes, network + 8, network + 40);
  writeU16(bytes, field, fold(addresses + protocol + bytes.length - transport));
  makeChecksum(bytes, transport, field - transport);
}
