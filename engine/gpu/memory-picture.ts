import { type Picture, type PixelFormat, toOpaque } from './picture';

/** A picture that lies somewhere in memory, row by row, and what is known of its pixels. */
export interface PictureLayout {
  width: number;
  height: number;
  /** Bytes from one row to the next; at least what a row takes. */
  stride: number;
  format: MemoryFormat;
}

/** How pixels lie in memory: words of four bytes, three bytes of which the first is blue, or 16-bit words with five, six and five bits. */
export type MemoryFormat = PixelFormat | 'rgb888' | 'rgb565';

/** So many rows are compared at a time. */
const BAND = 64;

export function bytesPerPixel(format: MemoryFormat): number {
  if (format === 'rgb565') return 2;
  return format === 'rgb888' ? 3 : 4;
}

/** Bytes from a picture's first pixel to the end of its last. */
export function pictureBytes({ width, height, stride, format }: PictureLayout): number {
  return stride * (height - 1) + width * bytesPerPixel(format);
}

/** A picture in memory that somebody draws without telling: where it changed is found by looking. */
export class MemoryPicture implements Picture {
  readonly width: number;
  readonly height: number;
  /** What was there at the last look; at first zeros, for which no memory is taken. */
  #before = new Uint8Array(0);

  constructor(
    private readonly bytes: Uint8Array,
    private readonly layout: PictureLayout,
  ) {
    this.width = layout.width;
    this.height = layout.height;
  }

  readRow(x: number, y: number, width: number, target: Uint32Array, at: number): void {
    const { bytes, layout } = this;
    const { format, stride } = layout;
    const size = bytesPerPixel(format);
    const from = y * stride + x * size;
    if (typeof format === 'object') {
      new Uint8Array(target.buffer, target.byteOffset + 4 * at, 4 * width).set(bytes.subarray(from, from + 4 * width));
      toOpaque(format, target, at, width, target, at);
      return;
    }
    for (let i = 0; i < width; i++) {
      const [first, second, third] = [bytes[from + size * i], bytes[from + size * i + 1], bytes[from + size * i + 2]];
      target[at + i] = format === 'rgb888' ? opaque(third, second, first) : from565(first | (second << 8));
    }
  }

  /** The rows that changed since the last call: first and count, from top to bottom. */
  changes(): { y: number; height: number }[] {
    const { bytes, height } = this;
    const { stride } = this.layout;
    if (this.#before.length === 0) this.#before = new Uint8Array(bytes.length);
    const before = this.#before;
    const changed: { y: number; height: number }[] = [];
    for (let y = 0; y < height; y += BAND) {
      const rows = Math.min(BAND, height - y);
      const [from, to] = [y * stride, Math.min((y + rows) * stride, bytes.length)];
      const now = bytes.subarray(from, to);
      if (Buffer.compare(now, before.subarray(from, to)) === 0) continue;
      before.set(now, from);
      changed.push({ y, height: rows });
    }
    return changed;
  }
}

function opaque(red: number, green: number, blue: number): number {
  return red | (green << 8) | (blue << 16) | 0xff000000;
}

/** The highest bits of each part are its lowest too, so that white is white. */
function from565(word: number): number {
  const [red, green, blue] = [word >>> 11, (word >>> 5) & 63, word & 31];
  return opaque((red << 3) | (red >>> 2), (green << 2) | (green >>> 4), (blue << 3) | (blue >>> 2));
}
