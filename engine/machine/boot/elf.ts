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

/**
 * Read a program for 64-bit RISC-V from an ELF file, with the addresses of the named symbols.
 * Every number in the file is checked: whatever it holds, the result lies within it. Throws VmError 'Image'.
 */
export function readElf(file: ImageFile, symbolNames: string[] = []): ElfProgram {
  const { bytes } = file;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u64 = (at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
  const within = (offset: number, size: number, part: string): void => {
    if (offset + size > bytes.length)
      throw imageError(file, `is truncated: its ${part} ends at byte ${offset + size}, but the file has only ${bytes.length}.`);
  };

  if (!isElf(bytes)) throw imageError(file, 'is not an ELF file.');
  within(0, HEADER_BYTES, 'ELF header');
  if (bytes[4] !== CLASS_64 || bytes[5] !== LITTLE_ENDIAN || view.getUint16(18, true) !== EM_RISCV) {
    throw imageError(file, 'is an ELF file for another kind of computer; one for 64-bit little-endian RISC-V is needed.');
  }
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN)
    throw imageError(file, 'is not an executable ELF file; it may be an object file that was not linked.');

  const programHeaders = u64(32);
  const programHeaderCount = view.getUint16(56, true);
  if (programHeaderCount > 0 && view.getUint16(54, true) !== PROGRAM_HEADER_BYTES)
    throw imageError(file, 'is corrupt: its program headers have an impossible size.');
  within(programHeaders, programHeaderCount * PROGRAM_HEADER_BYTES, 'program header table');
  const segments: ElfSegment[] = [];
  for (let i = 0; i < programHeaderCount; i++) {
    const at = programHeaders + i * PROGRAM_HEADER_BYTES;
    const memoryBytes = u64(at + 40);
    if (view.getUint32(at, true) !== PT_LOAD || memoryBytes === 0) continue;
    const offset = u64(at + 8);
    const fileBytes = u64(at + 32);
    within(offset, fileBytes, `segment ${i}`);
    const address = u64(at + 24);
    const virtualAddress = u64(at + 16);
    if (fileBytes > memoryBytes) throw imageError(file, `is corrupt: segment ${i} holds more bytes than it takes in memory.`);
    if (segments.length === SEGMENTS_MAX)
      throw imageError(file, `has more than ${SEGMENTS_MAX} segments to load; it is corrupt, or no program for this board.`);
    segments.push({ address, virtualAddress, bytes: bytes.subarray(offset, offset + fileBytes), memoryBytes, hasHeader: offset === 0 });
  }
  if (segments.length === 0) throw imageError(file, 'has nothing to load (no PT_LOAD segment).');

  /** Programs may be linked at virtual addresses that differ from where they are loaded. */
  const physical = (virtual: number): number => {
    const home = segments.find((one) => virtual >= one.virtualAddress && virtual < one.virtualAddress + one.memoryBytes);
    return home ? virtual - home.virtualAddress + home.address : virtual;
  };

  const symbols = new Map<string, number>();
  const sectionHeaders = u64(40);
  const sectionCount = sectionHeaders === 0 ? 0 : view.getUint16(60, true);
  if (sectionCount > 0 && view.getUint16(58, true) !== SECTION_HEADER_BYTES)
    throw imageError(file, 'is corrupt: its section headers have an impossible size.');
  within(sectionHeaders, sectionCount * SECTION_HEADER_BYTES, 'section header table');
  const section = (i: number): { offset: number; size: number } => {
    const at = sectionHeaders + i * SECTION_HEADER_BYTES;
    const found = { offset: u64(at + 24), size: u64(at + 32) };
    within(found.offset, found.size, `section ${i}`);
    return found;
  };
  for (let i = 0; i < sectionCount && symbolNames.length > 0; i++) {
    const at = sectionHeaders + i * SECTION_HEADER_BYTES;
    if (view.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
    const link = view.getUint32(at + 40, true);
    if (link >= sectionCount) throw imageError(file, 'is corrupt: its symbol table names a string table that is not there.');
    const table = section(i);
    const names = section(link);
    const wanted = symbolNames.map((name) => ({ name, encoded: Buffer.from(`${name}\0`, 'latin1') }));
    for (let symbol = table.offset; symbol + SYMBOL_BYTES <= table.offset + table.size; symbol += SYMBOL_BYTES) {
      const nameAt = names.offset + view.getUint32(symbol, true);
      const nameEnd = names.offset + names.size;
      for (const { name, encoded } of wanted) {
        const end = nameAt + encoded.length;
        if (end <= nameEnd && encoded.compare(bytes, nameAt, end) === 0) symbols.set(name, physical(u64(symbol + 8)));
      }
    }
    // An executable has one symbol table at most.
    break;
  }
  return { entry: physical(u64(24)), relocatable: type === ET_DYN, segments, symbols };
}
