import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { withoutUnusedLabels } from './strip-module';

interface Symbol {
  name: string;
  /** Binding × 16 + type. */
  info: number;
  value: number;
}
const [LABEL, LOCAL_FUNCTION, GLOBAL] = [0, 2, 0x12];

const SYMBOLS: Symbol[] = [
  { name: '', info: 0, value: 0 },
  { name: '.L1', info: LABEL, value: 4 },
  { name: 'helper', info: LOCAL_FUNCTION, value: 8 },
  { name: '.L2', info: LABEL, value: 12 },
  { name: '.L3', info: LABEL, value: 16 },
  { name: 'init_module', info: GLOBAL, value: 20 },
];
/** Symbols that relocations name, in this order. */
const USED = [3, 5, 2, 3];

/** What readelf would see of a module: .text, .rela.text, .bss, .symtab, .strtab, .shstrtab. */
function makeRelocatable(): Buffer {
  const strings = SYMBOLS.map(({ name }) => name);
  const names = Buffer.from(`${strings.join('\0')}\0`);
  const symbols = Buffer.alloc(24 * SYMBOLS.length);
  for (const [i, { name, info, value }] of SYMBOLS.entries()) {
    symbols.writeUInt32LE(name === '' ? 0 : names.indexOf(`${name}\0`), 24 * i);
    symbols.writeUInt8(info, 24 * i + 4);
    symbols.writeUInt16LE(i === 0 ? 0 : 1, 24 * i + 6);
    symbols.writeUInt32LE(value, 24 * i + 8);
  }
  const relocations = Buffer.alloc(24 * USED.length);
  for (const [i, symbol] of USED.entries()) {
    relocations.writeUInt32LE(4 * i, 24 * i);
    relocations.writeUInt32LE(18, 24 * i + 8);
    relocations.writeUInt32LE(symbol, 24 * i + 12);
    relocations.writeUInt32LE(i, 24 * i + 16);
  }
  // type, contents, link, info, alignment
  const sections: [number, Buffer, number, number, number][] = [
    [0, Buffer.alloc(0), 0, 0, 0],
    [1, Buffer.from('what the module does....'), 0, 0, 4],
    [4, relocations, 4, 1, 8],
    [8, Buffer.alloc(0), 0, 0, 1],
    [2, symbols, 5, 5, 8],
    [3, names, 0, 0, 1],
    [3, Buffer.from('\0.text\0'), 0, 0, 1],
  ];
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(1, 16);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(sections.length, 60);
  header.writeUInt16LE(6, 62);
  const pieces: Uint8Array[] = [header];
  let end = 64;
  const headers = sections.map(([type, data, link, info, alignment]) => {
    const padding = (8 - (end % 8)) % 8;
    pieces.push(Buffer.alloc(padding), data);
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(type, 4);
    entry.writeUInt32LE(end + padding, 24);
    entry.writeUInt32LE(type === 8 ? 4096 : data.length, 32);
    entry.writeUInt32LE(link, 40);
    entry.writeUInt32LE(info, 44);
    entry.writeUInt32LE(alignment, 48);
    end += padding + data.length;
    return entry;
  });
  header.writeUInt32LE(end, 40);
  return Buffer.concat([...pieces, ...headers]);
}

function section(module: Uint8Array, index: number): { data: Buffer; bytes: number; info: number } {
  const file = Buffer.from(module);
  const header = file.readUInt32LE(40) + 64 * index;
  const [offset, bytes] = [file.readUInt32LE(header + 24), file.readUInt32LE(header + 32)];
  return { data: file.subarray(offset, offset + bytes), bytes, info: file.readUInt32LE(header + 44) };
}

function symbolsOf(module: Uint8Array): Symbol[] {
  const [{ data }, { data: names }] = [section(module, 4), section(module, 5)];
  return Array.from({ length: data.length / 24 }, (_, i) => {
    const name = data.readUInt32LE(24 * i);
    return { name: names.toString('latin1', name, names.indexOf(0, name)), info: data[24 * i + 4], value: data.readUInt32LE(24 * i + 8) };
  });
}

describe('a kernel module', () => {
  it('loses the labels that nothing refers to, and keeps functions with their names', () => {
    const stripped = withoutUnusedLabels(makeRelocatable(), 'a.ko');
    expect(symbolsOf(stripped)).toEqual([SYMBOLS[0], SYMBOLS[2], { ...SYMBOLS[3], name: '' }, SYMBOLS[5]]);
    // Global symbols begin there.
    expect(section(stripped, 4).info).toBe(3);
  });

  it('means the same by each relocation, and has the same contents otherwise', () => {
    const module = makeRelocatable();
    const before = Buffer.from(module);
    const stripped = withoutUnusedLabels(module, 'a.ko');
    expect(module.equals(before)).toBe(true);
    const { data } = section(stripped, 2);
    const symbols = symbolsOf(stripped);
    expect(USED.map((_, i) => symbols[data.readUInt32LE(24 * i + 12)].value)).toEqual(USED.map((symbol) => SYMBOLS[symbol].value));
    expect(USED.map((_, i) => data.readUInt32LE(24 * i + 16))).toEqual([0, 1, 2, 3]);
    expect(section(stripped, 1).data).toEqual(section(module, 1).data);
    expect(section(stripped, 3).bytes).toBe(4096);
  });

  it('is refused with an Image error, if at all, when it is damaged', () => {
    const module = makeRelocatable();
    fc.assert(
      fc.property(fc.nat(module.length - 1), fc.nat(255), fc.nat(module.length), (at, value, end) => {
        const damaged = Buffer.from(module.subarray(0, end));
        if (at < end) damaged[at] = value;
        try {
          withoutUnusedLabels(damaged, 'a.ko');
        } catch (error) {
          expect(error).toBeInstanceOf(VmError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
