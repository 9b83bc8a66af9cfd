import { randomBytes } from 'node:crypto';
import { type IpAddress, isAt } from './addresses';

/** What stands in a flow table. */
export interface Flow {
  readonly guest: IpAddress;
  readonly guestPort: number;
  /** Empty, with port 0, where the guest's end alone is the key. */
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** Of the table. */
  next: Flow | undefined;
  hash: number;
}

const ANY = new Uint8Array(0);

/** Flows by their addresses and ports, found by the bytes of a packet: nothing is made for a look-up. */
export class FlowTable<F extends Flow> implements Iterable<F> {
  private readonly buckets = new Map<number, F>();
  private readonly seed = randomBytes(4).readInt32LE();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The flow between these ends; addresses are where they stand in a packet. */
  find(
    bytes: Uint8Array,
    guestAt: number,
    guestLength: number,
    guestPort: number,
    remoteAt: number,
    remoteLength: number,
    remotePort: number,
  ): F | undefined {
    const hash = this.hash(bytes, guestAt, guestLength, guestPort, bytes, remoteAt, remoteLength, remotePort);
    for (let flow = this.buckets.get(hash); flow; flow = flow.next as F | undefined)
      if (
        flow.guestPort === guestPort &&
        flow.remotePort === remotePort &&
        flow.guest.length === guestLength &&
        flow.remote.length === remoteLength &&
        isAt(bytes, guestAt, flow.guest) &&
        isAt(bytes, remoteAt, flow.remote)
      )
        return flow;
    return undefined;
  }

  /** The flow between these ends. */
  get(guest: IpAddress, guestPort: number, remote: IpAddress = ANY, remotePort = 0): F | undefined {
    const both = new Uint8Array(guest.length + remote.length);
    both.set(guest);
    both.set(remote, guest.length);
    return this.find(both, 0, guest.length, guestPort, guest.length, remote.length, remotePort);
  }

  add(flow: F): void {
    flow.hash = this.hash(flow.guest, 0, flow.guest.length, flow.guestPort, flow.remote, 0, flow.remote.length, flow.remotePort);
    flow.next = this.buckets.get(flow.hash);
    this.buckets.set(flow.hash, flow);
    this.#size++;
  }

  /** Whether it stood there. */
  remove(flow: F): boolean {
    let previous: Flow | undefined;
    for (let one: Flow | undefined = this.buckets.get(flow.hash); one; previous = one, one = one.next) {
      if (one !== flow) continue;
      if (previous) previous.next = flow.next;
      else if (flow.next) this.buckets.set(flow.hash, flow.next as F);
      else this.buckets.delete(flow.hash);
      flow.next = undefined;
      this.#size--;
      return true;
    }
    return false;
  }

  *[Symbol.iterator](): Iterator<F> {
    for (const first of this.buckets.values()) for (let flow: Flow | undefined = first; flow; flow = flow.next) yield flow as F;
  }

  private hash(
    guest: Uint8Array,
    guestAt: number,
    guestLength: number,
    guestPort: number,
    remote: Uint8Array,
    remoteAt: number,
    remoteLength: number,
    remotePort: number,
  ): number {
    let hash = Math.imul(this.seed ^ guestPort, 0x01000193) ^ remotePort;
    for (let index = guestAt; index < guestAt + guestLength; index++) hash = Math.imul(hash ^ guest[index], 0x01000193);
    for (let index = remoteAt; index < remoteAt + remoteLength; index++) hash = Math.imul(hash ^ remote[index], 0x01000193);
    return (hash ^ (hash >>> 15)) & 0x3fffffff;
  }
}
