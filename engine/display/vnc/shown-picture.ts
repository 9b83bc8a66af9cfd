import type { Rectangle, Scanout } from '../../gpu/scanout';
import { TILE } from './zrle';

/**
 * What a client has been shown of a scanout, tile by tile. Guests redraw more than they change (Linux's console: all of it), so what was damaged
 * is compared before it is sent.
 */
export class ShownPicture {
  readonly columns: number;
  readonly rows: number;
  /** Tile behind tile, each with room for a whole one. */
  readonly #shown: Uint32Array;
  /** Of each tile: nothing to do, to be compared, to be sent whatever it holds. */
  readonly #marks: Uint8Array;
  #marked = 0;
  readonly #fresh = new Uint32Array(TILE * TILE);

  /** Pixels; all is to be sent. */
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.columns = Math.ceil(width / TILE);
    this.rows = Math.ceil(height / TILE);
    this.#shown = new Uint32Array(this.columns * this.rows * TILE * TILE);
    this.#marks = new Uint8Array(this.columns * this.rows);
    this.mark({ x: 0, y: 0, width, height }, true);
  }

  /** Whether there may be something to send. */
  get isMarked(): boolean {
    return this.#marked > 0;
  }

  /** This part may have changed, or is wanted whether it has or not. */
  mark({ x, y, width, height }: Rectangle, isWanted: boolean): void {
    const [right, bottom] = [Math.min(x + width, this.width), Math.min(y + height, this.height)];
    for (let row = Math.floor(Math.max(y, 0) / TILE); row * TILE < bottom; row++) {
      for (let column = Math.floor(Math.max(x, 0) / TILE); column * TILE < right; column++) {
        const tile = row * this.columns + column;
        if (this.#marks[tile] === 0) this.#marked++;
        this.#marks[tile] = Math.max(this.#marks[tile], isWanted ? 2 : 1);
      }
    }
  }

  /** Bring what is marked up to date; returns what has to be sent: parts made of whole tiles, none of them twice. */
  update(scanout: Scanout): Rectangle[] {
    if (this.#marked === 0) return [];
    const changed: Run[] = [];
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        const mark = this.#marks[row * this.columns + column];
        if (mark === 0) continue;
        const isOther = this.#read(scanout, column, row);
        if (!isOther && mark === 1) continue;
        const last = changed.at(-1);
        if (last && last.top === row && last.right === column) last.right++;
        else changed.push({ left: column, right: column + 1, top: row, bottom: row + 1 });
      }
    }
    this.#marks.fill(0);
    this.#marked = 0;
    return stacked(changed).map(({ left, right, top, bottom }) => ({
      x: left * TILE,
      y: top * TILE,
      width: Math.min(right * TILE, this.width) - left * TILE,
      height: Math.min(bottom * TILE, this.height) - top * TILE,
    }));
  }

  /** Every tile of a part that update() gave, from left to right and from top to bottom: `count` pixels, `width` in a row. */
  eachTile(part: Rectangle, take: (pixels: Uint32Array, width: number, count: number) => void): void {
    for (let y = part.y; y < part.y + part.height; y += TILE) {
      for (let x = part.x; x < part.x + part.width; x += TILE) {
        const width = Math.min(TILE, this.width - x);
        const count = width * Math.min(TILE, this.height - y);
        const at = ((y / TILE) * this.columns + x / TILE) * TILE * TILE;
        take(this.#shown.subarray(at, at + count), width, count);
      }
    }
  }

  /** One row of pixels of such a part. */
  readRow(x: number, y: number, width: number, target: Uint32Array): void {
    for (let column = Math.floor(x / TILE); column * TILE < x + width; column++) {
      const tileWidth = Math.min(TILE, this.width - column * TILE);
      const at = (Math.floor(y / TILE) * this.columns + column) * TILE * TILE + (y % TILE) * tileWidth;
      target.set(this.#shown.subarray(at, at + Math.min(tileWidth, x + width - column * TILE)), column * TILE - x);
    }
  }

  /** A tile of the scanout, black where that has nothing; tells whether it was otherwise before. */
  #read(scanout: Scanout, column: number, row: number): boolean {
    const [x, y] = [column * TILE, row * TILE];
    const [width, height] = [Math.min(TILE, this.width - x), Math.min(TILE, this.height - y)];
    const count = width * height;
    const fresh = this.#fresh;
    const { width: there = 0, height: deep = 0 } = scanout.size ?? {};
    const [inWidth, inHeight] = [Math.max(0, Math.min(width, there - x)), Math.max(0, Math.min(height, deep - y))];
    if (inWidth === width && inHeight === height) scanout.read({ x, y, width, height }, fresh);
    else {
      fresh.fill(0, 0, count);
      if (inWidth > 0 && inHeight > 0) {
        const part = new Uint32Array(inWidth * inHeight);
        scanout.read({ x, y, width: inWidth, height: inHeight }, part);
        for (let line = 0; line < inHeight; line++) fresh.set(part.subarray(line * inWidth, (line + 1) * inWidth), line * width);
      }
    }
    const shown = this.#shown;
    const base = (row * this.columns + column) * TILE * TILE;
    let at = 0;
    while (at < count && shown[base + at] === fresh[at]) at++;
    if (at === count) return false;
    for (; at < count; at++) shown[base + at] = fresh[at];
    return true;
  }
}

/** Tiles from left to right of a row, then of several. */
interface Run {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Runs of the same tiles below each other become one. */
function stacked(runs: readonly Run[]): Run[] {
  const stacks: Run[] = [];
  for (const run of runs) {
    const above = stacks.find(({ left, right, bottom }) => left === run.left && right === run.right && bottom === run.top);
    if (above) above.bottom++;
    else stacks.push({ ...run });
  }
  return stacks;
}
