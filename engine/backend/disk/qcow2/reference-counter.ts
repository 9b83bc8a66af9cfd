const CHUNK = 65536;

/** Counts references to host clusters; memory only where there are any. */
export class ReferenceCounter {
  readonly #chunks = new Map<number, Uint32Array>();

  add(cluster: number, times: number): void {
    const index = Math.floor(cluster / CHUNK);
    let chunk = this.#chunks.get(index);
    if (!chunk) {
      chunk = new Uint32Array(CHUNK);
      this.#chunks.set(index, chunk);
    }
    chunk[cluster % CHUNK] += times;
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  /** All clusters that have references, each with their number, in ascending order. */
  *entries(): Generator<[cluster: number, count: number]> {
    for (const index of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const chunk = this.#chunks.get(index)!;
      for (let i = 0; i < CHUNK; i++) if (chunk[i] > 0) yield [index * CHUNK + i, chunk[i]];
    }
  }
}
