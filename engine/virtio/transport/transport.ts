import { z } from 'zod';
import type { AccessSize, DeviceStatus, InterruptLine, ManagedDevice } from '../../bus/device';
import { type DeviceState, unsigned, wordList } from '../../bus/device-state';
import { DeviceError, VmError } from '../../errors/vm-error';
import type { GuestMemory } from '../../memory/guest-memory';
import type { Activation, VirtioDevice, VirtioInterrupt } from '../device';
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
import { addressSchema, type QueueState, queueStateSchema, type Virtqueue } from '../queue';
import { SplitQueue } from '../split-queue';
import { type DriverRule, ruleBroken } from './driver-rules';
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
/** What QEMU takes as a queue's size, whatever the device says. */
const QUEUE_SIZE_TAKEN = 1024;

export interface TransportOptions {
  memory: GuestMemory;
  /** None: an empty place, which drivers skip. */
  device?: VirtioDevice;
  /** Feature bits of queues and transport that are offered beside the device's own. */
  ringFeatures?: readonly number[];
  /** Refuse drivers that break rules of the specification which QEMU lets them break. */
  strict?: boolean;
  /** Be a device of before virtio 1.0: no features beyond the first 32, no FEATURES_OK. */
  legacy?: boolean;
  /** Gets a line for every register access. */
  trace?: (line: string) => void;
}

/** What the driver has set up of one queue. */
const queueRegistersSchema = z.strictObject({
  size: unsigned(16),
  ready: z.boolean(),
  descriptors: addressSchema,
  driver: addressSchema,
  device: addressSchema,
});
type QueueRegisters = z.output<typeof queueRegistersSchema>;

/** The negotiation and the queues as a snapshot holds them. */
export const transportSchema = z.strictObject({
  status: unsigned(8),
  interruptStatus: unsigned(8),
  deviceFeaturesSelect: unsigned(32),
  driverFeaturesSelect: unsigned(32),
  driverFeatures: wordList(FEATURE_WORDS),
  features: wordList(FEATURE_WORDS),
  queueSelect: unsigned(32),
  queues: z.array(queueRegistersSchema),
  /** Progress of the queues, by index, where the device was active. */
  active: z.array(queueStateSchema.nullable()).nullable(),
  configGeneration: unsigned(32),
  /** The device's own state; null in an empty place. */
  device: z.unknown(),
});
type TransportState = z.output<typeof transportSchema>;

