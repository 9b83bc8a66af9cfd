import { beforeEach, describe, expect, it } from 'vitest';
import type { VmError } from '../errors/vm-error';
import { DevicePort } from '../virtio/devices/console-port';
import { MachineConsole } from './machine-console';

const bytes = (text: string) => new TextEncoder().encode(text);

let virtio: DevicePort;
let toUart: string;
let sizes: string[];
let warnings: VmError[];
let room: boolean;

function setUp(inputToVirtio = false): MachineConsole {
  const uart = {
    receive: (data: Uint8Array) => {
      toUart += Buffer.from(data).toString();
      return room;
    },
    takeBack: () => {
      const unread = bytes(toUart);
      toUart = '';
      return unread;
    },
    receiveBreak: () => {
      toUart += '(break)';
    },
  };
  return new MachineConsole({ virtio, uart, inputToVirtio, warn: (error) => warnings.push(error) });
}

function toVirtio(): string {
  let text = '';
  virtio.drainTo(1000, (data) => {
    text += Buffer.from(data).toString();
  });
  return text;
}

beforeEach(() => {
  toUart = '';
  sizes = [];
  warnings = [];
  room = true;
  const owner = {
    inputReady: () => undefined,
    outputReady: () => undefined,
    resize: (_: DevicePort, columns: number, rows: number) => void sizes.push(`${columns}x${rows}`),
    warn: (error: VmError) => void warnings.push(error),
  };
  virtio = new DevicePort(owner, 0, 'console', true);
});

describe('MachineConsole', () => {
  it('gives the output of UART and virtio console in order', () => {
    const console = setUp();
    let seen = '';
    const remove = console.onData((data) => {
      seen += Buffer.from(data).toString();
    });
    void console.deliver(bytes('kernel '));
    virtio.deliver(bytes('shell '));
    void console.deliver(bytes('bye'));
    remove();
    void console.deliver(bytes('!'));
    virtio.deliver(bytes('!'));
    expect(seen).toBe('kernel shell bye');
  });

  it('breaks the serial line, unless somebody else has its input', () => {
    const console = setUp();
    virtio.deliver(bytes('login: '));
    console.sendBreak();
    console.divert({ receive: () => true });
    console.sendBreak();
    expect(toUart).toBe('');
    console.divert(undefined);
    console.sendBreak();
    expect(toUart).toBe('(break)');
  });

  it('sends input to the UART until the guest speaks on the virtio console', () => {
    const console = setUp();
    virtio.setOpen(true);
    console.write(bytes('early'));
    virtio.deliver(bytes('login: '));
    console.write(bytes('root'));
    expect([toUart, toVirtio()]).toEqual(['early', 'root']);
    // The guest was reset.
    virtio.setOpen(false);
    console.write(bytes('again'));
    expect(toUart).toBe('earlyagain');
  });

  it('keeps what is typed ahead until the guest speaks, where it is known to use the virtio console', () => {
    const console = setUp(true);
    virtio.setOpen(true);
    expect(console.write(bytes('typed '))).toBe(true);
    console.write(bytes('ahead'));
    expect([toUart, toVirtio()]).toEqual(['', '']);
    virtio.deliver(bytes('# '));
    expect([toUart, toVirtio()]).toEqual(['', 'typed ahead']);
  });

  it('asks the sender to wait when much is typed ahead', () => {
    const console = setUp(true);
    let drains = 0;
    console.onDrain(() => drains++);
    expect(console.write(new Uint8Array(70_000))).toBe(false);
    virtio.deliver(bytes('# '));
    expect(drains).toBe(0);
    virtio.drainTo(70_000, () => undefined);
    virtio.signalDrain();
    expect(drains).toBe(1);
  });

  it('asks the sender to wait, and says when there is room', () => {
    const console = setUp();
    let drains = 0;
    const remove = console.onDrain(() => drains++);
    room = false;
    expect(console.write(bytes('x'))).toBe(false);
    console.inputDrained();
    remove();
    console.inputDrained();
    expect(drains).toBe(1);
  });

  it('holds the UART back while a listener is busy', async () => {
    const console = setUp();
    expect(console.deliver(bytes('nobody'))).toBeUndefined();
    let release = (): void => undefined;
    console.onData(
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    let done = false;
    const held = console.deliver(bytes('x'))?.then(() => {
      done = true;
    });
    await Promise.resolve();
    expect(done).toBe(false);
    release();
    await held;
    expect(done).toBe(true);
  });

  it('warns of listeners that fail, and goes on', async () => {
    const console = setUp();
    console.onData(() => {
      throw new Error('sync');
    });
    console.onData(() => Promise.reject(new Error('async')));
    await console.deliver(bytes('x'));
    expect(warnings.map((warning) => warning.message)).toEqual([expect.stringContaining('sync'), expect.stringContaining('async')]);
  });

  it('passes sizes on, and takes nothing after its end', () => {
    const console = setUp();
    console.resize(100, 40);
    expect(sizes).toEqual(['100x40']);
    console.end();
    expect(() => console.write(bytes('x'))).toThrow(/was ended/);
  });

  it('gives input to who takes it, with what the UART had not handed on, until it is given back', () => {
    const console = setUp();
    let taken = '';
    console.write(bytes('ab'));
    console.divert({
      receive: (data) => {
        taken += Buffer.from(data).toString();
        return false;
      },
    });
    expect(console.write(bytes('c'))).toBe(false);
    expect([taken, toUart]).toEqual(['abc', '']);
    console.divert(undefined);
    expect(console.write(bytes('d'))).toBe(true);
    expect([taken, toUart]).toEqual(['abc', 'd']);
  });
});
