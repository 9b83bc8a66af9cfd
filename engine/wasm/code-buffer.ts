const scratch = new DataView(new ArrayBuffer(8));

/** A growing byte buffer with the encodings of the WebAssembly binary format (core spec §5.2). */
export class CodeBuffer {
  bytes = new Uint8Array(65536);
  length = 0;

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = value;
  }

  /** Unsigned LEB128 of a value below 2^32. */
  u32(value: number): void {
    value >>>= 0;
    while (value >= 0x80) {
      this.byte((value & 0x7f) | 0x80);
      value >>>= 7;
    }
    this.byte(value);
  }

  /** Signed LEB128 of an i32. */
  s32(value: number): void {
    value |= 0;
    for (;;) {
      const low = value & 0x7f;
      value >>= 7;
      if ((value === 0 && !(low & 0x40)) || (value === -1 && low & 0x40)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of the 64-bit value whose halves are given. */
  s64(low: number, high: number): void {
    low |= 0;
    high |= 0;
    for (;;) {
      const digit = low & 0x7f;
      low = (low >>> 7) | (high << 25);
      high >>= 7;
      if ((low === 0 && high === 0 && !(digit & 0x40)) || (low === -1 && high === -1 && digit & 0x40)) {
        this.byte(digit);
        return;
      }
      this.byte(digit | 0x80);
    }
  }

  f32(value: number): void {
    scratch.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.byte(scratch.getUint8(i));
  }

  f64(value: number): void {
    scratch.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) this.byte(scratch.getUint8(i));
  }

  name(text: string): void {
    const utf8 = new TextEncoder().encode(text);
    this.u32(utf8.length);
    this.append(utf8, utf8.length);
  }

  append(source: Uint8Array, length: number): void {
    if (this.length + length > this.bytes.length) this.grow(length);
    this.bytes.set(length === source.length ? source : source.subarray(0, length), this.length);
    this.length += length;
  }

  /** A length-prefixed copy of another buffer. */
  section(content: CodeBuffer): void {
    this.u32(content.length);
    this.append(content.bytes, content.length);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }

  private grow(by: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + by));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
