import type {
  DatagramEvents,
  HostDatagrams,
  HostListener,
  HostSocket,
  NetworkHost,
  PingEvents,
  SocketEvents,
} from '../../engine/backend/net/nat/host';
import type { Clock } from '../../engine/backend/net/nat/timer-wheel';
import { Nat, type NatOptions } from '../../engine/backend/net/nat/nat';
import { type Frame, type GuestPort, NO_OFFLOADS, type Offloads, plainFrame } from '../../engine/backend/net/packet-port';
import { addBytes, checksumOf, fold, readU16, readU32, writeU16, writeU32 } from '../../engine/backend/net/checksum';
import { parseAddress } from '../../engine/backend/net/nat/addresses';

/** Time that goes on when a test says so. */
export class TestClock implements Clock {
  private time = 1000;
  private readonly timers = new Set<{ at: number; call: () => void }>();
  private readonly queue: (() => void)[] = [];

  now(): number {
    return this.time;
  }
  after(milliseconds: number, call: () => void): unknown {
    const timer = { at: this.time + milliseconds, call };
    this.timers.add(timer);
    return timer;
  }
  cancel(timer: unknown): void {
    this.timers.delete(timer as { at: number; call: () => void });
  }
  soon(call: () => void): void {
    this.queue.push(call);
  }
  get waiting(): number {
    return this.timers.size;
  }
  /** What was to be soon. */
  run(): void {
    while (this.queue.length > 0) for (const call of this.queue.splice(0)) call();
  }
  advance(milliseconds: number): void {
    this.run();
    const until = this.time + milliseconds;
    for (;;) {
      let next: { at: number; call: () => void } | undefined;
      for (const timer of this.timers) if (timer.at <= until && (!next || timer.at < next.at)) next = timer;
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.call();
      this.run();
    }
    this.time = until;
  }
}

/** A socket of a host that does what a test says. */
export class TestSocket implements HostSocket {
  events!: SocketEvents;
  written: Buffer = Buffer.alloc(0);
  /** Bytes of `written` that the host has not taken: none unless a test holds them. */
  pending = 0;
  holds = false;
  ended = false;
  wasReset = false;
  paused = false;

  constructor(
    readonly address: string,
    readonly port: number,
  ) {}
  write(bytes: Uint8Array): boolean {
    this.written = Buffer.concat([this.written, bytes]);
    if (!this.holds) return true;
    this.pending += bytes.length;
    return false;
  }
  release(): void {
    this.pending = 0;
    this.events.drained();
  }
  end(): void {
    this.ended = true;
  }
  reset(): void {
    this.wasReset = true;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
}

export class TestDatagrams implements HostDatagrams {
  readonly sent: { bytes: Uint8Array; port: number; address: string; hopLimit: number }[] = [];
  closed = false;
  constructor(
    readonly events: DatagramEvents,
    readonly port = 0,
  ) {}
  send(bytes: Uint8Array, port: number, address: string, hopLimit: number): void {
    this.sent.push({ bytes, port, address, hopLimit });
  }
  close(): void {
    this.closed = true;
  }
}

export class TestHost implements NetworkHost {
  readonly sockets: TestSocket[] = [];
  readonly datagramSockets: TestDatagrams[] = [];
  readonly listeners = new Map<number, (socket: HostSocket, address: string, port: number) => SocketEvents | undefined>();
  readonly pings: { payload: Uint8Array; sequence: number; address: string; hopLimit: number }[] = [];
  readonly names = new Map<string, { address: string; family: 4 | 6 }[]>();
  pingEvents: PingEvents | undefined;
  canPing = true;
  ipv6 = true;
  localNets: string[] = [];
  servers = ['9.9.9.9'];
  lookups = 0;

