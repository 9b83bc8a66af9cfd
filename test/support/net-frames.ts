import { type Frame, type GuestPort, type NetworkBackend, plainFrame } from '../../engine/backend/net/packet-port';
import { copyOf } from '../../engine/backend/net/plain-frames';

/** Frames as tests need them, and what they say of themselves: written from the RFCs, not with the code that is tested. */

export const MAC_A: Uint8Array<ArrayBuffer> = Uint8Array.of(0x02, 0, 0, 0, 0, 0x0a);
export const MAC_B: Uint8Array<ArrayBuffer> = Uint8Array.of(0x02, 0, 0, 0, 0, 0x0b);
export const BROADCAST = new Uint8Array(6).fill(0xff);

/** An Ethernet frame of an experimental type, with a number that tells it from others. */
export function numberedFrame(
  number: number,
  { to = BROADCAST, from = MAC_A, length = 60 }: { to?: Uint8Array; from?: Uint8Array; length?: number } = {},
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(length);
  frame.set(to);
  frame.set(from, 6);
  frame.set([0x88, 0xb5, number >>> 8, number & 0xff], 12);
  for (let i = 16; i < length; i++) frame[i] = (number * 7 + i) & 0xff;
  return frame;
}

export const numberOf = (frame: Uint8Array): number => (frame[14] << 8) | frame[15];

/** RFC 1071, one byte after the other. */
export function internetSum(...parts: Uint8Array[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (const [i, byte] of bytes.entries()) sum += i % 2 === 0 ? byte * 256 : byte;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

export interface TransportSpec {
  version: 4 | 6;
  protocol: 'tcp' | 'udp';
  payload: Uint8Array;
  vlans?: number;
  /** Flags of TCP. */
  flags?: number;
  sequence?: number;
  /** Bytes of options of IPv4 and TCP, multiples of 4. */
  ipOptions?: number;
  tcpOptions?: number;
}

/** A packet with right lengths whose transport checksum is still to be made, as a guest with offloads sends it. */
export function offloadedFrame({
  version,
  protocol,
  payload,
  vlans = 0,
  flags = 0x18,
  sequence = 1000,
  ipOptions = 0,
  tcpOptions = 0,
}: TransportSpec): { bytes: Uint8Array<ArrayBuffer>; network: number; transport: number; headers: number; checksumOffset: number } {
  const network = 14 + 4 * vlans;
  const transport = network + (version === 4 ? 20 + ipOptions : 40);
  const headers = transport + (protocol === 'tcp' ? 20 + tcpOptions : 8);
  const bytes = new Uint8Array(headers + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAC_B);
  bytes.set(MAC_A, 6);
  for (let i = 0; i < vlans; i++) view.setUint32(12 + 4 * i, 0x8100_0005);
  view.setUint16(network - 2, version === 4 ? 0x0800 : 0x86dd);
  const number = protocol === 'tcp' ? 6 : 17;
  const length = bytes.length - transport;
  if (version === 4) {
    bytes[network] = 0x45 + ipOptions / 4;
    bytes.fill(1, network + 20, transport);
    view.setUint16(network + 2, bytes.length - network);
    view.setUint16(network + 4, 0xfffe);
    bytes[network + 8] = 64;
    bytes[network + 9] = number;
    bytes.set([10, 0, 0, 1, 10, 0, 0, 2], network + 12);
    view.setUint16(network + 10, ~internetSum(bytes.subarray(network, transport)) & 0xffff);
  } else {
    bytes[network] = 0x60;
    view.setUint16(network + 4, length);
    bytes[network + 6] = number;
    bytes[network + 7] = 64;
    for (let i = 0; i < 32; i++) bytes[network + 8 + i] = i + 1;
  }
  view.setUint16(transport, 1234);
  view.setUint16(transport + 2, 80);
  if (protocol === 'tcp') {
    view.setUint32(transport + 4, sequence);
    bytes[transport + 12] = (5 + tcpOptions / 4) << 4;
    bytes[transport + 13] = flags;
    bytes.fill(1, transport + 20, headers);
  } else view.setUint16(transport + 4, length);
  bytes.set(payload, headers);
  const checksumOffset = protocol === 'tcp' ? 16 : 6;
  view.setUint16(transport + checksumOffset, internetSum(pseudoHeader(bytes, network, transport)));
  return { bytes, network, transport, headers, checksumOffset };
}

function pseudoHeader(bytes: Uint8Array, network: number, transport: number): Uint8Array {
  const length = bytes.length - transport;
  const isV4 = bytes[network] >>> 4 === 4;
  const addresses = isV4 ? bytes.subarray(network + 12, network + 20) : bytes.subarray(network + 8, network + 40);
  const rest = new Uint8Array(8);
  new DataView(rest.buffer).setUint32(0, length);
  rest[7] = bytes[network + (isV4 ? 9 : 6)];
  return Buffer.concat([addresses, rest]);
}

/** What is wrong with the lengths and checksums of a packet; nothing if all is right. */
export function faultsOf(bytes: Uint8Array, network: number, transport: number): string[] {
  const faults: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[network] >>> 4 === 4) {
    if (internetSum(bytes.subarray(network, transport)) !== 0xffff) faults.push('checksum of IPv4');
    if (view.getUint16(network + 2) !== bytes.length - network) faults.push('length of IPv4');
  } else if (view.getUint16(network + 4) !== bytes.length - network - 40) faults.push('length of IPv6');
  if (internetSum(pseudoHeader(bytes, network, transport), bytes.subarray(transport)) !== 0xffff) faults.push('checksum of the transport');
  return faults;
}

/** A back end that keeps what the guest sends, and sends what it is told to. */
export class TestBackend implements NetworkBackend {
  readonly name = 'test';
  isUp = true;
  guest!: GuestPort;
  /** Copies of what was taken, and the views it came in. */
  readonly frames: (Omit<Frame, 'views'> & { bytes: Uint8Array; buffers: ArrayBufferLike[] })[] = [];
  /** How many frames it still takes. */
  room = Infinity;
  resumed = 0;
  flushed = 0;
  readonly links: boolean[] = [];

  attach(guest: GuestPort): void {
    this.guest = guest;
  }

  take(frame: Frame): boolean {
    if (this.room === 0) return false;
    this.room--;
    const { views, ...rest } = frame;
    this.frames.push({ ...rest, bytes: copyOf(frame), buffers: views.map(({ buffer }) => buffer) });
    return true;
  }

  flush(): void {
    this.flushed++;
  }

  resume(): void {
    this.resumed++;
  }

  linkChanged(up: boolean): void {
    this.links.push(up);
  }

  statistics(): { droppedFromGuest: number; droppedToGuest: number } {
    return { droppedFromGuest: 0, droppedToGuest: 0 };
  }

  async close(): Promise<void> {}
}

/** A back end that has so many frames for the guest whenever that listens. */
export class TalkativeBackend extends TestBackend {
  #left = 0;

  constructor(private readonly count: number) {
    super();
  }

  override linkChanged(up: boolean): void {
    this.#left = up ? this.count : 0;
    this.resume();
  }

  override resume(): void {
    while (this.#left > 0 && this.guest.take(plainFrame([numberedFrame(this.#left)]))) this.#left--;
  }
}

/** A back end that sends everything back. */
export class EchoBackend extends TestBackend {
  override take(frame: Frame): boolean {
    return this.guest.take(frame);
  }

  override resume(): void {
    this.guest.resume();
  }
}
