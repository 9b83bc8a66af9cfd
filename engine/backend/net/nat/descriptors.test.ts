import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DescriptorShare } from '../../../host/guest-descriptors';
import type { DatagramEvents, HostSocket, SocketEvents } from './host';
import { nodeHost } from './node-host';

const few = vi.hoisted(() => ({ most: 3, share: undefined as DescriptorShare | undefined }));
vi.mock('../../../host/guest-descriptors', async (original) => {
  const real = await original<typeof import('../../../host/guest-descriptors')>();
  few.share = new real.DescriptorShare(few.most);
  return { ...real, guestDescriptors: few.share };
});

/** How many are free: all are taken, and given back. */
function free(): number {
  let count = 0;
  while (few.share?.take()) count++;
  for (let i = 0; i < count; i++) few.share?.give();
  return count;
}

const deaf: DatagramEvents = { message: () => {}, failed: () => {} };

describe('The sockets of a guest that wants many', () => {
  let server: net.Server;
  const port = (): number => (server.address() as net.AddressInfo).port;
  const connect = (): { socket: HostSocket; said: Promise<string> } => {
    let socket!: HostSocket;
    const said = new Promise<string>((resolve) => {
      const events: SocketEvents = {
        connected: () => resolve('connected'),
        data: () => {},
        ended: () => {},
        drained: () => {},
        socketClosed: (code) => resolve(String(code)),
      };
      socket = nodeHost.connect('127.0.0.1', port(), events);
    });
    return { socket, said };
  };

  beforeEach(async () => {
    server = net.createServer((socket) => socket.on('error', () => {}));
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterEach(() => {
    server.close();
  });

  it('are as many as guests may have: of more connections the host says so, and lends no socket for datagrams', async () => {
    const all = [0, 1, 2, 3, 4].map(connect);
    expect(await Promise.all(all.map(({ said }) => said))).toEqual(['connected', 'connected', 'connected', 'EMFILE', 'EMFILE']);
    expect(nodeHost.datagrams(4, deaf)).toBeUndefined();
    for (const { socket } of all) socket.reset();
    await vi.waitFor(() => expect(free()).toBe(few.most));
    const datagrams = [0, 1, 2].map(() => nodeHost.datagrams(4, deaf));
    expect(nodeHost.datagrams(4, deaf)).toBeUndefined();
    for (const socket of datagrams) socket?.close();
    expect(free()).toBe(few.most);
  });

  it('are left to those who come by a forwarded port no further', async () => {
    const listener = await nodeHost.listen('127.0.0.1', 0, () => undefined);
    const accepted: HostSocket[] = [];
    const wide = await nodeHost.listen('127.0.0.1', 0, (socket) => {
      accepted.push(socket);
      return { connected: () => {}, data: () => {}, ended: () => {}, drained: () => {}, socketClosed: () => {} };
    });
    const visitors = [0, 1, 2, 3].map(() => net.connect({ port: wide.port, host: '127.0.0.1' }).on('error', () => {}));
    await vi.waitFor(() => expect(visitors.filter(({ closed }) => closed)).toHaveLength(1));
    expect(accepted).toHaveLength(few.most);
    for (const socket of accepted) socket.reset();
    await vi.waitFor(() => expect(free()).toBe(few.most));
    for (const visitor of visitors) visitor.destroy();
    // Whoever is turned away takes none for long.
    const one = net.connect({ port: listener.port, host: '127.0.0.1' }).on('error', () => {});
    await vi.waitFor(() => expect(one.closed).toBe(true));
    await vi.waitFor(() => expect(free()).toBe(few.most));
    listener.close();
    wide.close();
  });
});
