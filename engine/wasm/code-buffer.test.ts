import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodeBuffer } from './code-buffer';

/** LEB128 by the definition (core spec §5.2.2), in arbitrary precision. */
function leb128(value: bigint, signed: boolean): number[] {
  const bytes: number[] = [];
  for (;;) {
    const digit = Number(BigInt.asUintN(7, value));
    value >>= 7n;
    const last = signed ? (value === 0n && digit < 64) || (value === -1n && digit >= 64) : value === 0n;
    bytes.push(last ? digit : digit | 0x80);
    if (last) return bytes;
  }
}

function written(write: (buffer: CodeBuffer) => void): number[] {
  const buffer = new CodeBuffer();
  write(buffer);
  return [...buffer.finish()];
}

/** Mostly values around powers of two, where the length changes. */
const edges = (bits: number): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.tuple(fc.integer({ min: 0, max: bits }), fc.integer({ min: -2, max: 2 }), fc.boolean()).map(([bit, by, negative]) => {
      const value = (1n << BigInt(bit)) + BigInt(by);
      return negative ? -value : value;
    }),
    fc.bigInt({ min: -(1n << BigInt(bits)), max: 1n << BigInt(bits) }),
  );

describe('CodeBuffer', () => {
  it('writes unsigned 32-bit LEB128', () => {
    fc.assert(
      fc.property(edges(32), (any) => {
        const value = BigInt.asUintN(32, any);
        expect(written((buffer) => buffer.u32(Number(value)))).toEqual(leb128(value, false));
      }),
      { numRuns: 1000 },
    );
  });

  it('writes signed 32-bit LEB128', () => {
    fc.assert(
      fc.property(edges(32), (any) => {
        const value = BigInt.asIntN(32, any);
        expect(written((buffer) => buffer.s32(Number(value)))).toEqual(leb128(value, true));
      }),
      { numRuns: 1000 },
    );
  });

  it('writes signed 64-bit LEB128 from halves', () => {
    fc.assert(
      fc.property(edges(64), (any) => {
        const value = BigInt.asIntN(64, any);
        const low = Number(BigInt.asUintN(32, value));
        const high = Number(value >> 32n);
        expect(written((buffer) => buffer.s64(low, high))).toEqual(leb128(value, true));
      }),
      { numRuns: 1000 },
    );
  });

  it('grows, and prefixes names and sections with their lengths', () => {
    const content = new CodeBuffer();
    for (let i = 0; i < 200_000; i++) content.byte(i & 255);
    const outer = new CodeBuffer();
    outer.name('häl');
    outer.section(content);
    const bytes = outer.finish();
    expect([...bytes.subarray(0, 5)]).toEqual([4, 0x68, 0xc3, 0xa4, 0x6c]);
    expect([...bytes.subarray(5, 8)]).toEqual(leb128(200_000n, false));
    expect(bytes.length).toBe(8 + 200_000);
    expect(bytes.at(-1)).toBe(199_999 & 255);
  });
});
