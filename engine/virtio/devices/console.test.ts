import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MockDriver, QUEUE_FEATURES } from '../../../test/support/mock-driver';
import type { AddedChain } from '../../../test/support/mock-queue';
import { STATUS_NEEDS_RESET } from '../transport/transport';
import {
  VIRTIO_CONSOLE_CONSOLE_PORT,
  VIRTIO_CONSOLE_DEVICE_ADD,
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_F_SIZE,
  VIRTIO_CONSOLE_PORT_NAME,
  VIRTIO_CONSOLE_PORT_OPEN,
  VIRTIO_CONSOLE_PORT_READY,
  VIRTIO_CONSOLE_RESIZE,
  VirtioConsole,
} from './console';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes.slice());
const encode = (value: string): Uint8Array => new TextEncoder().encode(value);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Give a receive queue `count` buffers of `size` bytes. */
function offer(driver: MockDriver, index: number, count: number, size: number): AddedChain[] {
  const chains = Array.from({ length: count }, () => driver.queues[index].add({ writable: [size] }));
  driver.queues[index].kick();
  return chains;
}

function collect(driver: MockDriver, index: number, chains: AddedChain[]): Uint8Array {
  return Buffer.concat(
    driver.queues[index].takeUsed().map(({ id, written }) => driver.written(chains.find((chain) => chain.id === id)!).subarray(0, written)),
  );
}

function send(driver: MockDriver, index: number, ...bytes: Uint8Array[]): void {
  driver.queues[index].add({ readable: bytes });
  driver.queues[index].kick();
}

