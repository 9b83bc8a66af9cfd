import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { missingTools } from '../../test/support/riscv-tools';
import { isIntelHex, readIntelHex } from './intel-hex';

/** A record with its checksum. */
function record(type: number, address: number, data: readonly number[]): string {
  const bytes = Buffer.from([data.length, address >> 8, address & 0xff, type, ...data]);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  return `:${bytes.toString('hex')}${(-sum & 0xff).toString(16).padStart(2, '0')}`.toUpperCase();
}
const END = record(1, 0, []);
const hex = (...lines: string[]) => ({ what: 'kernel', path: 'x.hex', bytes: Buffer.from(`${lines.join('\r\n')}\r\n`) });

describe('Intel hex files', () => {
  it('say what goes where, and where to begin', () => {
    const program = readIntelHex(
      hex(
        record(4, 0, [0x80, 0x20]),
        record(0, 0xfffe, [1, 2]),
        record(4, 0, [0x80, 0x21]),
        record(0, 0, [3]),
        record(5, 0, [0x80, 0x20, 0xff, 0xfe]),
        END,
      ),
    );
    expect(program).toEqual({ entry: 0x8020fffe, pieces: [{ address: 0x8020fffe, bytes: Buffer.from([1, 2, 3]) }] });
  });

  it('take segments of 16 bytes, and records in any order', () => {
    const { pieces, entry } = readIntelHex(
      hex(record(2, 0, [0x10, 0]), record(0, 4, [5, 6]), record(0, 0, [1, 2, 3, 4]), record(0, 0x100, [7]), END),
    );
    expect(entry).toBeUndefined();
    expect(pieces).toEqual([
      { address: 0x10000, bytes: Buffer.from([1, 2, 3, 4, 5, 6]) },
      { address: 0x10100, bytes: Buffer.from([7]) },
    ]);
  });

  it.each([
    ['a wrong checksum', [record(0, 0, [1]).replace(/..$/, '00'), END], /line 1 has a wrong checksum/],
    ['fewer data than it says', [':0200000001FD', END], /line 1 says that it has 2 bytes of data, and has 1/],
    ['no end', [record(0, 0, [1])], /no record that ends it/],
    ['an unknown type', [record(9, 0, [1]), END], /unknown type 9/],
    ['a base of the wrong length', [record(4, 0, [1]), END], /type 4, which has 2 bytes of data, not 1/],
    ['no record', [record(0, 0, [1]), 'hello', END], /line 2 is no record/],
    ['the same place twice', [record(0, 0, [1, 2]), record(0, 1, [3]), END], /says twice what is at 0x1/],
    ['no data', [END], /nothing to load/],
  ])('are refused for %s', (_, lines, message) => {
    expect(() => readIntelHex(hex(...lines))).toThrow(message);
  });

  it('are told from other files by their first line', () => {
    expect(isIntelHex(hex(END).bytes)).toBe(true);
    for (const other of [':not hex', '', ':', '\x7fELF', 'text\n:00000001FF\n']) expect(isIntelHex(Buffer.from(other))).toBe(false);
  });

  it('of any contents come back as they were', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_0000 }),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 255 }),
        (address, data, width) => {
          const lines: string[] = [];
          for (let at = 0; at < data.length; ) {
            const place = address + at;
            const length = Math.min(width, data.length - at, 0x10000 - (place & 0xffff));
            lines.push(
              record(4, 0, [(place >>> 24) & 0xff, (place >>> 16) & 0xff]),
              record(0, place & 0xffff, [...data.subarray(at, at + length)]),
            );
            at += length;
          }
          expect(readIntelHex(hex(...lines, END)).pieces).toEqual([{ address, bytes: Buffer.from(data) }]);
        },
      ),
    );
  });

  it.skipIf(missingTools('riscv64-linux-gnu-objcopy'))('that objcopy makes hold what it was given', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hartbox-hex-'));
    try {
      const [raw, made] = [join(folder, 'raw'), join(folder, 'made.hex')];
      const data = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff));
      writeFileSync(raw, data);
      const { status } = spawnSync('riscv64-linux-gnu-objcopy', [
        '-I',
        'binary',
        '-O',
        'ihex',
        '--change-addresses',
        '0x80200000',
        raw,
        made,
      ]);
      expect(status).toBe(0);
      const file = { what: 'kernel', path: made, bytes: readFileSync(made) };
      expect(isIntelHex(file.bytes)).toBe(true);
      expect(readIntelHex(file).pieces).toEqual([{ address: 0x80200000, bytes: data }]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
