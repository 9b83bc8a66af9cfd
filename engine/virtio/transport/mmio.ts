import type { AccessSize, InterruptLine, MmioDevice } from '../../bus/device';
import { VmError } from '../../bus/vm-error';
import type { DeviceTreeNode } from '../../machine/device-tree';
import { VIRTIO_ISR, VIRTIO_ISR_MAX } from '../../memory/layout';
import { type Register, RegisterTable } from './register-table';
import { type TransportOptions, type TransportState, VirtioTransport } from './transport';

const MAGIC = 0x74726976;
const VENDOR = 0x54524148;
/** Registers up to here tell that there is no device. */
const DEVICE_ID = 0x08;
const CONFIG_SPACE = 0x100;

export interface VirtioMmioOptions extends TransportOptions {
  /** Guest-physical address and length of the register window. */
  base: number;
  size?: number;
  /** Which InterruptStatus word of the shared memory belongs to this window. */
  slot: number;
  interrupt: InterruptLine;
}

/** The MMIO transport of virtio 1.3 §4.2, modern (version 2) only. */
export class VirtioMmio extends VirtioTransport implements MmioDevice {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly slot: number;
  readonly #line: InterruptLine;

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
    this.clear();
  }

  override read(offset: number, size: AccessSize): number {
    if (offset >= CONFIG_SPACE) return this.readConfig(offset - CONFIG_SPACE, size);
    // Without a device nothing but its absence is to be seen (§4.2.2).
    if (!this.device && offset > DEVICE_ID) return 0;
    return this.readRegister(REGISTERS, this, offset, size);
  }

  override write(offset: number, size: AccessSize, value: number): void {
    if (offset >= CONFIG_SPACE) this.writeConfig(offset - CONFIG_SPACE, size, value);
    else if (this.device) this.writeRegister(REGISTERS, this, offset, size, value);
  }

  override snapshot(): TransportState {
    return this.capture();
  }

  override restore(state: TransportState): void {
    this.recover(state);
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

/** All registers (§4.2.2, table 4.1). */
const ROWS: readonly Row[] = [
  { offset: 0x000, name: 'MagicValue', read: () => MAGIC },
  { offset: 0x004, name: 'Version', read: () => 2 },
  { offset: DEVICE_ID, name: 'DeviceID', read: (t) => t.device?.deviceId ?? 0 },
  { offset: 0x00c, name: 'VendorID', read: () => VENDOR },
  { offset: 0x010, name: 'DeviceFeatures', read: (t) => t.offeredWord },
  { offset: 0x014, name: 'DeviceFeaturesSel', write: (t, value) => (t.deviceFeaturesSelect = value) },
  { offset: 0x020, name: 'DriverFeatures', write: (t, value) => (t.driverWord = value) },
  { offset: 0x024, name: 'DriverFeaturesSel', write: (t, value) => (t.driverFeaturesSelect = value) },
  { offset: 0x030, name: 'QueueSel', write: (t, value) => (t.queueSelect = value) },
  { offset: 0x034, name: 'QueueSizeMax', read: (t) => t.queueSizeMax },
  { offset: 0x038, name: 'QueueSize', write: (t, value) => t.setQueueSize(value) },
  {
    offset: 0x044,
    name: 'QueueReady',
    read: (t) => (t.queue?.ready ? 1 : 0),
    write: (t, value) => (value & 1 ? t.enableQueue() : t.disableQueue()),
  },
  { offset: 0x050, name: 'QueueNotify', write: (t, value) => t.notify(value) },
  { offset: 0x060, name: 'InterruptStatus', read: (t) => t.interruptStatus },
  { offset: 0x064, name: 'InterruptACK', write: (t, value) => t.acknowledge(value) },
  { offset: 0x070, name: 'Status', read: (t) => t.status, write: (t, value) => (t.status = value) },
  { offset: 0x080, name: 'QueueDescLow', write: (t, value) => t.setQueueAddress('descriptors', 'low', value) },
  { offset: 0x084, name: 'QueueDescHigh', write: (t, value) => t.setQueueAddress('descriptors', 'high', value) },
  { offset: 0x090, name: 'QueueDriverLow', write: (t, value) => t.setQueueAddress('driver', 'low', value) },
  { offset: 0x094, name: 'QueueDriverHigh', write: (t, value) => t.setQueueAddress('driver', 'high', value) },
  { offset: 0x0a0, name: 'QueueDeviceLow', write: (t, value) => t.setQueueAddress('device', 'low', value) },
  { offset: 0x0a4, name: 'QueueDeviceHigh', write: (t, value) => t.setQueueAddress('device', 'high', value) },
  // No device has shared memory regions yet: length and base read as -1 whatever is selected (§4.2.2).
  { offset: 0x0ac, name: 'SHMSel', write: () => undefined },
  { offset: 0x0b0, name: 'SHMLenLow', read: () => 0xffffffff },
  { offset: 0x0b4, name: 'SHMLenHigh', read: () => 0xffffffff },
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

/** §4.2.2.2: drivers use aligned 32-bit accesses. */
const REGISTERS = new RegisterTable<VirtioMmio>(
  CONFIG_SPACE,
  ROWS.map((row) => ({ ...row, size: 4 as const })),
);
