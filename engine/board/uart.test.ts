import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MockLine } from '../../test/support/mock-places';
import { Uart } from './uart';

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const text = (s: string) => new TextEncoder().encode(s);

function setUp(accept?: () => Promise<void>, isIdle = true) {
  const sent: number[] = [];
  const line = new MockLine();
  const state = { drains: 0, isIdle, marks: 0, executed: 1_000_000 };
  const uart = new Uart({
    base: 0x10000000,
    line,
    output: (data) => {
      sent.push(...data);
      return accept?.();
    },
    drained: () => {
      state.drains++;
    },
    guest: { mark: () => state.marks++, hasExecuted: (instructions) => state.isIdle || instructions <= state.executed },
  });
  return { uart, sent, line, state };
}

function readAll(uart: Uart): number[] {
  const bytes: number[] = [];
  while (uart.read(LSR, 1) & 1) bytes.push(uart.read(DATA, 1));
  return bytes;
}

describe('Uart', () => {
  it('is a 16550A with working FIFOs to a driver that probes for one', () => {
    const { uart } = setUp();
    uart.write(SCR, 1, 0xa5);
    expect(uart.read(SCR, 1)).toBe(0xa5);
    uart.write(IER, 1, 0xff);
    expect(uart.read(IER, 1)).toBe(0x0f);
    uart.write(MCR, 1, 0x1a);
    expect(uart.read(MSR, 1) & 0xf0).toBe(0x90);
    uart.write(MCR, 1, 0);
    expect(uart.read(MSR, 1) & 0xf0).toBe(0xb0);
    uart.write(IIR, 1, 1);
    expect(uart.read(IIR, 1) >>> 6).toBe(3);
    uart.write(IIR, 1, 0);
    expect(uart.read(IIR, 1) >>> 6).toBe(0);
  });

  it('keeps the divisor behind DLAB', () => {
    const { uart, sent } = setUp();
    uart.write(LCR, 1, 0x83);
    uart.write(DATA, 1, 0x02);
    uart.write(IER, 1, 0x01);
    expect([uart.read(DATA, 1), uart.read(IER, 1)]).toEqual([2, 1]);
    uart.write(LCR, 1, 0x03);
    expect(uart.read(IER, 1)).toBe(0);
    uart.flush();
    expect(sent).toEqual([]);
  });

  it('sends in the order of the writes and is ready again at once', async () => {
    const { uart, sent } = setUp();
    for (const byte of text('hello')) {
      expect(uart.read(LSR, 1) & 0x60).toBe(0x60);
      uart.write(DATA, 1, byte);
    }
    await Promise.resolve();
    expect(sent).toEqual([...text('hello')]);
  });

  it('interrupts when the transmitter is empty, until the cause has been read', () => {
    const { uart, line } = setUp();
    uart.write(IER, 1, 2);
    expect(line.level).toBe(true);
    expect(uart.read(IIR, 1)).toBe(2);
    expect(line.level).toBe(false);
    expect(uart.read(IIR, 1)).toBe(1);
    uart.write(DATA, 1, 65);
    expect(line.level).toBe(true);
    uart.write(IER, 1, 0);
    expect(line.level).toBe(false);
  });

  it('does not ask again for what a driver looks at but leaves, as old drivers do with the transmitter', () => {
    const asked: boolean[] = [];
    const driven = new Uart({ base: 0, line: { ...new MockLine(), setLevel: (level) => asked.push(level) }, output: () => undefined });
    driven.write(IER, 1, 3);
    driven.receive(text('a'));
    asked.length = 0;
    expect([driven.read(LSR, 1), driven.read(LSR, 1), driven.read(MSR, 1), driven.read(IER, 1)]).toEqual([0x61, 0x61, 0xb0, 3]);
    driven.write(SCR, 1, 1);
    driven.write(LCR, 1, 3);
    expect(asked).toEqual([]);
    expect(driven.read(DATA, 1)).toBe(97);
    expect(asked).toEqual([true]);
    driven.write(DATA, 1, 98);
    expect(asked).toEqual([true, true]);
    expect(driven.read(IIR, 1) & 15).toBe(2);
    expect(asked).toEqual([true, true, false]);
  });

  it('interrupts for input: at the trigger level as data, below it as a timeout', () => {
    const { uart, line } = setUp();
    uart.write(IIR, 1, 0x81);
    uart.write(IER, 1, 1);
    uart.receive(text('abc'));
    expect(line.level).toBe(true);
    expect(uart.read(IIR, 1)).toBe(0xcc);
    uart.receive(text('defgh'));
    expect(uart.read(IIR, 1)).toBe(0xc4);
    expect(readAll(uart)).toEqual([...text('abcdefgh')]);
    expect(line.level).toBe(false);
  });

  it('loses no pasted input, and asks the sender to wait', () => {
    const { uart, state } = setUp();
    uart.write(IIR, 1, 1);
    const paste = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
    expect(uart.receive(text('x'))).toBe(true);
    expect(uart.receive(paste)).toBe(false);
    expect(state.drains).toBe(0);
    expect(readAll(uart)).toEqual([120, ...paste]);
    expect(state.drains).toBe(1);
  });

  it('gives a busy driver that is interrupted no more than a line would bring, and one that sleeps what it can take', async () => {
    const { uart, line, state } = setUp(undefined, false);
    uart.write(IIR, 1, 1);
    uart.write(IER, 1, 1);
    const start = performance.now();
    uart.receive(new Uint8Array(5000).fill(65));
    let received = 0;
    while (received < 160) {
      received += readAll(uart).length;
      // 10 bits at 115,200 baud.
      expect(received).toBeLessThanOrEqual(16 + (performance.now() - start) / (10_000 / 115_200));
      await new Promise((resolve) => setImmediate(resolve));
    }
    // A host that is busy with something else.
    state.executed = 100;
    const stuck = received + readAll(uart).length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([readAll(uart).length, line.level, state.marks > 8]).toEqual([0, false, true]);
    received = stuck;
    state.isIdle = true;
    await expect.poll(() => line.level).toBe(true);
    expect(received + readAll(uart).length).toBe(5000);
  });

  it('gives a driver that asks for input by itself all of it', () => {
    const { uart } = setUp(undefined, false);
    uart.receive(new Uint8Array(5000).fill(66));
    expect(readAll(uart)).toHaveLength(5000);
  });

  it('marks a break, until it is asked about the line or has given the character', () => {
    const { uart, line } = setUp();
    uart.write(IIR, 1, 1);
    uart.write(IER, 1, 4);
    uart.receiveBreak();
    expect(line.level).toBe(true);
    expect(uart.read(IIR, 1)).toBe(0xc6);
    expect(uart.read(LSR, 1)).toBe(0x71);
    expect([uart.read(LSR, 1), line.level]).toEqual([0x61, false]);
    expect([uart.read(DATA, 1), uart.read(LSR, 1)]).toEqual([0, 0x60]);
    uart.receiveBreak();
    expect([uart.read(DATA, 1), uart.read(LSR, 1)]).toEqual([0, 0x60]);
    uart.write(MCR, 1, 0x10);
    uart.receiveBreak();
    expect(uart.read(LSR, 1)).toBe(0x60);
  });

  it('sends to itself in loopback, and overruns there', () => {
    const { uart, sent } = setUp();
    uart.write(MCR, 1, 0x10);
    uart.receive(text('outside'));
    uart.write(DATA, 1, 1);
    uart.write(DATA, 1, 2);
    expect(uart.read(LSR, 1) & 3).toBe(3);
    expect(uart.read(LSR, 1) & 3).toBe(1);
    expect(uart.read(DATA, 1)).toBe(2);
    uart.write(MCR, 1, 0);
    expect(readAll(uart)).toEqual([...text('outside')]);
    uart.flush();
    expect(sent).toEqual([]);
  });

  it('is busy while the reader of its output is behind', async () => {
    let accept = (): void => undefined;
    const { uart, sent, line } = setUp(
      () =>
        new Promise<void>((resolve) => {
          accept = resolve;
        }),
    );
    uart.write(IER, 1, 2);
    uart.write(DATA, 1, 1);
    uart.flush();
    let written = 0;
    while (uart.read(LSR, 1) & 0x20) {
      for (let i = 0; i < 16; i++) uart.write(DATA, 1, written++ & 0xff);
    }
    uart.read(IIR, 1);
    expect(line.level).toBe(false);
    expect(sent).toEqual([1]);
    accept();
    await Promise.resolve();
    await Promise.resolve();
    expect(line.level).toBe(true);
    expect(uart.read(LSR, 1) & 0x60).toBe(0x60);
    expect(sent.length).toBe(1 + written);
  });

  it('saves and restores what it holds', () => {
    const { uart } = setUp();
    uart.write(IIR, 1, 0x41);
    uart.write(IER, 1, 1);
    uart.receive(text('0123456789abcdefghij'));
    const other = setUp();
    other.uart.state.restore(JSON.parse(JSON.stringify(uart.state.snapshot())));
    expect(other.line.level).toBe(true);
    expect(readAll(other.uart)).toEqual([...text('0123456789abcdefghij')]);
    uart.reset();
    expect(uart.read(IER, 1)).toBe(0);
  });

  it('survives any sequence of accesses', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(15), fc.nat(255), fc.boolean())), (accesses) => {
        const { uart } = setUp();
        for (const [offset, value, write] of accesses) {
          if (write) uart.write(offset, 1, value);
          else expect(uart.read(offset, 1)).toBeGreaterThanOrEqual(0);
          uart.receive(Uint8Array.of(value));
        }
      }),
    );
  });
});
