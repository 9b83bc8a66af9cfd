import type { AccessSize, BoardDevice, InterruptLine } from '../bus/device';
import { DeviceState } from '../bus/device-state';
import { VmError } from '../errors/vm-error';
import type { WiredController } from '../interrupt/wired-controller';
import type { DeviceTreeCell, DeviceTreeNode } from '../bus/device-tree';
import { PCI_DEVICES, PCI_INTX } from '../memory/layout';
import { CONFIGURATION_BYTES } from './configuration-space';
import { PciFunction, type BarRegion } from './pci-function';

/** A bus has 1 MiB of configuration space, each of its devices 32 KiB. */
const BUS_BYTES = 1 << 20;
const DEVICE_BYTES = CONFIGURATION_BYTES * 8;
const PINS = 4;
// Space codes of the `ranges` property (IEEE 1275 PCI binding §2.2.1.1).
const SPACE_IO = 0x1000000;
const SPACE_MEMORY32 = 0x2000000;
const SPACE_MEMORY64 = 0x3000000;

interface Window {
  base: number;
  size: number;
}

/** Where the bridge and its windows lie in guest-physical memory. Memory has the same addresses on the bus; ports start at 0 there. */
export interface PciMap {
  ecam: Window;
  io: Window;
  memory32: Window;
  memory64: Window;
  /** The controller's source of INTA# of device 0; the other three follow. */
  firstSource: number;
}

export interface PciHostBridgeOptions {
  map: PciMap;
  wires: WiredController;
  /** How message-signalled interrupts get to the harts, and the label of the node that takes them; without it there are none. */
  messages?: { parent: string; send: (address: number, data: number) => void };
}

/** What a function has to know of the place where it sits. */
export interface PciSlot {
  /** Device number on bus 0. */
  readonly device: number;
  /** Offset in the shared memory of the word that says whether the function's pin is asserted (PCI_INTX). */
  readonly intx: number;
  /** Where the pin goes. `setLevel` tells that the word has changed. */
  readonly line: InterruptLine;
  /** Deliver a message, where the machine has message-signalled interrupts. */
  readonly send: ((address: number, data: number) => void) | undefined;
}

interface Mapping {
  first: number;
  last: number;
  region: BarRegion;
}

/** The offsets of the INTx words of all devices whose INTA# goes to the same of the four wires, by the usual swizzle (PCI 3.0 §2.2.6). */
export function intxWords(wire: number): number[] {
  return Array.from({ length: PCI_DEVICES / PINS }, (_, i) => PCI_INTX + 4 * (wire + PINS * i));
}

/**
 * A PCI Express host bridge as QEMU's virt board has it (`pci-host-ecam-generic`): configuration space by ECAM, one window for ports
 * and two for memory, bus 0 with up to 31 functions besides the bridge itself, one a device, each with INTA#.
 *
 * The windows are what the machine's bus and the harts know. Which function answers inside them changes as drivers move BARs.
 */
export class PciHostBridge {
  /** What the machine's bus answers: ECAM, which also describes all of it, and the windows. */
  readonly devices: BoardDevice[];
  readonly #map: PciMap;
  readonly #functions: (PciFunction | undefined)[] = Array.from({ length: PCI_DEVICES }, () => undefined);
  readonly #lines: InterruptLine[];
  readonly #messages: PciHostBridgeOptions['messages'];
  /** What is reached at which address, or undefined until it is known again. */
  #mappings: { io: Mapping[]; memory: Mapping[] } | undefined;
  #last: Mapping | undefined;

  constructor({ map, wires, messages }: PciHostBridgeOptions) {
    this.#map = map;
    this.#messages = messages;
    this.#lines = Array.from({ length: PINS }, (_, wire) => wires.wordLine(map.firstSource + wire, ...intxWords(wire)));
    // The bridge seen from its own bus: what Red Hat's is under QEMU.
    const bridge = new PciFunction({
      name: 'pci-host',
      vendor: 0x1b36,
      device: 0x0008,
      classCode: 0x060000,
      subsystemVendor: 0x1af4,
      subsystem: 0x1100,
    });
    this.devices = [
      this.#ecam(bridge.state),
      this.#window('io', map.io, -map.io.base),
      this.#window('memory', map.memory32, 0),
      this.#window('memory', map.memory64, 0),
    ];
    this.attach(0, bridge);
  }

