import dgram from 'node:dgram';
import { hostLibrary } from '../../../host/host-library';
import type { Family } from './addresses';
import type { HostPing } from './host';
import { readU16, writeU16 } from '../checksum';

const AF_INET6: Partial<Record<NodeJS.Platform, number>> = { linux: 10, darwin: 30 };
const AF_INET = 2;
const SOCK_DGRAM = 2;
const ICMP = 1;
const ICMPV6 = 58;
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;

/**
 * Echo requests without privileges: a datagram socket of the protocol ICMP, which Linux (net.ipv4.ping_group_range) and macOS lend. To Node it
 * is one of UDP, without ports. Undefined where the host lends none.
 */
export function openPing(family: Family, reply: (payload: Uint8Array, sequence: number, address: string) => void): HostPing | undefined {
  const fd = openSocket(family);
  if (fd < 0) return undefined;
  const socket = dgram.createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    lookup: (address, _options, call) => call(null, address, family),
  });
  socket.on('error', () => {});
  socket.on('message', (bytes, { address }) => {
    // macOS gives the IP header too.
    const at = family === 4 && process.platform === 'darwin' && bytes[0] >> 4 === 4 ? (bytes[0] & 15) * 4 : 0;
    if (bytes.length < at + 8 || bytes[at] !== REPLY[family]) return;
    reply(bytes.subarray(at + 8), readU16(bytes, at + 6), address);
  });
  socket.bind({ fd });
  let isOpen = true;
  return {
    send(payload, sequence, address) {
      if (!isOpen) return false;
      const message = new Uint8Array(8 + payload.length);
      message[0] = REQUEST[family];
      // The kernel puts its own identifier there, and the checksum.
      writeU16(message, 4, process.pid & 0xffff);
      writeU16(message, 6, sequence);
      message.set(payload, 8);
      if (process.platform === 'darwin' && family === 4) writeU16(message, 2, checksum(message));
      socket.send(message, 1, address, () => {});
      return true;
    },
    close() {
      isOpen = false;
      socket.close();
    },
  };
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function openSocket(family: Family): number {
  const domain = family === 4 ? AF_INET : AF_INET6[process.platform];
  if (domain === undefined || AF_INET6[process.platform] === undefined) return -1;
  const library = hostLibrary();
  if (!library) return -1;
  try {
    return library.func('socket', 'int', ['int', 'int', 'int'])(domain, SOCK_DGRAM, family === 4 ? ICMP : ICMPV6) as number;
  } catch {
    return -1;
  }
}
