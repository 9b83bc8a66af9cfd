import { EventEmitter } from 'node:events';
import type { AccessSize, DeviceStatus } from '../bus/device';
import { DeviceState } from '../bus/device-state';
import { VmError } from '../errors/vm-error';
import type { GuestMemory } from '../memory/guest-memory';
import type { DescriptorChain, Virtqueue } from './queue';

/** What a device serves in one turn of the event loop: chains, and bytes of their buffers; one chain in any case. */
const CHAINS_PER_TURN = 256;
const BYTES_PER_TURN = 8 << 20;
/** What a piece of memory counts for beside its bytes: to find it takes as long as to copy so many, and some calls of the host longer. */
export const PIECE_BYTES = 1 << 10;

/** What the transport does for an active device. */
export interface VirtioInterrupt {
  /** Configuration change notification (virtio 1.3 §2.3). */
  configChanged(): void;
  /** Set DEVICE_NEEDS_RESET and notify (§2.1.2). */
  needsReset(): void;
}

/** What a device is handed when the driver sets DRIVER_OK. */
export interface Activation {
  memory: GuestMemory;
  interrupt: VirtioInterrupt;
  /** By queue index; undefined where the driver enabled none. */
  queues: (Virtqueue | undefined)[];
  /** The negotiated feature bits. */
  features: ReadonlySet<number>;
}

/**
 * The base of every virtio device, and its lifecycle (DESIGN §4): new → active → asleep → active …, and back to new
 * by `reset()`. A device is made of a `serve` method, called whenever a queue may have chains, and its configuration space.
 *
 * Whatever goes wrong inside a device's code (the driver broke a rule, or we did) ends in `fail`: the device stops, tells its
 * driver by DEVICE_NEEDS_RESET and its user by a `warning`. It works again after the driver has reset it.
 */
export abstract class VirtioDevice extends EventEmitter<{ warning: [VmError] }> {
  /** For people: `virtio-blk`. */
  abstract readonly name: string;
  /** The device type's number (virtio 1.3 §5). */
  abstract readonly deviceId: number;
  /** Largest size of each queue. */
  abstract readonly queueSizes: readonly number[];

  /** PCI class code (PCI 3.0 appendix D): base class, subclass, interface. Unclassified unless the device says what it is. */
  readonly pciClass: number = 0x00ff00;
  /** Whether even Linux's driver notifies it before DRIVER_OK, against the rules: then nobody is to be told of it. */
  readonly isNotifiedEarly: boolean = false;
  /** The device's own state, saved while it sleeps and restored while it is new; queues and features are not part of it. */
  readonly state: DeviceState = DeviceState.none(this);

  #state: 'new' | 'active' | 'asleep' | 'failed' = 'new';
  #error = '';
  #activation: Activation | undefined;
  /** Queues of before a reset whose last requests still use guest memory. */
  #closing: Virtqueue[] = [];
  /** What may still be taken in this turn of the event loop. */
  #chainsLeft = 0;
  #bytesLeft = 0;
  #depth = 0;
  readonly #continuing = new Set<number>();
  #generation = 0;

  protected constructor(
    /** The device's own feature bits; the transport offers those of the queues beside them. */
    offeredFeatures: readonly number[],
    /** The configuration space as the driver reads it (little-endian). */
    protected readonly config: DataView<ArrayBuffer>,
  ) {
    super();
    this.offeredFeatures = new Set(offeredFeatures);
  }

  readonly offeredFeatures: ReadonlySet<number>;

