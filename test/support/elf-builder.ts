export interface ElfPart {
  address: number;
  /** Where it is linked, if elsewhere. */
  virtualAddress?: number;
  bytes: Uint8Array;
  /** Size in memory; that of `bytes` unless given. */
  memoryBytes?: number;
}

/** A minimal ELF64 RISC-V executable with PT_LOAD segments and, if there are symbols, a symbol table. */
export function buildElf(options: { entry: number; parts: ElfPart[]; symbols?: Record<string, number>; type?: number }): Uint8Array {
  const { entry, parts, symbols = {} } = options;
  const names = ['', ...Object.keys(symbols)].map((name) => `${name}\0`);
  const strings = Buffer.from(names.join(''), 'latin1');
  const symbolsAt = 64 + 56 * parts.length;
  const symbolBytes = 24 * names.length;
  const stringsAt = symbolsAt + symbolBytes;
  const sectionsAt = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const bytes = new Uint8Array(sectionsAt + 3 * 64 + parts.reduce((sum, part) => sum + part.bytes.length, 0));
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);

  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, options.type ?? 2, true);
  view.setUint16(18, 243, true);
  view.setUint32(20, 1, true);
  u64(24, entry);
  u64(32, 64);
  u64(40, sectionsAt);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, parts.length, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);

  let dataAt = sectionsAt + 3 * 64;
  parts.forEach((part, i) => {
    const at = 64 + 56 * i;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, 7, true);
    u64(at + 8, dataAt);
    u64(at + 16, part.virtualAddress ?? part.address);
    u64(at + 24, part.address);
    u64(at + 32, part.bytes.length);
    u64(at + 40, part.memoryBytes ?? part.bytes.length);
    bytes.set(part.bytes, dataAt);
    dataAt += part.bytes.length;
  });

  let nameAt = 1;
  Object.entries(symbols).forEach(([name, value], i) => {
    const at = symbolsAt + 24 * (i + 1);
    view.setUint32(at, nameAt, true);
    view.setUint8(at + 4, 0x12); // a global function
    view.setUint16(at + 6, 1, true);
    u64(at + 8, value);
    nameAt += name.length + 1;
  });
  bytes.set(strings, stringsAt);
  const section = (i: number, type: number, offset: number, size: number, link: number) => {
    const at = sectionsAt + 64 * i;
    view.setUint32(at + 4, type, true);
    u64(at + 24, offset);
    u64(at + 32, size);
    view.setUint32(at + 40, link, true);
  };
  section(1, 2, symbolsAt, symbolBytes, 2);
  section(2, 3, stringsAt, strings.length, 0);
  return bytes;
}
