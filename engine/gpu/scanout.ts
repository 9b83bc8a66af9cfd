import { EventEmitter } from 'node:events';
import type { PartOf, Picture } from './picture';

/** A part of a screen, in pixels from its top left corner. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** How somebody who looks at a scanout would like it to be. */
export interface ScreenMode {
  /** Pixels, each from SCREEN_SIDE_MIN to SCREEN_SIDE_MAX. */
  width: number;
  height: number;
  /** Pictures a second. */
  refresh: number;
  /** Pixels per inch. */
  density: number;
}

/** The mouse pointer, where the guest leaves drawing it to the host. */
export interface ScreenCursor {
  /** Pixels; at most CURSOR_SIDE. */
  width: number;
  height: number;
  /** RGBA, not premultiplied. */
  pixels: Uint8Array;
  /** The pixel of the picture that points. */
  hotX: number;
  hotY: number;
}

export const SCREEN_SIDE_MIN = 64;
/** What fits into the timings of an EDID (12 bits), and is a multiple of 8. */
export const SCREEN_SIDE_MAX = 4088;
export const CURSOR_SIDE = 64;

interface ScanoutEvents {
  /** Another picture as a whole, of the same size or another, or none. */
  picture: [];
  /** The guest has drawn here. */
  damage: [Rectangle];
  /** The pointer looks otherwise, or is somewhere else. */
  cursor: [];
  /** Somebody would like another mode. */
  wanted: [];
}

/**
 * One output of a graphics adapter, between the device that shows pictures on it and those who look: windows, servers, screenshots. It holds no
 * pixels of its own: who looks reads them where they are, when they are wanted, so that nothing moves while nobody looks.
 */
export class Scanout extends EventEmitter<ScanoutEvents> {
  #mode: ScreenMode;
  /** Of the adapter: counts once it has shown something, from then on also where it shows nothing. */
  #picture: Picture | undefined;
  #isTaken = false;
  /** Of firmware, and of kernels that have no driver for the adapter yet. */
  #bootPicture: Picture | undefined;
  #cursor: ScreenCursor | undefined;
  #cursorAt = { x: 0, y: 0 };

  constructor({ width, height, refresh = 60, density = 96 }: Pick<ScreenMode, 'width' | 'height'> & Partial<ScreenMode>) {
    super();
    // One for each who looks; how many may come is bounded elsewhere.
    this.setMaxListeners(0);
    this.#mode = { width: side(width), height: side(height), refresh, density };
  }

  /** What the guest is asked for. */
  get wanted(): Readonly<ScreenMode> {
    return this.#mode;
  }

  /** Ask the guest for another mode; it does so when it likes, or not at all. Sizes are brought into range. */
  want({ width, height, refresh = this.#mode.refresh, density = this.#mode.density }: Partial<ScreenMode>): void {
    const mode = { width: side(width ?? this.#mode.width), height: side(height ?? this.#mode.height), refresh, density };
    const before = this.#mode;
    if (Object.entries(mode).every(([key, value]) => before[key as keyof ScreenMode] === value)) return;
    this.#mode = mode;
    this.emit('wanted');
  }

  /** Pixels of what the guest shows; undefined where it shows nothing. */
  get size(): { width: number; height: number } | undefined {
    const picture = this.#visible;
    return picture && { width: picture.width, height: picture.height };
  }

  /** Which part what it shows is of a picture of the guest's. */
  get within(): PartOf | undefined {
    return this.#picture?.within;
  }

  /** Copy a part of the picture to `target`, as RGBA words (R in the lowest byte, A always 255), row by row without gaps. The part has to lie inside. */
  read({ x, y, width, height }: Rectangle, target: Uint32Array): void {
    const picture = this.#visible;
    for (let row = 0; row < height; row++) picture?.readRow(x, y + row, width, target, row * width);
  }

  get cursor(): ScreenCursor | undefined {
    return this.#cursor;
  }

  /** Where the pointer's picture has its top left corner; that may be outside the screen. */
  get cursorAt(): Readonly<{ x: number; y: number }> {
    return this.#cursorAt;
  }

  /** For the adapter: from now on it shows this. */
  show(picture: Picture | undefined): void {
    this.#change(() => {
      this.#picture = picture;
      if (picture) this.#isTaken = true;
    });
  }

  /** Whether the adapter has shown something since it was new. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** For the adapter: it shows nothing, and does, or does not, leave the screen to firmware, as a new one. */
  darken(isTaken: boolean): void {
    this.#change(() => {
      this.#picture = undefined;
      this.#isTaken = isTaken;
    });
  }

  /** What the screen shows as long as the adapter has shown nothing. */
  showBoot(picture: Picture | undefined): void {
    this.#change(() => {
      this.#bootPicture = picture;
    });
  }

  /** For the device: something was drawn into the picture. The part may reach beyond it. */
  damage({ x, y, width, height }: Rectangle): void {
    const picture = this.#visible;
    if (!picture) return;
    const [left, top] = [Math.max(x, 0), Math.max(y, 0)];
    const right = Math.min(x + width, picture.width);
    const bottom = Math.min(y + height, picture.height);
    if (left < right && top < bottom) this.emit('damage', { x: left, y: top, width: right - left, height: bottom - top });
  }

  /** For the device. */
  setCursor(cursor: ScreenCursor | undefined, at: { x: number; y: number }): void {
    if (!cursor && !this.#cursor) return;
    this.#cursor = cursor;
    this.#cursorAt = at;
    this.emit('cursor');
  }

  moveCursor(at: { x: number; y: number }): void {
    if (at.x === this.#cursorAt.x && at.y === this.#cursorAt.y) return;
    this.#cursorAt = at;
    if (this.#cursor) this.emit('cursor');
  }

  get #visible(): Picture | undefined {
    return this.#isTaken ? this.#picture : this.#bootPicture;
  }

  #change(change: () => void): void {
    const before = this.#visible;
    change();
    if (before || this.#visible) this.emit('picture');
  }
}

function side(pixels: number): number {
  return Math.max(SCREEN_SIDE_MIN, Math.min(SCREEN_SIDE_MAX, Math.floor(pixels) || 0));
}
