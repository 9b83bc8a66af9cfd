import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAC_A, MAC_B, numberedFrame, numberOf, offloadedFrame } from '../../../test/support/net-frames';
import { VmError } from '../../errors/vm-error';
import { DatagramBackend } from './dgram';
import { LearningTable } from './learning-table';
import { type Frame, type GuestPort, type NetworkBackend, NO_OFFLOADS, plainFrame } from './packet-port';
import { copyOf } from './plain-frames';
import { parseSocketAddress } from './socket-address';
import { StreamBackend } from './stream';
import { SwitchBackend } from './switch';

/** The guest's side of a cable. */
class TestGuest implements GuestPort {
  readonly mac = MAC_A;
  readonly mtu = 1500;
  readonly accepts = NO_OFFLOADS;
  readonly frames: Uint8Array[] = [];
  readonly warnings: VmError[] = [];
  readonly links: boolean[] = [];
  room = Infinity;
  resumed = 0;

  constructor(readonly backend: NetworkBackend) {
    backend.attach(this);
    backend.linkChanged(true);
  }

  get numbers(): number[] {
    return this.frames.map(numberOf);
  }

  take(frame: Frame): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.frames.push(copyOf(frame));
    return true;
  }

  flush(): void {}
  resume(): void {
    this.resumed++;
  }
  linkChanged(up: boolean): void {
    this.links.push(up);
  }
  warn(error: VmError): void {
    this.warnings.push(error);
  }

  send(...frames: Uint8Array[]): boolean {
    const taken = frames.every((frame) => this.backend.take(plainFrame([frame])));
    this.backend.flush();
    return taken;
  }
}

let folder: string;
const closers: (() => unknown)[] = [];
function closing<Opened extends { close: () => unknown }>(opened: Opened): Opened {
  closers.push(async () => void (await opened.close()));
  return opened;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-net-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(folder, { recursive: true });
});

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5000, interval: 5 });

async function streamPair(): Promise<{ server: TestGuest; client: TestGuest }> {
  const address = { path: join(folder, 'stream') };
  const server = new TestGuest(closing(await StreamBackend.open({ address, server: true })));
  const client = new TestGuest(closing(await StreamBackend.open({ address, server: false, reconnectMs: 10 })));
  await until(() => expect([server.backend.isUp, client.backend.isUp]).toEqual([true, true]));
  return { server, client };
}

