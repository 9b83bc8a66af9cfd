import { z } from 'zod';
import type { AccessSize } from '../../bus/device';
import { DeviceState, unsigned } from '../../bus/device-state';
import { PCI_ISR_PAGES } from '../../memory/layout';
import type { PciSlot } from '../../pci/host-bridge';
import { Msix } from '../../pci/msix';
import { type BarRegion, PciFunction } from '../../pci/pci-function';
import type { VirtioDevice } from '../device';
import { RegisterTable } from './register-table';
import { INTERRUPT_CONFIG_CHANGE, INTERRUPT_USED_BUFFER, type TransportOptions, transportSchema, VirtioTransport } from './transport';

const VENDOR = 0x1af4;
/** Plus the device type's number (virtio 1.3 §4.1.2). */
const MODERN_DEVICE = 0x1040;
const SUBSYSTEM = 0x1100;
// Vendor-specific capabilities that say where the structures are (§4.1.4).
const CAPABILITY_VENDOR = 0x09;
const CAP_COMMON = 1;
const CAP_NOTIFY = 2;
const CAP_ISR = 3;
const CAP_DEVICE = 4;
const CAP_PCI_CFG = 5;
const CAP_BYTES = 16;
const CAP_BAR = 4;
const CAP_OFFSET = 8;
const CAP_LENGTH = 12;

/** The structures have a page each in one BAR; harts know the page of ISR. The BARs are those that QEMU uses. */
const STRUCTURES_BAR = 4;
const PAGE = 0x1000;
const COMMON = 0;
const ISR = PAGE;
const DEVICE = 2 * PAGE;
const NOTIFY = 3 * PAGE;
const MSIX_BAR = 1;

const NOTIFY_MULTIPLIER = 4;
const NO_VECTOR = 0xffff;
/** The sign of the INTx word masks the pin. */
const PIN_MASKED = 1 << 31;

export interface VirtioPciOptions extends TransportOptions {
  device: VirtioDevice;
  slot: PciSlot;
}

const stateSchema = transportSchema.extend({
  pci: z.unknown(),
  configVector: unsigned(16),
  queueVectors: z.array(unsigned(16)),
  /** Null on a machine without message-signalled interrupts. */
  msix: z.unknown(),
});

/**
 * The PCI transport of virtio 1.3 §4.1, modern only: common configuration, notification, ISR, device configuration, and the access to
 * them through configuration space. Interrupts are messages once the driver has enabled MSI-X, else INTA#.
 *
 * The ISR status lies in shared memory: harts that know its page read and clear it without asking this thread.
 */