  get status(): DeviceStatus {
    switch (this.#state) {
      case 'new':
        return { kind: 'Initialized' };
      case 'active':
        return { kind: 'Running' };
      case 'asleep':
        return { kind: 'Stopped' };
      default:
        return { kind: 'Error', message: this.#error };
    }
  }

  get isActive(): boolean {
    return this.#state === 'active';
  }

  /** Changes whenever the device itself changes its configuration space (virtio 1.3 §2.5.1). */
  get configGeneration(): number {
    return this.#generation;
  }

  set configGeneration(generation: number) {
    this.#generation = generation;
  }

  /** New or asleep → active. Chains that arrived in between are served at once. */
  activate(activation: Activation): void {
    this.#activation = activation;
    this.#state = 'active';
    for (const queue of activation.queues) queue?.start();
    this.enter(() => this.onActivate(activation));
    for (const index of activation.queues.keys()) this.notify(index);
  }

  /** New → asleep, as it was when its state was saved: `activate` wakes it. */
  restoreAsleep(activation: Activation): void {
    this.#activation = activation;
    this.#state = 'asleep';
  }

  /** Active → asleep: takes no more chains, and resolves with the queues once all requests in flight are completed. */
  async sleep(): Promise<(Virtqueue | undefined)[]> {
    if (this.#state !== 'active') throw new VmError('State', `${this.name} cannot go to sleep: it is ${this.status.kind}, not Running.`);
    const { queues } = this.#activation!;
    this.#state = 'asleep';
    for (const queue of queues) queue?.stop();
    for (const queue of queues) await queue?.idle();
    return queues;
  }

  /**
   * Any state → new. From here on nothing is taken from or completed to the old queues. Requests that a back end still works
   * on may touch their guest buffers until the promise resolves; undefined when there are none.
   */
  reset(): Promise<void> | undefined {
    const closing = [...this.#closing, ...(this.#activation?.queues ?? [])].filter((queue) => queue !== undefined);
    for (const queue of closing) queue.close();
    this.#closing = closing.filter((queue) => queue.inFlight > 0);
    this.#activation = undefined;
    this.#state = 'new';
    this.#continuing.clear();
    this.onReset();
    if (this.#closing.length === 0) return undefined;
    return Promise.all(this.#closing.map((queue) => queue.idle())).then(() => undefined);
  }

  /** Whether these feature bits, all of them offered, make sense together: FEATURES_OK waits for it (virtio 1.3 §2.2.2). */
  acceptsFeatures(_features: ReadonlySet<number>): boolean {
    return true;
  }

  /**
   * The driver resets one queue of the running device (§2.6.1): nothing more is taken from it or completed to it. Requests that a
   * back end still works on may touch their guest buffers until the promise resolves; undefined when there are none.
   */
  detachQueue(index: number): Promise<void> | undefined {
    const activation = this.#activation;
    const queue = activation?.queues[index];
    if (!activation || !queue) return undefined;
    queue.close();
    activation.queues[index] = undefined;
    if (queue.inFlight === 0) return undefined;
    this.#closing.push(queue);
    return queue.idle();
  }

  /** The driver has set the queue up anew. */
  attachQueue(index: number, queue: Virtqueue): void {
    if (!this.#activation) return;
    this.#activation.queues[index] = queue;
    if (this.#state !== 'active') return;
    queue.start();
    this.notify(index);
  }

  /** The driver says that queue `index` has something new. */
  notify(index: number): void {
    if (this.#activation?.queues[index]) this.enter(() => this.serve(index));
  }

  readConfig(offset: number, size: AccessSize): number {
    if (offset + size > this.config.byteLength) return 0;
    if (size === 1) return this.config.getUint8(offset);
    return size === 2 ? this.config.getUint16(offset, true) : this.config.getUint32(offset, true);
  }

  /** A write of the driver to the configuration space; most fields are read-only. */
  writeConfig(_offset: number, _size: AccessSize, _value: number): void {}

  /** Take and start whatever queue `index` holds, by `take`. */
  protected abstract serve(index: number): void;

  protected onActivate(_activation: Activation): void {}
  protected onReset(): void {}

  protected hasFeature(bit: number): boolean {
    return this.#activation?.features.has(bit) ?? false;
  }

  protected queue(index: number): Virtqueue | undefined {
    return this.#activation?.queues[index];
  }

  /**
   * The next chain of a queue. In one turn of the event loop only so many are handed out: a guest that fills its queue as fast as
   * we empty it must not keep us from everything else. The rest follows in the next turn.
   */
  protected take(index: number): DescriptorChain | undefined {
    const queue = this.#activation?.queues[index];
    if (!queue) return undefined;
    if (this.#chainsLeft <= 0 || this.#bytesLeft <= 0) {
      this.continueLater(index);
      return undefined;
    }
    const chain = queue.take();
    if (!chain) return undefined;
    this.#chainsLeft--;
    this.#bytesLeft -= chain.readable.length + chain.writable.length + PIECE_BYTES * chain.pieces;
    return chain;
  }

  /** Bytes that serving a chain moves, or takes, beside those of its own buffers count for what one turn may take as well. */
  protected spend(bytes: number): void {
    this.#bytesLeft -= bytes;
  }

  /**
   * Complete a chain when `work`, which resolves with the number of bytes written, has ended. If it rejects, the device fails;
   * a request's ordinary failure is an answer, not a rejection.
   */
  protected respond(queue: Virtqueue, chain: DescriptorChain, work: Promise<number>): void {
    work.then(
      (written) => queue.complete(chain, written),
      (error: unknown) => {
        queue.complete(chain, 0);
        if (!queue.isClosed) this.fail(error);
      },
    );
  }

  /** Every way into the device's code while it is active: from the driver, from back ends, from the host. */
  protected enter(work: () => void): void {
    if (this.#state !== 'active') return;
    // A listener that writes back comes in again: that is still the same turn.
    if (this.#depth++ === 0) {
      this.#chainsLeft = CHAINS_PER_TURN;
      this.#bytesLeft = BYTES_PER_TURN;
    }
    try {
      work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#depth--;
    }
  }

  /** Change the configuration space and tell the driver. */
  protected changeConfig(change: (config: DataView) => void): void {
    change(this.config);
    this.#generation = (this.#generation + 1) >>> 0;
    if (this.#state === 'active') this.#activation?.interrupt.configChanged();
  }

  /** Stop until the driver resets the device. */
  protected fail(error: unknown): void {
    if (this.#state !== 'active') return;
    const isKnown = error instanceof VmError;
    this.#error = error instanceof Error ? error.message : String(error);
    this.#state = 'failed';
    const { queues, interrupt } = this.#activation!;
    for (const queue of queues) queue?.stop();
    interrupt.needsReset();
    this.emit(
      'warning',
      isKnown
        ? new VmError('Guest', `The guest's driver of ${this.name} made a mistake, and the device waits to be reset: ${this.#error}`, {
            cause: error,
          })
        : new VmError('Internal', `${this.name} failed and waits to be reset by its driver: ${this.#error}`, { cause: error }),
    );
  }

  /** Serve a queue again in the next turn of the event loop: what takes long is done a little at a time. */
  protected continueLater(index: number): void {
    if (this.#continuing.has(index)) return;
    this.#continuing.add(index);
    const activation = this.#activation;
    setImmediate(() => {
      if (this.#activation !== activation || !this.#continuing.delete(index)) return;
      this.notify(index);
    });
  }
}
