const CHUNK = 65536;
/** Clusters of a chunk that are counted one by one; of more the chunk gets memory for all. */
const FEW = 2048;
/** Clusters that are counted one by one: images whose clusters lie that far apart no tool makes. */
const SCATTERED_MAX = 1 << 22;

/** Counts references to host clusters; memory only where there are any, as a file may be much longer than what is in it. */
export class ReferenceCounter {
  readonly #chunks = new Map<number, Uint32Array>();
  /** References to clusters of chunks with few, and how many clusters these are of each. */
  readonly #scattered = new Map<number, number>();
  readonly #few = new Map<number, number>();

  /** `tooMany`: thrown where more clusters lie far apart than can be counted. */
  constructor(private readonly tooMany: () => Error) {}

  add(cluster: number, times: number): void {
    const index = Math.floor(cluster / CHUNK);
    const chunk = this.#chunks.get(index);
    if (chunk) {
      chunk[cluster % CHUNK] += times;
      return;
    }
    const before = this.#scattered.get(cluster);
    if (before === undefined) {
      if (this.#scattered.size >= SCATTERED_MAX) throw this.tooMany();
      this.#few.set(index, (this.#few.get(index) ?? 0) + 1);
    }
    this.#scattered.set(cluster, (before ?? 0) + times);
    if (this.#few.get(index) === FEW) this.#gather(index);
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? this.#scattered.get(cluster) ?? 0;
  }

  /** All clusters that have references, each with their number, in ascending order. */
  *entries(): Generator<[cluster: number, count: number]> {
    const scattered = Float64Array.from(this.#scattered.keys()).sort();
    let next = 0;
    for (const index of [...this.#chunks.keys(), Infinity].sort((a, b) => a - b)) {
      for (; next < scattered.length && scattered[next] < index * CHUNK; next++) {
        const count = this.get(scattered[next]);
        if (count > 0) yield [scattered[next], count];
      }
      const chunk = this.#chunks.get(index);
      if (!chunk) continue;
      for (let i = 0; i < CHUNK; i++) if (chunk[i] > 0) yield [index * CHUNK + i, chunk[i]];
    }
  }

  #gather(index: number): void {
    const chunk = new Uint32Array(CHUNK);
    for (let i = 0; i < CHUNK; i++) {
      const cluster = index * CHUNK + i;
      const count = this.#scattered.get(cluster);
      if (count === undefined) continue;
      chunk[i] = count;
      this.#scattered.delete(cluster);
    }
    this.#few.delete(index);
    this.#chunks.set(index, chunk);
  }
}
