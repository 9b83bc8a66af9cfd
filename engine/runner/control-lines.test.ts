import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBox } from '../../test/support/fake-box';
import { CONSOLE_LIMITS } from './console-sender';
import { ConsoleStream } from './console-stream';
import { LineClient } from './control-client';
import { serveControl } from './control-server';
import type { ScreenMessage } from './screen-channel';
import { FRAME_LIMITS, SocketLine } from './socket-line';
import { type Line, directLines, portLine } from './transport';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let folder: string;
const servers: Server[] = [];
let sockets: Socket[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-lines-'));
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

async function socketPair(): Promise<[Socket, Socket]> {
  const address =
    process.platform === 'win32' ? `\\\\.\\pipe\\hartbox-test-${process.pid}-${Math.random()}` : join(folder, `socket${sockets.length}`);
  const accepted = new Promise<Socket>((resolve) => {
    servers.push(createServer(resolve));
  });
  await new Promise<void>((resolve) => servers[servers.length - 1].listen(address, resolve));
  const client = connect(address);
  sockets.push(client, await accepted);
  return [client, await accepted];
}

const LINES: Record<string, () => Promise<[client: Line, server: Line]>> = {
  'in process': async () => directLines(),
  'over a MessagePort': async () => {
    const { port1, port2 } = new MessageChannel();
    return [portLine(port1), portLine(port2)];
  },
  'over a socket': async () => {
    const [client, host] = await socketPair();
    return [new SocketLine(client, FRAME_LIMITS.fromServer), new SocketLine(host, FRAME_LIMITS.fromClient)];
  },
};

describe.each(Object.entries(LINES))('a control line %s', (_, makeLines) => {
  let box: FakeBox;
  let raw: Line;
  let client: LineClient;
  beforeEach(async () => {
    box = new FakeBox();
    const [mine, theirs] = await makeLines();
    raw = mine;
    client = new LineClient(mine);
    serveControl(box, theirs);
  });
  afterEach(() => client.close());

  it('tells the status at once and whenever it changes', async () => {
    await vi.waitFor(() => expect(client.status).toMatchObject({ box: 'one', state: 'running' }));
    box.change({ state: 'paused' });
    await vi.waitFor(() => expect(client.status?.state).toBe('paused'));
  });

  it('tells what changes all the time a few times a second, and the last state before the end', async () => {
    const states: unknown[] = [];
    client.on('status', ({ since }) => states.push(since));
    await vi.waitFor(() => expect(client.status).toBeDefined());
    for (let i = 0; i < 10_000; i++) box.change({ since: 100 + i });
    await client.call('status', {});
    expect(client.status?.since).toBe(10_099);
    expect(states.length).toBeLessThan(100);
    box.change({ since: 2 });
    box.emit('exit', { code: 0 });
    await vi.waitFor(() => expect(client.isClosed).toBe(true));
    expect(states.at(-1)).toBe(2);
  });

  it('keeps what comes before there is a box for that box', async () => {
    const [mine, theirs] = await makeLines();
    const early = new LineClient(mine);
    const answer = early.call('pause', {});
    await new Promise<void>((resolve) => {
      theirs.listen({
        message: (message, port) => {
          theirs.keep(message, port);
          resolve();
        },
        close: () => undefined,
      });
    });
    serveControl(box, theirs);
    expect(await answer).toEqual({});
    expect(box.asked).toEqual(['pause']);
    early.close();
  });

  it('carries calls and their answers', async () => {
    expect(await client.call('pause', {})).toEqual({});
    expect(await client.call('drive-medium', { id: 'drive0', file: '/disc.iso', force: false })).toEqual({});
    expect(await client.call('reload-settings', {})).toEqual({ live: ['priority'], restart: [] });
    expect((await client.call('log', {})).lines[0].text).toHaveLength(100_000);
    expect(box.asked).toEqual(['pause', { id: 'drive0', file: '/disc.iso', force: false }]);
  });

  it("carries the box's errors whole", async () => {
    await expect(client.call('reset', {})).rejects.toMatchObject({
      kind: 'State',
      message: 'It cannot be reset now.',
      code: 'no-reset',
      params: { why: 'test' },
    });
  });

  it('refuses what no box understands, and goes on', async () => {
    await expect(client.call('explode' as 'pause', {})).rejects.toMatchObject({ kind: 'Config', code: 'control-unknown' });
    await expect(client.call('drive-resize', { id: 'drive0', size: -1 })).rejects.toThrow('something else than it takes');
    raw.send({ id: 7, call: 12 });
    raw.send({ nothing: true });
    raw.send({ channel: 5, message: { type: 'data', data: new Uint8Array(3) } });
    raw.send({ shut: 99 });
    await client.call('resume', {});
    expect(box.asked).toEqual(['resume']);
  });

  it('lets go of one who sends nothing but nonsense', async () => {
    for (let i = 0; i < 200; i++) raw.send({ nonsense: i });
    await vi.waitFor(() => expect(client.isClosed).toBe(true));
    expect(box.listenerCount('status')).toBe(0);
  });

  it('tells warnings, statistics on demand, and the exit last, after what was asked', async () => {
    const heard: unknown[] = [];
    client.on('warning', ({ message }) => heard.push(message));
    client.on('exit', (exit) => heard.push(exit));
    client.on('closed', () => heard.push('closed'));
    box.emit('warning', new Error('hot'));
    const statistics = vi.fn();
    client.on('statistics', statistics);
    await client.call('watch-statistics', { every: 100 });
    await vi.waitFor(() => expect(statistics).toHaveBeenCalled());
    const asked = client.call('power-off', {}).then(() => heard.push('answered'));
    await client.call('status', {});
    box.emit('exit', { code: 3 });
    await asked;
    await vi.waitFor(() => expect(heard.at(-1)).toBe('closed'));
    expect(heard.filter((one) => one !== 'answered')).toEqual(['Hartbox itself failed: hot', { code: 3 }, 'closed']);
    await expect(client.call('pause', {})).rejects.toMatchObject({ kind: 'State', code: 'control-closed' });
    expect(box.listenerCount('exit')).toBe(0);
  });

  it('carries a console, bytes as they are, with the size of who said so last', async () => {
    let text = '';
    void box.output(Buffer.from('boot\n'));
    const console = new ConsoleStream(await client.connect('console'), (data) => {
      text += Buffer.from(data).toString('latin1');
    });
    await vi.waitFor(() => expect(text).toBe('boot\n'));
    console.write(Uint8Array.of(0, 255, 10));
    await vi.waitFor(() => expect(text).toBe('boot\n\x00\xff\n'));
    console.resize(132, 50);
    await vi.waitFor(() => expect(client.status).toMatchObject({ columns: 132, rows: 50 }));
  });

  it('carries much more than a window of output to one who reads, and much input', async () => {
    let length = 0;
    const console = new ConsoleStream(await client.connect('console'), (data) => {
      length += data.length;
    });
    for (let i = 0; i < 16; i++) await box.output(new Uint8Array(64 * 1024));
    await vi.waitFor(() => expect(length).toBe(1 << 20));
    for (let i = 0; i < 16; i++) {
      if (console.write(Buffer.alloc(64 * 1024, 'k'))) continue;
      await new Promise<void>((resolve) => {
        const forget = console.onDrain(() => {
          forget();
          resolve();
        });
      });
    }
    await vi.waitFor(() => expect(box.typed.join('')).toHaveLength(1 << 20));
  });

  it('carries a screen, and what is typed at it', async () => {
    const screen = await client.connect('screen');
    const got: ScreenMessage[] = [];
    screen.on('message', ({ data }) => {
      got.push(data as ScreenMessage);
      screen.postMessage({ type: 'shown' });
    });
    screen.start();
    screen.postMessage({ type: 'look', screen: 0 });
    box.scanout.show({ width: 300, height: 200, readRow: (_x, y, width, target, at) => target.fill(0xff000000 + y, at, at + width) });
    const pixels = (): number => got.reduce((sum, message) => sum + (message.type === 'tiles' ? message.data.length / 4 : 0), 0);
    await vi.waitFor(() => expect(pixels()).toBe(300 * 200));
    expect(got).toContainEqual({ type: 'size', width: 300, height: 200 });
    const first = got.find((message) => message.type === 'tiles');
    expect([...(first?.data.subarray(4 * 300, 4 * 301) ?? [])]).toEqual([1, 0, 0, 255]);
    const events = [{ type: 1, code: 30, value: 1 }];
    screen.postMessage({ type: 'input', device: 'keyboard', reports: [events] });
    await vi.waitFor(() => expect(box.asked).toContainEqual({ device: 'keyboard', events }));
    screen.close();
    await vi.waitFor(() => expect(box.scanout.listenerCount('damage')).toBe(0));
  });

  it('ends the console with the box, and the box does not mind a client that leaves', async () => {
    const connection = await client.connect('console');
    const closed = vi.fn();
    connection.on('close', closed);
    client.close();
    await vi.waitFor(() => expect(box.listenerCount('status')).toBe(0));
    expect(closed).toHaveBeenCalled();
    expect(box.output(new Uint8Array(1 << 20))).toBeUndefined();
  });

  it('takes only so many requests and consoles at once', async () => {
    const waiting = Array.from({ length: 64 }, () => client.call('power-off', {}));
    await expect(client.call('pause', {})).rejects.toMatchObject({ code: 'control-busy' });
    for (let i = 0; i < 8; i++) await client.connect('console');
    await expect(client.connect('console')).rejects.toThrow('8 consoles');
    box.emit('exit', { code: 0 });
    await Promise.all(waiting);
  });
});

describe('a socket line', () => {
  it('ends when a frame is larger than any may be', async () => {
    const [client, host] = await socketPair();
    const line = new SocketLine(host, FRAME_LIMITS.fromClient);
    const box = new FakeBox();
    const served = serveControl(box, line);
    client.write(Buffer.from([0xff, 0xff, 0xff, 0x7f, 0]));
    await served.closed;
    expect(box.listenerCount('status')).toBe(0);
  });

  it('bears frames of no known kind and JSON that is none, cut anywhere', async () => {
    const [client, host] = await socketPair();
    const box = new FakeBox();
    serveControl(box, new SocketLine(host, FRAME_LIMITS.fromClient));
    const bytes = Buffer.concat([
      frame(9, 'what'),
      frame(0, '{"id":'),
      frame(1, 'ab'),
      frame(0, ''),
      frame(0, '{"id":1,"call":"pause","args":{}}'),
    ]);
    for (const byte of bytes) client.write(Uint8Array.of(byte));
    await vi.waitFor(() => expect(box.asked).toEqual(['pause']));
  });

  it('keeps little for one who does not read, tells it the newest status once it does, and lets it go if it never does', async () => {
    const [client, host] = await socketPair();
    client.pause();
    const line = new SocketLine(host, FRAME_LIMITS.fromClient);
    const box = new FakeBox();
    serveControl(box, line);
    const flood = (): void => {
      for (let i = 0; i < 1000; i++) box.emit('warning', new Error('x'.repeat(10_000)));
    };
    flood();
    for (let i = 0; i < 100_000; i++) box.change({ since: i });
    expect(line.backlog).toBeLessThan(2 << 20);
    const reader = new LineClient(new SocketLine(client, FRAME_LIMITS.fromServer));
    client.resume();
    await vi.waitFor(() => expect(reader.status?.since).toBe(99_999));

    client.pause();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      flood();
      vi.advanceTimersByTime(10_001);
      expect(box.listenerCount('status')).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('answers one who asks and asks and does not read as far as there is room, and the rest once it reads', async () => {
    const [client, host] = await socketPair();
    client.pause();
    const line = new SocketLine(host, FRAME_LIMITS.fromClient);
    const box = new FakeBox();
    serveControl(box, line);
    const asked = 2000;
    for (let id = 0; id < asked; id++) client.write(frame(0, JSON.stringify({ id, call: id % 2 ? 'status' : 'log', args: {} })));
    await vi.waitFor(() => expect(line.backlog).toBeGreaterThan(0));
    let most = 0;
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      most = Math.max(most, line.backlog);
    }
    expect(most).toBeLessThan(8 << 20);
    const answers = new Set<number>();
    new SocketLine(client, FRAME_LIMITS.fromServer).listen({
      message: (message) => {
        const { id } = message as { id?: number };
        if (id !== undefined) answers.add(id);
      },
      close: () => undefined,
    });
    client.resume();
    await vi.waitFor(() => expect(answers.size).toBe(asked), { timeout: 20_000 });
  });

  it('holds a console back that is not read, and no more of it than a window', async () => {
    const [client, host] = await socketPair();
    client.pause();
    const line = new SocketLine(host, FRAME_LIMITS.fromClient);
    const box = new FakeBox();
    serveControl(box, line);
    client.write(frame(0, JSON.stringify({ id: 1, open: 'console', channel: 1 })));
    await vi.waitFor(() => expect(box.output(new Uint8Array(1 << 20))).toBeInstanceOf(Promise));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(line.backlog).toBeLessThan(CONSOLE_LIMITS.window + 2 * CONSOLE_LIMITS.message);
  });

  it('bears a hundred thousand frames of nonsense', async () => {
    const [client, host] = await socketPair();
    const box = new FakeBox();
    const served = serveControl(box, new SocketLine(host, FRAME_LIMITS.fromClient));
    const nonsense = frame(0, '{"call":{}}');
    client.on('error', () => undefined);
    client.write(Buffer.concat(Array.from({ length: 100_000 }, () => nonsense)));
    await served.closed;
    expect(box.asked).toEqual([]);
    expect(box.listenerCount('status')).toBe(0);
  });

  it('takes a frame that comes byte by byte in no more memory than whole', () => {
    const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    new SocketLine(socket as Socket, FRAME_LIMITS.fromClient).listen({ message: () => undefined, close: () => undefined });
    const { length } = frame(0, 'x'.repeat(200_000));
    const head = frame(0, 'x'.repeat(200_000)).subarray(0, 5);
    socket.emit('data', head);
    collectGarbage();
    const before = used();
    for (let i = 0; i < length - 6; i++) socket.emit('data', Buffer.allocUnsafeSlow(1));
    collectGarbage();
    expect(used() - before).toBeLessThan(4 << 20);
  });
});

function frame(kind: number, text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(Buffer.byteLength(text));
  head[4] = kind;
  return Buffer.concat([head, Buffer.from(text)]);
}

function used(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
