import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ConsolePort } from '../index';
import { pacedWriter } from '../host/paced-writer';
import { flush, readFrom } from './host-streams';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A port that takes `room` bytes before it asks to wait. */
function portWithRoom(room: number) {
  const received: Uint8Array[] = [];
  let drain = (): void => undefined;
  const port = {
    write: (data: Uint8Array) => {
      received.push(data);
      return received.reduce((sum, chunk) => sum + chunk.length, 0) < room;
    },
    onDrain: (listener: () => void) => {
      drain = listener;
      return () => undefined;
    },
  } as Partial<ConsolePort> as ConsolePort;
  return { port, drain: () => drain(), text: () => Buffer.concat(received).toString() };
}

describe('pacedWriter', () => {
  it('holds the guest back while the reader is slow', async () => {
    const pending: (() => void)[] = [];
    const slow = new Writable({ highWaterMark: 4, write: (_chunk, _encoding, done) => void pending.push(done) });
    const listener = pacedWriter(slow);
    expect(listener(bytes('ab'))).toBeUndefined();
    let released = false;
    const held = Promise.resolve(listener(bytes('cdef'))).then(() => {
      released = true;
    });
    await new Promise(setImmediate);
    expect(released).toBe(false);
    pending.shift()?.();
    await new Promise(setImmediate);
    pending.shift()?.();
    await held;
  });

  it('listens to the stream once, however many wait', async () => {
    const slow = new Writable({ highWaterMark: 4, write: () => undefined });
    const listener = pacedWriter(slow);
    const held = Array.from({ length: 30 }, async () => listener(bytes('abcd')));
    expect(slow.listenerCount('drain')).toBe(1);
    slow.destroy();
    await Promise.all(held);
    expect(slow.listenerCount('drain')).toBe(0);
  });

  it('lets the guest go on when the reader goes away', async () => {
    const gone = new Writable({ highWaterMark: 1, write: () => undefined });
    const held = pacedWriter(gone)(bytes('abc'));
    gone.destroy();
    await held;
    expect(pacedWriter(gone)(bytes('more'))).toBeUndefined();
  });
});

describe('readFrom', () => {
  it('waits for the guest when it has enough', async () => {
    const { port, drain, text } = portWithRoom(4);
    const source = new PassThrough();
    readFrom(source, port);
    source.write('abcd');
    await new Promise(setImmediate);
    source.write('efgh');
    await new Promise(setImmediate);
    expect(text()).toBe('abcd');
    drain();
    await new Promise(setImmediate);
    expect(text()).toBe('abcdefgh');
  });

  it('filters, tells the end, and stops when told', async () => {
    const { port, text } = portWithRoom(100);
    const source = new PassThrough();
    let ended = false;
    readFrom(source, port, { filter: (data) => data.filter((byte) => byte !== 98), onEnd: () => (ended = true) });
    source.end('abc');
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect([text(), ended]).toEqual(['ac', true]);

    const other = new PassThrough();
    const stop = readFrom(other, port);
    stop();
    other.write('x');
    await new Promise(setImmediate);
    expect(text()).toBe('ac');
  });
});

describe('readFrom at a Windows console', () => {
  it('gives lines as the guest knows them, until one begins with Ctrl-Z', async () => {
    const { port, text } = portWithRoom(100);
    const source = new PassThrough();
    let ends = 0;
    readFrom(source, port, { windowsConsole: true, onEnd: () => ends++ });
    for (const line of ['one\r\n', 'a\rb\x1a\r\n', '\x1a\r\n', 'after\r\n']) {
      source.write(line);
      await new Promise(setImmediate);
    }
    source.end();
    await new Promise(setImmediate);
    expect([text(), ends]).toEqual(['one\na\rb\x1a\n', 1]);
  });

  it('takes bytes from anything else as they are', async () => {
    const { port, text } = portWithRoom(100);
    const source = new PassThrough();
    readFrom(source, port);
    source.write('\x1a\r\n');
    await new Promise(setImmediate);
    expect(text()).toBe('\x1a\r\n');
  });
});

describe('flush', () => {
  it('waits for what was written', async () => {
    let written = '';
    const slow = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        setTimeout(() => {
          written += chunk.toString();
          done();
        }, 5);
      },
    });
    slow.write('abc');
    await flush(slow);
    expect(written).toBe('abc');
  });
});
