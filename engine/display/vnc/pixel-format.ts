/** What a client wants pixels to look like (RFC 6143 §7.4). Only true colour is served. */
export interface PixelFormat {
  bytes: 1 | 2 | 4;
  isBigEndian: boolean;
  redMax: number;
  greenMax: number;
  blueMax: number;
  redShift: number;
  greenShift: number;
  blueShift: number;
}

/** Bytes of a format in messages. */
export const FORMAT_BYTES = 16;

/** What we would like best: words of blue, green, red from the lowest byte on, as nearly all clients have them. */
export const OWN_FORMAT: PixelFormat = {
  bytes: 4,
  isBigEndian: false,
  redMax: 255,
  greenMax: 255,
  blueMax: 255,
  redShift: 16,
  greenShift: 8,
  blueShift: 0,
};

/** Undefined for what is not served: colour maps, and sizes that there are none of. */
export function parsePixelFormat(bytes: Buffer): PixelFormat | undefined {
  const bits = bytes[0];
  if ((bits !== 8 && bits !== 16 && bits !== 32) || bytes[3] === 0) return undefined;
  const format: PixelFormat = {
    bytes: (bits / 8) as PixelFormat['bytes'],
    isBigEndian: bytes[2] !== 0,
    redMax: bytes.readUInt16BE(4),
    greenMax: bytes.readUInt16BE(6),
    blueMax: bytes.readUInt16BE(8),
    redShift: bytes[10],
    greenShift: bytes[11],
    blueShift: bytes[12],
  };
  const fits = (max: number, shift: number): boolean => ((max + 1) & max) === 0 && max > 0 && shift < bits && max * 2 ** shift < 2 ** bits;
  const isSound =
    fits(format.redMax, format.redShift) && fits(format.greenMax, format.greenShift) && fits(format.blueMax, format.blueShift);
  return isSound ? format : undefined;
}

export function formatPixelFormat(format: PixelFormat): Buffer {
  const bytes = Buffer.alloc(FORMAT_BYTES);
  bytes[0] = 8 * format.bytes;
  bytes[1] = format.bytes === 4 ? 24 : 8 * format.bytes;
  bytes[2] = format.isBigEndian ? 1 : 0;
  bytes[3] = 1;
  bytes.writeUInt16BE(format.redMax, 4);
  bytes.writeUInt16BE(format.greenMax, 6);
  bytes.writeUInt16BE(format.blueMax, 8);
  bytes.set([format.redShift, format.greenShift, format.blueShift], 10);
  return bytes;
}

const OWN_BYTES = formatPixelFormat(OWN_FORMAT);
const RGBA_BYTES = formatPixelFormat({ ...OWN_FORMAT, redShift: 0, blueShift: 16 });
const OPAQUE = 0xff000000;

/** Writes pixels, given as RGBA words (R in the lowest byte), as a client wants them. */
export class PixelWriter {
  readonly #tables: readonly [red: Uint32Array, green: Uint32Array, blue: Uint32Array];
  /** Bytes of a whole pixel, and of a "compressed" one (§7.7.5): without the byte in which no colour is. */
  readonly bytes: number;
  readonly compressedBytes: number;
  /** The format is OWN_FORMAT, for which there are shorter ways. */
  private readonly isOwn: boolean;
  /** As the pixels are that are given. */
  private readonly isRgba: boolean;
  /** Bits in which no colour is, all set: noVNC 1.3 takes them for how opaque a pixel is. */
  readonly #rest: number;
  /** By how many bits, and in which order the bytes of a compressed pixel are taken from the word. */
  readonly #compressedShift: number;
  readonly #isBigEndian: boolean;

  constructor(format: PixelFormat) {
    const table = (max: number, shift: number): Uint32Array =>
      Uint32Array.from({ length: 256 }, (_, value) => (Math.round((value * max) / 255) << shift) >>> 0);
    this.#tables = [
      table(format.redMax, format.redShift),
      table(format.greenMax, format.greenShift),
      table(format.blueMax, format.blueShift),
    ];
    this.bytes = format.bytes;
    this.isOwn = formatPixelFormat(format).equals(OWN_BYTES);
    this.isRgba = formatPixelFormat(format).equals(RGBA_BYTES);
    this.#isBigEndian = format.isBigEndian;
    const used = ((format.redMax << format.redShift) | (format.greenMax << format.greenShift) | (format.blueMax << format.blueShift)) >>> 0;
    this.#rest = format.bytes === 4 ? ~used : 0;
    const fitsLow = used <= 0xffffff;
    const fitsHigh = (used & 0xff) === 0;
    const isCompressed = format.bytes === 4 && (fitsLow || fitsHigh);
    this.compressedBytes = isCompressed ? 3 : format.bytes;
    this.#compressedShift = isCompressed && !fitsLow ? 8 : 0;
  }

  /**
   * Write pixels at `at` of `target`, which has to begin where its memory does and to have room for them; returns where the next go.
   */
  writeAll(pixels: Uint32Array, target: Uint8Array, at: number): number {
    if (this.isRgba && at % 4 === 0) {
      new Uint32Array(target.buffer, at, pixels.length).set(pixels);
      return at + 4 * pixels.length;
    }
    if (this.isOwn && at % 4 === 0) {
      const words = new Uint32Array(target.buffer, at, pixels.length);
      for (let i = 0; i < pixels.length; i++) {
        const pixel = pixels[i];
        words[i] = (pixel & 0xff00) | ((pixel & 0xff) << 16) | ((pixel >>> 16) & 0xff) | OPAQUE;
      }
      return at + 4 * pixels.length;
    }
    for (let i = 0; i < pixels.length; i++) at = this.#write(this.#word(pixels[i]) | this.#rest, this.bytes, target, at);
    return at;
  }

  /** Write a pixel at `at` of `target`; returns where the next goes. */
  write(pixel: number, target: Uint8Array, at: number): number {
    return this.#write(this.#word(pixel) | this.#rest, this.bytes, target, at);
  }

  writeCompressed(pixel: number, target: Uint8Array, at: number): number {
    if (this.isOwn) {
      target[at] = pixel >>> 16;
      target[at + 1] = pixel >>> 8;
      target[at + 2] = pixel;
      return at + 3;
    }
    return this.#write(this.#word(pixel) >>> this.#compressedShift, this.compressedBytes, target, at);
  }

  #word(pixel: number): number {
    const [red, green, blue] = this.#tables;
    return (red[pixel & 0xff] | green[(pixel >>> 8) & 0xff] | blue[(pixel >>> 16) & 0xff]) >>> 0;
  }

  #write(word: number, bytes: number, target: Uint8Array, at: number): number {
    if (this.#isBigEndian) for (let i = bytes - 1; i >= 0; i--) target[at++] = word >>> (8 * i);
    else for (let i = 0; i < bytes; i++) target[at++] = word >>> (8 * i);
    return at;
  }
}
