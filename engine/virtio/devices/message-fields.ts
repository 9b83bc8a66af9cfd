import { refusal } from '../../backend/share/linux-errors';

const TOO_LARGE = 2 ** 53;

/** Reads a message's fields, little-endian. Throws EPROTO where there are fewer bytes than fields. */
export class FieldReader {
  protected readonly view: DataView;
  #at = 0;

  constructor(protected readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
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
    return Number(this.view.getBigInt64(this.take(8), true));
  }

  /** Where the next bytes lie, which are read by that. */
  protected take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.left) throw refusal('EPROTO');
    this.#at += bytes;
    return at;
  }
}

/** Writes a message's fields behind its header. EOVERFLOW where they are more than there is room for. */
export class FieldWriter {
  protected bytes: Buffer;
  #length: number;

  /** Bytes of the header, room, and the bytes that the message may have at most. */
  constructor(
    header: number,
    room: number,
    private readonly most: number,
  ) {
    this.#length = header;
    this.bytes = Buffer.alloc(Math.max(header, Math.min(room, most)));
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes for which there is room. */
  get left(): number {
    return this.most - this.#length;
  }

  u8(value: number): this {
    const at = this.room(1);
    this.bytes.writeUInt8(value & 0xff, at);
    return this;
  }

  u16(value: number): this {
    const at = this.room(2);
    this.bytes.writeUInt16LE(value & 0xffff, at);
    return this;
  }

  u32(value: number): this {
    const at = this.room(4);
    this.bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.room(8);
    this.bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
    return this;
  }

  /** Each character is a byte: names need not be UTF-8. */
  characters(text: string): this {
    const at = this.room(text.length);
    this.bytes.write(text, at, 'latin1');
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
    return this;
  }

  /** Where they go; the buffer may be another one behind this. */
  protected room(bytes: number): number {
    const at = this.#length;
    const end = at + bytes;
    if (end > this.most) throw refusal('EOVERFLOW');
    if (end > this.bytes.length) {
      const more = Buffer.alloc(Math.min(this.most, Math.max(end, 2 * this.bytes.length)));
      this.bytes.copy(more);
      this.bytes = more;
    }
    this.#length = end;
    return at;
  }
}
