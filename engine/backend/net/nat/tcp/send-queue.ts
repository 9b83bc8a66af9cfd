/** Chunks shorter than this are put together, so that there are few of them. */
const SMALL = 4096;
const JOINED = 16384;

/** Bytes on their way to the guest, from the first that it has not acknowledged on: chunks as they came from the host, not copied. */
export class SendQueue {
  private chunks: Uint8Array[] = [];
  private head = 0;
  /** Bytes of the first chunk that are acknowledged. */
  private skipped = 0;
  /** Free bytes behind the last chunk, which is then the start of a buffer of ours. */
  private joined: Uint8Array | undefined;
  #length = 0;
  /** The last position that was looked up: chunk, and where in the queue that begins. */
  private cursor = 0;
  private cursorAt = 0;

  get length(): number {
    return this.#length;
  }

  /** The queue keeps the chunk: its bytes must not change any more. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const length = chunk.length;
    const isFirst = this.#length === 0;
    this.#length += length;
    // One that is alone needs no room for others: the buffer would cost 2 us for each answer of a conversation, and make garbage.
    if (isFirst || length >= SMALL) {
      this.joined = undefined;
      this.chunks.push(chunk);
      return;
    }
    const last = this.chunks.length - 1;
    const end = this.joined ? this.chunks[last].length : 0;
    if (this.joined && last >= this.head && end + length <= JOINED) {
      this.joined.set(chunk, end);
      this.chunks[last] = this.joined.subarray(0, end + length);
      return;
    }
    this.joined = new Uint8Array(JOINED);
    this.joined.set(chunk);
    this.chunks.push(this.joined.subarray(0, length));
  }

  /** Let go of the first bytes. */
  drop(length: number): void {
    let left = Math.min(length, this.#length);
    this.#length -= left;
    this.cursorAt -= left;
    while (left > 0) {
      const rest = this.chunks[this.head].length - this.skipped;
      if (left < rest) {
        this.skipped += left;
        break;
      }
      left -= rest;
      this.skipped = 0;
      this.chunks[this.head++] = EMPTY;
    }
    if (this.cursor < this.head || this.#length === 0) this.rewind();
    if (this.#length === 0) this.joined = undefined;
    if (this.head > 64 && this.head * 2 > this.chunks.length) {
      this.chunks.splice(0, this.head);
      this.cursor -= this.head;
      this.head = 0;
    }
  }

  clear(): void {
    this.chunks = [];
    this.head = this.skipped = this.#length = 0;
    this.joined = undefined;
    this.rewind();
  }

  /** Append to `pieces` the bytes at `at`, at most so many and in at most so many pieces; returns how many bytes that are. */
  slice(at: number, length: number, pieces: Uint8Array[], most = 16): number {
    if (at < this.cursorAt) this.rewind();
    let index = this.cursor;
    let from = this.cursorAt;
    while (index < this.chunks.length && from + this.chunks[index].length <= at) from += this.chunks[index++].length;
    this.cursor = index;
    this.cursorAt = from;
    let taken = 0;
    let inside = at - from;
    for (; index < this.chunks.length && taken < length && most > 0; index++, most--) {
      const chunk = this.chunks[index];
      const count = Math.min(chunk.length - inside, length - taken);
      pieces.push(count === chunk.length ? chunk : chunk.subarray(inside, inside + count));
      taken += count;
      inside = 0;
    }
    return taken;
  }

  private rewind(): void {
    this.cursor = this.head;
    this.cursorAt = -this.skipped;
  }
}

const EMPTY = new Uint8Array(0);
