/** Ranges of clusters of which each may be held by one at a time. */
export class RangeLock {
  readonly #held = new Set<{ first: number; last: number; released: Promise<void> }>();

  /** Wait until nobody holds any of `first` to `last`, and hold them. Returns what lets go. Hold one range at a time. */
  async acquire(first: number, last: number): Promise<() => void> {
    for (let other = this.#overlap(first, last); other; other = this.#overlap(first, last)) await other.released;
    let resolve = (): void => undefined;
    const held = { first, last, released: new Promise<void>((done) => (resolve = done)) };
    this.#held.add(held);
    return () => {
      this.#held.delete(held);
      resolve();
    };
  }

  #overlap(first: number, last: number): { released: Promise<void> } | undefined {
    for (const held of this.#held) if (held.first <= last && first <= held.last) return held;
    return undefined;
  }
}
