import { VmError } from '../errors/vm-error';

// ELF-64 object file format, "Sections", "Symbol table" and "Relocation table".
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const RELA_BYTES = 24;
const ET_REL = 1;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const SHT_RELA = 4;
const SHT_NOBITS = 8;
const SHT_GROUP = 17;
const SHT_SYMTAB_SHNDX = 18;
const STB_LOCAL = 0;
const STT_NOTYPE = 0;

interface Section {
  /** Place of its header in the file. */
  header: number;
  type: number;
  offset: number;
  /** What the file holds of it. */
  data: Uint8Array;
  link: number;
  info: number;
  align: number;
}

/**
 * A kernel module (ELF64, little endian, relocatable) without the labels that nothing refers to. RISC-V's assembler leaves one for most branches,
 * as linkers may still move code: in Debian's modules they are two thirds of all bytes. Functions and objects keep their names, for traces.
 * Throws VmError 'Image' if the module is damaged.
 */
export function withoutUnusedLabels(module: Uint8Array, path: string): Uint8Array {
  try {
    return strip(module);
  } catch (cause) {
    if (cause instanceof RangeError) throw new VmError('Image', `${path} is damaged: it refers to what lies outside of it.`, { cause });
    throw cause;
  }
}

function strip(module: Uint8Array): Uint8Array {
  const view = new DataView(module.buffer, module.byteOffset, module.length);
  if (view.getUint16(16, true) !== ET_REL || view.getUint16(58, true) !== SECTION_HEADER_BYTES) return module;
  const sections = readSections(module, view);
  const symbols = sections.findIndex(({ type }) => type === SHT_SYMTAB);
  // Numbers of sections beyond 65,279 stand in a table beside the symbols.
  if (symbols < 0 || sections.some(({ type }) => type === SHT_SYMTAB_SHNDX)) return module;
  const table = sections[symbols];
  const names = sections[table.link];
  if (names?.type !== SHT_STRTAB || table.link === view.getUint16(62, true)) return module;

  const wanted = usedSymbols(sections, symbols);
  const kept = keepSymbols(table.data, wanted, names.data);
  const relocations = new Set(sections.filter(({ type, link }) => type === SHT_RELA && link === symbols));
  for (const section of relocations) section.data = renumber(section.data, kept.numbers);
  for (const section of sections) {
    if (section.type === SHT_GROUP && section.link === symbols) section.info = kept.numbers[section.info];
  }
  table.data = kept.symbols;
  table.info = kept.locals;
  names.data = kept.names;
  return write(module, view, sections);
}

function readSections(module: Uint8Array, view: DataView): Section[] {
  const u64 = (at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  const headers = u64(40);
  return Array.from({ length: view.getUint16(60, true) }, (_, index) => {
    const header = headers + index * SECTION_HEADER_BYTES;
    const type = view.getUint32(header + 4, true);
    const [offset, size] = [u64(header + 24), u64(header + 32)];
    if (type !== SHT_NOBITS && offset + size > module.length) throw new RangeError(`section ${index} ends at byte ${offset + size}`);
    const data = type === SHT_NOBITS ? new Uint8Array(0) : module.subarray(offset, offset + size);
    const [link, info] = [view.getUint32(header + 40, true), view.getUint32(header + 44, true)];
    return { header, type, offset, data, link, info, align: u64(header + 48) };
  });
}

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.length);

/** 1 for each symbol that relocations or groups name. */
function usedSymbols(sections: readonly Section[], symbols: number): Uint8Array {
  const used = new Uint8Array(Math.floor(sections[symbols].data.length / SYMBOL_BYTES));
  const use = (symbol: number): void => {
    if (symbol >= used.length) throw new RangeError(`symbol ${symbol} of ${used.length}`);
    used[symbol] = 1;
  };
  for (const { type, link, info, data } of sections) {
    if (link !== symbols) continue;
    if (type === SHT_GROUP) use(info);
    if (type !== SHT_RELA) continue;
    const view = viewOf(data);
    for (let at = 0; at + RELA_BYTES <= data.length; at += RELA_BYTES) use(view.getUint32(at + 12, true));
  }
  return used;
}

