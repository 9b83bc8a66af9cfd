/** A place in the code that jumps can aim at before it is known. */
export class Label {
  /** Offset in bytes from the start of the code; undefined until placed. */
  offset: number | undefined;
}

/** Collects machine code, 16 bits at a time, and fills in jumps once their labels are placed. */
export class Assembler {
  readonly #halfwords: number[] = [];
  readonly #fixups: { at: number; size: 2 | 4; label: Label; encode: (distance: number) => number }[] = [];

  /** Bytes so far: the offset of the next instruction. */
  get offset(): number {
    return this.#halfwords.length * 2;
  }

  half(bits: number): void {
    this.#halfwords.push(bits & 0xffff);
  }

  word(bits: number): void {
    this.#halfwords.push(bits & 0xffff, bits >>> 16);
  }

  /** A constant in the code; the code must be doubleword aligned here. */
  double(low: number, high: number): void {
    this.word(low);
    this.word(high);
  }

  place(label: Label): void {
    label.offset = this.offset;
  }

  /** An instruction whose bits depend on its distance to the label, in bytes. */
  reference(size: 2 | 4, label: Label, encode: (distance: number) => number): void {
    this.#fixups.push({ at: this.offset, size, label, encode });
    if (size === 2) this.half(0);
    else this.word(0);
  }

  /** The code; every label referred to must have been placed. */
  bytes(): Uint8Array {
    const view = new DataView(new ArrayBuffer(this.offset));
    this.#halfwords.forEach((half, i) => {
      view.setUint16(2 * i, half, true);
    });
    for (const { at, size, label, encode } of this.#fixups) {
      if (label.offset === undefined) throw new Error(`the label used at ${at} was never placed`);
      const bits = encode(label.offset - at);
      if (size === 2) view.setUint16(at, bits, true);
      else view.setUint32(at, bits, true);
    }
    return new Uint8Array(view.buffer);
  }
}
