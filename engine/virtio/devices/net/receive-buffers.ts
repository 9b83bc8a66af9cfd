import { DeviceError } from '../../../errors/vm-error';
import type { DescriptorChain, Virtqueue } from '../../queue';
import { HEADER_BYTES } from './header';

/** Most buffers for one frame: what a whole queue of ours holds. */
const CHAINS_MAX = 256;

/** The buffers that one frame is put into: one, or with MRG_RXBUF as many as it takes. They go to the driver together. */
export class ReceiveBuffers {
  readonly #chains: DescriptorChain[] = [];
  readonly #written: number[] = [];

  get count(): number {
    return this.#chains.length;
  }

  /**
   * Take buffers for so many bytes. `few`: there are not enough yet; `small`: the next buffer does not hold them, and may not be merged with
   * others. Nothing is taken then, nor where this throws DeviceError.InvalidParameter for a driver's mistake.
   */
  take(queue: Virtqueue, bytes: number, mergeable: boolean): 'enough' | 'few' | 'small' {
    const chains = this.#chains;
    chains.length = 0;
    let outcome: 'enough' | 'few' | 'small' = 'few';
    try {
      for (let room = 0; room < bytes; ) {
        if (chains.length === (mergeable ? CHAINS_MAX : 1)) {
          outcome = 'small';
          return outcome;
        }
        const chain = queue.take();
        if (!chain) return outcome;
        chains.push(chain);
        const { length } = chain.writable;
        if (length < HEADER_BYTES)
          throw DeviceError.InvalidParameter(`A receive buffer has ${length} bytes; at least ${HEADER_BYTES} are needed.`);
        room += length;
      }
      outcome = 'enough';
      return outcome;
    } finally {
      if (outcome !== 'enough') for (let chain = chains.pop(); chain; chain = chains.pop()) queue.putBack(chain);
    }
  }

  /** Fill them with the header and the frame behind it, and give them to the driver. */
  fill(queue: Virtqueue, header: Uint8Array, views: readonly Uint8Array[]): void {
    const chains = this.#chains;
    const written = this.#written;
    written.length = 0;
    let at = chains[0].writable.copyFrom(header);
    let index = 0;
    for (const view of views) {
      let from = 0;
      while (from < view.length) {
        const count = chains[index].writable.copyFrom(from === 0 ? view : view.subarray(from), at);
        from += count;
        at += count;
        if (from < view.length) {
          written.push(at);
          index++;
          at = 0;
        }
      }
    }
    written.push(at);
    queue.completeTogether(chains, written);
    chains.length = 0;
  }
}
