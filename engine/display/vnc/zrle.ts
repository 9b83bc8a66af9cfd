import { TILE } from '../../gpu/tile-differ';
import type { PixelWriter } from './pixel-format';

/** Most colours of a tile whose pixels are written as numbers of them, and of one whose runs are. */
const PACKED_COLOURS = 16;
const RUN_COLOURS = 127;
const RAW = 0;
const PLAIN_RUNS = 128;
/** The longest tile: an octet, and as many whole pixels as there are. */
const MOST_BYTES = 1 + 4 * TILE * TILE;

/** Encodes tiles of ZRLE (RFC 6143 §7.7.6), which are as large as those that are compared, each in the shortest of the ways that ZRLE has. What is made of it is still to be deflated. */
export class TileEncoder {
  #buffer = Buffer.alloc(64 << 10);
  #at = 0;
  readonly #colours = new Map<number, number>();
  readonly #tile = new Uint32Array(TILE * TILE);

  constructor(private readonly writer: PixelWriter) {}

  /** The tile that begins at `from` of pixels, as RGBA words, of which each row has `stride`. */
  add(picture: Uint32Array, from: number, stride: number, width: number, height: number): void {
    const pixels = this.#tile;
    const count = width * height;
    for (let row = 0, at = 0; row < height; row++)
      for (let column = 0; column < width; column++) pixels[at++] = picture[from + row * stride + column];
    this.#reserve(MOST_BYTES);
    const { compressedBytes: bytes } = this.writer;
    const colours = this.#colours;
    colours.clear();
    let runs = 0;
    /** Octets of the lengths of all runs. */
    let lengths = 0;
    /** Runs of a single pixel need no length where they are numbers of colours. */
    let singles = 0;
    for (let at = 0; at < count; ) {
      const pixel = pixels[at];
      let end = at + 1;
      while (end < count && pixels[end] === pixel) end++;
      runs++;
      lengths += 1 + Math.floor((end - at - 1) / 255);
      if (end - at === 1) singles++;
      if (colours.size <= RUN_COLOURS && !colours.has(pixel)) colours.set(pixel, colours.size);
      at = end;
    }
    const size = colours.size;
    if (size === 1) {
      this.#octet(1);
      this.#pixel(pixels[0]);
      return;
    }
    const raw = bytes * count;
    const plain = bytes * runs + lengths;
    const numbered = size <= RUN_COLOURS ? bytes * size + runs + lengths - singles : Infinity;
    const packed = size <= PACKED_COLOURS ? bytes * size + Math.ceil(width / (8 / bitsOf(size))) * (count / width) : Infinity;
    const best = Math.min(raw, plain, numbered, packed);
    if (best === packed) this.#packed(pixels, width, count);
    else if (best === numbered) this.#numbered(pixels, count);
    else if (best === plain) this.#plain(pixels, count);
    else {
      this.#octet(RAW);
      for (let at = 0; at < count; at++) this.#pixel(pixels[at]);
    }
  }

  /** What was added; valid until more is. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    return taken;
  }

  #packed(pixels: Uint32Array, width: number, count: number): void {
    const bits = bitsOf(this.#colours.size);
    this.#octet(this.#colours.size);
    this.#palette();
    for (let row = 0; row < count; row += width) {
      let octet = 0;
      let filled = 0;
      for (let column = 0; column < width; column++) {
        octet = (octet << bits) | (this.#colours.get(pixels[row + column]) ?? 0);
        filled += bits;
        if (filled === 8) {
          this.#octet(octet);
          octet = 0;
          filled = 0;
        }
      }
      if (filled > 0) this.#octet(octet << (8 - filled));
    }
  }

  #numbered(pixels: Uint32Array, count: number): void {
    this.#octet(PLAIN_RUNS + this.#colours.size);
    this.#palette();
    for (let at = 0; at < count; ) {
      const pixel = pixels[at];
      let end = at + 1;
      while (end < count && pixels[end] === pixel) end++;
      const index = this.#colours.get(pixel) ?? 0;
      if (end - at === 1) this.#octet(index);
      else {
        this.#octet(index | 128);
        this.#length(end - at);
      }
      at = end;
    }
  }

  #plain(pixels: Uint32Array, count: number): void {
    this.#octet(PLAIN_RUNS);
    for (let at = 0; at < count; ) {
      const pixel = pixels[at];
      let end = at + 1;
      while (end < count && pixels[end] === pixel) end++;
      this.#pixel(pixel);
      this.#length(end - at);
      at = end;
    }
  }

  #palette(): void {
    for (const colour of this.#colours.keys()) this.#pixel(colour);
  }

  #length(length: number): void {
    let rest = length - 1;
    for (; rest >= 255; rest -= 255) this.#octet(255);
    this.#octet(rest);
  }

  #pixel(pixel: number): void {
    this.#at = this.writer.writeCompressed(pixel, this.#buffer, this.#at);
  }

  #octet(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.alloc(2 * (this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}

function bitsOf(colours: number): number {
  return colours <= 2 ? 1 : colours <= 4 ? 2 : 4;
}