describe('the terminal', () => {
  let device: VirtioConsole;
  let driver: MockDriver;
  beforeEach(() => {
    device = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    driver = MockDriver.for(device).start();
  });

  it('carries output to all listeners, until they leave', () => {
    const seen: string[] = [];
    const leave = device.console.onData((data) => void seen.push(`a:${text(data)}`));
    device.console.onData((data) => void seen.push(`b:${text(data)}`));
    send(driver, 1, encode('he'), encode('llo'));
    leave();
    send(driver, 1, encode('!'));
    expect(seen).toEqual(['a:hello', 'b:hello', 'b:!']);
    expect(driver.queues[1].takeUsed()).toHaveLength(2);
  });

  it('gives listeners bytes of their own', () => {
    let kept: Uint8Array | undefined;
    device.console.onData((data) => {
      kept = data;
    });
    send(driver, 1, encode('keep'));
    driver.memory.bytes.fill(0, driver.memory.offsetOf(0x8000_0000, 1 << 20), driver.memory.offsetOf(0x8000_0000, 1 << 20) + (1 << 20));
    expect(text(kept!)).toBe('keep');
    expect(kept!.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it('holds the guest back while a listener is busy, and loses nothing', async () => {
    const seen: string[] = [];
    let release: () => void = () => undefined;
    device.console.onData((data) => {
      seen.push(text(data));
      return new Promise((resolve) => (release = resolve));
    });
    for (const word of ['one', 'two', 'three']) driver.queues[1].add({ readable: [encode(word)] });
    driver.queues[1].kick();
    expect(seen).toEqual(['one']);
    expect(driver.queues[1].takeUsed()).toHaveLength(1);
    for (const expected of [
      ['one', 'two'],
      ['one', 'two', 'three'],
    ]) {
      release();
      await turn();
      expect(seen).toEqual(expected);
    }
  });

  it('survives listeners that throw or reject', async () => {
    const warnings: string[] = [];
    device.on('warning', (error) => warnings.push(error.message));
    device.console.onData(() => {
      throw new Error('thrown');
    });
    device.console.onData(() => Promise.reject(new Error('rejected')));
    send(driver, 1, encode('x'));
    await turn();
    send(driver, 1, encode('y'));
    await turn();
    expect(warnings).toHaveLength(4);
    expect(device.status.kind).toBe('Running');
    expect(driver.queues[1].takeUsed()).toHaveLength(2);
  });

  it('carries input in order whatever the sizes of pieces and buffers', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), fc.integer({ min: 1, max: 200 }), (pieces, size) => {
        const fresh = new VirtioConsole({ console: { columns: 80, rows: 24 } });
        const guest = MockDriver.for(fresh).start();
        for (const piece of pieces) fresh.console.write(piece);
        const all = Buffer.concat(pieces);
        const got: Uint8Array[] = [];
        for (let round = 0; round <= all.length / size / 4 + 1; round++) got.push(collect(guest, 0, offer(guest, 0, 4, size)));
        expect(Buffer.compare(Buffer.concat(got), all)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('asks to wait when much is waiting, and says when there is room', async () => {
    let drains = 0;
    device.console.onDrain(() => drains++);
    expect(device.console.write(new Uint8Array(65_535))).toBe(true);
    expect(device.console.write(new Uint8Array(10))).toBe(false);
    offer(driver, 0, 8, 4096);
    expect(drains).toBe(0);
    offer(driver, 0, 2, 4096);
    await vi.waitFor(() => expect(drains).toBe(1));
    offer(driver, 0, 10, 4096);
    expect(drains).toBe(1);
  });

  it('serves a guest that gets much in bundles, and one that gets little at once', async () => {
    device.console.write(new Uint8Array(65_536));
    const chains = [...offer(driver, 0, 4, 4096), ...offer(driver, 0, 4, 4096)];
    expect(collect(driver, 0, chains)).toHaveLength(0);
    await vi.waitFor(() => expect(collect(driver, 0, chains)).toHaveLength(8 * 4096));
    device.console.discard();
    device.console.write(encode('little'));
    expect(text(collect(driver, 0, offer(driver, 0, 1, 4096)))).toBe('little');
  });

  it('refuses a writer that never waits, with a clear error', () => {
    const chunk = new Uint8Array(32 << 20);
    const write = (): boolean => device.console.write(chunk);
    expect([write(), write()]).toEqual([false, false]);
    write();
    expect(write).toThrow('drain');
  });

  it('is open from the driver coming up to its reset', () => {
    const changes: boolean[] = [];
    const fresh = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    fresh.console.onOpenChange((open) => changes.push(open));
    const guest = MockDriver.for(fresh).start();
    guest.write('Status', 0);
    expect(changes).toEqual([true, false]);
  });

  it('keeps what was written before the guest came up', () => {
    const fresh = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    fresh.console.write(encode('early'));
    const guest = MockDriver.for(fresh).start();
    expect(text(collect(guest, 0, offer(guest, 0, 1, 100)))).toBe('early');
  });

  it('shows its size, and announces a new one', () => {
    const size = (): number[] => [driver.transport.read(0x100, 2), driver.transport.read(0x102, 2)];
    expect(device.offeredFeatures.has(VIRTIO_CONSOLE_F_SIZE)).toBe(true);
    expect(size()).toEqual([80, 24]);
    const generation = driver.read('ConfigGeneration');
    device.console.resize(132, 43);
    expect(size()).toEqual([132, 43]);
    expect(driver.read('ConfigGeneration')).not.toBe(generation);
    expect(driver.read('InterruptStatus')).toBe(2);
    for (const [columns, rows] of [
      [0, 10],
      [80, 65536],
      [1.5, 2],
    ] as const)
      expect(() => device.console.resize(columns, rows)).toThrow('65535');
  });

  it('takes emergency output without any queue', () => {
    const fresh = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    const guest = MockDriver.for(fresh);
    let seen = '';
    fresh.console.onData((data) => {
      seen += text(data);
    });
    for (const letter of 'panic') guest.transport.write(0x108, 4, letter.charCodeAt(0));
    expect(seen).toBe('panic');
  });

  it('asks to be reset after an absurdly long message', () => {
    const queue = driver.splitQueue(1);
    const table = driver.allocate(32);
    queue.setDescriptor(table, 0, 0x8000_0000, 1 << 20, 1, 1);
    queue.setDescriptor(table, 1, 0x8000_0000, 1, 0, 0);
    queue.setDescriptor(queue.descriptors, 0, table, 32, 4, 0);
    queue.publish(0);
    queue.kick();
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
  });

  it('refuses to write after the end', () => {
    device.console.end();
    expect(() => device.console.write(encode('x'))).toThrow('ended');
  });
});

describe('named ports', () => {
  let device: VirtioConsole;
  let driver: MockDriver;
  let control: AddedChain[];

  interface Message {
    id: number;
    event: number;
    value: number;
    payload: Uint8Array;
  }

  function tell(id: number, event: number, value: number): void {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    send(driver, 3, bytes);
    driver.queues[3].takeUsed();
  }

  /** What the device says on the control queue; new buffers replace the used ones. */
  function heard(): Message[] {
    const messages = driver.queues[2].takeUsed().map(({ id, written }) => {
      const bytes = driver.written(control.findLast((chain) => chain.id === id)!).slice(0, written);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return { id: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true), payload: bytes.subarray(8) };
    });
    control = [...control, ...offer(driver, 2, messages.length, 64)];
    return messages;
  }

  function start(options: ConstructorParameters<typeof VirtioConsole>[0]): void {
    device = new VirtioConsole(options);
    driver = MockDriver.for(device).start();
    control = offer(driver, 2, 16, 64);
  }

  /** As Linux does: the device is ready, then each port that was added. */
  function greet(): Message[] {
    tell(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
    const added = heard();
    for (const { id } of added) tell(id, VIRTIO_CONSOLE_PORT_READY, 1);
    return added;
  }

  it('are announced with their names, after being open', () => {
    start({ ports: ['alpha', 'beta'] });
    expect(driver.transport.read(0x104, 4)).toBe(3);
    expect(greet().map(({ id, event }) => [id, event])).toEqual([
      [1, VIRTIO_CONSOLE_DEVICE_ADD],
      [2, VIRTIO_CONSOLE_DEVICE_ADD],
    ]);
    expect(heard().map(({ id, event, value, payload }) => [id, event, value, text(payload)])).toEqual([
      [1, VIRTIO_CONSOLE_PORT_OPEN, 1, ''],
      [1, VIRTIO_CONSOLE_PORT_NAME, 1, 'alpha'],
      [2, VIRTIO_CONSOLE_PORT_OPEN, 1, ''],
      [2, VIRTIO_CONSOLE_PORT_NAME, 1, 'beta'],
    ]);
  });

  it('get input only once the guest has opened them', () => {
    start({ ports: ['alpha', 'beta'] });
    greet();
    const opened: boolean[] = [];
    const port = device.port('beta');
    port.onOpenChange((open) => opened.push(open));
    const buffers = offer(driver, 6, 4, 64);
    port.write(encode('for later'));
    expect(driver.queues[6].takeUsed()).toEqual([]);
    tell(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
    expect(text(collect(driver, 6, buffers))).toBe('for later');
    tell(2, VIRTIO_CONSOLE_PORT_OPEN, 0);
    expect(opened).toEqual([true, false]);
  });

  it('carry output', () => {
    start({ ports: ['alpha', 'beta'] });
    let seen = '';
    device.port('alpha').onData((data) => {
      seen += text(data);
    });
    greet();
    send(driver, 5, encode('out'));
    send(driver, 7, encode('not listened to'));
    expect(seen).toBe('out');
  });

  it('end after the data, not before', () => {
    start({ ports: ['alpha'] });
    greet();
    heard();
    const port = device.port('alpha');
    port.write(encode('last words'));
    port.end();
    expect(heard()).toEqual([]);
    tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    const first = offer(driver, 4, 1, 4);
    expect(heard()).toEqual([]);
    const rest = offer(driver, 4, 1, 64);
    expect(text(collect(driver, 4, [...first, ...rest]))).toBe('last words');
    expect(heard()).toMatchObject([{ id: 1, event: VIRTIO_CONSOLE_PORT_OPEN, value: 0 }]);
    driver.start();
    control = offer(driver, 2, 16, 64);
    greet();
    expect(heard().map(({ event, value }) => [event, value])).toEqual([
      [VIRTIO_CONSOLE_PORT_OPEN, 1],
      [VIRTIO_CONSOLE_PORT_NAME, 1],
      [VIRTIO_CONSOLE_PORT_OPEN, 0],
    ]);
  });

  it('can share a device with a terminal', () => {
    start({ console: { columns: 100, rows: 30 }, ports: ['alpha'] });
    greet();
    const messages = heard();
    expect(messages.map(({ id, event }) => [id, event])).toEqual([
      [0, VIRTIO_CONSOLE_CONSOLE_PORT],
      [0, VIRTIO_CONSOLE_RESIZE],
      [0, VIRTIO_CONSOLE_PORT_OPEN],
      [1, VIRTIO_CONSOLE_PORT_OPEN],
      [1, VIRTIO_CONSOLE_PORT_NAME],
    ]);
    expect([...messages[1].payload]).toEqual([100, 0, 30, 0]);
    device.console.resize(50, 20);
    expect(heard().map(({ event, payload }) => [event, ...payload])).toEqual([[VIRTIO_CONSOLE_RESIZE, 50, 0, 20, 0]]);
  });

  it('do not pile up messages for a driver that does not read them', () => {
    start({ ports: ['alpha'] });
    driver.start();
    for (let i = 0; i < 60; i++) {
      tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
    }
    expect(device.state.snapshot()).toMatchObject({ state: { control: { length: 64 } } });
    expect(device.status.kind).toBe('Running');
    control = offer(driver, 2, 60, 64);
    expect(driver.queues[2].takeUsed()).toHaveLength(60);
  });

  it('are not there for a driver without MULTIPORT', () => {
    device = new VirtioConsole({ console: { columns: 80, rows: 24 }, ports: ['alpha'] });
    driver = MockDriver.for(device).start({ features: QUEUE_FEATURES });
    expect(device.offeredFeatures.has(VIRTIO_CONSOLE_F_MULTIPORT)).toBe(true);
    expect(device.console.isOpen).toBe(true);
    expect(device.port('alpha').isOpen).toBe(false);
  });

  it('need names that differ', () => {
    expect(() => new VirtioConsole({ ports: ['a', 'a'] })).toThrow('differ');
    expect(() => new VirtioConsole({ ports: [''] })).toThrow('names');
    expect(() => new VirtioConsole({ ports: ['a'] }).port('b')).toThrow('no console port');
    expect(() => new VirtioConsole({ ports: ['a'] }).console).toThrow('named ports only');
  });

  it('ignore control messages about ports that do not exist, and ask for a reset after broken ones', () => {
    start({ ports: ['alpha'] });
    tell(77, VIRTIO_CONSOLE_PORT_READY, 1);
    tell(1, 999, 1);
    expect(device.status.kind).toBe('Running');
    send(driver, 3, new Uint8Array(7));
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
  });
});
