import { createRequire } from 'node:module';
import type koffi from 'koffi';
import { hostLibrary } from './host-library';

/** Why a datagram did not get where it should, as the network has told. */
export interface DatagramError {
  /** As Node names it; ETTL where too many routers lay between. */
  code: string;
  /** Whom the datagram was for. */
  address: string;
  port: number;
  /** The router or host that said so. */
  by: string;
  /** How the datagram began. */
  start: Uint8Array;
}

export interface DatagramSocket {
  fd: number;
  /** How many routers what is sent from now on may pass. */
  setHopLimit(limit: number): void;
  /** What the network has told since the last time. On Linux alone: elsewhere nothing. */
  errors(): DatagramError[];
}

const AF_INET = 2;
const AF_INET6: Partial<Record<NodeJS.Platform, number>> = { linux: 10, darwin: 30 };
/** SOCK_DGRAM, and on Linux SOCK_CLOEXEC: programs that are started have no part in it. */
const TYPE = process.platform === 'linux' ? 2 | 0o2000000 : 2;
/** Level and option of IPv6 alone, and for the hop limit. */
const V6_ONLY: Partial<Record<NodeJS.Platform, [number, number]>> = { linux: [41, 26], darwin: [41, 27] };
const HOPS: Partial<Record<NodeJS.Platform, Record<4 | 6, [number, number]>>> = {
  linux: { 4: [0, 2], 6: [41, 16] },
  darwin: { 4: [0, 4], 6: [41, 4] },
};

// Linux (include/uapi/linux/errqueue.h and its like).
const IP = { level: 0, receiveErrors: 11, origin: 2, timeExceeded: 11 };
const IPV6 = { level: 41, receiveErrors: 25, origin: 3, timeExceeded: 3 };
const MSG_ERRQUEUE_DONTWAIT = 0x2000 | 0x40;
/** struct cmsghdr, and struct sock_extended_err behind it, and then the address of who said it. */
const CMSG_HEADER = 16;
const EXTENDED_ERROR = 16;
const CODES: Record<number, string> = { 13: 'EACCES', 101: 'ENETUNREACH', 111: 'ECONNREFUSED', 113: 'EHOSTUNREACH' };
/** Errors that are read at a time: a network that says more is not listened to. */
const MOST_ERRORS = 64;

type NativeFunction = (...args: unknown[]) => number;
interface Calls {
  socket: NativeFunction;
  setsockopt: NativeFunction;
  recvmsg: NativeFunction;
}
let calls: Calls | undefined | false;

function hostCalls(): Calls | undefined {
  if (calls === undefined) calls = loadCalls() ?? false;
  return calls || undefined;
}

function loadCalls(): Calls | undefined {
  const library = AF_INET6[process.platform] === undefined ? undefined : hostLibrary();
  if (!library) return undefined;
  try {
    const { struct, pointer, inout } = createRequire(import.meta.url)('koffi') as typeof koffi;
    const vector = struct({ base: 'void *', length: 'size_t' });
    const message = struct({
      name: 'void *',
      nameLength: 'uint32_t',
      vectors: pointer(vector),
      vectorCount: 'size_t',
      control: 'void *',
      controlLength: 'size_t',
      flags: 'int',
    });
    return {
      socket: library.func('socket', 'int', ['int', 'int', 'int']) as unknown as NativeFunction,
      setsockopt: library.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']) as unknown as NativeFunction,
      recvmsg: library.func('recvmsg', 'int', ['int', inout(pointer(message)), 'int']) as unknown as NativeFunction,
    };
  } catch {
    return undefined;
  }
}

/**
 * A datagram socket that is not bound, for Node to take over by its descriptor; `protocol` 0 is UDP. Undefined where the host, or the package
 * koffi, lends none.
 */
export function openDatagramSocket(family: 4 | 6, protocol = 0): DatagramSocket | undefined {
  const host = hostCalls();
  const domain = family === 4 ? AF_INET : AF_INET6[process.platform];
  const fd = host?.socket(domain, TYPE, protocol) ?? -1;
  if (!host || fd < 0) return undefined;
  const only = V6_ONLY[process.platform];
  if (family === 6 && only) host.setsockopt(fd, ...only, numberBytes(1), 4);
  const setHopLimit = (limit: number): void => {
    const hops = HOPS[process.platform];
    if (hops) host.setsockopt(fd, ...hops[family], numberBytes(limit), 4);
  };
  if (process.platform !== 'linux') return { fd, setHopLimit, errors: () => [] };
  const { level, receiveErrors } = family === 4 ? IP : IPV6;
  host.setsockopt(fd, level, receiveErrors, numberBytes(1), 4);
  return { fd, setHopLimit, errors: () => readErrors(host, fd, family) };
}

/** An int of the host's. */
function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function readErrors(host: Calls, fd: number, family: 4 | 6): DatagramError[] {
  const errors: DatagramError[] = [];
  const { level, receiveErrors, origin, timeExceeded } = family === 4 ? IP : IPV6;
  for (let count = 0; count < MOST_ERRORS; count++) {
    const [name, control, data] = [Buffer.alloc(28), Buffer.alloc(512), Buffer.alloc(64)];
    const message = {
      name,
      nameLength: name.length,
      vectors: { base: data, length: data.length },
      vectorCount: 1,
      control,
      controlLength: control.length,
      flags: 0,
    };
    const length = host.recvmsg(fd, message, MSG_ERRQUEUE_DONTWAIT);
    if (length < 0) break;
    for (let at = 0; at + CMSG_HEADER <= Number(message.controlLength); ) {
      const size = Number(control.readBigUInt64LE(at));
      if (size < CMSG_HEADER) break;
      if (control.readInt32LE(at + 8) === level && control.readInt32LE(at + 12) === receiveErrors) {
        const error = at + CMSG_HEADER;
        const isTimeExceeded = control[error + 4] === origin && control[error + 5] === timeExceeded;
        const code = isTimeExceeded ? 'ETTL' : (CODES[control.readUInt32LE(error)] ?? 'EIO');
        errors.push({
          code,
          address: addressOf(name, 0),
          port: name.readUInt16BE(2),
          by: addressOf(control, error + EXTENDED_ERROR),
          start: data.subarray(0, length),
        });
      }
      at += (size + 7) & ~7;
    }
  }
  return errors;
}

/** That of a struct sockaddr; empty where there is none. */
function addressOf(bytes: Buffer, at: number): string {
  const family = bytes.readUInt16LE(at);
  if (family === AF_INET) return bytes.subarray(at + 4, at + 8).join('.');
  if (family !== AF_INET6.linux) return '';
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 8 + 2 * index).toString(16)).join(':');
}