  connect(address: string, port: number, events: SocketEvents): HostSocket {
    const socket = new TestSocket(address, port);
    socket.events = events;
    this.sockets.push(socket);
    return socket;
  }
  async listen(
    address: string,
    port: number,
    accept: (socket: HostSocket, address: string, port: number) => SocketEvents | undefined,
  ): Promise<HostListener> {
    if (this.listeners.has(port)) throw Object.assign(new Error(`busy ${address}`), { code: 'EADDRINUSE' });
    this.listeners.set(port, accept);
    return { port, close: () => void this.listeners.delete(port) };
  }
  datagrams(_family: 4 | 6, events: DatagramEvents): HostDatagrams {
    const socket = new TestDatagrams(events);
    this.datagramSockets.push(socket);
    return socket;
  }
  async listenDatagrams(_address: string, port: number, events: DatagramEvents): Promise<HostDatagrams> {
    const socket = new TestDatagrams(events, port);
    this.datagramSockets.push(socket);
    return socket;
  }
  async lookup(name: string): Promise<{ address: string; family: 4 | 6 }[]> {
    this.lookups++;
    return this.names.get(name) ?? [];
  }
  nameServers(): string[] {
    return this.servers;
  }
  ping(_family: 4 | 6, events: PingEvents) {
    if (!this.canPing) return undefined;
    this.pingEvents = events;
    return {
      send: (payload: Uint8Array, sequence: number, address: string, hopLimit: number): boolean => {
        this.pings.push({ payload, sequence, address, hopLimit });
        return true;
      },
      close: () => {},
    };
  }
  nets(): string[] {
    return this.localNets;
  }
  async hasRoute(): Promise<boolean> {
    return this.ipv6;
  }
  async whoListens(): Promise<string | undefined> {
    return 'nginx (process 42)';
  }
}

export const GUEST_MAC = Uint8Array.of(2, 0x48, 0x42, 1, 2, 3);
export const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);
export const GUEST = parseAddress('10.0.2.15')!;
export const GATEWAY = parseAddress('10.0.2.2')!;
export const DNS = parseAddress('10.0.2.3')!;
export const GUEST6 = parseAddress('fd48:7862:b0c::15')!;

/** A frame that came to the guest, checked: lengths and checksums must be right. */
export interface Received {
  bytes: Uint8Array;
  segmentation: Frame['segmentation'];
  segmentSize: number;
  type: number;
  protocol: number;
  source: Uint8Array;
  target: Uint8Array;
  /** What is in the IP packet. */
  data: Uint8Array;
}

/** The guest's end of the cable, and a NAT at the other. */
export class NatBench implements GuestPort {
  readonly clock = new TestClock();
  readonly host: TestHost;
  readonly nat: Nat;
  readonly mac = GUEST_MAC;
  mtu = 1500;
  accepts: Offloads = { ...NO_OFFLOADS };
  readonly received: Received[] = [];
  readonly warnings: string[] = [];
  hasRoom = true;
  /** For tests that look at frames themselves. */
  onFrame: ((frame: Received) => void) | undefined;

  constructor(options: NatOptions = {}, prepare?: (bench: NatBench) => void) {
    this.host = new TestHost();
    prepare?.(this);
    this.nat = new Nat({ host: this.host, clock: this.clock, ...options });
    this.nat.attach(this);
  }
  take(frame: Frame): boolean {
    if (!this.hasRoom) return false;
    const one = inspect(frame, this.accepts);
    if (this.onFrame) this.onFrame(one);
    else this.received.push(one);
    return true;
  }
  flush(): void {}
  resume(): void {}
  linkChanged(): void {}
  warn(error: Error): void {
    this.warnings.push(error.message);
  }

  /** Give the NAT one frame, as a batch of its own. */
  send(...frames: (Uint8Array | Frame)[]): void {
    for (const frame of frames) this.nat.take('views' in frame ? frame : plainFrame([frame]));
    this.nat.flush();
    this.clock.run();
  }
  /** The frames that came since the last time. */
  frames(): Received[] {
    this.clock.run();
    return this.received.splice(0);
  }
  /** Let promises and what is soon happen. */
  async idle(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) {
      await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.run();
    }
  }
}

