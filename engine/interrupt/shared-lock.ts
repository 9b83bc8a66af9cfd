/** Spins before a waiter sleeps, and sleeps of 1 ms before it takes the lock of a thread that must have died. */
const SPINS = 200;
const PATIENCE = 2000;

/** A lock between threads for a few instructions: a word of the shared memory, 0 while nobody holds it. */
export class SharedLock {
  /** @param at index of the word */
  constructor(
    private readonly words: Int32Array,
    private readonly at: number,
  ) {}

  acquire(): void {
    let spins = 0;
    let sleeps = 0;
    while (Atomics.compareExchange(this.words, this.at, 0, 1) !== 0) {
      if (++spins < SPINS) continue;
      // The holder has lost its CPU, or died with its worker: then nobody will ever release.
      if (++sleeps > PATIENCE) return;
      Atomics.wait(this.words, this.at, 1, 1);
    }
  }

  release(): void {
    Atomics.store(this.words, this.at, 0);
  }
}
