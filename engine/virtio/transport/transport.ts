import type { AccessSize, DeviceStatus, InterruptLine, ManagedDevice } from '../../bus/device';
import { DeviceError, VmError } from '../../bus/vm-error';
import type { GuestMemory } from '../../memory/guest-memory';
import type { VirtioDevice, VirtioInterrupt } from '../device';
import {
  RING_FEATURES,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '../features';
import { PackedQueue } from '../packed-queue';
import type { QueueState, Virtqueue } from '../queue';
import { SplitQueue } from '../split-queue';
import type { RegisterTable } from './register-table';

/** Device status bits (virtio 1.3 §2.1). */
export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 64;
export const STATUS_FAILED = 128;
const STATUS_DRIVER_BITS = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED;

/** Bits of InterruptStatus (§4.2.2) and ISR status (§4.1.4.5). */
export const INTERRUPT_USED_BUFFER = 1;
export const INTERRUPT_CONFIG_CHANGE = 2;
const INTERRUPT_BITS = 0xff;

/** Feature bits come in words of 32, of which §2.2 defines four. */
export const FEATURE_WORDS = 4;

export interface TransportOptions {
  memory: GuestMemory;
  /** None: an empty place, which drivers skip. */
  device?: VirtioDevice;
  /** Feature bits of queues and transport that are offered beside the device's own. */
  ringFeatures?: readonly number[];
  /** Gets a line for every register access. */
  trace?: (line: string) => void;
}

/** What the driver has set up of one queue. */
export interface QueueRegisters {
  size: number;
  ready: boolean;
  descriptors: number;
  driver: number;
  device: number;
}

/** The negotiation and the queues as a snapshot holds them: JSON values. */
export interface TransportState {
  status: number;
  interruptStatus: number;
  deviceFeaturesSelect: number;
  driverFeaturesSelect: number;
  driverFeatures: number[];
  queueSelect: number;
  queues: QueueRegisters[];
  /** Progress of the queues, by index, where the device was active. */
  active: (QueueState | null)[] | null;
  device: unknown;
}

/**
 * What all transports share (virtio 1.3 §2 and §3): the status machine, features, and the set-up of queues. The rules about what a
 * driver may do when are enforced here, so that a device only ever sees a consistent driver. Transports are tables of registers
 * over these operations.
 *
 * The interrupt status lies in shared memory, where the harts read and acknowledge it without asking this thread.
 */
export abstract class VirtioTransport implements ManagedDevice {
  /** Unique on the machine, for traces and errors. */
  abstract readonly name: string;
  readonly device: VirtioDevice | undefined;

  protected readonly memory: GuestMemory;
  readonly #line: InterruptLine;
  readonly #isr: number;
  readonly #ringFeatures: readonly number[];
  readonly #trace: ((line: string) => void) | undefined;
  readonly #interrupt: VirtioInterrupt;

  #status = 0;
  deviceFeaturesSelect = 0;
  driverFeaturesSelect = 0;
  readonly #driverFeatures = new Uint32Array(FEATURE_WORDS);
  queueSelect = 0;
  #queues: QueueRegisters[] = [];
  #virtqueues: (Virtqueue | undefined)[] = [];
  /** Queues whose reset waits for requests that still use guest memory. */
  readonly #resetting = new Map<QueueRegisters, Promise<void>>();
  /** While requests from before a reset still use guest memory: what Status reads until then, and when it is over. */
  #draining: { status: number; done: Promise<void> } | undefined;

  /** @param isr offset in the shared memory of the word that holds the interrupt status; `line` follows it */
  protected constructor({ memory, device, ringFeatures = RING_FEATURES, trace }: TransportOptions, isr: number, line: InterruptLine) {
    this.memory = memory;
    this.device = device;
    this.#line = line;
    this.#isr = isr >>> 2;
    this.#ringFeatures = ringFeatures;
    this.#trace = trace;
    this.#interrupt = {
      configChanged: () => this.notifyConfigChange(),
      needsReset: () => this.#needsReset(),
    };
  }

  /** The device's; an empty place is Uninitialized. */
  get deviceStatus(): DeviceStatus {
    return this.device?.status ?? { kind: 'Uninitialized' };
  }

  /** Notify the driver, by the numbers that MSI-X vectors have: 0, the configuration has changed; n, queue n - 1 has used buffers. */
  interrupt(vector: number): void {
    if (!this.device?.isActive) throw DeviceError.NotSupported(`${this.name} has no driver that waits for interrupts.`);
    if (!Number.isInteger(vector) || vector < 0 || vector > this.device.queueSizes.length) {
      throw DeviceError.InvalidParameter(`${this.name} has interrupts 0 to ${this.device.queueSizes.length}, not ${vector}.`);
    }
    if (vector === 0) this.notifyConfigChange();
    else this.notifyUsed(vector - 1);
  }

  /** Accesses to the window that holds the registers. */
  abstract read(offset: number, size: AccessSize): number;
  abstract write(offset: number, size: AccessSize, value: number): void;

  /** The state while asleep, as JSON values. */
  abstract snapshot(): TransportState;

  /** Into a transport that is as after power-on, with guest memory already restored. An active device goes on at once. */
  abstract restore(state: TransportState): void;

  /**
   * As after power-on. Requests that a back end still works on may touch guest memory until `drained()` resolves, and Status
   * reads non-zero until then, which is what drivers wait for (§2.1.2, §2.4).
   */
  reset(): void {
    const before = this.status;
    this.clear();
    const done = this.device?.reset();
    if (!done) {
      this.#draining = undefined;
      return;
    }
    const draining = {
      status: before,
      done: done.then(() => {
        if (this.#draining !== draining) return;
        this.#draining = undefined;
        // A driver that did not wait has come as far as DRIVER_OK already.
        if (this.#status & STATUS_DRIVER_OK) this.#activate();
      }),
    };
    this.#draining = draining;
  }

  /** Resolves once nothing from before the last reset, of device or queue, uses guest memory any more. */
  async drained(): Promise<void> {
    while (this.#draining) await this.#draining.done;
    while (this.#resetting.size > 0) await Promise.all(this.#resetting.values());
  }

  /** Let the device finish its requests and rest; `wake` or `snapshot` follow. An inactive device rests already. */
  async sleep(): Promise<void> {
    await this.drained();
    if (this.device?.isActive) await this.device.sleep();
  }

  wake(): void {
    if (this.device?.status.kind === 'Stopped') this.#activateDevice();
  }

  protected capture(): TransportState {
    if (this.device?.isActive || this.#draining) throw new VmError('State', `${this.name} must sleep before its state is taken.`);
    return {
      status: this.#status,
      interruptStatus: this.interruptStatus,
      deviceFeaturesSelect: this.deviceFeaturesSelect,
      driverFeaturesSelect: this.driverFeaturesSelect,
      driverFeatures: [...this.#driverFeatures],
      queueSelect: this.queueSelect,
      queues: this.#queues.map((queue) => ({ ...queue })),
      active: this.device?.status.kind === 'Stopped' ? this.#virtqueues.map((queue) => queue?.snapshot() ?? null) : null,
      device: this.device?.snapshot() ?? null,
    };
  }

  protected recover(state: TransportState): void {
    if (state.queues.length !== this.#queues.length) {
      throw new VmError(
        'State',
        `The saved state of ${this.name} has ${state.queues.length} queues, the device has ${this.#queues.length}.`,
      );
    }
    this.#status = state.status;
    this.deviceFeaturesSelect = state.deviceFeaturesSelect;
    this.driverFeaturesSelect = state.driverFeaturesSelect;
    this.#driverFeatures.set(state.driverFeatures);
    this.queueSelect = state.queueSelect;
    this.#queues = state.queues.map((queue) => ({ ...queue }));
    this.device?.restore(state.device);
    this.acknowledge(INTERRUPT_BITS);
    if (state.interruptStatus !== 0) this.raise(state.interruptStatus);
    if (state.active) {
      this.#virtqueues = state.active.map((queue, index) => (queue ? this.#createQueue(index, queue) : undefined));
      this.#activateDevice();
    }
  }

  /** A used buffer notification for a queue (§2.3). */
  protected notifyUsed(_queue: number): void {
    this.raise(INTERRUPT_USED_BUFFER);
  }

  /** A configuration change notification. */
  protected notifyConfigChange(): void {
    this.raise(INTERRUPT_CONFIG_CHANGE);
  }

  /** Set bits of the interrupt status. */
  protected raise(bits: number): void {
    Atomics.or(this.memory.words, this.#isr, bits);
    this.updateLine();
  }

  /** The word of the interrupt status has changed: its sign masks the line. */
  protected updateLine(): void {
    this.#line.setLevel(Atomics.load(this.memory.words, this.#isr) > 0);
  }

  // What registers do.

  get interruptStatus(): number {
    return Atomics.load(this.memory.words, this.#isr) & INTERRUPT_BITS;
  }

  /** Clear bits of the interrupt status; those that were set before. */
  acknowledge(bits: number): number {
    const before = Atomics.and(this.memory.words, this.#isr, ~(bits & INTERRUPT_BITS));
    this.updateLine();
    return before & INTERRUPT_BITS;
  }

  get status(): number {
    return this.#status || this.#draining?.status || 0;
  }

  set status(value: number) {
    if (value === 0) {
      this.reset();
      return;
    }
    // A driver never clears a bit except by reset (§2.1.1).
    const added = value & STATUS_DRIVER_BITS & ~this.#status;
    this.#status |= added & (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FAILED);
    if (added & STATUS_FEATURES_OK && this.#status & STATUS_DRIVER && this.#featuresAcceptable()) this.#status |= STATUS_FEATURES_OK;
    if (added & STATUS_DRIVER_OK && this.#status & STATUS_FEATURES_OK && !(this.#status & (STATUS_NEEDS_RESET | STATUS_FAILED))) {
      this.#status |= STATUS_DRIVER_OK;
      if (!this.#draining) this.#activate();
    }
  }

  /** The offered feature bits in the selected word. */
  get offeredWord(): number {
    return this.#offered(this.deviceFeaturesSelect);
  }

  get driverWord(): number {
    return this.#driverFeatures[this.driverFeaturesSelect] ?? 0;
  }

  /** Fixed once the device has agreed (§2.2.2). */
  set driverWord(value: number) {
    if (this.#status & STATUS_FEATURES_OK) return;
    if (this.driverFeaturesSelect < FEATURE_WORDS) this.#driverFeatures[this.driverFeaturesSelect] = value;
  }

  /** Largest size of the selected queue; 0 where there is none. */
  get queueSizeMax(): number {
    return this.device?.queueSizes[this.queueSelect] ?? 0;
  }

  /** The selected queue as it is set up. */
  get queue(): Readonly<QueueRegisters> | undefined {
    return this.#queues[this.queueSelect];
  }

  setQueueSize(value: number): void {
    const queue = this.#changeableQueue();
    if (queue && value <= this.queueSizeMax) queue.size = value;
  }

  setQueueAddress(field: 'descriptors' | 'driver' | 'device', half: 'low' | 'high', value: number): void {
    const queue = this.#changeableQueue();
    if (!queue) return;
    const high = Math.floor(queue[field] / 0x1_0000_0000);
    const low = queue[field] % 0x1_0000_0000;
    queue[field] = half === 'low' ? high * 0x1_0000_0000 + value : value * 0x1_0000_0000 + low;
  }

  /** Put the selected queue into use: from DRIVER_OK on, or at once if it was reset on its own. */
  enableQueue(): void {
    const queue = this.#changeableQueue();
    if (!queue) return;
    queue.ready = true;
    if (!(this.#status & STATUS_DRIVER_OK) || this.#draining) return;
    const virtqueue = this.#guarded(() => this.#makeQueue(this.queueSelect, queue));
    if (!virtqueue) return;
    this.#virtqueues[this.queueSelect] = virtqueue;
    this.device?.attachQueue(this.queueSelect, virtqueue);
  }

  /** Take a queue back that is not in use yet. */
  disableQueue(): void {
    const queue = this.queue;
    if (queue && !(this.#status & STATUS_DRIVER_OK)) this.#queues[this.queueSelect].ready = false;
  }

  /** Whether the reset of the selected queue goes on. */
  get queueResetting(): boolean {
    return this.#resetting.has(this.#queues[this.queueSelect]);
  }

  /** Take the selected queue away from the running device (§2.6.1). */
  resetQueue(): void {
    const queue = this.#queues[this.queueSelect];
    if (!queue?.ready || !this.#negotiated(VIRTIO_F_RING_RESET) || !(this.#status & STATUS_DRIVER_OK) || this.#draining) return;
    queue.ready = false;
    queue.size = this.queueSizeMax;
    this.#virtqueues[this.queueSelect] = undefined;
    const done = this.device?.detachQueue(this.queueSelect);
    if (done)
      this.#resetting.set(
        queue,
        done.then(() => void this.#resetting.delete(queue)),
      );
  }

  /** The driver notifies (§4.1.5.2, §4.2.3.3): the low 16 bits are the queue's index whether or not the rest says how far it is. */
  notify(value: number): void {
    if (this.#status & STATUS_DRIVER_OK) this.device?.notify(value & 0xffff);
  }

  /** The configuration space of the device, as drivers read it. */
  readConfig(offset: number, size: AccessSize): number {
    const value = this.device?.readConfig(offset, size) ?? 0;
    this.log('read', `Config+0x${offset.toString(16)}`, value);
    return value;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    this.log('write', `Config+0x${offset.toString(16)}`, value);
    this.device?.writeConfig(offset, size, value);
  }

  protected readRegister<T>(table: RegisterTable<T>, transport: T & VirtioTransport, offset: number, size: AccessSize): number {
    const value = (table.find(offset, size)?.read?.(transport) ?? 0) >>> 0;
    if (this.#trace) this.log('read', table.nameOf(offset, size), value);
    return value;
  }

  protected writeRegister<T>(
    table: RegisterTable<T>,
    transport: T & VirtioTransport,
    offset: number,
    size: AccessSize,
    value: number,
  ): void {
    if (this.#trace) this.log('write', table.nameOf(offset, size), value);
    table.find(offset, size)?.write?.(transport, value >>> 0);
  }

  protected log(what: string, register: string, value: number): void {
    this.#trace?.(`${this.name} ${this.device?.name ?? 'empty'}: ${what} ${register} 0x${(value >>> 0).toString(16)}`);
  }

  /** All that is negotiated, and the interrupt, as after power-on. */
  protected clear(): void {
    this.#status = 0;
    this.deviceFeaturesSelect = 0;
    this.driverFeaturesSelect = 0;
    this.#driverFeatures.fill(0);
    this.queueSelect = 0;
    this.#queues = (this.device?.queueSizes ?? []).map((size) => ({ size, ready: false, descriptors: 0, driver: 0, device: 0 }));
    this.#virtqueues = [];
    this.acknowledge(INTERRUPT_BITS);
  }

  #needsReset(): void {
    this.#status |= STATUS_NEEDS_RESET;
    if (this.#status & STATUS_DRIVER_OK) this.notifyConfigChange();
  }

  /** Nothing that was not offered, no driver of before virtio 1.0, and what the device itself demands. */
  #featuresAcceptable(): boolean {
    for (let word = 0; word < FEATURE_WORDS; word++) if (this.#driverFeatures[word] & ~this.#offered(word)) return false;
    return this.#negotiated(VIRTIO_F_VERSION_1) && (this.device?.acceptsFeatures(this.#features()) ?? false);
  }

  #offered(word: number): number {
    let bits = 0;
    for (const bit of this.#ringFeatures) if (bit >>> 5 === word) bits |= 1 << (bit & 31);
    for (const bit of this.device?.offeredFeatures ?? []) if (bit >>> 5 === word) bits |= 1 << (bit & 31);
    return bits;
  }

  #negotiated(bit: number): boolean {
    return ((this.#driverFeatures[bit >>> 5] >>> (bit & 31)) & 1) !== 0;
  }

  #features(): Set<number> {
    const bits = new Set<number>();
    for (let bit = 0; bit < 32 * FEATURE_WORDS; bit++) if (this.#negotiated(bit)) bits.add(bit);
    return bits;
  }

  /**
   * The selected queue if its registers may change now: from FEATURES_OK on, while it is not in use; after DRIVER_OK only if queues
   * can be reset on their own (§2.6.1), and not while that goes on.
   */
  #changeableQueue(): QueueRegisters | undefined {
    if (!(this.#status & STATUS_FEATURES_OK) || this.#status & STATUS_FAILED) return undefined;
    if (this.#status & STATUS_DRIVER_OK && !this.#negotiated(VIRTIO_F_RING_RESET)) return undefined;
    const queue = this.#queues[this.queueSelect];
    return queue && !queue.ready && !this.#resetting.has(queue) ? queue : undefined;
  }

  #makeQueue(index: number, { ready: _, ...place }: QueueRegisters): Virtqueue {
    const packed = this.#negotiated(VIRTIO_F_RING_PACKED);
    return this.#createQueue(index, {
      ring: packed ? 'packed' : 'split',
      ...place,
      // Wrap counters start at 1 (§2.8.1).
      nextAvailable: packed ? 0x8000 : 0,
      nextUsed: packed ? 0x8000 : 0,
      indirect: this.#negotiated(VIRTIO_F_INDIRECT_DESC),
      eventIndex: this.#negotiated(VIRTIO_F_EVENT_IDX),
      inOrder: this.#negotiated(VIRTIO_F_IN_ORDER),
    });
  }

  #createQueue(index: number, state: QueueState): Virtqueue {
    const interrupt = (): void => this.notifyUsed(index);
    return state.ring === 'packed' ? new PackedQueue(this.memory, state, interrupt) : new SplitQueue(this.memory, state, interrupt);
  }

  #activate(): void {
    const virtqueues = this.#guarded(() => this.#queues.map((queue, index) => (queue.ready ? this.#makeQueue(index, queue) : undefined)));
    if (!virtqueues) return;
    this.#virtqueues = virtqueues;
    this.#activateDevice();
  }

  /** Queues that the driver has put where none can be make the device ask to be reset. */
  #guarded<T>(make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.log('error', error.message, 0);
      this.#needsReset();
      return undefined;
    }
  }

  #activateDevice(): void {
    this.device?.activate({ memory: this.memory, interrupt: this.#interrupt, queues: [...this.#virtqueues], features: this.#features() });
  }
}
