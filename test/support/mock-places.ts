import type { AccessSize, InterruptLine } from '../../engine/bus/device';
import { MmioBus } from '../../engine/bus/mmio-bus';
import { WiredController } from '../../engine/interrupt/wired-controller';
import type { GuestMemory } from '../../engine/memory/guest-memory';
import { PLIC_BASE } from '../../engine/memory/layout';
import { PciHostBridge, type PciMap } from '../../engine/pci/host-bridge';
import type { VirtioDevice } from '../../engine/virtio/device';
import { VirtioMmio } from '../../engine/virtio/transport/mmio';
import { VirtioPci } from '../../engine/virtio/transport/pci';
import type { VirtioTransport } from '../../engine/virtio/transport/transport';

/** An interrupt line that remembers its level and counts its rising edges. */
export class MockLine implements InterruptLine {
  readonly deviceTree: InterruptLine['deviceTree'] = { interrupts: [1], 'interrupt-parent': [{ ref: 'mock' }] };
  level = false;
  rises = 0;
  setLevel(asserted: boolean): void {
    if (asserted && !this.level) this.rises++;
    this.level = asserted;
  }
}

/** An interrupt controller that only remembers the levels of its wires. */
export class MockWires extends WiredController {
  readonly lines: MockLine[];

  constructor(memory: WebAssembly.Memory, sources: number) {
    super(memory, 'mock controller', PLIC_BASE >>> 2, sources);
    this.lines = Array.from({ length: sources + 1 }, () => new MockLine());
  }

  protected override wire(source: number): InterruptLine['deviceTree'] {
    return { interrupts: [source], 'interrupt-parent': [{ ref: 'mock' }] };
  }

  protected override setLevel(source: number, asserted: boolean): void {
    this.lines[source].setLevel(asserted);
  }
}

export interface PlaceOptions {
  /** Feature bits of queues and transport to offer. */
  ringFeatures?: readonly number[];
  /** Refuse drivers that break rules. */
  strict?: boolean;
  /** Be a device of before virtio 1.0; MMIO only. */
  legacy?: boolean;
  trace?: (line: string) => void;
  /** Takes PCI's message-signalled interrupts; without it there are none. */
  message?: (address: number, data: number) => void;
}

/** An offset in MMIO's window; offset and width in PCI's structures. */
interface RegisterPlace {
  mmio?: number;
  pci?: readonly [number, AccessSize];
}

/** Registers of MMIO (virtio 1.3 §4.2.2) and of PCI's common configuration (§4.1.4.3) under the names of MMIO, with their widths. */
const REGISTERS = {
  MagicValue: { mmio: 0x000 },
  Version: { mmio: 0x004 },
  DeviceID: { mmio: 0x008 },
  VendorID: { mmio: 0x00c },
  DeviceFeatures: { mmio: 0x010, pci: [0x04, 4] },
  DeviceFeaturesSel: { mmio: 0x014, pci: [0x00, 4] },
  DriverFeatures: { mmio: 0x020, pci: [0x0c, 4] },
  DriverFeaturesSel: { mmio: 0x024, pci: [0x08, 4] },
  QueueSel: { mmio: 0x030, pci: [0x16, 2] },
  /** On PCI this is what QueueSize holds before anything was written. */
  QueueSizeMax: { mmio: 0x034, pci: [0x18, 2] },
  QueueSize: { mmio: 0x038, pci: [0x18, 2] },
  QueueReady: { mmio: 0x044, pci: [0x1c, 2] },
  // Legacy only.
  GuestPageSize: { mmio: 0x028 },
  QueueAlign: { mmio: 0x03c },
  QueuePFN: { mmio: 0x040 },
  QueueNotify: { mmio: 0x050, pci: [0x3000, 4] },
  InterruptStatus: { mmio: 0x060, pci: [0x1000, 1] },
  InterruptACK: { mmio: 0x064 },
  Status: { mmio: 0x070, pci: [0x14, 1] },
  QueueDescLow: { mmio: 0x080, pci: [0x20, 4] },
  QueueDescHigh: { mmio: 0x084, pci: [0x24, 4] },
  QueueDriverLow: { mmio: 0x090, pci: [0x28, 4] },
  QueueDriverHigh: { mmio: 0x094, pci: [0x2c, 4] },
  QueueDeviceLow: { mmio: 0x0a0, pci: [0x30, 4] },
  QueueDeviceHigh: { mmio: 0x0a4, pci: [0x34, 4] },
  SHMSel: { mmio: 0x0ac },
  SHMLenLow: { mmio: 0x0b0 },
  SHMLenHigh: { mmio: 0x0b4 },
  QueueReset: { mmio: 0x0c0, pci: [0x3a, 2] },
  ConfigGeneration: { mmio: 0x0fc, pci: [0x15, 1] },
  // PCI only.
  ConfigVector: { pci: [0x10, 2] },
  QueueVector: { pci: [0x1a, 2] },
} as const satisfies Record<string, RegisterPlace>;
export type RegisterName = keyof typeof REGISTERS;

