import { FieldReader, FieldWriter } from '../message-fields';

/** Every message begins with its size, type and tag (diod's protocol.md). */
export const HEADER_BYTES = 7;

export class MessageReader extends FieldReader {
  /** Each character is a byte: names need not be UTF-8. */
  text(): string {
    const length = this.u16();
    const at = this.take(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, length).toString('latin1');
  }
}

export class MessageWriter extends FieldWriter {
  /** Room, and the bytes that the message may have at most. */
  constructor(room: number, most: number) {
    super(HEADER_BYTES, room, most);
  }

  text(value: string): this {
    return this.u16(value.length).characters(value);
  }

  /** The message, with its header. `size` is that of one whose last bytes are elsewhere. */
  finish(type: number, tag: number, size = this.length): Buffer {
    this.bytes.writeUInt32LE(size, 0);
    this.bytes.writeUInt8(type, 4);
    this.bytes.writeUInt16LE(tag, 5);
    return this.bytes.subarray(0, this.length);
  }
}