/** Takes a frame apart. Throws where it is malformed. */
export function inspect(frame: Frame, accepts: Offloads = NO_OFFLOADS): Received {
  const bytes = new Uint8Array(frame.length);
  let at = 0;
  for (const view of frame.views) {
    bytes.set(view, at);
    at += view.length;
  }
  const fail = (what: string): never => {
    throw new Error(`Malformed frame (${what}): ${Buffer.from(bytes.subarray(0, 128)).toString('hex')}`);
  };
  if (at !== frame.length) fail(`length ${frame.length}, has ${at}`);
  const type = readU16(bytes, 12);
  const one: Received = {
    bytes,
    segmentation: frame.segmentation,
    segmentSize: frame.segmentSize,
    type,
    protocol: 0,
    source: bytes.subarray(6, 12),
    target: bytes.subarray(0, 6),
    data: bytes.subarray(14),
  };
  if (type === 0x0800) {
    if (bytes[14] !== 0x45 || readU16(bytes, 16) !== bytes.length - 14) fail('IPv4 length');
    if (fold(addBytes(bytes, 14, 34)) !== 0xffff) fail('IPv4 checksum');
    one.protocol = bytes[23];
    one.source = bytes.subarray(26, 30);
    one.target = bytes.subarray(30, 34);
    one.data = bytes.subarray(34);
  } else if (type === 0x86dd) {
    if (bytes[14] !== 0x60 || readU16(bytes, 18) !== bytes.length - 54) fail('IPv6 length');
    one.protocol = bytes[20];
    one.source = bytes.subarray(22, 38);
    one.target = bytes.subarray(38, 54);
    one.data = bytes.subarray(54);
  } else if (type !== 0x0806) fail('type');
  const isFragment = (type === 0x0800 && (readU16(bytes, 20) & 0x3fff) !== 0) || one.protocol === 44;
  if (type !== 0x0806 && !isFragment) {
    const pseudo =
      one.protocol === 1
        ? 0
        : addBytes(one.target, 0, one.target.length, addBytes(one.source, 0, one.source.length, one.protocol + one.data.length));
    if (frame.checksumStart >= 0) {
      if (!accepts.checksum) fail('checksum left to a guest that does not want it');
      if (frame.checksumStart !== bytes.length - one.data.length) fail('checksum start');
      if (readU16(one.data, frame.checksumOffset) !== fold(pseudo)) fail('sum of the pseudo-header');
      writeU16(one.data, frame.checksumOffset, 0);
      writeU16(one.data, frame.checksumOffset, checksumOf(addBytes(one.data, 0, one.data.length, pseudo)));
    }
    if (fold(addBytes(one.data, 0, one.data.length, pseudo)) !== 0xffff) fail('checksum');
  }
  if (frame.segmentation !== 'none') {
    if (frame.segmentation === 'tcp4' && !accepts.tcp4) fail('tcp4');
    if (frame.segmentation === 'tcp6' && !accepts.tcp6) fail('tcp6');
    if (frame.checksumStart < 0) fail('segmentation without checksum');
  }
  return one;
}

/** An IP packet in a frame to the gateway. */
export function ipFrame(
  source: Uint8Array,
  target: Uint8Array,
  protocol: number,
  data: Uint8Array,
  checksumAt: number,
  hopLimit = 64,
): Uint8Array {
  const isV6 = source.length === 16;
  const header = isV6 ? 40 : 20;
  const bytes = new Uint8Array(14 + header + data.length);
  bytes.set(GATEWAY_MAC);
  bytes.set(GUEST_MAC, 6);
  if (isV6) {
    writeU16(bytes, 12, 0x86dd);
    bytes[14] = 0x60;
    writeU16(bytes, 18, data.length);
    bytes[20] = protocol;
    bytes[21] = hopLimit;
    bytes.set(source, 22);
    bytes.set(target, 38);
  } else {
    writeU16(bytes, 12, 0x0800);
    bytes[14] = 0x45;
    writeU16(bytes, 16, 20 + data.length);
    bytes[22] = hopLimit;
    bytes[23] = protocol;
    bytes.set(source, 26);
    bytes.set(target, 30);
    writeU16(bytes, 24, checksumOf(addBytes(bytes, 14, 34)));
  }
  const at = 14 + header;
  bytes.set(data, at);
  if (checksumAt >= 0) {
    const pseudo = protocol === 1 ? 0 : addBytes(target, 0, target.length, addBytes(source, 0, source.length, protocol + data.length));
    writeU16(bytes, at + checksumAt, 0);
    writeU16(bytes, at + checksumAt, checksumOf(addBytes(bytes, at, bytes.length, pseudo)));
  }
  return bytes;
}