describe('a stream', () => {
  it('carries frames both ways, large ones cut up, and tells of its link', async () => {
    const { server, client } = await streamPair();
    expect(client.links).toEqual([true]);
    client.send(numberedFrame(1), numberedFrame(2, { length: 1514 }));
    const { bytes, transport, headers } = offloadedFrame({ version: 4, protocol: 'tcp', payload: new Uint8Array(4000) });
    client.backend.take({ ...plainFrame([bytes]), checksumStart: transport, checksumOffset: 16, segmentation: 'tcp4', segmentSize: 1500 });
    client.backend.flush();
    server.send(numberedFrame(3));
    await until(() => expect([server.frames.length, client.numbers]).toEqual([5, [3]]));
    expect(server.frames.map(({ length }) => length)).toEqual([60, 1514, headers + 1500, headers + 1500, headers + 1000]);
    expect(server.frames[1]).toEqual(numberedFrame(2, { length: 1514 }));
  });

  it('comes back by itself after it was lost', async () => {
    const { server, client } = await streamPair();
    await server.backend.close();
    await until(() => expect(client.links).toEqual([true, false]));
    expect(client.send(numberedFrame(1))).toBe(true);
    expect(client.backend.statistics().droppedFromGuest).toBe(1);
    const again = new TestGuest(closing(await StreamBackend.open({ address: { path: join(folder, 'stream') }, server: true })));
    await until(() => expect(client.links).toEqual([true, false, true]));
    client.send(numberedFrame(2));
    await until(() => expect(again.numbers).toEqual([2]));
    expect(client.warnings.map(({ code }) => code).filter((code) => code !== 'network-peer-missing')).toEqual([]);
  });

  it('is held where an end does not read, and loses nothing', async () => {
    const { server, client } = await streamPair();
    server.room = 0;
    let sent = 0;
    // Until sockets and queue are full.
    while (client.send(numberedFrame(sent, { length: 1514 }))) {
      if (++sent % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(sent).toBeLessThan(20_000);
    server.room = Infinity;
    server.backend.resume();
    await until(() => expect(server.frames).toHaveLength(sent));
    expect(server.numbers).toEqual(Array.from({ length: sent }, (_, i) => i));
    await until(() => expect(client.resumed).toBe(1));
    expect(client.send(numberedFrame(1))).toBe(true);
  });

  it('has one other end at a time', async () => {
    const { server } = await streamPair();
    const other = connect(join(folder, 'stream'));
    await new Promise((resolve) => other.once('close', resolve));
    expect(server.backend.isUp).toBe(true);
  });

  it.each([
    ['byte by byte', 1],
    ['in pieces of seven bytes', 7],
    ['all at once', Infinity],
  ])('is read as QEMU writes it, %s', async (_, piece) => {
    const guest = new TestGuest(closing(await StreamBackend.open({ address: { path: join(folder, 's') }, server: true })));
    const socket = connect({ path: join(folder, 's'), noDelay: true });
    closers.push(() => void socket.destroy());
    const frames = [numberedFrame(1), numberedFrame(2, { length: 100 }), numberedFrame(3, { length: 20 })];
    const wire = Buffer.concat(frames.flatMap((frame) => [Buffer.from([0, 0, 0, frame.length]), frame]));
    for (let at = 0; at < wire.length; at += piece) {
      socket.write(wire.subarray(at, at + piece));
      if (piece < 2) await new Promise((resolve) => setImmediate(resolve));
      if (piece === Infinity) break;
    }
    await until(() => expect(guest.frames).toEqual(frames));
  });

  it.each([
    ['no frame', [0, 0, 0, 0]],
    ['too large a frame', [0, 1, 0x11, 0]],
    ['something else', [...Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
  ])('is ended, with words, where the other end sends %s', async (_, bytes) => {
    const guest = new TestGuest(closing(await StreamBackend.open({ address: { path: join(folder, 's') }, server: true })));
    const socket = connect(join(folder, 's'));
    socket.on('error', () => undefined);
    socket.write(Buffer.from(bytes));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(guest.warnings.map(({ code }) => code)).toEqual(['network-peer-protocol']);
    expect(guest.backend.isUp).toBe(false);
  });

  it('says what is in the way of listening', async () => {
    const taken: Server = closing(createServer());
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(StreamBackend.open({ address: { host: '127.0.0.1', port }, server: true })).rejects.toMatchObject({
      code: 'address-in-use',
    });
    await expect(StreamBackend.open({ address: { path: join(folder, 'no', 'folder') }, server: true })).rejects.toBeInstanceOf(VmError);
  });
});

describe('an address', () => {
  it('is one of the network or of the file system', () => {
    expect(parseSocketAddress('example.org:80')).toEqual({ host: 'example.org', port: 80 });
    expect(parseSocketAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
    expect(parseSocketAddress(':80')).toEqual({ host: '127.0.0.1', port: 80 });
    for (const wrong of ['', '80', 'host', 'host:0', 'host:65536', 'host:1x', 'a:b:80', 'unix:', 'unix:relative'])
      expect(() => parseSocketAddress(wrong), wrong).toThrow(VmError);
  });
});

describe('datagrams', () => {
  it('carry a frame each, from the one other end alone', async () => {
    const ports = await freePorts(2);
    const ends = await Promise.all(
      [0, 1].map((at) =>
        DatagramBackend.open({ local: { host: '127.0.0.1', port: ports[at] }, remote: { host: '127.0.0.1', port: ports[1 - at] } }),
      ),
    );
    const [one, other] = ends.map((backend) => new TestGuest(closing(backend)));
    one.send(numberedFrame(1), numberedFrame(2));
    other.send(numberedFrame(3));
    await until(() => expect([other.numbers, one.numbers]).toEqual([[1, 2], [3]]));
    const stranger = closing(createSocket('udp4'));
    stranger.send(numberedFrame(9), ports[1], '127.0.0.1');
    other.room = 0;
    one.send(numberedFrame(4), numberedFrame(5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    other.room = Infinity;
    other.backend.resume();
    expect(other.numbers).toEqual([1, 2, 4, 5]);
  });
});

async function freePorts(count: number): Promise<number[]> {
  const sockets = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createSocket>>((resolve) => {
          const socket = createSocket('udp4');
          socket.bind(0, '127.0.0.1', () => resolve(socket));
        }),
    ),
  );
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  return ports;
}

describe('a switch', () => {
  const MAC_C = Uint8Array.of(2, 0, 0, 0, 0, 0x0c);
  const join3 = async (): Promise<TestGuest[]> => {
    const guests: TestGuest[] = [];
    for (let i = 0; i < 3; i++) guests.push(new TestGuest(closing(await SwitchBackend.open({ name: 'lan', dataDirectory: folder }))));
    return guests;
  };
  const isHub = ({ backend }: TestGuest): boolean => (backend as SwitchBackend).isHub;

  it('brings frames to all, and once it has heard of the receiver only there', async () => {
    const guests = await join3();
    const [a, b, c] = guests;
    expect(guests.map(isHub)).toEqual([true, false, false]);
    const addresses = [MAC_A, MAC_B, MAC_C];
    for (const [i, guest] of guests.entries()) {
      guest.send(numberedFrame(i, { from: addresses[i] }));
      await until(() => expect(guests.filter((one) => one !== guest).map((one) => one.numbers.at(-1))).toEqual([i, i]));
    }
    for (const { frames } of guests) frames.length = 0;
    b.send(numberedFrame(10, { from: MAC_B, to: MAC_C }), numberedFrame(11, { from: MAC_B, to: MAC_A }));
    c.send(numberedFrame(12, { from: MAC_C, to: MAC_B }));
    a.send(numberedFrame(13, { to: MAC_C }), numberedFrame(14, { to: MAC_B }));
    await until(() => expect(guests.map(({ numbers }) => [...numbers].sort())).toEqual([[11], [12, 14], [10, 13]]));
  });

  it('is taken over by another box when the one that was it ends', async () => {
    const [a, b, c] = await join3();
    await a.backend.close();
    await until(() => expect([b, c].filter(isHub)).toHaveLength(1));
    await until(() => {
      b.send(numberedFrame(1, { from: MAC_B }));
      expect(c.numbers).toContain(1);
    });
    // Nobody saw a link go down.
    expect([...b.links, ...c.links]).toEqual([]);
    expect([b.backend.isUp, c.backend.isUp]).toEqual([true, true]);
  });

  it('is another one under another name, and of another user', async () => {
    const [a] = await join3();
    const other = new TestGuest(closing(await SwitchBackend.open({ name: 'other', dataDirectory: folder })));
    expect(isHub(other)).toBe(true);
    a.send(numberedFrame(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(other.frames).toEqual([]);
  });

  it('keeps nobody waiting for a member that does not read, and takes no more than it has room for', async () => {
    const [a, b, c] = await join3();
    b.room = 0;
    for (let i = 0; i < 3000; i++) {
      a.send(numberedFrame(i, { length: 1514 }));
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until(() => {
      a.send(numberedFrame(4000));
      expect(c.numbers.at(-1)).toBe(4000);
    });
    expect(a.backend.statistics().droppedFromGuest).toBeGreaterThan(0);
    const sockets: Socket[] = [];
    const refused = new Promise<void>((resolve) => {
      for (let i = 0; i < 62; i++) {
        const socket = connect((a.backend as SwitchBackend).path);
        socket.on('close', () => resolve()).on('error', () => undefined);
        sockets.push(socket);
      }
    });
    closers.push(() => sockets.forEach((socket) => void socket.destroy()));
    await refused;
  });
});

describe('what a switch has learned', () => {
  const head = (to: Uint8Array, from: Uint8Array): Uint8Array => Uint8Array.of(...to, ...from);

  it('ages, moves with who moves, and is bounded', () => {
    let now = 0;
    const table = new LearningTable<string>(() => now);
    table.learn(head(MAC_B, MAC_A), 'one');
    expect(table.portFor(head(MAC_A, MAC_B))).toBe('one');
    table.learn(head(MAC_B, MAC_A), 'two');
    expect(table.portFor(head(MAC_A, MAC_B))).toBe('two');
    now = 300_000;
    expect(table.portFor(head(MAC_A, MAC_B))).toBeUndefined();
    table.learn(head(MAC_B, Uint8Array.of(1, 0, 0, 0, 0, 1)), 'one');
    expect(table.size).toBe(1);
    for (let i = 0; i < 5000; i++) table.learn(head(MAC_B, Uint8Array.of(2, 1, 1, 1, i >> 8, i & 0xff)), 'three');
    expect(table.size).toBe(4096);
    table.forget('three');
    expect(table.size).toBe(0);
  });
});
