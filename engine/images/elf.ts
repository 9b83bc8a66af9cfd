import { imageError, type ImageFile } from './image-file';

// ELF-64 object file format, and the RISC-V psABI's e_machine.
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_RISCV = 243;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const SHN_LORESERVE = 0xff00;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
/** Linkers make a handful; every one is compared with all others for overlaps. */
const SEGMENTS_MAX = 256;

export interface ElfSegment {
  /** Physical and virtual address of the first byte. */
  address: number;
  virtualAddress: number;
  /** What the file holds; the rest up to `memoryBytes` is zero. */
  bytes: Uint8Array;
  memoryBytes: number;
  /** It begins with the ELF header, because the linker mapped the whole first page of the file. */
  hasHeader: boolean;
}

export interface ElfProgram {
  /** Physical address. */
  entry: number;
  /** Linked to be moved (ET_DYN). */
  relocatable: boolean;
  segments: ElfSegment[];
  /** Physical addresses of the symbols that were asked for and found. */
  symbols: Map<string, number>;
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** A symbol as the table holds it: its name lies at `name`, and ends before `nameEnd`. Virtual address, size in bytes. */
interface RawSymbol {
  name: number;
  nameEnd: number;
  info: number;
  section: number;
  address: bigint;
  size: bigint;
}

/** e_machine of what people build by mistake. */
const MACHINES: Record<number, string> = {
  3: 'x86',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC',
  40: 'ARM',
  62: 'x86-64',
  183: 'ARM64',
  258: 'LoongArch',
};

/** The computer that a file is for, as people call it. */
function machineOf(bytes: Uint8Array, view: DataView): string {
  if (bytes[5] !== LITTLE_ENDIAN) return 'a big-endian computer';
  const machine = view.getUint16(18, true);
  if (machine === EM_RISCV) return '32-bit RISC-V';
  return MACHINES[machine] ?? 'another kind of computer';
}

/** The parts of an ELF file that have been checked to lie within it. */
class ElfFile {
  readonly view: DataView;
  private readonly sections: { headers: number; count: number };

  constructor(readonly file: ImageFile) {
    const { bytes } = file;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!isElf(bytes)) throw imageError(file, 'is not an ELF file.', { code: 'image-no-elf' });
    this.within(0, HEADER_BYTES, 'ELF header');
    if (bytes[4] !== CLASS_64 || bytes[5] !== LITTLE_ENDIAN || this.view.getUint16(18, true) !== EM_RISCV) {
      const machine = machineOf(bytes, this.view);
      throw imageError(file, `is an ELF file for ${machine}; one for 64-bit little-endian RISC-V is needed.`, {
        code: 'image-foreign-cpu',
        params: { machine },
      });
    }
    const headers = this.u64(40);
    const count = headers === 0 ? 0 : this.view.getUint16(60, true);
    if (count > 0 && this.view.getUint16(58, true) !== SECTION_HEADER_BYTES)
      throw imageError(file, 'is corrupt: its section headers have an impossible size.', { code: 'image-corrupt' });
    this.within(headers, count * SECTION_HEADER_BYTES, 'section header table');
    this.sections = { headers, count };
  }

  u64(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  within(offset: number, size: number, part: string): void {
    const { length } = this.file.bytes;
    if (offset + size > length)
      throw imageError(this.file, `is truncated: its ${part} ends at byte ${offset + size}, but the file has only ${length}.`, {
        code: 'image-truncated',
      });
  }

  /** The symbols of the first symbol table of these types (SHT_*); executables have one of each at most. */
  *symbols(type: number): Generator<RawSymbol> {
    const { view, file } = this;
    const { headers, count } = this.sections;
    const section = (i: number): { offset: number; size: number } => {
      const at = headers + i * SECTION_HEADER_BYTES;
      const found = { offset: this.u64(at + 24), size: this.u64(at + 32) };
      this.within(found.offset, found.size, `section ${i}`);
      return found;
    };
    for (let i = 0; i < count; i++) {
      const at = headers + i * SECTION_HEADER_BYTES;
      if (view.getUint32(at + 4, true) !== type) continue;
      const link = view.getUint32(at + 40, true);
      if (link >= count)
        throw imageError(file, 'is corrupt: its symbol table names a string table that is not there.', { code: 'image-corrupt' });
      const table = section(i);
      const names = section(link);
      for (let symbol = table.offset; symbol + SYMBOL_BYTES <= table.offset + table.size; symbol += SYMBOL_BYTES) {
        yield {
          name: names.offset + view.getUint32(symbol, true),
          nameEnd: names.offset + names.size,
          info: view.getUint8(symbol + 4),
          section: view.getUint16(symbol + 6, true),
          address: view.getBigUint64(symbol + 8, true),
          size: view.getBigUint64(symbol + 16, true),
        };
      }
      return;
    }
  }
}

/** A function of a program: virtual address and bytes; 0 where the file does not say how long it is. */
export interface ElfFunction {
  name: string;
  address: bigint;
  size: bigint;
}

/** The functions that an ELF file for 64-bit RISC-V names, whether linked or not. Throws VmError 'Image'. */
export function readElfFunctions(file: ImageFile): ElfFunction[] {
  const elf = new ElfFile(file);
  const functions: ElfFunction[] = [];
  for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
    for (const { name, nameEnd, info, section, address, size } of elf.symbols(type)) {
      const kind = info & 15;
      if (section === 0 || section >= SHN_LORESERVE || (kind !== STT_NOTYPE && kind !== STT_FUNC && kind !== STT_GNU_IFUNC)) continue;
      const end = file.bytes.indexOf(0, name);
      const text = Buffer.from(file.bytes.subarray(name, end < 0 ? nameEnd : Math.min(end, nameEnd))).toString('utf8');
      // Labels of the assembler and marks of what is code and what is data (psABI, mapping symbols).
      if (text !== '' && !text.startsWith('.L') && !text.startsWith('$')) functions.push({ name: text, address, size });
    }
    // The dynamic symbols are a part of the others.
    if (functions.length > 0) break;
  }
  return functions;
}

