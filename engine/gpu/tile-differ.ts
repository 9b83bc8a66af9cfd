import type { Rectangle } from './scanout';

/** Pixels along a side of what is compared and sent as a whole; at the right and at the bottom tiles are smaller. */
export const TILE = 64;
const BLACK = 0xff000000;

/** Parts of a picture as they are now. */
export interface PictureUpdate {
  parts: Rectangle[];
  /** RGBA, opaque: one part after the other, each row by row. From the beginning of their memory, which may be longer. */
  data: Uint8Array<ArrayBuffer>;
}

/**
 * Finds what somebody who looks at a picture has to be sent: of the damage that guests tell of, which is often all of the picture, only the tiles
 * that are other than what he was sent last. At first that is nothing but black. Pixels are read when they are asked for, so that what changed
 * twice meanwhile is sent once.
 */
export class TileDiffer {
  /** What he sees once all that was sent has come. */
  readonly #sent: Uint32Array;
  /** A row of tiles as it is. */
  readonly #band: Uint32Array;
  /** What was found, as far as it is filled, and how many pixels more may be. It is kept: new memory for each picture costs more than all else. */
  #found = new Uint32Array(TILE * TILE);
  #filled = 0;
  #room = 0;
  /** By row of tiles: the first that may have changed and the one behind the last. */
  readonly #damage: { from: number; to: number }[];
  /** The row of tiles where the next search begins: those at the bottom get their turn too. */
  #next = 0;

  constructor(
    readonly width: number,
    readonly height: number,
    /** As Scanout.read() does it. */
    private readonly read: (part: Rectangle, target: Uint32Array) => void,
  ) {
    this.#sent = new Uint32Array(width * height).fill(BLACK);
    this.#band = new Uint32Array(width * TILE);
    this.#damage = Array.from({ length: Math.ceil(height / TILE) }, () => ({ from: 0, to: 0 }));
  }

  /** Something may have changed here; the part has to lie inside. */
  damage({ x, y, width, height }: Rectangle): void {
    if (width === 0 || height === 0) return;
    const from = Math.floor(x / TILE);
    const to = Math.ceil((x + width) / TILE);
    const last = Math.ceil((y + height) / TILE);
    for (let row = Math.floor(y / TILE); row < last; row++) {
      const damage = this.#damage[row];
      const isClean = damage.from === damage.to;
      damage.from = isClean ? from : Math.min(damage.from, from);
      damage.to = isClean ? to : Math.max(damage.to, to);
    }
  }

  /** This is to be sent whether it changes or not; the part has to lie inside. */
  forget(part: Rectangle): void {
    // No opaque pixel is that.
    for (let row = part.y; row < part.y + part.height; row++)
      this.#sent.fill(0, row * this.width + part.x, row * this.width + part.x + part.width);
    this.damage(part);
  }

  /**
   * The next parts that changed, none higher than a tile and each beginning with one, of at most so many bytes (16 KiB at least); undefined once
   * there are none. They are valid until the next call.
   */
  next(most: number): PictureUpdate | undefined {
    const parts: Rectangle[] = [];
    this.#room = Math.floor(most / 4);
    this.#filled = 0;
    for (let count = this.#damage.length; count > 0; count--) {
      const damage = this.#damage[this.#next];
      if (damage.from < damage.to) {
        this.#search(this.#next, damage, parts);
        if (damage.from < damage.to) break;
      }
      this.#next = (this.#next + 1) % this.#damage.length;
    }
    return parts.length === 0 ? undefined : { parts, data: new Uint8Array(this.#found.buffer, 0, 4 * this.#filled) };
  }

  /** What changed in a row of tiles, as far as there is room; what is left stays damaged. */
  #search(row: number, damage: { from: number; to: number }, parts: Rectangle[]): void {
    const y = row * TILE;
    const height = Math.min(TILE, this.height - y);
    const x = damage.from * TILE;
    const width = Math.min(damage.to * TILE, this.width) - x;
    this.read({ x, y, width, height }, this.#band);
    while (damage.from < damage.to) {
      const left = damage.from * TILE;
      if (!this.#differs(left, y, height, x, width)) {
        damage.from++;
        continue;
      }
      // Neighbours that changed too make one part.
      let end = damage.from + 1;
      while (
        end < damage.to &&
        (Math.min((end + 1) * TILE, this.width) - left) * height <= this.#room &&
        this.#differs(end * TILE, y, height, x, width)
      )
        end++;
      const part = { x: left, y, width: Math.min(end * TILE, this.width) - left, height };
      if (part.width * height > this.#room) return;
      parts.push(part);
      this.#take(part, x, width);
      damage.from = end;
    }
    damage.from = damage.to = 0;
  }

  /** Whether the tile at `left` is other than it was, in the band that begins at `x`. */
  #differs(left: number, y: number, height: number, x: number, width: number): boolean {
    const [band, sent] = [this.#band, this.#sent];
    const across = Math.min(TILE, this.width - left);
    for (let line = 0; line < height; line++) {
      const is = line * width + left - x;
      const was = (y + line) * this.width + left;
      for (let i = 0; i < across; i++) if (band[is + i] !== sent[was + i]) return true;
    }
    return false;
  }

  #take({ x: left, y, width: across, height }: Rectangle, x: number, width: number): void {
    const count = across * height;
    const end = this.#filled + count;
    if (end > this.#found.length) {
      // No larger than what is asked for, as most parts of a picture that changes everywhere are.
      const larger = new Uint32Array(Math.min(Math.max(2 * this.#found.length, end), this.#filled + this.#room));
      larger.set(this.#found.subarray(0, this.#filled));
      this.#found = larger;
    }
    // All lines of a part as wide as the picture are one run.
    const lines = across === this.width ? 1 : height;
    const run = count / lines;
    for (let line = 0; line < lines; line++) {
      const at = line * width + left - x;
      const pixels = this.#band.subarray(at, at + run);
      this.#found.set(pixels, this.#filled + line * run);
      this.#sent.set(pixels, (y + line) * this.width + left);
    }
    this.#filled = end;
    this.#room -= count;
  }
}