interface KeptSymbols {
  symbols: Uint8Array;
  names: Uint8Array;
  /** How many of the first are local, for sh_info. */
  locals: number;
  /** A symbol's new number, by its old one. */
  numbers: Uint32Array;
}

function keepSymbols(table: Uint8Array, wanted: Uint8Array, oldNames: Uint8Array): KeptSymbols {
  const view = viewOf(table);
  const numbers = new Uint32Array(wanted.length);
  const symbols = new Uint8Array(wanted.length * SYMBOL_BYTES);
  const symbolView = viewOf(symbols);
  const names: Uint8Array[] = [Uint8Array.of(0)];
  let [count, locals, nameBytes] = [0, 0, 1];
  for (let symbol = 0; symbol < wanted.length; symbol++) {
    const at = symbol * SYMBOL_BYTES;
    const info = table[at + 4];
    const isLocal = info >> 4 === STB_LOCAL;
    const isLabel = isLocal && (info & 15) === STT_NOTYPE;
    if (isLabel && symbol > 0 && !wanted[symbol]) continue;
    symbols.set(table.subarray(at, at + SYMBOL_BYTES), count * SYMBOL_BYTES);
    const name = view.getUint32(at, true);
    let place = 0;
    // A label is found by its number; its name tells nobody anything.
    if (name !== 0 && !isLabel) {
      const end = oldNames.indexOf(0, name);
      if (end < 0) throw new RangeError(`name ${name} has no end`);
      place = nameBytes;
      names.push(oldNames.subarray(name, end + 1));
      nameBytes += end + 1 - name;
    }
    symbolView.setUint32(count * SYMBOL_BYTES, place, true);
    numbers[symbol] = count++;
    if (isLocal) locals = count;
  }
  return { symbols: symbols.subarray(0, count * SYMBOL_BYTES), names: Buffer.concat(names), locals, numbers };
}

function renumber(relocations: Uint8Array, numbers: Uint32Array): Uint8Array {
  // Not slice(), which of a Buffer is no copy.
  const copy = new Uint8Array(relocations);
  const view = viewOf(copy);
  for (let at = 0; at + RELA_BYTES <= copy.length; at += RELA_BYTES) view.setUint32(at + 12, numbers[view.getUint32(at + 12, true)], true);
  return copy;
}

/** The file with its sections in their old order, each as long as it is now. */
function write(module: Uint8Array, view: DataView, sections: readonly Section[]): Uint8Array {
  const out = new Uint8Array(module.length + sections.length * SECTION_HEADER_BYTES);
  const outView = viewOf(out);
  out.set(module.subarray(0, view.getUint16(52, true)));
  let end = view.getUint16(52, true);
  const aligned = (align: number): number => (align > 1 ? Math.ceil(end / align) * align : end);
  const places = new Map<Section, number>();
  for (const section of [...sections].sort((one, other) => one.offset - other.offset)) {
    if (section.data.length === 0) continue;
    const place = aligned(section.align);
    out.set(section.data, place);
    places.set(section, place);
    end = place + section.data.length;
  }
  const headers = aligned(8);
  for (const [index, section] of sections.entries()) {
    const at = headers + index * SECTION_HEADER_BYTES;
    out.set(module.subarray(section.header, section.header + SECTION_HEADER_BYTES), at);
    outView.setUint32(at + 24, places.get(section) ?? 0, true);
    outView.setUint32(at + 28, 0, true);
    if (section.type !== SHT_NOBITS) outView.setUint32(at + 32, section.data.length, true);
    outView.setUint32(at + 44, section.info, true);
  }
  outView.setUint32(40, headers, true);
  outView.setUint32(44, 0, true);
  return out.subarray(0, headers + sections.length * SECTION_HEADER_BYTES);
}
