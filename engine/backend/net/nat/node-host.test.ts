import dgram from 'node:dgram';
import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { openDatagramSocket } from '../../../host/datagram-socket';
import { hostLibrary } from '../../../host/host-library';
import { type DatagramEvents, USUAL_HOPS } from './host';
import { isInHostsFile } from './hosts-file';
import { nodeHost } from './node-host';

const canTell = process.platform === 'linux' && hostLibrary() !== undefined;

async function listener(): Promise<{ socket: dgram.Socket; port: number; heard: string[] }> {
  const socket = dgram.createSocket('udp4');
  const heard: string[] = [];
  socket.on('message', (bytes) => heard.push(bytes.toString()));
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve);
  });
  return { socket, port: socket.address().port, heard };
}

describe("The host's datagrams", () => {
  it.skipIf(!canTell)('tell that nobody was there, and lose nothing that goes elsewhere meanwhile', async () => {
    const gone = await listener();
    gone.socket.close();
    const here = await listener();
    const failures: unknown[][] = [];
    const events: DatagramEvents = { message: () => {}, failed: (...all) => failures.push(all) };
    const socket = nodeHost.datagrams(4, events)!;
    try {
      socket.send(Buffer.from('lost'), gone.port, '127.0.0.1', USUAL_HOPS);
      await vi.waitFor(() => expect(failures).toEqual([['ECONNREFUSED', '127.0.0.1', gone.port, '127.0.0.1']]));
      failures.length = 0;
      // At once: what is told of the first must not be the end of the second.
      for (let number = 0; number < 20; number++) {
        socket.send(Buffer.from('lost'), gone.port, '127.0.0.1', USUAL_HOPS);
        socket.send(Buffer.from(`${number}`), here.port, '127.0.0.1', USUAL_HOPS - (number % 2));
      }
      await vi.waitFor(() => expect(here.heard.map(Number).sort((one, other) => one - other)).toEqual([...Array(20).keys()]));
      await vi.waitFor(() => expect(failures.length).toBeGreaterThanOrEqual(20));
      expect(failures.every(([code, , port]) => code === 'ECONNREFUSED' && port === gone.port)).toBe(true);
    } finally {
      socket.close();
      here.socket.close();
    }
  });
});

describe.skipIf(!canTell)('A socket of our own', () => {
  it('is not handed to programs that are started', () => {
    const { fd } = openDatagramSocket(4)!;
    try {
      const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))!;
      expect(Number.parseInt(flags[1], 8) & 0o2000000).not.toBe(0);
    } finally {
      closeSync(fd);
    }
  });
});

describe("The host's connections", () => {
  const connect = (address: string, port: number, otherwise: string): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const socket = nodeHost.connect(
        address,
        port,
        {
          connected: () => void socket.write(Buffer.from('ping')),
          data: (bytes) => {
            text += Buffer.from(bytes).toString();
            socket.reset();
          },
          ended: () => {},
          drained: () => {},
          socketClosed: (code) => resolve(text || String(code)),
        },
        otherwise,
      );
    });

  it('find who listens at the other of two addresses, and hear that nobody does at either', async () => {
    const server = net.createServer((socket) => socket.on('error', () => {}).pipe(socket));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as net.AddressInfo;
    try {
      expect(await connect('::1', port, '127.0.0.1')).toBe('ping');
      expect(await connect('127.0.0.1', port, '::1')).toBe('ping');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await connect('127.0.0.1', port, '::1')).toBe('ECONNREFUSED');
  });
});

describe('The hosts file', () => {
  it('names what stands in it, but for comments', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hartbox-hosts-'));
    const path = join(folder, 'hosts');
    try {
      writeFileSync(path, '127.0.0.1\tlocalhost\n192.0.2.7 Printer.Lan printer # paper.lan\n#192.0.2.8 gone.lan\n::1 six.lan\r\n');
      const names = ['printer.lan', 'printer', 'six.lan', 'paper.lan', 'gone.lan', '192.0.2.7', 'lan'];
      const found = await Promise.all(names.map((name) => isInHostsFile(name, path)));
      expect(names.filter((_, number) => found[number])).toEqual(['printer.lan', 'printer', 'six.lan']);
      expect(await isInHostsFile('printer', join(folder, 'none'))).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
