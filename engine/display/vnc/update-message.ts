import type { Rectangle } from '../../gpu/scanout';
import type { PixelWriter } from './pixel-format';

const UPDATE = 0;
/** Type, padding and the number of rectangles; then each rectangle's place, size and encoding. Multiples of 4, so that words lie where words do. */
const HEAD_BYTES = 4;
const RECTANGLE_BYTES = 12;
const FIRST_BYTES = 64 << 10;

/** A FramebufferUpdate while it is made (RFC 6143 §7.6.1). Its memory is that of the one before, which has to have left. */
export class UpdateMessage {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = HEAD_BYTES;
  #rectangles = 0;

  /** Begin anew. */
  clear(): void {
    this.#at = HEAD_BYTES;
    this.#rectangles = 0;
  }

  /** The head of a rectangle; what it holds is to follow. */
  rectangle({ x, y, width, height }: Rectangle, encoding: number): void {
    this.#reserve(RECTANGLE_BYTES);
    this.#rectangles++;
    for (const value of [x, y, width, height]) this.#at = this.#buffer.writeUInt16BE(value, this.#at);
    this.#at = this.#buffer.writeInt32BE(encoding, this.#at);
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Pixels as they are, RGBA words. */
  pixels(pixels: Uint32Array, writer: PixelWriter): void {
    this.#reserve(writer.bytes * pixels.length);
    this.#at = writer.writeAll(pixels, this.#buffer, this.#at);
  }

  /** A number before what it counts, which follows. */
  length(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeUInt32BE(value, this.#at);
  }

  /** All of it, valid until the next is begun; undefined where it holds nothing. */
  take(): Buffer | undefined {
    if (this.#rectangles === 0) return undefined;
    this.#buffer.writeUInt16BE(UPDATE << 8, 0);
    this.#buffer.writeUInt16BE(this.#rectangles, 2);
    return this.#buffer.subarray(0, this.#at);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}
