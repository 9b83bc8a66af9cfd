import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildElf } from '../../test/support/elf-builder';
import { VmError } from '../errors/vm-error';
import { readElf, readElfFunctions } from './elf';

const file = (bytes: Uint8Array) => ({ what: 'kernel', path: 'test.elf', bytes });
const program = buildElf({
  entry: 0xffff_1004,
  parts: [
    { address: 0x80000000, virtualAddress: 0xffff_1000, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), memoryBytes: 32 },
    { address: 0x80001000, bytes: new Uint8Array(64).fill(9) },
  ],
  symbols: { main: 0xffff_1000, tohost: 0x80001000, fromhost: 0x80001008 },
});

describe('readElf', () => {
  it('gives segments, entry and symbols at their physical addresses', () => {
    const elf = readElf(file(program), ['tohost', 'fromhost', 'main', 'missing']);
    expect(elf.entry).toBe(0x80000004);
    expect(elf.segments.map(({ address, bytes, memoryBytes }) => ({ address, held: bytes.length, memoryBytes }))).toEqual([
      { address: 0x80000000, held: 8, memoryBytes: 32 },
      { address: 0x80001000, held: 64, memoryBytes: 64 },
    ]);
    expect(Object.fromEntries(elf.symbols)).toEqual({ tohost: 0x80001000, fromhost: 0x80001008, main: 0x80000000 });
  });

  it.each([
    ['another magic', 0, 0, /not an ELF file/],
    ['32 bits', 4, 1, /ELF file for 32-bit RISC-V; one for 64-bit/],
    ['big endian', 5, 2, /for a big-endian computer/],
    ['x86', 18, 62, /for x86-64;/],
    ['an object file', 16, 1, /not an executable/],
    ['odd program headers', 54, 8, /corrupt/],
    ['no program headers', 56, 0, /nothing to load/],
    ['odd section headers', 58, 8, /corrupt/],
  ])('refuses %s', (_, at, value, message) => {
    const bytes = program.slice();
    bytes[at] = value;
    expect(() => readElf(file(bytes))).toThrow(message);
  });

  it('says that a truncated file is truncated, wherever it was cut', () => {
    for (let length = 4; length < program.length; length++) {
      expect(() => readElf(file(program.slice(0, length)), ['tohost'])).toThrow(/is truncated/);
    }
  });

  it('refuses more segments than any program has', () => {
    const parts = Array.from({ length: 257 }, (_, i) => ({ address: 0x80000000 + 4 * i, bytes: new Uint8Array(4) }));
    expect(() => readElf(file(buildElf({ entry: 0x80000000, parts })))).toThrow(/more than 256 segments/);
  });

  it('reads any damaged file within its bounds, or refuses it with an Image error', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(program.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (damage) => {
        const bytes = program.slice();
        for (const [at, value] of damage) bytes[at] = value;
        try {
          for (const segment of readElf(file(bytes), ['tohost']).segments)
            expect(segment.bytes.length).toBeLessThanOrEqual(segment.memoryBytes);
        } catch (error) {
          expect(error).toBeInstanceOf(VmError);
          expect((error as VmError).kind).toBe('Image');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('readElfFunctions', () => {
  it('gives what the symbol table names, at virtual addresses', () => {
    expect(readElfFunctions(file(buildElf({ entry: 0, parts: [], symbols: { main: 0x1_0000_1000, '.L1': 4, $x: 8 } })))).toEqual([
      { name: 'main', address: 0x1_0000_1000n, size: 0n },
    ]);
  });

  it('survives any damage, or says what is wrong', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(program.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }), (changes) => {
        const bytes = program.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          for (const { name } of readElfFunctions(file(bytes))) expect(name.length).toBeLessThanOrEqual(program.length);
        } catch (error) {
          expect(error).toBeInstanceOf(VmError);
        }
      }),
    );
  });
});
