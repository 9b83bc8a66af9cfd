import { randomFillSync } from 'node:crypto';
import { VirtioDevice } from '../device';

/** Most bytes given for one request; the driver asks again for more (virtio 1.3 §5.4.6). */
const REQUEST_MAX = 65536;

export interface VirtioRngOptions {
  /** Fills the target with random bytes; the host's cryptographic generator unless given. */
  source?: (target: Uint8Array) => void;
}

/** The entropy device (virtio 1.3 §5.4): one queue, whose buffers are filled with random bytes straight in guest memory. */
export class VirtioRng extends VirtioDevice {
  readonly name = 'virtio-rng';
  readonly deviceId = 4;
  readonly queueSizes = [64];
  readonly #source: (target: Uint8Array) => void;

  constructor({ source = randomFillSync }: VirtioRngOptions = {}) {
    super([], new DataView(new ArrayBuffer(0)));
    this.#source = source;
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      let written = 0;
      try {
        const target = chain.writable.slice(0, Math.min(chain.writable.length, REQUEST_MAX));
        for (const view of target.views()) this.#source(view);
        target.wrote();
        written = target.length;
      } finally {
        this.queue(index)?.complete(chain, written);
      }
    }
  }
}
