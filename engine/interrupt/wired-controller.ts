import type { InterruptLine } from '../bus/device';
import { VmError } from '../errors/vm-error';
import { SharedLock } from './shared-lock';

/**
 * What devices see of an interrupt controller: a wire for each source. Its state lies in the shared memory behind a small lock, so any
 * thread can make an instance and use it.
 */
export abstract class WiredController {
  protected readonly words: Int32Array;
  protected readonly lock: SharedLock;

  /**
   * @param title what errors call it
   * @param lock index of the lock's word
   * @param sources interrupt sources 1 to `sources`
   */
  constructor(
    memory: WebAssembly.Memory,
    private readonly title: string,
    lock: number,
    protected readonly sources: number,
  ) {
    this.words = new Int32Array(memory.buffer);
    this.lock = new SharedLock(this.words, lock);
  }

  /** The wire of a source. Throws VmError 'Config' where there is no such source. */
  line(source: number): InterruptLine {
    this.checkSource(source);
    return {
      deviceTree: this.wire(source),
      setLevel: (asserted) => {
        this.lock.acquire();
        this.setLevel(source, asserted);
        this.lock.release();
      },
    };
  }

  /**
   * The wire of a source whose device speaks up at whatever moves its interrupt, for a gateway that hears requests rather than a level: see
   * `Plic.requestLine`. Like any other wire where the controller has no such gateway.
   */
  requestLine(source: number): InterruptLine {
    return this.line(source);
  }

  /**
   * The wire of a source whose level *is* words of the shared memory: high while an i32 at one of the `offsets` is above zero.
   * `setLevel` (the argument does not matter) tells that a word has changed. The words are looked at under the lock,
   * so threads that set and clear their bits at the same time cannot leave the wire at the wrong level.
   */
  wordLine(source: number, ...offsets: number[]): InterruptLine {
    this.checkSource(source);
    return {
      deviceTree: this.wire(source),
      setLevel: () => {
        this.lock.acquire();
        let asserted = false;
        for (const offset of offsets) if (Atomics.load(this.words, offset >>> 2) > 0) asserted = true;
        this.setLevel(source, asserted);
        this.lock.release();
      },
    };
  }

  /** How a device's node names the wire of a source. */
  protected abstract wire(source: number): InterruptLine['deviceTree'];

  /** The wire of a source has this level now. Called under the lock. */
  protected abstract setLevel(source: number, asserted: boolean): void;

  protected checkSource(source: number): void {
    if (!Number.isInteger(source) || source < 1 || source > this.sources) {
      throw VmError.config(`The ${this.title} has interrupt sources 1 to ${this.sources}; there is no source ${source}.`);
    }
  }
}