  /** The place of that device number, or the first that is free. Throws VmError 'Config' if there is none. */
  freeSlot(at?: number): PciSlot {
    if (at !== undefined && (at >= PCI_DEVICES || this.#functions[at]))
      throw VmError.config(
        `PCI device ${at} is ${this.#functions[at]?.name ?? 'none that the bus has'}. Give the other another place (slot).`,
        {
          code: 'pci-slot-taken',
          params: { slot: at },
        },
      );
    const device = at ?? this.#functions.indexOf(undefined);
    if (device < 0)
      throw VmError.config(
        `The PCI bus has ${PCI_DEVICES - 1} places, and this box needs more. Attach drives by SCSI: all of them take one.`,
        { code: 'pci-full', params: { places: PCI_DEVICES - 1 } },
      );
    return { device, intx: PCI_INTX + 4 * device, line: this.#lines[device % PINS], send: this.#messages?.send };
  }

  /** Plug a function in. Throws VmError 'Config' where the place is taken. */
  attach(device: number, pci: PciFunction): void {
    if (this.#functions[device]) throw VmError.config(`PCI device ${device} is ${this.#functions[device].name} already.`);
    this.#functions[device] = pci;
    pci.onChange.push(this.#forget);
    this.#forget();
  }

  /** Unplug a function; false where there is none. */
  detach(device: number): boolean {
    const pci = this.#functions[device];
    if (!pci) return false;
    pci.onChange = pci.onChange.filter((listener) => listener !== this.#forget);
    this.#functions[device] = undefined;
    this.#forget();
    return true;
  }

  readonly #forget = (): void => {
    this.#mappings = undefined;
    this.#last = undefined;
  };

  /** @param state that of the bridge; the other functions' belongs to their devices */
  #ecam(state: DeviceState): BoardDevice {
    const { base, size } = this.#map.ecam;
    return {
      state,
      name: `pci@${base.toString(16)}`,
      base,
      size,
      // What a write switches on or moves is there for the next access of any hart.
      holdsWriters: true,
      read: (offset, width) => this.#functionAt(offset)?.config.read(offset % CONFIGURATION_BYTES, width) ?? allOnes(width),
      write: (offset, width, value) => this.#functionAt(offset)?.config.write(offset % CONFIGURATION_BYTES, width, value),
      reset: () => {
        for (const pci of this.#functions) pci?.reset();
      },
      deviceTreeNode: () => this.#deviceTreeNode(),
    };
  }

  /** Only function 0 of the devices on bus 0 exists. */
  #functionAt(offset: number): PciFunction | undefined {
    return offset < BUS_BYTES && offset % DEVICE_BYTES < CONFIGURATION_BYTES
      ? this.#functions[Math.floor(offset / DEVICE_BYTES)]
      : undefined;
  }

  /** What no function answers reads as all ones, and writes to it are lost. */
  #window(space: 'io' | 'memory', { base, size }: Window, shift: number): BoardDevice {
    const name = `pci-${space}@${base.toString(16)}`;
    return {
      name,
      // Where functions answer is in their configuration spaces.
      state: DeviceState.none({ name }),
      base,
      size,
      read: (offset, width) => {
        const address = base + offset + shift;
        const mapping = this.#find(space, address, width);
        return mapping ? mapping.region.read(address - mapping.first, width) : allOnes(width);
      },
      write: (offset, width, value) => {
        const address = base + offset + shift;
        const mapping = this.#find(space, address, width);
        mapping?.region.write(address - mapping.first, width, value);
      },
    };
  }

  #find(space: 'io' | 'memory', address: number, width: number): Mapping | undefined {
    const last = this.#last;
    if (space === 'memory' && last && address >= last.first && address + width - 1 <= last.last) return last;
    const found = this.#mapped()[space].find(({ first, last }) => address >= first && address + width - 1 <= last);
    if (found && space === 'memory') this.#last = found;
    return found;
  }

  #mapped(): { io: Mapping[]; memory: Mapping[] } {
    if (!this.#mappings) {
      const mappings = { io: [] as Mapping[], memory: [] as Mapping[] };
      for (const pci of this.#functions) {
        for (const { space, address, region } of pci?.placed() ?? []) {
          mappings[space].push({ first: address, last: address + region.size - 1, region });
        }
      }
      this.#mappings = mappings;
    }
    return this.#mappings;
  }

  #deviceTreeNode(): DeviceTreeNode {
    const { ecam, io, memory32, memory64 } = this.#map;
    // Device numbers repeat after four, so these rows say it all.
    const interruptMap = Array.from({ length: PINS * PINS }, (_, row): DeviceTreeCell[] => {
      const device = Math.floor(row / PINS);
      const pin = row % PINS;
      const { interrupts, 'interrupt-parent': parent } = this.#lines[(device + pin) % PINS].deviceTree;
      return [device << 11, 0, 0, pin + 1, ...parent, ...interrupts];
    }).flat();
    return {
      name: `pci@${ecam.base.toString(16)}`,
      properties: {
        compatible: 'pci-host-ecam-generic',
        device_type: 'pci',
        '#address-cells': [3],
        '#size-cells': [2],
        '#interrupt-cells': [1],
        'linux,pci-domain': [0],
        'bus-range': [0, ecam.size / BUS_BYTES - 1],
        'dma-coherent': true,
        ...(this.#messages && { 'msi-parent': [{ ref: this.#messages.parent }] }),
        reg: [{ u64: ecam.base }, { u64: ecam.size }],
        ranges: [
          ...[SPACE_IO, { u64: 0 }, { u64: io.base }, { u64: io.size }],
          ...[SPACE_MEMORY32, { u64: memory32.base }, { u64: memory32.base }, { u64: memory32.size }],
          ...[SPACE_MEMORY64, { u64: memory64.base }, { u64: memory64.base }, { u64: memory64.size }],
        ],
        'interrupt-map': interruptMap,
        'interrupt-map-mask': [(PINS - 1) << 11, 0, 0, 7],
      },
    };
  }
}

function allOnes(width: AccessSize): number {
  return width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
}
