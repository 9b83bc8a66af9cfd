import { imageError, type ImageFile } from './image-file';

// Intel's Hexadecimal Object File Format Specification, revision A: record types.
const DATA = 0;
const END = 1;
const EXTENDED_SEGMENT = 2;
const START_SEGMENT = 3;
const EXTENDED_LINEAR = 4;
const START_LINEAR = 5;
/** A file with more pieces that do not touch is none that somebody made to be loaded. */
const PIECES_MAX = 4096;

/** What a file in Intel's hexadecimal format puts where. */
export interface HexProgram {
  /** Where it says that it starts. */
  entry: number | undefined;
  /** By address; those that touch are one. */
  pieces: { address: number; bytes: Uint8Array }[];
}

/** Whether the first line of a file is a record of that format. */
export function isIntelHex(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 600)).toString('latin1').trimStart();
  return /^:(?:[0-9a-f]{2}){5,}\s*(?:\r?\n|$)/i.test(head.slice(0, head.indexOf('\n') + 1) || head);
}

/** Read such a file. Throws VmError 'Image' that names the line where something is wrong. */
export function readIntelHex(file: ImageFile): HexProgram {
  const text = Buffer.from(file.bytes).toString('latin1');
  const corrupt = (line: number, problem: string): Error =>
    imageError(file, `is corrupt: line ${line} ${problem}.`, { code: 'image-corrupt' });
  const out = new Pieces();
  let base = 0;
  let entry: number | undefined;
  let line = 0;
  for (let from = 0; from < text.length; ) {
    const next = text.indexOf('\n', from);
    const end = next < 0 ? text.length : next;
    const record = text.slice(from, end).trim();
    from = end + 1;
    line++;
    if (record === '') continue;
    if (!/^:(?:[0-9a-f]{2}){5,260}$/i.test(record)) throw corrupt(line, 'is no record of the Intel hexadecimal format');
    const bytes = Buffer.from(record.slice(1), 'hex');
    const [length, high, low, type] = bytes;
    const data = bytes.subarray(4, -1);
    if (data.length !== length) throw corrupt(line, `says that it has ${length} bytes of data, and has ${data.length}`);
    if ((bytes.reduce((sum, byte) => sum + byte, 0) & 0xff) !== 0) throw corrupt(line, 'has a wrong checksum');
    const needs = (size: number): void => {
      if (length !== size) throw corrupt(line, `is a record of type ${type}, which has ${size} bytes of data, not ${length}`);
    };
    switch (type) {
      case DATA:
        out.add(base + high * 256 + low, data);
        if (out.count > PIECES_MAX) throw corrupt(line, `begins piece ${PIECES_MAX + 1} that touches none before; no program has so many`);
        break;
      case END:
        return { entry, pieces: out.done(file) };
      case EXTENDED_SEGMENT:
        needs(2);
        base = data.readUInt16BE(0) * 16;
        break;
      case START_SEGMENT:
        // A real-mode address of a 8086.
        needs(4);
        break;
      case EXTENDED_LINEAR:
        needs(2);
        base = data.readUInt16BE(0) * 0x10000;
        break;
      case START_LINEAR:
        needs(4);
        entry = data.readUInt32BE(0);
        break;
      default:
        throw corrupt(line, `is a record of the unknown type ${type}`);
    }
  }
  throw imageError(file, 'is truncated: it has no record that ends it.', { code: 'image-truncated' });
}

/** Collects data that mostly follows upon what came before. */
class Pieces {
  private readonly all: { address: number; parts: Uint8Array[]; end: number }[] = [];

  get count(): number {
    return this.all.length;
  }

  add(address: number, data: Uint8Array): void {
    if (data.length === 0) return;
    const last = this.all.at(-1);
    if (last?.end === address) {
      last.parts.push(data);
      last.end += data.length;
    } else this.all.push({ address, parts: [data], end: address + data.length });
  }

  done(file: ImageFile): HexProgram['pieces'] {
    if (this.all.length === 0) throw imageError(file, 'has nothing to load: no record of it has data.', { code: 'image-nothing-to-load' });
    const sorted = this.all.map(({ address, parts }) => ({ address, bytes: Buffer.concat(parts) })).sort((a, b) => a.address - b.address);
    const joined: { address: number; parts: Uint8Array[]; end: number }[] = [];
    for (const { address, bytes } of sorted) {
      const last = joined.at(-1);
      if (last && address < last.end)
        throw imageError(file, `is corrupt: it says twice what is at 0x${address.toString(16)}.`, { code: 'image-corrupt' });
      if (last?.end === address) {
        last.parts.push(bytes);
        last.end += bytes.length;
      } else joined.push({ address, parts: [bytes], end: address + bytes.length });
    }
    return joined.map(({ address, parts }) => ({ address, bytes: Buffer.concat(parts) }));
  }
}
