import type { AccessSize, InterruptLine, MmioDevice } from '../../bus/device';
import { DeviceError, VmError } from '../../bus/vm-error';
import type { DeviceTreeNode } from '../../machine/device-tree';
import type { GuestMemory } from '../../memory/guest-memory';
import { VIRTIO_ISR, VIRTIO_ISR_MAX } from '../../memory/layout';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1, type VirtioDevice, type VirtioInterrupt } from '../device';
import type { QueueState, Virtqueue } from '../queue';
import { SplitQueue } from '../split-queue';

/** Device status bits (virtio 1.3 §2.1). */
export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 64;
export const STATUS_FAILED = 128;
const STATUS_DRIVER_BITS = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED;

/** InterruptStatus bits (§4.2.2). */
export const INTERRUPT_USED_BUFFER = 1;
export const INTERRUPT_CONFIG_CHANGE = 2;

const MAGIC = 0x74726976;
const VENDOR = 0x54524148;
/** Feature bits come in words of 32, of which §2.2 defines four. */
const FEATURE_WORDS = 4;
const CONFIG_SPACE = 0x100;

export interface VirtioMmioOptions {
  memory: GuestMemory;
  /** Guest-physical address and length of the register window. */
  base: number;
  size?: number;
  /** Which InterruptStatus word of the shared memory belongs to this window. */
  slot: number;
  interrupt: InterruptLine;
  /** None: an empty slot, which drivers skip. */
  device?: VirtioDevice;
  /** Gets a line for every register access. */
  trace?: (line: string) => void;
}

/** What the driver has set up of one queue. */
interface QueueRegisters {
  size: number;
  ready: boolean;
  descriptors: number;
  driver: number;
  device: number;
}

/** Everything of a window that a snapshot must hold, as JSON values. */
export interface VirtioMmioState {
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

interface Register {
  offset: number;
  name: string;
  read?: (mmio: VirtioMmio) => number;
  write?: (mmio: VirtioMmio, value: number) => void;
}

/**
 * The MMIO transport of virtio 1.3 §4.2, modern (version 2) only. The registers are one table; the rules about what a driver
 * may do when are enforced here, so that a device only ever sees a consistent driver.
 *
 * InterruptStatus lies in shared memory, where the harts read and acknowledge it without asking this thread.
 */
export class VirtioMmio implements MmioDevice {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly device: VirtioDevice | undefined;

  readonly #memory: GuestMemory;
  readonly #line: InterruptLine;
  readonly #isr: number;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #interrupt: VirtioInterrupt;

  #status = 0;
  #deviceFeaturesSelect = 0;
  #driverFeaturesSelect = 0;
  readonly #driverFeatures = new Uint32Array(FEATURE_WORDS);
  #queueSelect = 0;
  #queues: QueueRegisters[] = [];
  #virtqueues: (Virtqueue | undefined)[] = [];
  /** While requests from before a reset still use guest memory: what Status reads until then, and when it is over. */
  #draining: { status: number; done: Promise<void> } | undefined;

