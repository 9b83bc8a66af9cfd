import { computed, shallowReadonly, type ShallowRef, shallowRef } from 'vue';
import type { Input } from '../../engine/runner/control';
import type { ScreenMessage } from '../../engine/runner/screen-channel';
import { BoxPort } from '../box-ports';
import { type Film, newSurface, type ScreenSurface } from './screen-surface';

type Of<T extends ScreenMessage['type']> = Extract<ScreenMessage, { type: T }>;

/** What the guest's pointer looks like. */
export interface ScreenCursor {
  picture: HTMLCanvasElement;
  hotX: number;
  hotY: number;
}

/** Widest a small picture of a screen is, in pixels: what a card shows, on a screen of high resolution. */
const PREVIEW_WIDTH = 640;

/** How often a picture that stays as it is comes into a film, in milliseconds. */
const REDRAW_MS = 1000;

/** A box's screen in the window: the picture on one side, the channel to the box on the other. Lives as long as the window. */
export class ScreenSession {
  readonly #surface: ShallowRef<ScreenSurface>;
  /** As many pixels as the guest shows. It keeps the last picture of a box that is off. Another one where WebGL is lost. */
  readonly element = computed(() => this.#surface.value.element);
  readonly #size = shallowRef<{ width: number; height: number }>();
  /** Undefined until the guest shows something, and once it shows nothing any more. */
  readonly size = shallowReadonly(this.#size);
  readonly #cursor = shallowRef<ScreenCursor>();
  /** Undefined where the guest leaves the pointer to the window. */
  readonly cursor = shallowReadonly(this.#cursor);
  readonly port = new BoxPort<ScreenMessage>(
    (message) => this.#receive(message),
    () => {
      this.#tellLook();
      if (this.#wanted) this.port.post(this.#wanted);
    },
  );
  /** The screen that is looked at; null: none. */
  #screen: number | null = null;
  /** The screen that is recorded, though nobody looks. */
  #recorded: number | null = null;
  #wanted: Of<'want'> | undefined;

  constructor(
    /** The picture is lost: it has to be connected anew. */
    onLost: () => void,
  ) {
    this.#surface = shallowRef(
      newSurface(() => {
        this.#surface.value = newSurface();
        this.#size.value = undefined;
        onLost();
      }),
    );
  }

  /** Look at this screen from now on; null: at none, and nothing comes. */
  look(screen: number | null): void {
    const before = this.#seen;
    this.#screen = screen;
    if (this.#seen !== before) this.#tellLook();
  }

  /** What a screen shows from now on. Its picture comes also while the user looks at none, and is drawn now and then though nothing changes. */
  film(screen: number): Film {
    const { value: surface } = this.#surface;
    const { stream, end } = surface.film();
    this.#record(screen);
    surface.again();
    const redraw = setInterval(() => surface.again(), REDRAW_MS);
    return {
      stream,
      end: () => {
        clearInterval(redraw);
        this.#record(null);
        end();
      },
    };
  }

  #record(screen: number | null): void {
    const before = this.#seen;
    this.#recorded = screen;
    if (this.#seen !== before) this.#tellLook();
  }

  get #seen(): number | null {
    return this.#screen ?? this.#recorded;
  }

  /** Ask the guest for so many pixels, of so many to an inch. */
  want(width: number, height: number, density: number): void {
    const { width: before, height: beforeHeight, density: beforeDensity } = this.#wanted ?? {};
    if (width === before && height === beforeHeight && density === beforeDensity) return;
    this.#wanted = { type: 'want', width, height, density };
    this.port.post(this.#wanted);
  }

  /** The size that the guest has is right, from the next connection on too. */
  wantNothing(): void {
    this.#wanted = undefined;
  }

  input(device: Input['device'], reports: Input['reports']): void {
    this.port.post({ type: 'input', device, reports });
  }

  /** A small picture of it, as an address; undefined where there is none. */
  preview(): string | undefined {
    if (!this.#size.value) return undefined;
    const { width, height } = this.#size.value;
    const small = document.createElement('canvas');
    small.width = Math.min(width, PREVIEW_WIDTH);
    small.height = Math.max(1, Math.round((height * small.width) / width));
    const context = small.getContext('2d', { alpha: false });
    if (!context) return undefined;
    context.imageSmoothingQuality = 'high';
    this.#surface.value.copyTo(context, small.width, small.height);
    return small.toDataURL('image/webp', 0.8);
  }

  #tellLook(): void {
    this.port.post({ type: 'look', screen: this.#seen });
  }

  #receive(message: ScreenMessage): void {
    if (message.type === 'size') this.#resize(message);
    else if (message.type === 'tiles') this.#draw(message);
    else if (message.type === 'cursor') this.#point(message);
    this.port.post({ type: 'shown' });
  }

  #resize({ width, height }: Of<'size'>): void {
    const isLit = width > 0 && height > 0;
    // Also where the size stays: it is black then.
    if (isLit) this.#surface.value.resize(width, height);
    this.#size.value = isLit ? { width, height } : undefined;
  }

  #draw({ parts, data }: Of<'tiles'>): void {
    let at = 0;
    for (const { x, y, width, height } of parts) {
      const length = 4 * width * height;
      const pixels = new Uint8ClampedArray(data.buffer, data.byteOffset + at, length);
      this.#surface.value.write(x, y, width, height, pixels);
      at += length;
    }
  }

  #point({ width, height, hotX, hotY, data }: Of<'cursor'>): void {
    if (width === 0 || height === 0) {
      this.#cursor.value = undefined;
      return;
    }
    const picture = document.createElement('canvas');
    [picture.width, picture.height] = [width, height];
    const pixels = new Uint8ClampedArray(data.buffer, data.byteOffset, 4 * width * height);
    picture.getContext('2d')?.putImageData(new ImageData(pixels, width, height), 0, 0);
    this.#cursor.value = { picture, hotX, hotY };
  }
}
