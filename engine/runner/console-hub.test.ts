import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConsoleMessage } from './console-channel';
import { ConsoleHub } from './console-hub';

class TestPort extends EventEmitter {
  readonly posted: ConsoleMessage[] = [];
  closed = false;
  postMessage(message: ConsoleMessage): void {
    this.posted.push(message);
  }
  start(): void {
    expect(this.listenerCount('message')).toBe(1);
  }
  close(): void {
    this.closed = true;
  }
  from(data: unknown): void {
    this.emit('message', { data });
  }
  text(): string {
    return this.posted.map((message) => (message.type === 'data' ? Buffer.from(message.data).toString() : '')).join('');
  }
}

class TestConsole {
  readonly written: string[] = [];
  readonly sizes: number[][] = [];
  room = true;
  output: (data: Uint8Array) => void | Promise<void> = () => undefined;
  drained: () => void = () => undefined;
  write(data: Uint8Array): boolean {
    this.written.push(Buffer.from(data).toString());
    return this.room;
  }
  onData(listener: (data: Uint8Array) => void | Promise<void>): () => void {
    this.output = listener;
    return () => undefined;
  }
  onDrain(listener: () => void): () => void {
    this.drained = listener;
    return () => undefined;
  }
  resize(columns: number, rows: number): void {
    this.sizes.push([columns, rows]);
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let hub: ConsoleHub;
let guest: TestConsole;

beforeEach(() => {
  hub = new ConsoleHub();
  guest = new TestConsole();
});

describe('ConsoleHub', () => {
  it('asks a terminal that comes late nothing that the guest asked before, and anew what it asks now', async () => {
    hub.attach(guest);
    void guest.output(bytes('\x1b[6n$ '));
    const port = new TestPort();
    hub.connect(port);
    void guest.output(bytes('\x1b[6n'));
    await vi.waitFor(() => expect(port.text()).toBe('$ \x1b[6n'));
    expect(hub.text).toBe('$ ');
  });

  it('shows a window that connects late what was printed before', async () => {
    hub.attach(guest);
    void guest.output(bytes('boot\n'));
    const port = new TestPort();
    hub.connect(port);
    void guest.output(bytes('$ '));
    await vi.waitFor(() => expect(port.text()).toBe('boot\n$ '));
  });

  it('holds the guest back while the window does not keep up, and not at all without a window', async () => {
    hub.attach(guest);
    expect(guest.output(bytes('x'.repeat(1 << 20)))).toBeUndefined();
    const port = new TestPort();
    hub.connect(port);
    const held = guest.output(bytes('y'.repeat(1 << 20)));
    expect(held).toBeInstanceOf(Promise);
    port.emit('close');
    await held;
    expect(guest.output(bytes('z'))).toBeUndefined();
  });

  it('acknowledges input when the guest has room for it', () => {
    hub.attach(guest);
    const port = new TestPort();
    hub.connect(port);
    port.from({ type: 'data', data: bytes('ls\r') });
    expect(port.posted).toEqual([{ type: 'ack', bytes: 3 }]);
    guest.room = false;
    port.from({ type: 'data', data: bytes('more') });
    expect(port.posted).toHaveLength(1);
    guest.drained();
    expect(port.posted[1]).toEqual({ type: 'ack', bytes: 4 });
    expect(guest.written).toEqual(['ls\r', 'more']);
  });

  it('tells the guest the size of a window that came before it', () => {
    const port = new TestPort();
    hub.connect(port);
    port.from({ type: 'resize', columns: 120, rows: 40 });
    hub.attach(guest);
    port.from({ type: 'resize', columns: 100, rows: 30 });
    expect(guest.sizes).toEqual([
      [120, 40],
      [100, 30],
    ]);
  });

  it.each([
    [null],
    [{ type: 'data', data: 'text' }],
    [{ type: 'data', data: new Uint8Array(70_000) }],
    [{ type: 'resize', columns: 0, rows: 5 }],
    [{ type: 'ack', bytes: -1 }],
  ])('ignores the invalid message %#', (message) => {
    hub.attach(guest);
    const port = new TestPort();
    hub.connect(port);
    port.from(message);
    expect([guest.written, guest.sizes, port.posted]).toEqual([[], [], []]);
  });

  it('shows all who look the same, takes what each types, and the size from who said so last', async () => {
    const sizes: number[][] = [];
    hub = new ConsoleHub((columns, rows) => sizes.push([columns, rows]));
    hub.attach(guest);
    const first = new TestPort();
    const second = new TestPort();
    hub.connect(first);
    hub.connect(second);
    void guest.output(bytes('hello'));
    await vi.waitFor(() => expect([first.text(), second.text()]).toEqual(['hello', 'hello']));
    first.from({ type: 'data', data: bytes('a') });
    second.from({ type: 'data', data: bytes('b') });
    expect(guest.written).toEqual(['a', 'b']);
    first.from({ type: 'resize', columns: 100, rows: 30 });
    second.from({ type: 'resize', columns: 80, rows: 25 });
    expect(sizes.at(-1)).toEqual([80, 25]);
    first.emit('close');
    void guest.output(bytes(' there'));
    await vi.waitFor(() => expect(second.text()).toBe('hello there'));
    expect(first.text()).toBe('hello');
  });

  it('holds the guest only for a moment for one who does not read, and tells that one what it missed', async () => {
    vi.useFakeTimers();
    try {
      hub.attach(guest);
      const slow = new TestPort();
      hub.connect(slow);
      const held = guest.output(bytes('Q'.repeat(1 << 20)));
      await vi.advanceTimersByTimeAsync(3000);
      await held;
      expect(guest.output(bytes('lost'))).toBeUndefined();
      slow.from({ type: 'ack', bytes: slow.text().length });
      expect(guest.output(bytes('seen'))).toBeUndefined();
      await vi.advanceTimersByTimeAsync(10);
      expect(slow.text().replaceAll('Q', '')).toMatch(/^\r\n\[Hartbox: some of the output is missing.*\]\r\nseen$/);
    } finally {
      vi.useRealTimers();
    }
  });

  it('lets go of one who types on and on into a guest that does not read', () => {
    hub.attach(guest);
    guest.room = false;
    const port = new TestPort();
    hub.connect(port);
    for (let i = 0; i < 9; i++) port.from({ type: 'data', data: new Uint8Array(60_000) });
    expect(port.closed).toBe(true);
    expect(guest.written).toHaveLength(8);
  });
});
