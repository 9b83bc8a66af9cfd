export interface CountdownTime {
  /** Milliseconds from some moment on, without jumps. */
  clock?: () => number;
  /** Call back once, after so many milliseconds; what is returned calls it off. */
  later?: (work: () => void, milliseconds: number) => () => void;
}

/** Something happens unless it is called off, or begun anew, in time; no time passes while the machine is paused. For watchdogs. */
export class Countdown {
  readonly #clock: () => number;
  readonly #later: (work: () => void, milliseconds: number) => () => void;
  /** When it ends; undefined while it is off. */
  #due: number | undefined;
  #pausedAt: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly onEnd: () => void,
    { clock = () => performance.now(), later = afterTimeout }: CountdownTime = {},
  ) {
    this.#clock = clock;
    this.#later = later;
  }

  get isOn(): boolean {
    return this.#due !== undefined;
  }

  /** From now on so many milliseconds, whatever was before. */
  begin(milliseconds: number): void {
    this.#due = (this.#pausedAt ?? this.#clock()) + milliseconds;
    this.#schedule();
  }

  callOff(): void {
    this.#due = undefined;
    this.#schedule();
  }

  /** The machine is paused, or goes on. */
  setPaused(isPaused: boolean): void {
    const now = this.#clock();
    if (isPaused) this.#pausedAt ??= now;
    else if (this.#pausedAt !== undefined) {
      if (this.#due !== undefined) this.#due += now - this.#pausedAt;
      this.#pausedAt = undefined;
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#due === undefined || this.#pausedAt !== undefined) return;
    this.#cancel = this.#later(
      () => {
        this.#cancel = undefined;
        this.#due = undefined;
        this.onEnd();
      },
      Math.max(0, this.#due - this.#clock()),
    );
  }
}

function afterTimeout(work: () => void, milliseconds: number): () => void {
  const timer = setTimeout(work, Math.ceil(milliseconds)).unref();
  return () => clearTimeout(timer);
}
