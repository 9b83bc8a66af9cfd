import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MmioBus } from '../bus/mmio-bus';
import type { VmError } from '../errors/vm-error';
import { HARTS_BASE, HART_STRIDE, RING_ENTRIES } from '../memory/layout';
import { MmioPort, MmioServer } from './mmio-ring';

const BASE = 0x1000_0000;
/** A write here takes as many steps as its value says. */
const LONG = 0x2000_0000;

/** Goes on by itself: a port that waits on this thread lets no promise go on. */
class InstantServer extends MmioServer {
  protected override afterPromises(work: () => void): void {
    work();
  }
}

/** Ports for two harts and their server, all on this thread: a port that must wait rings, which serves it there and then. */
function rings(serveAtOnce: boolean, Server: typeof MmioServer = InstantServer) {
  const pages = (HARTS_BASE + 2 * HART_STRIDE) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const log: string[] = [];
  let accessed: (offset: number) => void = () => undefined;
  const bus = new MmioBus();
  bus.add({
    name: 'device',
    base: BASE,
    size: 0x1000,
    read: (offset, size) => {
      log.push(`r${size}@${offset}`);
      if (offset === 0x800) throw new Error('broken device');
      return 0xffff_ff00 + offset;
    },
    write: (offset, size, value) => {
      log.push(`w${size}@${offset}=${value}`);
      accessed(offset);
    },
  });
  bus.add({
    name: 'slow device',
    base: LONG,
    size: 4,
    read: () => 0,
    write: () => undefined,
    *begin(_offset, _size, steps) {
      for (let step = 1; step <= steps; step++) {
        log.push(`step ${step}`);
        if (step < steps) yield;
      }
    },
  });
  const errors: VmError[] = [];
  const server = new Server(memory, 2, bus, (error) => errors.push(error));
  const bell = vi.fn(() => {
    if (serveAtOnce) server.serve();
  });
  return {
    ports: [0, 1].map((hart) => new MmioPort(memory, hart, bell)),
    server,
    bell,
    log,
    errors,
    onAccess: (listener: typeof accessed) => {
      accessed = listener;
    },
  };
}

// The server gives up its turn after a millisecond, which must not depend on how busy this computer is: with both ends on
// one thread, a port would wait for ever for a server that has yet to come back.
beforeEach(() => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 0.001));
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('MMIO ring', () => {
  it('carries accesses in order, as they were made', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            offset: fc.integer({ min: 0, max: 0x1ff }),
            size: fc.constantFrom(1, 2, 4),
            value: fc.nat(0xffffffff),
            write: fc.boolean(),
          }),
          { maxLength: 50 },
        ),
        (accesses) => {
          const { ports, log } = rings(true);
          const expected = accesses.map(({ offset, size, value, write }) => {
            const at = offset * 4;
            if (write) {
              ports[0].write(BASE + at, size, value);
              return `w${size}@${at}=${value}`;
            }
            expect(ports[0].read(BASE + at, size)).toBe(at === 0x800 ? undefined : (0xffff_ff00 + at) >>> 0);
            return `r${size}@${at}`;
          });
          expect(log).toEqual(expected);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('rings once for many posted writes, which keep the order of their hart', () => {
    const { ports, server, bell, log } = rings(false);
    for (let i = 0; i < RING_ENTRIES; i++) ports[i % 2].write(BASE + 4 * (i % 2), 4, i);
    expect(bell).toHaveBeenCalledTimes(1);
    expect(log).toEqual([]);
    server.serve();
    for (const hart of [0, 1]) {
      const own = log.filter((line) => line.startsWith(`w4@${4 * hart}=`)).map((line) => Number(line.split('=')[1]));
      expect(own).toEqual(Array.from({ length: RING_ENTRIES / 2 }, (_, i) => 2 * i + hart));
    }
    ports[0].write(BASE, 4, 1);
    expect(bell).toHaveBeenCalledTimes(2);
  });

  it('lets what a device has begun go on by promises while it looks for more', async () => {
    const { ports, server, bell, log, onAccess } = rings(false, MmioServer);
    onAccess((offset) => {
      if (offset === 0) void Promise.resolve().then(() => Promise.resolve().then(() => ports[0].write(BASE + 4, 4, 1)));
    });
    ports[0].write(BASE, 4, 0);
    server.serve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['w4@0=0', 'w4@4=1']);
    expect(bell).toHaveBeenCalledTimes(1);
  });

  it('answers an access that nothing takes with a fault, and reports a device that breaks', () => {
    const { ports, errors } = rings(true);
    expect(ports[1].read(BASE + 0x1000, 4)).toBeUndefined();
    expect(ports[1].read(BASE + 1, 4)).toBeUndefined();
    ports[1].write(BASE + 0x2000, 4, 1);
    expect(errors).toEqual([]);
    expect(ports[1].read(BASE + 0x800, 4)).toBeUndefined();
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('0x10000800')]);
    expect(ports[1].read(BASE, 4)).toBe(0xffff_ff00);
  });

  it('gives the event loop its turn while a hart asks without end, and lets no other hart wait for that', async () => {
    const { ports, server, log, onAccess } = rings(false);
    // Whatever it does, the next request is there when it is done.
    let storm = true;
    onAccess((offset) => {
      if (storm && offset === 0) ports[0].write(BASE, 4, 0);
    });
    ports[0].write(BASE, 4, 0);
    ports[0].write(BASE, 4, 0);
    ports[1].write(BASE + 4, 4, 1);
    server.serve();
    const inOneTurn = log.length;
    expect(inOneTurn).toBeGreaterThan(10);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.length).toBeGreaterThan(inOneTurn);
    expect(log.filter((line) => line.startsWith('w4@4'))).toHaveLength(1);
    storm = false;
    await vi.waitFor(() => {
      const served = log.length;
      server.drain();
      expect(log).toHaveLength(served);
    });
    server.close();
  });

  it('does what takes long in steps, while others are served, and forgets it when it is told to', async () => {
    const { ports, server, log } = rings(false);
    ports[0].write(LONG, 4, 1000);
    ports[0].write(BASE, 4, 7);
    ports[1].write(BASE, 4, 8);
    server.serve();
    expect(log.at(-1)).toMatch(/^step/);
    expect(log).toContain('w4@0=8');
    expect(log).not.toContain('w4@0=7');
    await vi.waitFor(() => expect(log).toContain('w4@0=7'));
    expect(log.filter((line) => line.startsWith('step'))).toHaveLength(1000);

    ports[0].write(LONG, 4, 1e9);
    server.serve();
    server.discard();
    await new Promise((resolve) => setImmediate(resolve));
    log.length = 0;
    ports[0].write(BASE, 4, 9);
    server.serve();
    expect(log).toEqual(['w4@0=9']);
    server.close();
  });

  it('serves nobody while it is held, but those who are to stop', async () => {
    const { ports, server, log } = rings(true);
    let release = (): void => undefined;
    server.hold(new Promise((resolve) => (release = resolve)));
    ports[0].write(BASE, 4, 1);
    expect(log).toEqual([]);
    server.hurry(true);
    expect(log).toEqual(['w4@0=1']);
    server.hurry(false);
    ports[0].write(BASE, 4, 2);
    expect(log).toHaveLength(1);
    release();
    await vi.waitFor(() => expect(log).toHaveLength(2));
    server.close();
  });

  it('serves nothing once closed', () => {
    const { ports, server, log } = rings(true);
    server.close();
    ports[0].write(BASE, 4, 1);
    expect(log).toEqual([]);
  });
});
