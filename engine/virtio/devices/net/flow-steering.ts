/** Flows that are told apart, by their hash. */
const FLOWS = 256;
const HEAD_BYTES = 64;

/**
 * Automatic receive steering (virtio 1.3 §5.1.6.5.5): what comes in goes to the pair of queues from which the guest last sent in the same
 * flow, so that one hart handles both directions.
 */
export class FlowSteering {
  /** The pair of each flow, plus 1; 0 for those that the guest has not sent in. */
  readonly #pairs = new Uint16Array(FLOWS);
  readonly #head = new Uint8Array(HEAD_BYTES);

  reset(): void {
    this.#pairs.fill(0);
  }

  /** The guest has sent this frame from that pair. */
  learn(views: readonly Uint8Array[], pair: number): void {
    this.#pairs[this.#flowOf(views)] = pair + 1;
  }

  /** The pair of `pairs` that a frame for the guest goes to. */
  pairFor(views: readonly Uint8Array[], pairs: number): number {
    const flow = this.#flowOf(views);
    const known = this.#pairs[flow] - 1;
    return known >= 0 && known < pairs ? known : flow % pairs;
  }

  /** The same for both directions of a flow: addresses and ports are only added up. */
  #flowOf(views: readonly Uint8Array[]): number {
    const head = this.#head;
    let length = 0;
    for (const view of views) {
      if (length === HEAD_BYTES) break;
      const part = view.length > HEAD_BYTES - length ? view.subarray(0, HEAD_BYTES - length) : view;
      head.set(part, length);
      length += part.length;
    }
    let at = 12;
    if (head[12] === 0x81 && head[13] === 0) at = 16;
    const type = (head[at] << 8) | head[at + 1];
    const network = at + 2;
    let from: number;
    let to: number;
    let protocol: number;
    if (type === 0x0800) {
      from = network + 12;
      to = network + 20;
      protocol = head[network + 9];
    } else if (type === 0x86dd) {
      from = network + 8;
      to = network + 40;
      protocol = head[network + 6];
    } else return 0;
    let sum = protocol;
    for (let i = from; i < to; i += 2) sum += (head[i] << 8) | head[i + 1];
    const ports = type === 0x0800 ? network + (head[network] & 0xf) * 4 : to;
    const isFragment = type === 0x0800 && (((head[network + 6] << 8) | head[network + 7]) & 0x3fff) !== 0;
    if ((protocol === 6 || protocol === 17) && !isFragment && ports + 4 <= length)
      sum += ((head[ports] << 8) | head[ports + 1]) + ((head[ports + 2] << 8) | head[ports + 3]);
    return (sum ^ (sum >>> 8) ^ (sum >>> 16)) & (FLOWS - 1);
  }
}
