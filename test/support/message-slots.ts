import { ScatterGatherList } from '../../engine/memory/scatter-gather-list';
import { TEST_RAM_BASE, testGuestMemory } from './guest-memory';

const SLOTS = 32;

/** Guest memory for requests and their answers, some at a time. */
export class MessageSlots {
  readonly #memory: ReturnType<typeof testGuestMemory>;
  readonly #free = Array.from({ length: SLOTS }, (_, at) => at);
  readonly #waiting: (() => void)[] = [];

  /** Bytes that a request has, and its answer. */
  constructor(readonly bytes: number) {
    this.#memory = testGuestMemory(2 * SLOTS * bytes);
  }

  /** The whole answer to a whole message. */
  async serve(
    message: Uint8Array,
    serve: (readable: ScatterGatherList, writable: ScatterGatherList) => Promise<number>,
    room = this.bytes,
  ): Promise<Buffer> {
    while (this.#free.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const slot = this.#free.pop() as number;
    try {
      const at = TEST_RAM_BASE + 2 * slot * this.bytes;
      const readable = new ScatterGatherList(this.#memory, false).add(at, Math.max(1, message.length));
      const writable = new ScatterGatherList(this.#memory, true).add(at + this.bytes, this.bytes).slice(0, room);
      this.#memory.view(at, message.length).set(message);
      const length = await serve(message.length === 0 ? readable.slice(0, 0) : readable, writable);
      return Buffer.from(writable.slice(0, length).toBytes());
    } finally {
      this.#free.push(slot);
      this.#waiting.shift()?.();
    }
  }
}
