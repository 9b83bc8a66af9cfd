import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultsOf, numberedFrame, offloadedFrame, type TransportSpec } from '../../../test/support/net-frames';
import { type Frame, plainFrame, type Segmentation } from './packet-port';
import { copyOf, plainFrames } from './plain-frames';

const spec = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  protocol: fc.constantFrom<'tcp' | 'udp'>('tcp', 'udp'),
  payload: fc.uint8Array({ maxLength: 5000 }),
  vlans: fc.nat(2),
  sequence: fc.constantFrom(1000, 0xffff_ff00),
  ipOptions: fc.constantFrom(0, 4, 40),
  tcpOptions: fc.constantFrom(0, 12, 40),
  flags: fc.nat(0xff),
});

function frameOf(
  of: TransportSpec,
  more: Partial<Frame> = {},
): Frame & { bytes: Uint8Array; network: number; transport: number; headers: number } {
  const made = offloadedFrame(of);
  const { bytes, transport, checksumOffset } = made;
  return { ...plainFrame([bytes]), ...made, checksumStart: transport, checksumOffset, ...more };
}

const segmentationOf = ({ protocol, version }: TransportSpec): Segmentation =>
  protocol === 'udp' ? 'udp' : version === 4 ? 'tcp4' : 'tcp6';

describe('plain frames', () => {
  it('are whole copies, behind the room that is asked for', () => {
    const frame = numberedFrame(5);
    const [copy] = plainFrames(plainFrame([frame.subarray(0, 3), frame.subarray(3)]), 4);
    expect(copy).toEqual(Uint8Array.of(0, 0, 0, 0, ...frame));
    frame.fill(0);
    expect(copy[4]).toBe(0xff);
  });

  it('have the checksum that was left to be made', () => {
    fc.assert(
      fc.property(spec, fc.nat(100), (of, cut) => {
        const frame = frameOf(of);
        const [made, ...more] = plainFrames({ ...frame, views: [frame.bytes.subarray(0, cut), frame.bytes.subarray(cut)] });
        expect(more).toEqual([]);
        expect(faultsOf(made, frame.network, frame.transport)).toEqual([]);
      }),
    );
  });

  it('made of a large one are as a card would send them: all of the payload in order, and right by themselves', () => {
    fc.assert(
      fc.property(spec, fc.integer({ min: 8, max: 1500 }), (of, segmentSize) => {
        const frame = frameOf(of, { segmentation: segmentationOf(of), segmentSize });
        const { network, transport, headers, bytes } = frame;
        const made = plainFrames(frame, 4).map((one) => one.subarray(4));
        expect(made).toHaveLength(Math.max(1, Math.ceil(of.payload.length / segmentSize)));
        expect(Buffer.concat(made.map((one) => one.subarray(headers)))).toEqual(Buffer.from(of.payload));
        for (const [i, one] of made.entries()) {
          const view = new DataView(one.buffer, one.byteOffset);
          expect(faultsOf(one, network, transport)).toEqual([]);
          if (of.version === 4) expect(view.getUint16(network + 4)).toBe((0xfffe + i) & 0xffff);
          if (of.protocol === 'udp') {
            expect(view.getUint16(transport + 4)).toBe(one.length - transport);
            continue;
          }
          expect(view.getUint32(transport + 4)).toBe((of.sequence + i * segmentSize) % 2 ** 32);
          const flags = bytes[transport + 13];
          const kept = (i + 1 < made.length ? ~0x09 : ~0) & (i > 0 ? ~0x80 : ~0);
          expect(one[transport + 13]).toBe(flags & kept);
        }
      }),
    );
  });

  it('of UDP never have the checksum 0, which says that there is none', () => {
    // A payload whose sum makes it so.
    const payload = new Uint8Array(2);
    const plain = frameOf({ version: 4, protocol: 'udp', payload });
    const [first] = plainFrames(plain);
    payload.set(first.subarray(plain.transport + 6, plain.transport + 8));
    const again = frameOf({ version: 4, protocol: 'udp', payload });
    expect([...plainFrames(again)[0].subarray(again.transport + 6, again.transport + 8)]).toEqual([0xff, 0xff]);
  });

  it('are none where a frame is not what it says', () => {
    const of = { version: 4, protocol: 'tcp', payload: new Uint8Array(100) } as const;
    const tcp4 = { segmentation: 'tcp4', segmentSize: 10 } as const;
    expect(plainFrames(frameOf(of, { ...tcp4 }))).toHaveLength(10);
    for (const wrong of [
      { checksumStart: 150 },
      { ...tcp4, segmentation: 'tcp6' },
      { ...tcp4, checksumStart: 30 },
      { ...tcp4, checksumStart: 38 },
      { ...tcp4, checksumStart: 150 },
      { ...tcp4, segmentSize: 0 },
    ] satisfies Partial<Frame>[])
      expect([wrong, plainFrames(frameOf(of, wrong))]).toEqual([wrong, []]);
    const short = frameOf({ ...of }, { ...tcp4 });
    short.bytes[short.transport + 12] = 0x40;
    expect(plainFrames(short)).toEqual([]);
    short.bytes[short.transport + 12] = 0xf0;
    expect(plainFrames(short)[0]).toHaveLength(short.transport + 60 + 10);
  });

  it('come of anything that a hostile guest may say, in bounded number', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 14, maxLength: 300 }),
        fc.record({
          checksumStart: fc.integer({ min: 0, max: 320 }),
          checksumOffset: fc.integer({ min: 0, max: 40 }),
          segmentation: fc.constantFrom<Segmentation>('none', 'tcp4', 'tcp6', 'udp'),
          segmentSize: fc.integer({ min: 1, max: 0xffff }),
          type: fc.constantFrom(0x0800, 0x86dd, 0x8100, 0),
        }),
        (bytes, { type, ...says }) => {
          bytes.set([type >>> 8, type & 0xff], 12);
          const made = plainFrames({ ...plainFrame([bytes]), ...says });
          expect(made.length).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are copied from many pieces', () => {
    const frame = numberedFrame(1);
    expect(copyOf(plainFrame([...frame].map((byte) => Uint8Array.of(byte))))).toEqual(frame);
  });
});
