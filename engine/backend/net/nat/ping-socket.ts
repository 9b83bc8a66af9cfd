import dgram from 'node:dgram';
import { openDatagramSocket } from '../../../host/datagram-socket';
import type { Family } from './addresses';
import { type HostPing, type PingEvents, USUAL_HOPS } from './host';
import { readU16, writeU16 } from '../checksum';

const PROTOCOL = { 4: 1, 6: 58 } as const;
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;

/**
 * Echo requests without privileges: a datagram socket of the protocol ICMP, which Linux (net.ipv4.ping_group_range) and macOS lend. To Node it
 * is one of UDP, without ports. Undefined where the host lends none.
 */
export function openPing(family: Family, events: PingEvents): HostPing | undefined {
  const own = openDatagramSocket(family, PROTOCOL[family]);
  if (!own) return undefined;
  const socket = dgram.createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    lookup: (address, _options, call) => call(null, address, family),
  });
  const tellErrors = (): void => {
    for (const { code, address, by, start } of own.errors()) if (start.length >= 8) events.failed(code, readU16(start, 6), address, by);
  };
  socket.on('error', tellErrors);
  socket.on('message', (bytes, { address }) => {
    // macOS gives the IP header too.
    const at = family === 4 && process.platform === 'darwin' && bytes[0] >> 4 === 4 ? (bytes[0] & 15) * 4 : 0;
    if (bytes.length < at + 8 || bytes[at] !== REPLY[family]) return;
    events.reply(bytes.subarray(at + 8), readU16(bytes, at + 6), address);
  });
  socket.bind({ fd: own.fd });
  let isOpen = true;
  let hops = USUAL_HOPS;
  return {
    send(payload, sequence, address, hopLimit) {
      if (!isOpen) return false;
      if (hopLimit !== hops) own.setHopLimit(hopLimit);
      hops = hopLimit;
      const message = new Uint8Array(8 + payload.length);
      message[0] = REQUEST[family];
      // The kernel puts its own identifier there, and the checksum.
      writeU16(message, 4, process.pid & 0xffff);
      writeU16(message, 6, sequence);
      message.set(payload, 8);
      if (process.platform === 'darwin' && family === 4) writeU16(message, 2, checksum(message));
      const send = (mayRepeat: boolean): void =>
        socket.send(message, 1, address, (error) => {
          if (!error || !isOpen) return;
          tellErrors();
          // It may be what became of an earlier one that was told instead of sending this one.
          if (mayRepeat) send(false);
          else events.failed((error as NodeJS.ErrnoException).code ?? 'EIO', sequence, address);
        });
      send(true);
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
