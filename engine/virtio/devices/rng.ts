import { randomFillSync } from 'node:crypto';
import type { ScatterGatherList } from '../../memory/scatter-gather-list';
import { VirtioDevice } from '../device';

/** Most bytes given for one request; the driver asks again for more (virtio 1.3 §5.4.6). */
const REQUEST_MAX = 65536;
/** Of more pieces than that the host is not asked for each: the call takes longer than the bytes. */
const PIECES_MAX = 8;
/** With a limited rate requests wait until there are so many bytes for them, or as many as come in a second. */
const PORTION = 64;

export interface VirtioRngOptions {
  /** Fills the target with random bytes; the host's cryptographic generator unless given. */
  source?: (target: Uint8Array) => void;
  /** Bytes a second, on average; what was not asked for in the last second is there at once. 0, or nothing: as fast as can be. */
  rate?: number;
  /** Milliseconds from some moment on, without jumps. */
  clock?: () => number;
}

/** The entropy device (virtio 1.3 §5.4): one queue, whose buffers are filled with random bytes straight in guest memory. */
export class VirtioRng extends VirtioDevice {
  readonly name = 'virtio-rng';
  readonly deviceId = 4;
  readonly queueSizes = [64];
  readonly #source: (target: Uint8Array) => void;
  readonly #rate: number;
  readonly #clock: () => number;
  /** Bytes that may be given now, as of a time. */
  #credit: number;
  #creditAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor({ source = randomFillSync, rate = 0, clock = () => performance.now() }: VirtioRngOptions = {}) {
    super([], new DataView(new ArrayBuffer(0)));
    this.#source = source;
    this.#rate = rate === 0 ? Infinity : rate;
    this.#clock = clock;
    this.#credit = this.#rate;
    this.#creditAt = clock();
  }

  protected override serve(index: number): void {
    while (this.#mayGive(index)) {
      const chain = this.take(index);
      if (!chain) return;
      let written = 0;
      try {
        const target = chain.writable.slice(0, Math.min(chain.writable.length, REQUEST_MAX, Math.floor(this.#credit)));
        this.#fill(target);
        written = target.length;
        this.#credit -= written;
      } finally {
        this.queue(index)?.complete(chain, written);
      }
    }
  }

  #fill(target: ScatterGatherList): void {
    if (target.segments > PIECES_MAX) {
      const bytes = new Uint8Array(target.length);
      this.#source(bytes);
      target.copyFrom(bytes);
      return;
    }
    for (const view of target.views()) this.#source(view);
    target.wrote();
  }

  /** Otherwise the queue is served again when it may. */
  #mayGive(index: number): boolean {
    if (this.#rate === Infinity) return true;
    const now = this.#clock();
    this.#credit = Math.min(this.#rate, this.#credit + ((now - this.#creditAt) * this.#rate) / 1000);
    this.#creditAt = now;
    const missing = Math.min(PORTION, this.#rate) - this.#credit;
    if (missing <= 0) return true;
    if (!this.#timer) {
      const serve = (): void => {
        this.#timer = undefined;
        this.notify(index);
      };
      this.#timer = setTimeout(serve, Math.ceil((missing * 1000) / this.#rate)).unref();
    }
    return false;
  }

  protected override onReset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