/**
 * Read a program for 64-bit RISC-V from an ELF file, with the addresses of the named symbols.
 * Every number in the file is checked: whatever it holds, the result lies within it. Throws VmError 'Image'.
 */
export function readElf(file: ImageFile, symbolNames: string[] = []): ElfProgram {
  const { bytes } = file;
  const elf = new ElfFile(file);
  const { view } = elf;
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN)
    throw imageError(file, 'is not an executable ELF file; it may be an object file that was not linked.', {
      code: 'image-not-executable',
    });

  const programHeaders = elf.u64(32);
  const programHeaderCount = view.getUint16(56, true);
  if (programHeaderCount > 0 && view.getUint16(54, true) !== PROGRAM_HEADER_BYTES)
    throw imageError(file, 'is corrupt: its program headers have an impossible size.', { code: 'image-corrupt' });
  elf.within(programHeaders, programHeaderCount * PROGRAM_HEADER_BYTES, 'program header table');
  const segments: ElfSegment[] = [];
  for (let i = 0; i < programHeaderCount; i++) {
    const at = programHeaders + i * PROGRAM_HEADER_BYTES;
    const memoryBytes = elf.u64(at + 40);
    if (view.getUint32(at, true) !== PT_LOAD || memoryBytes === 0) continue;
    const offset = elf.u64(at + 8);
    const fileBytes = elf.u64(at + 32);
    elf.within(offset, fileBytes, `segment ${i}`);
    const address = elf.u64(at + 24);
    const virtualAddress = elf.u64(at + 16);
    if (fileBytes > memoryBytes)
      throw imageError(file, `is corrupt: segment ${i} holds more bytes than it takes in memory.`, { code: 'image-corrupt' });
    if (segments.length === SEGMENTS_MAX)
      throw imageError(file, `has more than ${SEGMENTS_MAX} segments to load; it is corrupt, or no program for this board.`, {
        code: 'image-corrupt',
      });
    segments.push({ address, virtualAddress, bytes: bytes.subarray(offset, offset + fileBytes), memoryBytes, hasHeader: offset === 0 });
  }
  if (segments.length === 0) throw imageError(file, 'has nothing to load (no PT_LOAD segment).', { code: 'image-nothing-to-load' });

  /** Programs may be linked at virtual addresses that differ from where they are loaded. */
  const physical = (virtual: number): number => {
    const home = segments.find((one) => virtual >= one.virtualAddress && virtual < one.virtualAddress + one.memoryBytes);
    return home ? virtual - home.virtualAddress + home.address : virtual;
  };

  const symbols = new Map<string, number>();
  const wanted = symbolNames.map((name) => ({ name, encoded: Buffer.from(`${name}\0`, 'latin1') }));
  for (const symbol of wanted.length > 0 ? elf.symbols(SHT_SYMTAB) : []) {
    for (const { name, encoded } of wanted) {
      const end = symbol.name + encoded.length;
      if (end <= symbol.nameEnd && encoded.compare(bytes, symbol.name, end) === 0) symbols.set(name, physical(Number(symbol.address)));
    }
  }
  return { entry: physical(elf.u64(24)), relocatable: type === ET_DYN, segments, symbols };
}