export class VirtioPci extends VirtioTransport {
  readonly name: string;
  declare readonly device: VirtioDevice;
  /** What the host bridge plugs in. */
  readonly pci: PciFunction;
  readonly #slot: PciSlot;
  readonly #msix: Msix | undefined;
  #configVector = NO_VECTOR;
  readonly #queueVectors: number[];
  override readonly state = new DeviceState(this, {
    version: 2,
    schema: stateSchema,
    save: () => ({
      ...this.capture(),
      pci: this.pci.state.snapshot(),
      configVector: this.#configVector,
      queueVectors: [...this.#queueVectors],
      msix: this.#msix?.state.snapshot() ?? null,
    }),
    load: ({ pci, configVector, queueVectors, msix, ...state }, refuse) => {
      if (queueVectors.length !== this.#queueVectors.length) refuse('it has vectors of other queues');
      for (const vector of [configVector, ...queueVectors]) if (vector !== this.#knownVector(vector)) refuse(`it has no vector ${vector}`);
      const steps = [
        this.#msix ? this.#msix.state.check(msix) : msix === null ? () => undefined : refuse('this machine has no MSI-X'),
        this.pci.state.check(pci),
        () => {
          this.#configVector = configVector;
          for (const [index, vector] of queueVectors.entries()) this.#queueVectors[index] = vector;
        },
        this.recover(state, refuse),
      ];
      return () => {
        for (const step of steps) step();
      };
    },
  });

  constructor(options: VirtioPciOptions) {
    const { device, slot } = options;
    super(options, slot.intx, slot.line);
    this.#slot = slot;
    this.name = `virtio_pci@${slot.device.toString(16)}`;
    this.#queueVectors = device.queueSizes.map(() => NO_VECTOR);
    this.pci = new PciFunction({
      name: this.name,
      vendor: VENDOR,
      device: MODERN_DEVICE + device.deviceId,
      revision: 1,
      classCode: device.pciClass,
      subsystem: SUBSYSTEM,
      interrupts: true,
    });
    this.pci.addRegion(STRUCTURES_BAR, {
      size: 4 * PAGE,
      kind: 'memory64',
      prefetchable: true,
      read: (offset, size) => this.read(offset, size),
      write: (offset, size, value) => this.write(offset, size, value),
    });
    this.#addCapability(CAP_COMMON, COMMON, PAGE);
    this.#addCapability(CAP_ISR, ISR, PAGE);
    this.#addCapability(CAP_DEVICE, DEVICE, PAGE);
    const notify = this.#addCapability(CAP_NOTIFY, NOTIFY, PAGE, 4);
    this.pci.config.define(notify + CAP_BYTES, 4, NOTIFY_MULTIPLIER);
    this.#addConfigurationAccess();
    const { send } = slot;
    // One vector for each queue, and one for the configuration.
    if (send) this.#msix = new Msix(this.pci, MSIX_BAR, device.queueSizes.length + 1, send);
    this.pci.interruptStatus = () => this.interruptStatus !== 0;
    this.pci.onChange.push(() => this.#follow());
    this.pci.onReset = () => {
      this.#msix?.reset();
      this.reset();
    };
    this.clear();
    this.#follow();
  }

  /** What the structures' BAR maps. */
  override read(offset: number, size: AccessSize): number {
    if (offset >= NOTIFY) return 0;
    if (offset >= DEVICE) return this.readConfig(offset - DEVICE, size);
    if (offset >= ISR) return this.readRegister(ISR_REGISTERS, this, offset - ISR, size);
    return this.readRegister(COMMON_REGISTERS, this, offset, size);
  }

  override write(offset: number, size: AccessSize, value: number): void {
    if (offset >= NOTIFY) {
      // 16 bits, or 32 with NOTIFICATION_DATA.
      this.log('write', 'QueueNotify', value);
      this.notify(value);
    } else if (offset >= DEVICE) this.writeConfig(offset - DEVICE, size, value);
    else if (offset < ISR) this.writeRegister(COMMON_REGISTERS, this, offset, size, value);
  }

  get configVector(): number {
    return this.#configVector;
  }

  /** A vector that cannot be had reads back as none (§4.1.5.1.2). */
  set configVector(vector: number) {
    this.#configVector = this.#knownVector(vector);
  }

  get queueVector(): number {
    return this.#queueVectors[this.queueSelect] ?? NO_VECTOR;
  }

  set queueVector(vector: number) {
    if (this.queueSelect < this.#queueVectors.length) this.#queueVectors[this.queueSelect] = this.#knownVector(vector);
  }

  protected override get agreesAtOnce(): boolean {
    return true;
  }

  protected override notifyUsed(queue: number): void {
    if (this.#msix?.isEnabled) this.#msix.signal(this.#queueVectors[queue]);
    else this.raise(INTERRUPT_USED_BUFFER);
  }

  protected override notifyConfigChange(): void {
    // ISR tells of configuration changes whatever way the notification goes (§4.1.4.5.1).
    this.raise(INTERRUPT_CONFIG_CHANGE);
    if (this.#msix?.isEnabled) this.#msix.signal(this.#configVector);
  }

  protected override clear(): void {
    super.clear();
    this.#configVector = NO_VECTOR;
    this.#queueVectors.fill(NO_VECTOR);
  }

  #knownVector(vector: number): number {
    return this.#msix && vector < this.#msix.vectors ? vector : NO_VECTOR;
  }

  /** The command register, a BAR or MSI-X has changed: tell the harts where ISR is, and mask the pin or not. */
  #follow(): void {
    const { words } = this.memory;
    const address = this.pci.addressOf(STRUCTURES_BAR);
    const page = address === undefined ? 0 : (address + ISR) / PAGE;
    Atomics.store(words, (PCI_ISR_PAGES >>> 2) + this.#slot.device, page < 2 ** 31 ? page : 0);
    if (this.pci.isPinDisabled || this.#msix?.isEnabled) Atomics.or(words, this.#slot.intx >>> 2, PIN_MASKED);
    else Atomics.and(words, this.#slot.intx >>> 2, ~PIN_MASKED);
    this.updateLine();
  }

  #addCapability(type: number, offset: number, length: number, extra = 0): number {
    const { config } = this.pci;
    const at = config.addCapability(CAPABILITY_VENDOR, CAP_BYTES + extra);
    config.define(at + 2, 1, CAP_BYTES + extra);
    config.define(at + 3, 1, type);
    config.define(at + CAP_BAR, 1, STRUCTURES_BAR);
    config.define(at + CAP_OFFSET, 4, offset);
    config.define(at + CAP_LENGTH, 4, length);
    return at;
  }

  /** §4.1.4.9: drivers that cannot map BARs name BAR, offset and length here; reading or writing the data does it there. */
  #addConfigurationAccess(): void {
    const { config } = this.pci;
    const at = this.#addCapability(CAP_PCI_CFG, 0, 0, 4);
    config.define(at + CAP_BAR, 1, 0, 0xff);
    config.define(at + CAP_OFFSET, 4, 0, -1);
    config.define(at + CAP_LENGTH, 4, 0, -1);
    config.define(at + CAP_BYTES, 4, 0, -1);
    const target = (): { region: BarRegion; offset: number; size: AccessSize } | undefined => {
      const region = this.pci.region(config.get(at + CAP_BAR, 1));
      const offset = config.get(at + CAP_OFFSET, 4);
      const size = config.get(at + CAP_LENGTH, 4);
      if (!region || !(size === 1 || size === 2 || size === 4) || offset % size !== 0 || offset + size > region.size) return undefined;
      return { region, offset, size };
    };
    config.hook(at + CAP_BYTES, 4, {
      beforeRead: () => {
        const there = target();
        if (there) config.set(at + CAP_BYTES, there.size, there.region.read(there.offset, there.size));
      },
      afterWrite: () => {
        const there = target();
        if (there) there.region.write(there.offset, there.size, config.get(at + CAP_BYTES, there.size));
      },
    });
  }
}

/** The common configuration structure (§4.1.4.3). */
const COMMON_REGISTERS = new RegisterTable<VirtioPci>(PAGE, [
  {
    offset: 0x00,
    size: 4,
    name: 'device_feature_select',
    read: (t) => t.deviceFeaturesSelect,
    write: (t, value) => (t.deviceFeaturesSelect = value),
  },
  { offset: 0x04, size: 4, name: 'device_feature', read: (t) => t.offeredWord },
  {
    offset: 0x08,
    size: 4,
    name: 'driver_feature_select',
    read: (t) => t.driverFeaturesSelect,
    write: (t, value) => (t.driverFeaturesSelect = value),
  },
  { offset: 0x0c, size: 4, name: 'driver_feature', read: (t) => t.driverWord, write: (t, value) => (t.driverWord = value) },
  { offset: 0x10, size: 2, name: 'config_msix_vector', read: (t) => t.configVector, write: (t, value) => (t.configVector = value) },
  { offset: 0x12, size: 2, name: 'num_queues', read: (t) => t.device.queueSizes.length },
  { offset: 0x14, size: 1, name: 'device_status', read: (t) => t.status, write: (t, value) => (t.status = value) },
  { offset: 0x15, size: 1, name: 'config_generation', read: (t) => t.device.configGeneration & 0xff },
  { offset: 0x16, size: 2, name: 'queue_select', read: (t) => t.queueSelect, write: (t, value) => (t.queueSelect = value) },
  { offset: 0x18, size: 2, name: 'queue_size', read: (t) => t.queue?.size ?? 0, write: (t, value) => t.setQueueSize(value) },
  { offset: 0x1a, size: 2, name: 'queue_msix_vector', read: (t) => t.queueVector, write: (t, value) => (t.queueVector = value) },
  {
    offset: 0x1c,
    size: 2,
    name: 'queue_enable',
    read: (t) => (t.queueReady ? 1 : 0),
    // "The driver MUST NOT write a 0."
    write: (t, value) => {
      if (value === 1) t.enableQueue();
    },
  },
  { offset: 0x1e, size: 2, name: 'queue_notify_off', read: (t) => t.queueSelect },
  ...(['descriptors', 'driver', 'device'] as const).flatMap((field, i) =>
    (['low', 'high'] as const).map((half, j) => ({
      offset: 0x20 + 8 * i + 4 * j,
      size: 4 as const,
      name: `queue_${field === 'descriptors' ? 'desc' : field}_${half}`,
      read: (t: VirtioPci) => (j === 0 ? (t.queue?.[field] ?? 0) % 0x1_0000_0000 : Math.floor((t.queue?.[field] ?? 0) / 0x1_0000_0000)),
      write: (t: VirtioPci, value: number) => t.setQueueAddress(field, half, value),
    })),
  ),
  {
    offset: 0x3a,
    size: 2,
    name: 'queue_reset',
    read: (t) => (t.queueResetting ? 1 : 0),
    write: (t, value) => {
      if (value === 1) t.resetQueue();
    },
  },
]);

/** ISR status: a read clears it (§4.1.4.5). */
const ISR_REGISTERS = new RegisterTable<VirtioPci>(PAGE, [{ offset: 0, size: 1, name: 'isr', read: (t) => t.acknowledge(0xff) }]);
