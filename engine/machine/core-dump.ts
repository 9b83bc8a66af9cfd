import { type FileHandle, open } from 'node:fs/promises';
import type { Mapping } from '../hart/page-walk';

const [EHDR_BYTES, PHDR_BYTES] = [64, 56];
const [ET_CORE, EM_RISCV] = [4, 243];
const [PT_LOAD, PT_NOTE] = [1, 4];
const RWX = 7;
const NT_PRSTATUS = 1;
/** Linux's elf_prstatus of 64-bit RISC-V: where the thread's number and its registers (pc, x1 to x31) are. */
const [STATUS_BYTES, STATUS_PID, STATUS_REGISTERS] = [376, 32, 112];
/** What a segment begins at in the file. */
const ALIGNMENT = 4096;
/** Memory that is all zero takes no space in the file, by pieces of this size. */
const PIECE = 256 << 10;
const ZEROES = new Uint8Array(PIECE);
/** Segments whose number does not fit into 16 bits are counted elsewhere, which few readers know. */
export const MAPPINGS_MAX = 60_000;

export interface CoreContents {
  /** By number. */
  harts: readonly { pc: bigint; x: BigUint64Array }[];
  memory: readonly { base: number; bytes: Uint8Array }[];
  /** Where the memory also lies, by virtual addresses. */
  mappings: readonly Mapping[];
}

/** Writes an ELF core into a file that is there and empty; nobody but its owner may read it after that. Ends early by throwing the signal's reason. */
export async function writeCoreFile(path: string, contents: CoreContents, signal?: AbortSignal): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chmod(0o600);
    await writeCore(file, contents, signal);
  } finally {
    await file.close();
  }
}

/**
 * Writes an ELF core of a machine into an empty file: memory by its physical addresses, as QEMU's dump-guest-memory has it, and by the virtual ones
 * that are given; each hart is a thread. GDB reads it.
 */
export async function writeCore(file: FileHandle, { harts, memory, mappings }: CoreContents, signal?: AbortSignal): Promise<void> {
  const note = Buffer.concat(harts.map(({ pc, x }, hart) => statusNote(hart, pc, x)));
  const aliases = mappings.flatMap(({ virtual, physical, bytes }) => {
    const at = memory.findIndex(({ base, bytes: { length } }) => physical >= BigInt(base) && physical + bytes <= BigInt(base + length));
    return at < 0 ? [] : [{ at, virtual, physical: Number(physical), bytes: Number(bytes) }];
  });
  const count = 1 + memory.length + aliases.length;
  const noteAt = EHDR_BYTES + count * PHDR_BYTES;
  let end = aligned(noteAt + note.length);
  const places = memory.map(({ bytes }) => {
    const place = end;
    end = aligned(end + bytes.length);
    return place;
  });
  const head = Buffer.concat([
    elfHeader(count),
    programHeader(PT_NOTE, 0, noteAt, 0n, 0, note.length),
    ...memory.map(({ base, bytes }, at) => programHeader(PT_LOAD, RWX, places[at], BigInt(base), base, bytes.length)),
    ...aliases.map(({ at, virtual, physical, bytes }) =>
      programHeader(PT_LOAD, RWX, places[at] + physical - memory[at].base, virtual, physical, bytes),
    ),
    note,
  ]);
  await file.truncate(end);
  await file.write(head, 0, head.length, 0);
  for (const [at, { bytes }] of memory.entries()) {
    for (let from = 0; from < bytes.length; from += PIECE) {
      signal?.throwIfAborted();
      const piece = bytes.subarray(from, from + PIECE);
      if (!isZero(piece)) await file.write(piece, 0, piece.length, places[at] + from);
    }
  }
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT;
}

function isZero(piece: Uint8Array): boolean {
  return Buffer.compare(piece, ZEROES.subarray(0, piece.length)) === 0;
}

function elfHeader(segments: number): Buffer {
  const header = Buffer.alloc(EHDR_BYTES);
  // 64 bits, little-endian, version 1.
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(ET_CORE, 16);
  header.writeUInt16LE(EM_RISCV, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(EHDR_BYTES), 32);
  header.writeUInt16LE(EHDR_BYTES, 52);
  header.writeUInt16LE(PHDR_BYTES, 54);
  header.writeUInt16LE(segments, 56);
  return header;
}

function programHeader(type: number, flags: number, offset: number, virtual: bigint, physical: number, bytes: number): Buffer {
  const header = Buffer.alloc(PHDR_BYTES);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(flags, 4);
  for (const [at, value] of [BigInt(offset), virtual, BigInt(physical), BigInt(bytes), BigInt(bytes)].entries())
    header.writeBigUInt64LE(value, 8 + 8 * at);
  return header;
}

function statusNote(hart: number, pc: bigint, x: BigUint64Array): Buffer {
  const name = Buffer.from('CORE\0\0\0\0');
  const head = Buffer.alloc(12);
  head.writeUInt32LE(5, 0);
  head.writeUInt32LE(STATUS_BYTES, 4);
  head.writeUInt32LE(NT_PRSTATUS, 8);
  const status = Buffer.alloc(STATUS_BYTES);
  status.writeUInt32LE(hart + 1, STATUS_PID);
  status.writeBigUInt64LE(pc, STATUS_REGISTERS);
  for (let register = 1; register < 32; register++) status.writeBigUInt64LE(x[register], STATUS_REGISTERS + 8 * register);
  return Buffer.concat([head, name, status]);
}
