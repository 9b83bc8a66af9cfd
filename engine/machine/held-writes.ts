import { VmError } from '../errors/vm-error';

/** Writes to disk images that wait because the host has no space left for them. */
export class HeldWrites {
  readonly #waiting: ((again: boolean) => void)[] = [];
  #error: VmError | undefined;
  #isOver = false;
  #isRefusing = false;

  constructor(
    /** Told when the first write is held back. */
    private readonly onFull: (error: VmError) => void,
  ) {}

  /** Why writes are held back now; undefined if none is. */
  get reason(): VmError | undefined {
    return this.#error;
  }

  /** Hold a write back. Resolves with whether to try it again. */
  readonly hold = (cause: VmError): Promise<boolean> => {
    if (this.#isOver || this.#isRefusing) return Promise.resolve(false);
    const held = new Promise<boolean>((resolve) => this.#waiting.push(resolve));
    if (!this.#error) {
      this.#error = new VmError(
        'Resource',
        `${cause.message} The box is paused, and nothing is lost: resume it when there is space again.`,
        { cause, code: 'disk-full-paused', params: { path: cause.params?.['path'] ?? '' } },
      );
      this.onFull(this.#error);
    }
    return held;
  };

  retry(): void {
    this.#settle(true);
  }

  /** Meanwhile what cannot be written fails instead of waiting. */
  async refuseDuring(work: () => Promise<void>): Promise<void> {
    this.#isRefusing = true;
    this.#settle(false);
    try {
      await work();
    } finally {
      this.#isRefusing = false;
    }
  }

  /** The machine ends: what cannot be written fails. */
  giveUp(): void {
    this.#isOver = true;
    this.#settle(false);
  }

  #settle(again: boolean): void {
    this.#error = undefined;
    for (const resolve of this.#waiting.splice(0)) resolve(again);
  }
}