/**
 * What all transports share (virtio 1.3 §2 and §3): the status machine, features, and the set-up of queues. What a driver may do when is
 * decided here, so that a device only ever sees a consistent driver; one that breaks a rule is served as QEMU serves it, with a warning, or
 * refused where the machine is strict. Transports are tables of registers over these operations.
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
  readonly #strict: boolean;
  readonly #legacy: boolean;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #interrupt: VirtioInterrupt;
  /** Rules that were broken, and told of. */
  readonly #broken = new Set<DriverRule>();

  #status = 0;
  /** The driver has set DRIVER_OK, or used a queue without. */
  #started = false;
  deviceFeaturesSelect = 0;
  driverFeaturesSelect = 0;
  /** What the driver has written, and what was agreed on. */
  readonly #driverFeatures = new Uint32Array(FEATURE_WORDS);
  readonly #features = new Uint32Array(FEATURE_WORDS);
  queueSelect = 0;
  #queues: QueueRegisters[] = [];
  #virtqueues: (Virtqueue | undefined)[] = [];
  /** Queues whose reset waits for requests that still use guest memory. */
  readonly #resetting = new Map<QueueRegisters, Promise<void>>();
  /** Those among them that the driver has disabled, and so waits for by QueueReady. */
  readonly #disabling = new Set<QueueRegisters>();
  /** While requests from before a reset still use guest memory: what Status reads until then, and when it is over. */
  #draining: { status: number; done: Promise<void> } | undefined;

  /** @param isr offset in the shared memory of the word that holds the interrupt status; `line` follows it */
  protected constructor(options: TransportOptions, isr: number, line: InterruptLine) {
    this.memory = options.memory;
    this.device = options.device;
    this.#line = line;
    this.#isr = isr >>> 2;
    this.#ringFeatures = options.ringFeatures ?? RING_FEATURES;
    this.#strict = options.strict ?? false;
    this.#legacy = options.legacy ?? false;
    this.#trace = options.trace;
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

  /**
   * With that of the device behind it. Saved while the device sleeps; restored into a transport that is as after power-on, with guest memory
   * already restored. A device that was active then sleeps until `wake`.
   */
  abstract readonly state: DeviceState;

  /**
   * As after power-on. Requests that a back end still works on may touch guest memory until `drained()` resolves, and Status
   * reads non-zero until then, which is what drivers wait for (§2.1.2, §2.4).
   */
  reset(): void {
    this.#restart();
  }

  /** The driver has written 0 to the status. */
  #restart(): void {
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
        if (this.#started) this.#activate();
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
    if (this.device?.isActive || this.#draining || this.#resetting.size > 0)
      throw new VmError('State', `${this.name} must sleep before its state is taken.`);
    return {
      status: this.#status,
      interruptStatus: this.interruptStatus,
      deviceFeaturesSelect: this.deviceFeaturesSelect,
      driverFeaturesSelect: this.driverFeaturesSelect,
      driverFeatures: [...this.#driverFeatures],
      features: [...this.#features],
      queueSelect: this.queueSelect,
      queues: this.#queues.map((queue) => ({ ...queue })),
      active: this.device?.status.kind === 'Stopped' ? this.#virtqueues.map((queue) => queue?.snapshot() ?? null) : null,
      configGeneration: this.device?.configGeneration ?? 0,
      device: this.device?.state.snapshot() ?? null,
    };
  }

  /** What `load` of a DeviceState does: checks the state, and returns what puts it into place. */
  protected recover(state: TransportState, refuse: (why: string) => never): () => void {
    const { device } = this;
    const { queues, active } = state;
    const features = featureBits(state.features);
    if (device?.isActive || this.#draining || this.#resetting.size > 0) refuse('its driver has it in use; switch the machine on anew');
    const isLike = queues.length === this.#queues.length && queues.every(({ size }, index) => size <= (device?.queueSizes[index] ?? 0));
    if (!isLike) refuse(`its queues are not those of this device, which has ${this.#queues.length}`);
    const isOffered = state.features.every((word, index) => (word & ~this.#offered(index)) === 0);
    if (!isOffered || !(this.device?.acceptsFeatures(features) ?? true)) refuse('its driver uses features that this device has not');
    if (active) this.#checkActive(state, active, refuse);
    const restoreDevice = device
      ? device.state.check(state.device)
      : state.device === null
        ? () => undefined
        : refuse('there is no device here');
    const virtqueues = active?.map((queue, index) => (queue ? this.#createQueue(index, queue) : undefined));
    return () => {
      this.#status = state.status;
      this.deviceFeaturesSelect = state.deviceFeaturesSelect;
      this.driverFeaturesSelect = state.driverFeaturesSelect;
      this.#driverFeatures.set(state.driverFeatures);
      this.#features.set(state.features);
      this.#started = active !== null || (state.status & STATUS_DRIVER_OK) !== 0;
      this.queueSelect = state.queueSelect;
      this.#queues = queues;
      if (device) device.configGeneration = state.configGeneration;
      restoreDevice();
      // In one step: the line is not to move in between.
      Atomics.and(this.memory.words, this.#isr, ~INTERRUPT_BITS);
      Atomics.or(this.memory.words, this.#isr, state.interruptStatus);
      this.updateLine();
      if (!virtqueues) return;
      this.#virtqueues = virtqueues;
      device?.restoreAsleep(this.#activation(features));
    };
  }

  /** Whether these queues are what a driver with this negotiation has set up. */
  #checkActive(state: TransportState, active: (QueueState | null)[], refuse: (why: string) => never): void {
    const { status, queues } = state;
    const running = this.#strict ? STATUS_FEATURES_OK | STATUS_DRIVER_OK : 0;
    if (!this.device || (status & running) !== running || active.length !== queues.length) refuse('no driver can have come so far');
    const features = featureBits(state.features);
    for (const [index, queue] of active.entries()) {
      if (!queue) continue;
      const { nextAvailable, nextUsed } = queue;
      const expected: QueueState = { ...newQueue(queues[index], features), nextAvailable, nextUsed };
      const differs = (Object.keys(expected) as (keyof QueueState)[]).some((key) => queue[key] !== expected[key]);
      if (differs) refuse(`queue ${index} is not what its driver has set up`);
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
      this.#restart();
      return;
    }
    const before = this.#status;
    if (before & STATUS_DRIVER_BITS & ~value && this.#breaks('status-cleared')) value |= before;
    let added = value & STATUS_DRIVER_BITS & ~before;
    if (added & STATUS_FEATURES_OK && !(this.#agree() && !(this.#strict && !((before | value) & STATUS_DRIVER))))
      added &= ~STATUS_FEATURES_OK;
    let now = (before & value & STATUS_DRIVER_BITS) | added;
    const isNegotiated = this.#legacy || ((before | now) & STATUS_FEATURES_OK) !== 0;
    if (added & STATUS_DRIVER_OK && !isNegotiated && this.#breaks('no-features-ok')) now &= ~STATUS_DRIVER_OK;
    this.#status = (before & STATUS_NEEDS_RESET) | now;
    if (now & STATUS_DRIVER_OK) this.#start();
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
    const word = this.driverFeaturesSelect;
    if (word >= FEATURE_WORDS) return;
    if (this.#status & STATUS_FEATURES_OK) {
      if (this.#driverFeatures[word] !== value) this.#breaks('late-features');
      return;
    }
    this.#driverFeatures[word] = value;
    if (this.agreesAtOnce) this.#features[word] = value & this.#offered(word);
  }

  /** Whether features that the driver writes have effect before it sets FEATURES_OK, and also where it never does. */
  protected get agreesAtOnce(): boolean {
    return this.#legacy;
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
    if (!queue || value > Math.max(QUEUE_SIZE_TAKEN, this.queueSizeMax)) return;
    if (value > this.queueSizeMax && this.#breaks('queue-size')) return;
    queue.size = value;
  }

  setQueueAddress(field: 'descriptors' | 'driver' | 'device', half: 'low' | 'high', value: number): void {
    const queue = this.#changeableQueue();
    if (!queue) return;
    const high = Math.floor(queue[field] / 0x1_0000_0000);
    const low = queue[field] % 0x1_0000_0000;
    queue[field] = half === 'low' ? high * 0x1_0000_0000 + value : value * 0x1_0000_0000 + low;
  }

  setQueueAddresses(addresses: Pick<QueueRegisters, 'descriptors' | 'driver' | 'device'>): void {
    const queue = this.#changeableQueue();
    if (queue) Object.assign(queue, addresses);
  }

  /** Put the selected queue into use: from DRIVER_OK on, or at once where that is past. */
  enableQueue(): void {
    const queue = this.#changeableQueue();
    if (!queue) return;
    queue.ready = true;
    if (!this.#started || this.#draining) return;
    const virtqueue = this.#guarded(() => this.#createQueue(this.queueSelect, newQueue(queue, featureBits(this.#features))));
    if (!virtqueue) return;
    this.#virtqueues[this.queueSelect] = virtqueue;
    this.device?.attachQueue(this.queueSelect, virtqueue);
  }

  /** Stop using a queue; where it is in use it reads as ready until nothing of it uses guest memory any more (§4.2.2.2). */
  disableQueue(): void {
    const queue = this.#queues[this.queueSelect];
    if (!queue?.ready) return;
    if (this.#started) this.#takeAway(queue);
    else queue.ready = false;
    if (this.#resetting.has(queue)) this.#disabling.add(queue);
  }

  /** Whether the selected queue is ready, as its driver is to see it. */
  get queueReady(): boolean {
    const queue = this.#queues[this.queueSelect];
    return queue !== undefined && (queue.ready || (this.#disabling.has(queue) && this.#resetting.has(queue)));
  }

  /** Whether the reset of the selected queue goes on. */
  get queueResetting(): boolean {
    return this.#resetting.has(this.#queues[this.queueSelect]);
  }

  /** Take the selected queue away from the running device (§2.6.1). */
  resetQueue(): void {
    const queue = this.#queues[this.queueSelect];
    if (!queue?.ready || !this.#negotiated(VIRTIO_F_RING_RESET) || !this.#started || this.#draining) return;
    this.#takeAway(queue);
    queue.size = this.queueSizeMax;
  }

  /** The driver notifies (§4.1.5.2, §4.2.3.3): the low 16 bits are the queue's index whether or not the rest says how far it is. */
  notify(value: number): void {
    const index = value & 0xffff;
    // The queues are looked at when the device starts.
    if (!this.#started && (!this.#queues[index]?.ready || this.device?.isNotifiedEarly || this.#breaks('early-notification'))) return;
    this.#start();
    this.device?.notify(index);
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
    this.#started = false;
    this.deviceFeaturesSelect = 0;
    this.driverFeaturesSelect = 0;
    this.#driverFeatures.fill(0);
    this.#features.fill(0);
    this.queueSelect = 0;
    this.#queues = (this.device?.queueSizes ?? []).map((size) => ({ size, ready: false, descriptors: 0, driver: 0, device: 0 }));
    this.#virtqueues = [];
    this.acknowledge(INTERRUPT_BITS);
  }

  #needsReset(): void {
    this.#status |= STATUS_NEEDS_RESET;
    if (this.#started) this.notifyConfigChange();
  }

  /** A rule of the specification is broken: tell of it, once. True where the driver is to be refused for it. */
  #breaks(rule: DriverRule): boolean {
    const { device } = this;
    if (device && !this.#broken.has(rule)) {
      this.#broken.add(rule);
      device.emit('warning', ruleBroken(this.name, device.name, rule, this.#strict));
    }
    return this.#strict;
  }

  /** Agree on the features that the driver has written (§2.2); false where the device refuses them. */
  #agree(): boolean {
    const written = this.#driverFeatures;
    const agreed = written.map((word, index) => word & this.#offered(index));
    if (agreed.some((word, index) => word !== written[index]) && this.#breaks('not-offered')) return false;
    const features = featureBits(agreed);
    const isOld = this.#ringFeatures.includes(VIRTIO_F_VERSION_1) && !this.#legacy && !features.has(VIRTIO_F_VERSION_1);
    if (isOld && this.#breaks('version-1')) return false;
    if (!(this.device?.acceptsFeatures(features) ?? false)) return false;
    this.#features.set(agreed);
    return true;
  }

  #offered(word: number): number {
    if (this.#legacy && word > 0) return 0;
    let bits = 0;
    for (const bit of this.#ringFeatures) if (bit >>> 5 === word) bits |= 1 << (bit & 31);
    for (const bit of this.device?.offeredFeatures ?? []) if (bit >>> 5 === word) bits |= 1 << (bit & 31);
    return bits;
  }

  #negotiated(bit: number): boolean {
    return ((this.#features[bit >>> 5] >>> (bit & 31)) & 1) !== 0;
  }

  /**
   * The selected queue if its registers may change now: while it is not in use and from FEATURES_OK on; after DRIVER_OK only if queues can
   * be reset on their own (§2.6.1), and not while that goes on.
   */
  #changeableQueue(): QueueRegisters | undefined {
    const queue = this.#queues[this.queueSelect];
    if (!queue || queue.ready || this.#resetting.has(queue) || this.#status & STATUS_FAILED) return undefined;
    if (this.#started ? !this.#negotiated(VIRTIO_F_RING_RESET) : !(this.#legacy || this.#status & STATUS_FEATURES_OK)) {
      if (this.#breaks(this.#started ? 'late-queue' : 'early-queue')) return undefined;
    }
    return queue;
  }

  /** Take a queue away from the running device. */
  #takeAway(queue: QueueRegisters): void {
    queue.ready = false;
    this.#virtqueues[this.queueSelect] = undefined;
    const done = this.device?.detachQueue(this.queueSelect);
    if (!done) return;
    const over = (): void => {
      this.#resetting.delete(queue);
      this.#disabling.delete(queue);
    };
    this.#resetting.set(queue, done.then(over));
  }

  #createQueue(index: number, state: QueueState): Virtqueue {
    const interrupt = (): void => this.notifyUsed(index);
    return state.ring === 'packed' ? new PackedQueue(this.memory, state, interrupt) : new SplitQueue(this.memory, state, interrupt);
  }

  /** The driver is ready, or uses the device as if it were. */
  #start(): void {
    if (this.#started || this.#status & (STATUS_NEEDS_RESET | STATUS_FAILED)) return;
    this.#started = true;
    if (!this.#draining) this.#activate();
  }

  #activate(): void {
    const features = featureBits(this.#features);
    const virtqueues = this.#guarded(() =>
      this.#queues.map((queue, index) => (queue.ready ? this.#createQueue(index, newQueue(queue, features)) : undefined)),
    );
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
    this.device?.activate(this.#activation(featureBits(this.#features)));
  }

  #activation(features: ReadonlySet<number>): Activation {
    return { memory: this.memory, interrupt: this.#interrupt, queues: [...this.#virtqueues], features };
  }
}

function featureBits(words: ArrayLike<number>): Set<number> {
  const bits = new Set<number>();
  for (let bit = 0; bit < 32 * FEATURE_WORDS; bit++) if ((words[bit >>> 5] >>> (bit & 31)) & 1) bits.add(bit);
  return bits;
}

/** The state of a queue that the driver has just set up. */
function newQueue({ ready: _, ...place }: QueueRegisters, features: ReadonlySet<number>): QueueState {
  const packed = features.has(VIRTIO_F_RING_PACKED);
  return {
    ring: packed ? 'packed' : 'split',
    ...place,
    // Wrap counters start at 1 (§2.8.1).
    nextAvailable: packed ? 0x8000 : 0,
    nextUsed: packed ? 0x8000 : 0,
    indirect: features.has(VIRTIO_F_INDIRECT_DESC),
    eventIndex: features.has(VIRTIO_F_EVENT_IDX),
    inOrder: features.has(VIRTIO_F_IN_ORDER),
  };
}
