import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePacket, escapeBinary, fromHex, type PacketEvent, PacketParser, parseNumber, parseSmall, toHex } from './packet';

const LIMIT = 64;
const payload = fc.uint8Array({ maxLength: LIMIT }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const between = fc.array(fc.constantFrom<PacketEvent>({ kind: 'ack' }, { kind: 'nack' }, { kind: 'interrupt' }), { maxLength: 3 });
const SIGNS = { ack: '+', nack: '-', interrupt: '\x03' } as const;

/** A stream and what it is made of. */
const stream = fc.array(fc.record({ before: between, payload }), { maxLength: 6 });

function bytesOf(parts: readonly { before: PacketEvent[]; payload: string }[]): Buffer {
  return Buffer.concat(
    parts.flatMap(({ before, payload }) => [
      Buffer.from(before.map(({ kind }) => SIGNS[kind as keyof typeof SIGNS]).join(''), 'latin1'),
      encodePacket(escapeBinary(payload)),
    ]),
  );
}

describe('the packets of the GDB remote protocol', () => {
  it('are what was sent, in whatever pieces they come', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(40), { maxLength: 10 }), (parts, cuts) => {
        const bytes = bytesOf(parts);
        const parser = new PacketParser(LIMIT);
        const events: PacketEvent[] = [];
        let at = 0;
        for (const cut of cuts) {
          events.push(...parser.push(bytes.subarray(at, at + cut)));
          at += cut;
        }
        events.push(...parser.push(bytes.subarray(at)));
        const expected = parts.flatMap(({ before, payload }) => [...before, { kind: 'packet', payload, isSound: true }]);
        expect(events).toEqual(expected);
      }),
    );
  });

  it('are known to be damaged, and leave those behind them whole', () => {
    fc.assert(
      fc.property(payload, fc.integer({ min: 1, max: 255 }), (text, change) => {
        const damaged = encodePacket(escapeBinary(text));
        const sums = damaged.length - 2;
        const wrong = Buffer.from(((Number.parseInt(damaged.toString('latin1', sums), 16) + change) & 0xff).toString(16).padStart(2, '0'));
        wrong.copy(damaged, sums);
        const events = new PacketParser(LIMIT).push(Buffer.concat([damaged, encodePacket('?')]));
        expect(events).toEqual([
          { kind: 'packet', payload: text, isSound: false },
          { kind: 'packet', payload: '?', isSound: true },
        ]);
      }),
    );
  });

  it('take any bytes, and keep no more of them than the limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const parser = new PacketParser(LIMIT);
        for (const event of parser.push(noise)) {
          if (event.kind === 'packet') expect(event.payload.length).toBeLessThanOrEqual(LIMIT);
        }
        // Whatever state that left, the next packet is read.
        expect(parser.push(encodePacket('g')).at(-1)).toEqual({ kind: 'packet', payload: 'g', isSound: true });
      }),
      { numRuns: 2000 },
    );
  });

  it('are lost where they are longer than the limit, and said to be', () => {
    const parser = new PacketParser(LIMIT);
    expect(parser.push(encodePacket('x'.repeat(LIMIT)))).toMatchObject([{ kind: 'packet', payload: 'x'.repeat(LIMIT) }]);
    expect(parser.push(encodePacket('x'.repeat(LIMIT + 1)))).toEqual([{ kind: 'overlong' }]);
    expect(parser.push(encodePacket('ok'))).toMatchObject([{ kind: 'packet', payload: 'ok' }]);
  });

  it('begin anew with each dollar sign', () => {
    expect(new PacketParser(LIMIT).push(Buffer.from('$m8000$?#3f', 'latin1'))).toEqual([{ kind: 'packet', payload: '?', isSound: true }]);
  });
});

it('reads hexadecimal strictly', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(bytes);
    }),
  );
  for (const text of ['0', '0g', ' 00', '0x00', '00\n']) expect(fromHex(text)).toBeUndefined();
  expect(parseNumber('ffffffffffffffff')).toBe(0xffff_ffff_ffff_ffffn);
  for (const text of ['', '10000000000000000', '-1', '0x1', '1 ', undefined]) expect(parseNumber(text)).toBeUndefined();
  expect(parseSmall('ff', 255)).toBe(255);
  expect(parseSmall('100', 255)).toBeUndefined();
});
