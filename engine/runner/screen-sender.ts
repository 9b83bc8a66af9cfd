import type { Rectangle, Scanout, ScreenCursor } from '../gpu/scanout';
import { TileDiffer } from '../gpu/tile-differ';
import { SCREEN_MESSAGE, SCREEN_WINDOW, type ScreenMessage } from './screen-channel';

/** Shortest time from one look at the picture to the next, in milliseconds: screens show no more. */
const FRAME_MS = 14;
/** How many times as long as the last look took it rests until the next, so that devices have their turn: a picture of 16 megapixels takes a while. */
const REST = 0.25;
/** How long a screen is dark until that is told, in milliseconds: it is while guests change modes, and while a box ends, whose last picture stays. */
const DARK_MS = 500;

/**
 * The sending half of a screen's channel: what a scanout shows, as fast as it is taken and no faster. It remembers what was sent, so that one who
 * looked away for a while gets what changed.
 */
export class ScreenSender {
  #differ: TileDiffer | undefined;
  /** Damage since the last look began. */
  #damage: Rectangle | undefined;
  /** The picture may have another size than the differ: the next look begins with that. */
  #isOther = true;
  /** The size, or the pointer, is to be sent. */
  #sizeIsDue = false;
  #cursorIsDue = true;
  #cursor: ScreenCursor | undefined;
  /** A look is under way: what it has found, or not yet found, is not all sent. */
  #isLooking = false;
  #isResting = true;
  #timer: NodeJS.Timeout | undefined;
  #darkTimer: NodeJS.Timeout | undefined;
  #nextLook = 0;
  /** Milliseconds that this look has taken so far. */
  #spent = 0;
  readonly #onPicture = (): void => this.#picture();
  readonly #onDamage = (part: Rectangle): void => this.#damaged(part);
  readonly #onCursor = (): void => {
    if (this.scanout.cursor === this.#cursor) return;
    this.#cursorIsDue = true;
    this.#schedule();
  };

  constructor(
    readonly scanout: Scanout,
    private readonly post: (message: ScreenMessage) => void,
    /** Messages of a sender before that are not acknowledged. */
    private unacknowledged = 0,
  ) {
    scanout.on('picture', this.#onPicture);
    scanout.on('damage', this.#onDamage);
    scanout.on('cursor', this.#onCursor);
    this.#picture();
  }

  /** Somebody looks, from now on. */
  look(): void {
    this.#isResting = false;
    // Where it was left off.
    if (this.#isLooking) this.#send();
    else this.#schedule();
  }

  /** Nobody looks. */
  rest(): void {
    this.#isResting = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** One message was taken. */
  acknowledge(): void {
    this.unacknowledged = Math.max(0, this.unacknowledged - 1);
    if (this.#isLooking) this.#send();
    else this.#schedule();
  }

  /** Returns how many messages are not acknowledged. */
  close(): number {
    this.rest();
    clearTimeout(this.#darkTimer);
    this.scanout.off('picture', this.#onPicture);
    this.scanout.off('damage', this.#onDamage);
    this.scanout.off('cursor', this.#onCursor);
    return this.unacknowledged;
  }

  #picture(): void {
    clearTimeout(this.#darkTimer);
    if (this.scanout.size || !this.#differ) this.#takeOver();
    else this.#darkTimer = setTimeout(() => this.#takeOver(), DARK_MS);
  }

  /** What the scanout has is what is to be sent. */
  #takeOver(): void {
    const { size } = this.scanout;
    if (size?.width !== this.#differ?.width || size?.height !== this.#differ?.height) this.#isOther = true;
    if (this.#isOther) this.#damage = undefined;
    if (size) this.#damaged({ x: 0, y: 0, ...size });
    else this.#schedule();
  }

  #damaged(part: Rectangle): void {
    this.#damage = this.#damage ? around(this.#damage, part) : part;
    this.#schedule();
  }

  /** Look as soon as it is time to, and there is room to tell of it. */
  #schedule(): void {
    const isDue = this.#isOther || this.#cursorIsDue || this.#damage !== undefined;
    if (this.#timer || this.#isLooking || this.#isResting || !isDue || !this.#hasRoom) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#isLooking = true;
        const begin = performance.now();
        this.#nextLook = begin + FRAME_MS;
        // Not when the guest changes it, which may be a thousand times a second: it takes memory, and a while.
        if (this.#isOther) this.#beginAnew();
        this.#spent = performance.now() - begin;
        if (this.#damage) this.#differ?.damage(this.#damage);
        this.#damage = undefined;
        this.#send();
      },
      Math.max(0, this.#nextLook - performance.now()),
    );
  }

  #beginAnew(): void {
    const { size } = this.scanout;
    this.#isOther = false;
    this.#sizeIsDue = true;
    this.#differ = size && new TileDiffer(size.width, size.height, (part, target) => this.scanout.read(part, target));
    this.#damage = size && { x: 0, y: 0, ...size };
  }

  get #hasRoom(): boolean {
    return this.unacknowledged < SCREEN_WINDOW;
  }

  /** As much as there is room for. */
  #send(): void {
    if (this.#isResting) return;
    const begin = performance.now();
    let message: ScreenMessage | undefined;
    while (this.#hasRoom) {
      message = this.#message();
      if (!message) break;
      this.unacknowledged++;
      this.post(message);
    }
    const now = performance.now();
    this.#spent += now - begin;
    if (message || !this.#hasRoom) return;
    this.#isLooking = false;
    this.#nextLook = Math.max(this.#nextLook, now + REST * this.#spent);
    this.#schedule();
  }

  #message(): ScreenMessage | undefined {
    if (this.#sizeIsDue) {
      this.#sizeIsDue = false;
      return { type: 'size', width: this.#differ?.width ?? 0, height: this.#differ?.height ?? 0 };
    }
    if (this.#cursorIsDue) {
      this.#cursorIsDue = false;
      this.#cursor = this.scanout.cursor;
      const { width, height, hotX, hotY, pixels } = this.#cursor ?? { width: 0, height: 0, hotX: 0, hotY: 0, pixels: new Uint8Array(0) };
      return { type: 'cursor', width, height, hotX, hotY, data: pixels.slice() };
    }
    // Of a screen that is dark there is nothing to read, and of another picture the next look tells.
    if (!this.scanout.size || this.#isOther) return undefined;
    const update = this.#differ?.next(SCREEN_MESSAGE);
    if (!update) return undefined;
    const { parts, data } = update;
    // A message carries all of the memory that its view is of, as it is when it is posted.
    return { type: 'tiles', parts, data: data.byteLength === data.buffer.byteLength ? data : data.slice() };
  }
}

/** The smallest rectangle that holds both. */
function around(one: Rectangle, other: Rectangle): Rectangle {
  const [x, y] = [Math.min(one.x, other.x), Math.min(one.y, other.y)];
  const right = Math.max(one.x + one.width, other.x + other.width);
  const bottom = Math.max(one.y + one.height, other.y + other.height);
  return { x, y, width: right - x, height: bottom - y };
}