/** Where a mock driver finds its device: a transport behind a bus. */
export interface MockPlace {
  readonly transport: VirtioTransport;
  readonly line: MockLine;
  read(register: RegisterName): number;
  write(register: RegisterName, value: number): void;
}

/** A slot of virtio-mmio. */
export class MmioPlace implements MockPlace {
  readonly line = new MockLine();
  readonly transport: VirtioMmio;

  constructor(memory: GuestMemory, device: VirtioDevice, options: PlaceOptions = {}) {
    this.transport = new VirtioMmio({ memory, base: 0x1000_1000, slot: 0, interrupt: this.line, device, ...options });
  }

  read(register: RegisterName): number {
    return this.transport.read(this.#offset(register), 4);
  }

  write(register: RegisterName, value: number): void {
    this.transport.write(this.#offset(register), 4, value);
  }

  #offset(register: RegisterName): number {
    const place: RegisterPlace = REGISTERS[register];
    if (place.mmio === undefined) throw new Error(`MMIO has no register ${register}.`);
    return place.mmio;
  }
}

export const MOCK_PCI_MAP: PciMap = {
  ecam: { base: 0x3000_0000, size: 0x1000_0000 },
  io: { base: 0x300_0000, size: 0x1_0000 },
  memory32: { base: 0x4000_0000, size: 0x4000_0000 },
  memory64: { base: 0x4_0000_0000, size: 0x4_0000_0000 },
  firstSource: 1,
};

/** A PCI function on a bus of its own, whose BARs are placed as an operating system does it. All accesses go through the bus. */
export class PciPlace implements MockPlace {
  readonly transport: VirtioPci;
  readonly bus = new MmioBus();
  readonly bridge: PciHostBridge;
  readonly line: MockLine;
  readonly wires: MockWires;
  /** Guest-physical address of the function's configuration space. */
  readonly config: number;
  /** Where the structures were placed. */
  base = 0x4_0000_0000;
  /** ISR bits that were read, and so cleared, and are not acknowledged in the sense of MMIO. */
  #interruptStatus = 0;

  constructor(memory: GuestMemory, device: VirtioDevice, { message, ...options }: PlaceOptions = {}) {
    this.wires = new MockWires(memory.memory, 4);
    this.bridge = new PciHostBridge({ map: MOCK_PCI_MAP, wires: this.wires, messages: message && { parent: 'mock', send: message } });
    for (const window of this.bridge.devices) this.bus.add(window);
    const slot = this.bridge.freeSlot();
    this.transport = new VirtioPci({ memory, device, slot, ...options });
    this.bridge.attach(slot.device, this.transport.pci);
    this.line = this.wires.lines[1 + (slot.device % 4)];
    this.config = MOCK_PCI_MAP.ecam.base + slot.device * 0x8000;
    if (message) this.bus.write(this.config + 0x14, 4, 0x4000_0000);
    this.place(this.base);
  }

  /** Move the structures. */
  place(base: number): void {
    this.base = base;
    this.bus.write(this.config + 4, 2, 0);
    this.bus.write(this.config + 0x20, 4, base % 0x1_0000_0000);
    this.bus.write(this.config + 0x24, 4, Math.floor(base / 0x1_0000_0000));
    this.bus.write(this.config + 4, 2, 6);
  }

  read(register: RegisterName): number {
    if (register === 'InterruptStatus') {
      this.#interruptStatus |= this.bus.read(...this.#place(register));
      return this.#interruptStatus;
    }
    return this.bus.read(...this.#place(register));
  }

  write(register: RegisterName, value: number): void {
    if (register === 'InterruptACK') this.#interruptStatus = this.read('InterruptStatus') & ~value;
    else this.bus.write(...this.#place(register), value);
  }

  #place(register: RegisterName): [number, AccessSize] {
    const place: RegisterPlace = REGISTERS[register];
    if (!place.pci) throw new Error(`PCI has no register ${register}.`);
    return [this.base + place.pci[0], place.pci[1]];
  }
}
