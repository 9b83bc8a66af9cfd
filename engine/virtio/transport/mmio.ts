import type { AccessSize, BoardDevice, InterruptLine } from '../../bus/device';
import { DeviceState, unsigned } from '../../bus/device-state';
import { VmError } from '../../errors/vm-error';
import type { DeviceTreeNode } from '../../bus/device-tree';
import { VIRTIO_ISR, VIRTIO_ISR_MAX } from '../../memory/layout';
import { type Register, RegisterTable } from './register-table';
import { type TransportOptions, transportSchema, VirtioTransport } from './transport';

const MAGIC = 0x74726976;
/** QEMU's, by which some drivers know a virt board. */
const VENDOR = 0x554d4551;
const VERSION = 0x04;
/** Registers up to here tell that there is no device. */
const VENDOR_ID = 0x0c;
const CONFIG_SPACE = 0x100;
/** Where a legacy driver does not say how the used ring is aligned. */
const LEGACY_ALIGN = 4096;

const stateSchema = transportSchema.extend({ pageSize: unsigned(32), align: unsigned(32) });

export interface VirtioMmioOptions extends TransportOptions {
  /** Guest-physical address and length of the register window. */
  base: number;
  size?: number;
  /** Which InterruptStatus word of the shared memory belongs to this window. */
  slot: number;
  interrupt: InterruptLine;
}

