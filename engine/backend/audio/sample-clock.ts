/** How far the clock may run fast or slow to stay beside what it follows: one in two hundred. */
const PULL_MAX = 0.005;
/** By how much it does for each millisecond that it is off: what it is off by fades within some ten seconds, and reports that are late do little. */
const PULL = 1e-4;
/** What is further off, in milliseconds, is not made up for: loudspeakers stood still, or are others. */
const OFF_MAX = 200;
/** What has not been heard of for so long, in milliseconds, is no longer followed. */
const SILENCE_MS = 1000;

/**
 * The clock by which a guest plays and records. By itself it is the computer's monotonic one. While somebody reports how far loudspeakers are, it
 * keeps their pace, without ever jumping or standing still: a guest never waits for who listens.
 */
export class SampleClock {
  #value: number;
  /** When that was, by the computer's clock. */
  #at: number;
  /** Milliseconds for each of the computer's clock. */
  #rate = 1;
  #leader: object | undefined;
  #heardAt = -Infinity;
  /** What this clock shows when the leader's shows 0. */
  #offset = 0;

  constructor(private readonly computer: () => number = () => performance.now()) {
    this.#at = computer();
    this.#value = this.#at;
  }

  /** Milliseconds from some moment on. */
  now(): number {
    const now = this.computer();
    const end = this.#heardAt + SILENCE_MS;
    if (this.#rate !== 1 && now > end) {
      this.#pass(Math.max(this.#at, end));
      this.#rate = 1;
    }
    this.#pass(now);
    return this.#value;
  }

  /** The clock of this listener's loudspeakers shows so many milliseconds. Of several that report the first is followed until it falls silent. */
  report(listener: object, milliseconds: number): void {
    const value = this.now();
    const isSilent = this.#at - this.#heardAt > SILENCE_MS;
    if (listener !== this.#leader && this.#leader !== undefined && !isSilent) return;
    const off = milliseconds + this.#offset - value;
    if (listener !== this.#leader || isSilent || Math.abs(off) > OFF_MAX) {
      this.#offset = value - milliseconds;
      this.#rate = 1;
    } else this.#rate = 1 + Math.max(-PULL_MAX, Math.min(PULL_MAX, off * PULL));
    this.#leader = listener;
    this.#heardAt = this.#at;
  }

  /** Follow this listener no more. */
  forget(listener: object): void {
    if (listener !== this.#leader) return;
    this.now();
    this.#leader = undefined;
    this.#rate = 1;
  }

  #pass(now: number): void {
    this.#value += (now - this.#at) * this.#rate;
    this.#at = now;
  }
}
