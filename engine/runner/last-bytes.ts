/** The last bytes of a stream, in as much memory as they take themselves, however small the pieces are that they come in. */
export class LastBytes {
  private readonly ring: Uint8Array;
  /** Where the next byte goes. */
  private at = 0;
  private isFull = false;

  /** `size`: bytes that are kept. */
  constructor(size: number) {
    this.ring = new Uint8Array(size);
  }

  add(data: Uint8Array): void {
    const { ring } = this;
    const kept = data.length > ring.length ? data.subarray(data.length - ring.length) : data;
    const first = Math.min(kept.length, ring.length - this.at);
    ring.set(kept.subarray(0, first), this.at);
    ring.set(kept.subarray(first), 0);
    if (this.at + kept.length >= ring.length) this.isFull = true;
    this.at = (this.at + kept.length) % ring.length;
  }

  /** A copy, oldest first. */
  all(): Uint8Array {
    const { ring, at } = this;
    if (!this.isFull) return ring.slice(0, at);
    const copy = new Uint8Array(ring.length);
    copy.set(ring.subarray(at), 0);
    copy.set(ring.subarray(0, at), ring.length - at);
    return copy;
  }
}