  constructor(options: VirtioMmioOptions) {
    if (!(options.slot >= 0 && options.slot < VIRTIO_ISR_MAX)) {
      throw VmError.config(`A machine has virtio slots 0 to ${VIRTIO_ISR_MAX - 1}, not ${options.slot}.`);
    }
    this.base = options.base;
    this.size = options.size ?? 0x1000;
    this.name = `virtio_mmio@${options.base.toString(16)}`;
    this.device = options.device;
    this.#memory = options.memory;
    this.#line = options.interrupt;
    this.#isr = VIRTIO_ISR / 4 + options.slot;
    this.#trace = options.trace;
    this.#interrupt = {
      configChanged: () => this.#raise(INTERRUPT_CONFIG_CHANGE),
      needsReset: () => this.#needsReset(),
    };
    this.#clear();
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= CONFIG_SPACE) {
      const value = this.device?.readConfig(offset - CONFIG_SPACE, size) ?? 0;
      this.#log('read', `Config+0x${(offset - CONFIG_SPACE).toString(16)}`, value);
      return value;
    }
    const register = VirtioMmio.#byOffset[offset];
    // §4.2.2.2: drivers use aligned 32-bit accesses; any other reads as 0. Without a device nothing but its absence is to be seen.
    const value = register?.read && size === 4 && (this.device || offset <= 0x0c) ? register.read(this) >>> 0 : 0;
    this.#log('read', register?.name ?? `0x${offset.toString(16)}`, value);
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= CONFIG_SPACE) {
      this.#log('write', `Config+0x${(offset - CONFIG_SPACE).toString(16)}`, value);
      this.device?.writeConfig(offset - CONFIG_SPACE, size, value);
      return;
    }
    const register = VirtioMmio.#byOffset[offset];
    this.#log('write', register?.name ?? `0x${offset.toString(16)}`, value);
    if (this.device && size === 4) register?.write?.(this, value >>> 0);
  }

  /**
   * As after power-on. Requests that a back end still works on may touch guest memory until `drained()` resolves, and Status
   * reads non-zero until then, which is what drivers wait for (§2.1.2, §2.4).
   */
  reset(): void {
    const before = this.#status || this.#draining?.status || 0;
    this.#clear();
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

  /** Resolves once nothing from before the last reset uses guest memory any more. */
  async drained(): Promise<void> {
    while (this.#draining) await this.#draining.done;
  }

  /** Let the device finish its requests and rest; `wake` or `snapshot` follow. An inactive device rests already. */
  async sleep(): Promise<void> {
    await this.drained();
    if (this.device?.isActive) await this.device.sleep();
  }

  wake(): void {
    if (this.device?.status.kind === 'Stopped') this.#activateDevice();
  }

  /** The state while asleep, as JSON values. */
  snapshot(): VirtioMmioState {
    if (this.device?.isActive || this.#draining) throw new VmError('State', `${this.name} must sleep before its state is taken.`);
    return {
      status: this.#status,
      interruptStatus: Atomics.load(this.#memory.words, this.#isr),
      deviceFeaturesSelect: this.#deviceFeaturesSelect,
      driverFeaturesSelect: this.#driverFeaturesSelect,
      driverFeatures: [...this.#driverFeatures],
      queueSelect: this.#queueSelect,
      queues: this.#queues.map((queue) => ({ ...queue })),
      active: this.device?.status.kind === 'Stopped' ? this.#virtqueues.map((queue) => queue?.snapshot() ?? null) : null,
      device: this.device?.snapshot() ?? null,
    };
  }

  /** Into a window that is as after power-on, with guest memory already restored. An active device goes on at once. */
  restore(state: VirtioMmioState): void {
    if (state.queues.length !== this.#queues.length) {
      throw new VmError(
        'State',
        `The saved state of ${this.name} has ${state.queues.length} queues, the device has ${this.#queues.length}.`,
      );
    }
    this.#status = state.status;
    this.#deviceFeaturesSelect = state.deviceFeaturesSelect;
    this.#driverFeaturesSelect = state.driverFeaturesSelect;
    this.#driverFeatures.set(state.driverFeatures);
    this.#queueSelect = state.queueSelect;
    this.#queues = state.queues.map((queue) => ({ ...queue }));
    this.device?.restore(state.device);
    Atomics.store(this.#memory.words, this.#isr, state.interruptStatus);
    this.#line.setLevel(state.interruptStatus !== 0);
    if (state.active) {
      this.#virtqueues = state.active.map((queue) => (queue ? this.#createQueue(queue) : undefined));
      this.#activateDevice();
    }
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      properties: {
        compatible: 'virtio,mmio',
        reg: [{ u64: this.base }, { u64: this.size }],
        ...this.#line.deviceTree,
        'dma-coherent': true,
      },
    };
  }

  #clear(): void {
    this.#status = 0;
    this.#deviceFeaturesSelect = 0;
    this.#driverFeaturesSelect = 0;
    this.#driverFeatures.fill(0);
    this.#queueSelect = 0;
    this.#queues = (this.device?.queueSizes ?? []).map((size) => ({ size, ready: false, descriptors: 0, driver: 0, device: 0 }));
    this.#virtqueues = [];
    Atomics.store(this.#memory.words, this.#isr, 0);
    this.#line.setLevel(false);
  }

  #raise(bits: number): void {
    Atomics.or(this.#memory.words, this.#isr, bits);
    this.#line.setLevel(true);
  }

  #acknowledge(bits: number): void {
    if ((Atomics.and(this.#memory.words, this.#isr, ~bits) & ~bits) !== 0) return;
    this.#line.setLevel(false);
    // Raised again in the meantime?
    if (Atomics.load(this.#memory.words, this.#isr) !== 0) this.#line.setLevel(true);
  }

  #needsReset(): void {
    this.#status |= STATUS_NEEDS_RESET;
    if (this.#status & STATUS_DRIVER_OK) this.#raise(INTERRUPT_CONFIG_CHANGE);
  }

  #writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    // A driver never clears a bit except by reset (§2.1.1).
    const added = value & STATUS_DRIVER_BITS & ~this.#status;
    if (added & STATUS_FEATURES_OK && this.#featuresAcceptable()) this.#status |= STATUS_FEATURES_OK;
    this.#status |= added & (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FAILED);
    if (added & STATUS_DRIVER_OK && this.#status & STATUS_FEATURES_OK && !(this.#status & STATUS_NEEDS_RESET)) {
      this.#status |= STATUS_DRIVER_OK;
      if (!this.#draining) this.#activate();
    }
  }

  #featuresAcceptable(): boolean {
    for (let word = 0; word < FEATURE_WORDS; word++) {
      if (this.#driverFeatures[word] & ~this.#offeredWord(word)) return false;
    }
    return this.#negotiated(VIRTIO_F_VERSION_1);
  }

  #offeredWord(word: number): number {
    let bits = 0;
    for (const bit of this.device!.offeredFeatures) if (bit >>> 5 === word) bits |= 1 << (bit & 31);
    return bits;
  }

  #negotiated(bit: number): boolean {
    return ((this.#driverFeatures[bit >>> 5] >>> (bit & 31)) & 1) !== 0;
  }

  /** The selected queue if its registers may change now: between FEATURES_OK and DRIVER_OK, and not while it is ready. */
  #changeableQueue(): QueueRegisters | undefined {
    if (!(this.#status & STATUS_FEATURES_OK) || this.#status & (STATUS_DRIVER_OK | STATUS_FAILED)) return undefined;
    return this.#queues[this.#queueSelect];
  }

  #setAddress(field: 'descriptors' | 'driver' | 'device', half: 'low' | 'high', value: number): void {
    const queue = this.#changeableQueue();
    if (!queue || queue.ready) return;
    const high = Math.floor(queue[field] / 0x1_0000_0000);
    const low = queue[field] % 0x1_0000_0000;
    queue[field] = half === 'low' ? high * 0x1_0000_0000 + value : value * 0x1_0000_0000 + low;
  }

  #createQueue(state: QueueState): Virtqueue {
    return new SplitQueue(this.#memory, state, () => this.#raise(INTERRUPT_USED_BUFFER));
  }

  #activate(): void {
    try {
      this.#virtqueues = this.#queues.map(({ ready, ...place }) =>
        ready
          ? this.#createQueue({
              ring: 'split',
              ...place,
              nextAvailable: 0,
              nextUsed: 0,
              indirect: this.#negotiated(VIRTIO_F_INDIRECT_DESC),
              eventIndex: this.#negotiated(VIRTIO_F_EVENT_IDX),
            })
          : undefined,
      );
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.#log('error', error.message, 0);
      this.#needsReset();
      return;
    }
    this.#activateDevice();
  }

  #activateDevice(): void {
    const { device } = this;
    if (!device) return;
    const features = new Set([...device.offeredFeatures].filter((bit) => this.#negotiated(bit)));
    device.activate({ memory: this.#memory, interrupt: this.#interrupt, queues: this.#virtqueues, features });
  }

  #log(what: string, register: string, value: number): void {
    this.#trace?.(`${this.name} ${this.device?.name ?? 'empty'}: ${what} ${register} 0x${(value >>> 0).toString(16)}`);
  }

  /** All registers (§4.2.2, table 4.1). */
  static readonly #registers: readonly Register[] = [
    { offset: 0x000, name: 'MagicValue', read: () => MAGIC },
    { offset: 0x004, name: 'Version', read: () => 2 },
    { offset: 0x008, name: 'DeviceID', read: (t) => t.device?.deviceId ?? 0 },
    { offset: 0x00c, name: 'VendorID', read: () => VENDOR },
    { offset: 0x010, name: 'DeviceFeatures', read: (t) => t.#offeredWord(t.#deviceFeaturesSelect) },
    { offset: 0x014, name: 'DeviceFeaturesSel', write: (t, value) => (t.#deviceFeaturesSelect = value) },
    {
      offset: 0x020,
      name: 'DriverFeatures',
      write: (t, value) => {
        if (t.#status & STATUS_FEATURES_OK) return;
        if (t.#driverFeaturesSelect < FEATURE_WORDS) t.#driverFeatures[t.#driverFeaturesSelect] = value;
      },
    },
    { offset: 0x024, name: 'DriverFeaturesSel', write: (t, value) => (t.#driverFeaturesSelect = value) },
    { offset: 0x030, name: 'QueueSel', write: (t, value) => (t.#queueSelect = value) },
    { offset: 0x034, name: 'QueueSizeMax', read: (t) => t.device!.queueSizes[t.#queueSelect] ?? 0 },
    {
      offset: 0x038,
      name: 'QueueSize',
      write: (t, value) => {
        const queue = t.#changeableQueue();
        if (queue && !queue.ready && value <= t.device!.queueSizes[t.#queueSelect]) queue.size = value;
      },
    },
    {
      offset: 0x044,
      name: 'QueueReady',
      read: (t) => (t.#queues[t.#queueSelect]?.ready ? 1 : 0),
      write: (t, value) => {
        const queue = t.#changeableQueue();
        if (queue) queue.ready = (value & 1) !== 0;
      },
    },
    {
      offset: 0x050,
      name: 'QueueNotify',
      write: (t, value) => {
        if (t.#status & STATUS_DRIVER_OK) t.device!.notify(value);
      },
    },
    { offset: 0x060, name: 'InterruptStatus', read: (t) => Atomics.load(t.#memory.words, t.#isr) },
    { offset: 0x064, name: 'InterruptACK', write: (t, value) => t.#acknowledge(value) },
    {
      offset: 0x070,
      name: 'Status',
      read: (t) => t.#status || t.#draining?.status || 0,
      write: (t, value) => t.#writeStatus(value),
    },
    { offset: 0x080, name: 'QueueDescLow', write: (t, value) => t.#setAddress('descriptors', 'low', value) },
    { offset: 0x084, name: 'QueueDescHigh', write: (t, value) => t.#setAddress('descriptors', 'high', value) },
    { offset: 0x090, name: 'QueueDriverLow', write: (t, value) => t.#setAddress('driver', 'low', value) },
    { offset: 0x094, name: 'QueueDriverHigh', write: (t, value) => t.#setAddress('driver', 'high', value) },
    { offset: 0x0a0, name: 'QueueDeviceLow', write: (t, value) => t.#setAddress('device', 'low', value) },
    { offset: 0x0a4, name: 'QueueDeviceHigh', write: (t, value) => t.#setAddress('device', 'high', value) },
    // No device has shared memory regions yet: length and base read as -1 whatever is selected (§4.2.2).
    { offset: 0x0ac, name: 'SHMSel', write: () => undefined },
    { offset: 0x0b0, name: 'SHMLenLow', read: () => 0xffffffff },
    { offset: 0x0b4, name: 'SHMLenHigh', read: () => 0xffffffff },
    { offset: 0x0b8, name: 'SHMBaseLow', read: () => 0xffffffff },
    { offset: 0x0bc, name: 'SHMBaseHigh', read: () => 0xffffffff },
    // VIRTIO_F_RING_RESET is not offered, so this has no effect (§4.2.2.1).
    { offset: 0x0c0, name: 'QueueReset', read: () => 0, write: () => undefined },
    { offset: 0x0fc, name: 'ConfigGeneration', read: (t) => t.device!.configGeneration },
  ];

  static readonly #byOffset: readonly (Register | undefined)[] = Array.from({ length: CONFIG_SPACE }, (_, offset) =>
    VirtioMmio.#registers.find((register) => register.offset === offset),
  );
}