/** The MMIO transport of virtio 1.3 §4.2: version 2, or with `legacy` version 1 (§4.2.4). */
export class VirtioMmio extends VirtioTransport implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly slot: number;
  readonly #line: InterruptLine;
  readonly #registers: RegisterTable<VirtioMmio>;
  /** What a legacy driver has said about its memory. */
  pageSize = 1;
  align = LEGACY_ALIGN;
  override readonly state = new DeviceState(this, {
    version: 2,
    schema: stateSchema,
    save: () => ({ ...this.capture(), pageSize: this.pageSize, align: this.align }),
    load: ({ pageSize, align, ...state }, refuse) => {
      const recover = this.recover(state, refuse);
      return () => {
        recover();
        this.pageSize = pageSize;
        this.align = align;
      };
    },
  });

  constructor(options: VirtioMmioOptions) {
    const { base, size = 0x1000, slot, interrupt } = options;
    if (!(slot >= 0 && slot < VIRTIO_ISR_MAX)) {
      throw VmError.config(`A machine has virtio slots 0 to ${VIRTIO_ISR_MAX - 1}, not ${slot}.`);
    }
    super(options, VIRTIO_ISR + 4 * slot, interrupt);
    this.base = base;
    this.slot = slot;
    this.size = size;
    this.name = `virtio_mmio@${base.toString(16)}`;
    this.#line = interrupt;
    this.#registers = options.legacy ? LEGACY_REGISTERS : REGISTERS;
    this.clear();
  }

  override read(offset: number, size: AccessSize): number {
    if (offset >= CONFIG_SPACE) return this.readConfig(offset - CONFIG_SPACE, size);
    // Without a device nothing but its absence is to be seen (§4.2.2).
    if (!this.device && offset > VENDOR_ID) return 0;
    return this.readRegister(this.#registers, this, offset, size);
  }

  override write(offset: number, size: AccessSize, value: number): void {
    if (offset >= CONFIG_SPACE) this.writeConfig(offset - CONFIG_SPACE, size, value);
    else if (this.device) this.writeRegister(this.#registers, this, offset, size, value);
  }

  /** A legacy queue: its parts lie one behind the other (§2.7.2); page 0 takes it back. */
  set queuePage(page: number) {
    const { queue } = this;
    if (!queue) return;
    if (page === 0) {
      this.disableQueue();
      return;
    }
    const descriptors = page * this.pageSize;
    const driver = descriptors + 16 * queue.size;
    const align = Math.max(this.align, 1);
    const device = Math.ceil((driver + 6 + 2 * queue.size) / align) * align;
    this.setQueueAddresses({ descriptors, driver, device });
    this.enableQueue();
  }

  get queuePage(): number {
    return this.queue?.ready ? Math.floor(this.queue.descriptors / this.pageSize) : 0;
  }

  /** A driver's own reset keeps both: U-Boot resets after it has written the size of pages (QEMU's virtio-mmio.c, virtio_mmio_soft_reset). */
  override reset(): void {
    super.reset();
    this.pageSize = 1;
    this.align = LEGACY_ALIGN;
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
}

type Row = Omit<Register<VirtioMmio>, 'size'>;

/** Registers of both versions (§4.2.2, table 4.1; §4.2.4, table 4.2). */
const COMMON: readonly Row[] = [
  { offset: 0x000, name: 'MagicValue', read: () => MAGIC },
  { offset: 0x008, name: 'DeviceID', read: (t) => t.device?.deviceId ?? 0 },
  { offset: VENDOR_ID, name: 'VendorID', read: () => VENDOR },
  { offset: 0x010, name: 'DeviceFeatures', read: (t) => t.offeredWord },
  { offset: 0x014, name: 'DeviceFeaturesSel', write: (t, value) => (t.deviceFeaturesSelect = value) },
  { offset: 0x020, name: 'DriverFeatures', write: (t, value) => (t.driverWord = value) },
  { offset: 0x024, name: 'DriverFeaturesSel', write: (t, value) => (t.driverFeaturesSelect = value) },
  { offset: 0x030, name: 'QueueSel', write: (t, value) => (t.queueSelect = value) },
  { offset: 0x034, name: 'QueueSizeMax', read: (t) => t.queueSizeMax },
  { offset: 0x038, name: 'QueueSize', write: (t, value) => t.setQueueSize(value) },
  { offset: 0x050, name: 'QueueNotify', write: (t, value) => t.notify(value) },
  { offset: 0x060, name: 'InterruptStatus', read: (t) => t.interruptStatus },
  { offset: 0x064, name: 'InterruptACK', write: (t, value) => t.acknowledge(value) },
  { offset: 0x070, name: 'Status', read: (t) => t.status, write: (t, value) => (t.status = value) },
  // No device has shared memory regions yet: length and base read as -1 whatever is selected (§4.2.2).
  { offset: 0x0ac, name: 'SHMSel', write: () => undefined },
  { offset: 0x0b0, name: 'SHMLenLow', read: () => 0xffffffff },
  { offset: 0x0b4, name: 'SHMLenHigh', read: () => 0xffffffff },
];

const MODERN: readonly Row[] = [
  { offset: VERSION, name: 'Version', read: () => 2 },
  {
    offset: 0x044,
    name: 'QueueReady',
    read: (t) => (t.queueReady ? 1 : 0),
    write: (t, value) => (value === 0 ? t.disableQueue() : t.enableQueue()),
  },
  { offset: 0x080, name: 'QueueDescLow', write: (t, value) => t.setQueueAddress('descriptors', 'low', value) },
  { offset: 0x084, name: 'QueueDescHigh', write: (t, value) => t.setQueueAddress('descriptors', 'high', value) },
  { offset: 0x090, name: 'QueueDriverLow', write: (t, value) => t.setQueueAddress('driver', 'low', value) },
  { offset: 0x094, name: 'QueueDriverHigh', write: (t, value) => t.setQueueAddress('driver', 'high', value) },
  { offset: 0x0a0, name: 'QueueDeviceLow', write: (t, value) => t.setQueueAddress('device', 'low', value) },
  { offset: 0x0a4, name: 'QueueDeviceHigh', write: (t, value) => t.setQueueAddress('device', 'high', value) },
  { offset: 0x0b8, name: 'SHMBaseLow', read: () => 0xffffffff },
  { offset: 0x0bc, name: 'SHMBaseHigh', read: () => 0xffffffff },
  {
    offset: 0x0c0,
    name: 'QueueReset',
    read: (t) => (t.queueResetting ? 1 : 0),
    write: (t, value) => {
      if (value & 1) t.resetQueue();
    },
  },
  { offset: 0x0fc, name: 'ConfigGeneration', read: (t) => t.device?.configGeneration ?? 0 },
];

const LEGACY: readonly Row[] = [
  { offset: VERSION, name: 'Version', read: () => 1 },
  // A power of two: what else is written counts as its lowest bit.
  { offset: 0x028, name: 'GuestPageSize', write: (t, value) => (t.pageSize = Math.max((value & -value) >>> 0, 1)) },
  { offset: 0x03c, name: 'QueueAlign', write: (t, value) => (t.align = value) },
  { offset: 0x040, name: 'QueuePFN', read: (t) => t.queuePage, write: (t, value) => (t.queuePage = value) },
];

/** §4.2.2.2: drivers use aligned 32-bit accesses. */
const tableOf = (rows: readonly Row[]): RegisterTable<VirtioMmio> =>
  new RegisterTable<VirtioMmio>(
    CONFIG_SPACE,
    [...COMMON, ...rows].map((row) => ({ ...row, size: 4 as const })),
  );
const REGISTERS = tableOf(MODERN);
const LEGACY_REGISTERS = tableOf(LEGACY);
