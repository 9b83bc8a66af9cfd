import { refusal } from '../../../backend/share/linux-errors';

/** Every message begins with its size, type and tag (diod's protocol.md). */
export const HEADER_BYTES = 7;

const TOO_LARGE = 2 ** 53;

/** Reads a message's fields, little-endian. Throws EPROTO where there are fewer bytes than fields. */
export class MessageReader {
  readonly #view: DataView;
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** EOVERFLOW where a number cannot say it. */
  u64(): number {
    const low = this.u32();
    const value = low + this.u32() * 0x1_0000_0000;
    if (value >= TOO_LARGE) throw refusal('EOVERFLOW');
    return value;
  }

  /** Seconds since 1970, before which there were some too. */
  i64(): number {
    return Number(this.#view.getBigInt64(this.#take(8), true));
  }

  /** Each character is a byte: names need not be UTF-8. */
  text(): string {
    const length = this.u16();
    const at = this.#take(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, length).toString('latin1');
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.left) throw refusal('EPROTO');
    this.#at += bytes;
    return at;
  }
}

/** Writes a message's fields. EOVERFLOW where they are more than there is room for. */
export class MessageWriter {
  #bytes: Buffer;
  #length = HEADER_BYTES;

  /** Room, and the bytes that the message may have at most. */
  constructor(
    room: number,
    private readonly most: number,
  ) {
    this.#bytes = Buffer.alloc(Math.max(HEADER_BYTES, Math.min(room, most)));
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes.writeUInt8(value & 0xff, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#bytes.writeUInt16LE(value & 0xffff, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.#room(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
    return this;
  }

  text(value: string): this {
    this.u16(value.length);
    const at = this.#room(value.length);
    this.#bytes.write(value, at, 'latin1');
    return this;
  }

  /** The message, with its header. `size` is that of one whose last bytes are elsewhere. */
  finish(type: number, tag: number, size = this.#length): Buffer {
    this.#bytes.writeUInt32LE(size, 0);
    this.#bytes.writeUInt8(type, 4);
    this.#bytes.writeUInt16LE(tag, 5);
    return this.#bytes.subarray(0, this.#length);
  }

  /** Where they go; the buffer may be another one behind this. */
  #room(bytes: number): number {
    const at = this.#length;
    const end = at + bytes;
    if (end > this.most) throw refusal('EOVERFLOW');
    if (end > this.#bytes.length) {
      const more = Buffer.alloc(Math.min(this.most, Math.max(end, 2 * this.#bytes.length)));
      this.#bytes.copy(more);
      this.#bytes = more;
    }
    this.#length = end;
    return at;
  }
}
