/** A part that begins here of something of that size; `of` is the same object for all parts of it. */
export interface PartOf {
  readonly of: object;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Who looks at a picture keeps a copy of all its pixels: guests show none that is larger. It is what the largest screen that they are asked for has. */
const SIDE_MAX = 8192;
const PIXELS_MAX = 1 << 24;

/** Whether a picture of that size can be shown. */
export function isShowable({ width, height }: { width: number; height: number }): boolean {
  return width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX && width * height <= PIXELS_MAX;
}

/** Something to look at, wherever its pixels are; of a size that is showable. */
export interface Picture {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Which part it is of a picture of the guest's, which others may show parts of too. */
  readonly within?: PartOf | undefined;
  /** Copy pixels of row `y`, from column `x` on, to `target` from index `at` on: RGBA words, opaque. They have to lie inside. */
  readRow(x: number, y: number, width: number, target: Uint32Array, at: number): void;
}

/** Where the parts of a pixel are in its 32-bit little-endian word, as shifts; without `alpha` a pixel is opaque. */
export interface PixelFormat {
  red: number;
  green: number;
  blue: number;
  alpha?: number;
}

/** Words of a format → opaque RGBA words. Source and target may be the same. */
export function toOpaque(format: PixelFormat, source: Uint32Array, from: number, count: number, target: Uint32Array, at: number): void {
  const { red, green, blue } = format;
  if (red === 16 && green === 8 && blue === 0) {
    // What nearly all guests have: shifts by constants take a sixth less of a look.
    for (let i = 0; i < count; i++) {
      const word = source[from + i];
      target[at + i] = ((word >>> 16) & 0xff) | (word & 0xff00) | ((word & 0xff) << 16) | 0xff000000;
    }
    return;
  }
  for (let i = 0; i < count; i++) {
    const word = source[from + i];
    target[at + i] = ((word >>> red) & 0xff) | (((word >>> green) & 0xff) << 8) | (((word >>> blue) & 0xff) << 16) | 0xff000000;
  }
}

/** Words of a format whose colours are premultiplied by alpha, as Linux's cursor planes have them → RGBA bytes that are not. */
export function toStraight(format: PixelFormat, source: Uint32Array): Uint8Array<ArrayBuffer> {
  const { red, green, blue, alpha } = format;
  const bytes = new Uint8Array(4 * source.length);
  for (const [i, word] of source.entries()) {
    const opacity = alpha === undefined ? 255 : (word >>> alpha) & 0xff;
    if (opacity === 0) continue;
    const straight = (shift: number): number => Math.min(255, Math.round((((word >>> shift) & 0xff) * 255) / opacity));
    bytes.set([straight(red), straight(green), straight(blue), opacity], 4 * i);
  }
  return bytes;
}
