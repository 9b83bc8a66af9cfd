/** Addresses that are kept, and how long one is known that says nothing, in milliseconds (IEEE 802.1Q recommends 300 s). */
const ADDRESSES_MAX = 4096;
const AGE_MS = 300_000;

interface Known<Port> {
  port: Port;
  at: number;
}

/** What a switch has learned: behind which of its ports an Ethernet address is. */
export class LearningTable<Port> {
  /** By the 48 bits of the address, the one that was seen longest ago first. */
  readonly #known = new Map<number, Known<Port>>();

  constructor(private readonly now: () => number = Date.now) {}

  get size(): number {
    return this.#known.size;
  }

  /** A frame that begins with `head` came in at that port. The address of a group is nobody's. */
  learn(head: Uint8Array, port: Port): void {
    if (head[6] & 1) return;
    const address = addressAt(head, 6);
    const known = this.#known.get(address);
    const now = this.now();
    // The order is kept roughly only: a busy address need not move with every frame.
    if (known?.port === port && now - known.at < AGE_MS / 10) return;
    this.#known.delete(address);
    if (this.#known.size >= ADDRESSES_MAX) this.#known.delete(this.#known.keys().next().value as number);
    this.#known.set(address, { port, at: now });
  }

  /** The port behind which the receiver of a frame is; undefined where nobody knows, or all are meant. */
  portFor(head: Uint8Array): Port | undefined {
    if (head[0] & 1) return undefined;
    const known = this.#known.get(addressAt(head, 0));
    return known && this.now() - known.at < AGE_MS ? known.port : undefined;
  }

  /** The port is gone, and all that was behind it. */
  forget(port: Port): void {
    for (const [address, known] of this.#known) if (known.port === port) this.#known.delete(address);
  }
}

function addressAt(bytes: Uint8Array, at: number): number {
  const low = ((bytes[at + 2] << 24) | (bytes[at + 3] << 16) | (bytes[at + 4] << 8) | bytes[at + 5]) >>> 0;
  return ((bytes[at] << 8) | bytes[at + 1]) * 0x1_0000_0000 + low;
}
