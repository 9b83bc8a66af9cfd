import { refusal } from '../../../backend/share/linux-errors';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { FieldReader, FieldWriter } from '../message-fields';

/** Linux's include/uapi/linux/fuse.h: fuse_in_header and fuse_out_header. */
export const IN_HEADER_BYTES = 40;
export const OUT_HEADER_BYTES = 16;

/** The header of a request. */
export interface FuseHeader {
  /** Bytes of the whole request. */
  length: number;
  opcode: number;
  /** Of the request, for its answer. */
  unique: bigint;
  /** Of the inode that it is about; 0 where a number cannot say it, which no inode has. */
  inode: number;
  uid: number;
  gid: number;
}

export function readHeader(request: ScatterGatherList): FuseHeader {
  const inode = request.readU64(16);
  return {
    length: request.readU32(0),
    opcode: request.readU32(4),
    unique: BigInt(request.readU32(8)) | (BigInt(request.readU32(12)) << 32n),
    inode: Number.isSafeInteger(inode) ? inode : 0,
    uid: request.readU32(24),
    gid: request.readU32(28),
  };
}

/** What follows the header of a request. */
export class FuseReader extends FieldReader {
  /** Up to the next NUL; each character is a byte. EPROTO where there is none. */
  name(): string {
    const at = this.bytes.length - this.left;
    const end = this.bytes.indexOf(0, at);
    if (end < 0) throw refusal('EPROTO');
    this.take(end + 1 - at);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, end - at).toString('latin1');
  }

  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  skip(bytes: number): this {
    this.take(bytes);
    return this;
  }
}

export class FuseWriter extends FieldWriter {
  /** Bytes that the answer may have at most. */
  constructor(most: number) {
    super(OUT_HEADER_BYTES, 256, most);
  }

  /** The answer, with its header; `data`: bytes of it that are elsewhere. */
  finish(unique: bigint, errno = 0, data = 0): Buffer {
    this.bytes.writeUInt32LE(this.length + data, 0);
    this.bytes.writeInt32LE(-errno, 4);
    this.bytes.writeBigUInt64LE(unique, 8);
    return this.bytes.subarray(0, this.length);
  }
}

/** An answer without anything but a header. */
export function emptyAnswer(unique: bigint, errno = 0, data = 0): Buffer {
  return new FuseWriter(OUT_HEADER_BYTES).finish(unique, errno, data);
}