export function udpFrame(
  source: Uint8Array,
  sourcePort: number,
  target: Uint8Array,
  targetPort: number,
  payload: Uint8Array,
  hopLimit = 64,
): Uint8Array {
  const data = new Uint8Array(8 + payload.length);
  writeU16(data, 0, sourcePort);
  writeU16(data, 2, targetPort);
  writeU16(data, 4, data.length);
  data.set(payload, 8);
  return ipFrame(source, target, 17, data, 6, hopLimit);
}

export interface TcpFields {
  sourcePort: number;
  targetPort: number;
  seq: number;
  ack?: number;
  flags: string;
  window?: number;
  options?: number[];
  payload?: Uint8Array;
}

const FLAGS: Record<string, number> = { F: 1, S: 2, R: 4, P: 8, '.': 16, U: 32 };

/** `S` SYN, `F` FIN, `R` RST, `P` PSH, `.` ACK, `U` URG, as tcpdump writes them. */
export function tcpFrame(source: Uint8Array, target: Uint8Array, fields: TcpFields): Uint8Array {
  const options = [...(fields.options ?? [])];
  while (options.length % 4) options.push(0);
  const data = new Uint8Array(20 + options.length + (fields.payload?.length ?? 0));
  writeU16(data, 0, fields.sourcePort);
  writeU16(data, 2, fields.targetPort);
  writeU32(data, 4, fields.seq);
  writeU32(data, 8, fields.ack ?? 0);
  data[12] = ((20 + options.length) / 4) << 4;
  for (const flag of fields.flags) data[13] |= FLAGS[flag];
  writeU16(data, 14, fields.window ?? 65535);
  data.set(options, 20);
  if (fields.payload) data.set(fields.payload, 20 + options.length);
  return ipFrame(source, target, 6, data, 16);
}

export interface TcpSeen {
  sourcePort: number;
  targetPort: number;
  seq: number;
  ack: number;
  flags: string;
  window: number;
  mss?: number;
  scale?: number;
  sackPermitted: boolean;
  sack: [number, number][];
  timestamp?: [number, number];
  payload: Uint8Array;
}

export function readTcp(data: Uint8Array): TcpSeen {
  const header = (data[12] >> 4) * 4;
  const seen: TcpSeen = {
    sourcePort: readU16(data, 0),
    targetPort: readU16(data, 2),
    seq: readU32(data, 4),
    ack: readU32(data, 8),
    flags: Object.keys(FLAGS)
      .filter((flag) => data[13] & FLAGS[flag])
      .join(''),
    window: readU16(data, 14),
    sackPermitted: false,
    sack: [],
    payload: data.slice(header),
  };
  for (let at = 20; at < header && data[at] !== 0; ) {
    if (data[at] === 1) {
      at++;
      continue;
    }
    const length = data[at + 1];
    if (length < 2 || at + length > header) throw new Error('Malformed TCP options');
    if (data[at] === 2) seen.mss = readU16(data, at + 2);
    if (data[at] === 3) seen.scale = data[at + 2];
    if (data[at] === 4) seen.sackPermitted = true;
    if (data[at] === 5)
      for (let block = at + 2; block < at + length; block += 8) seen.sack.push([readU32(data, block), readU32(data, block + 4)]);
    if (data[at] === 8) seen.timestamp = [readU32(data, at + 2), readU32(data, at + 6)];
    at += length;
  }
  return seen;
}
