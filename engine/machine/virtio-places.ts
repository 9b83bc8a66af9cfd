import type { ManagedDevice } from '../bus/device';
import type { DevicePlaces } from '../bus/device-manager';
import { VmError } from '../bus/vm-error';
import type { WiredController } from '../interrupt/wired-controller';
import type { GuestMemory } from '../memory/guest-memory';
import { VIRTIO_ISR } from '../memory/layout';
import type { PciHostBridge } from '../pci/host-bridge';
import type { VirtioDevice } from '../virtio/device';
import { RING_FEATURES, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA, VIRTIO_F_RING_PACKED } from '../virtio/features';
import { VirtioMmio } from '../virtio/transport/mmio';
import { VirtioPci } from '../virtio/transport/pci';
import type { VirtioTransport } from '../virtio/transport/transport';
import { VIRTIO_BASE, VIRTIO_FIRST_SOURCE, VIRTIO_SLOTS, VIRTIO_STRIDE } from './board-map';
import type { MachineConfig } from './config';

/** The buses that a virtio device can sit on. */
export type VirtioBus = MachineConfig['bus'];

const FEATURES = {
  packed: VIRTIO_F_RING_PACKED,
  'in-order': VIRTIO_F_IN_ORDER,
  'notification-data': VIRTIO_F_NOTIFICATION_DATA,
} as const;

export interface VirtioPlacesOptions {
  memory: GuestMemory;
  wires: WiredController;
  bridge: PciHostBridge;
  /** Where a device goes that does not say; where MMIO has no slot left, it goes to PCI. */
  bus: VirtioBus;
  /** What is offered beyond what is always offered. */
  features: MachineConfig['virtio'];
  /** Called with the name of an empty slot that gets a device. */
  vacate: (slot: string) => void;
  /** Gets what devices warn of. */
  warn: (error: VmError) => void;
  /** Gets a line for every register access. */
  trace?: (line: string) => void;
}

/** Where the virtio devices of a machine sit: in the board's eight MMIO slots and on its PCI bus. */
export class VirtioPlaces implements DevicePlaces<VirtioDevice, VirtioBus> {
  readonly #slots: (VirtioMmio | undefined)[] = Array.from({ length: VIRTIO_SLOTS }, () => undefined);
  readonly #functions = new Map<VirtioPci, number>();
  #isOn = false;

  constructor(private readonly options: VirtioPlacesOptions) {}

  /** All that devices sit behind. */
  get transports(): VirtioTransport[] {
    return [...this.#functions.keys(), ...this.#slots.filter((slot) => slot !== undefined)];
  }

  /** From now on new devices go to PCI: guests look at MMIO slots only once. */
  powerOn(): void {
    this.#isOn = true;
  }

  place(device: VirtioDevice, bus?: VirtioBus): ManagedDevice {
    const free = this.#isOn ? -1 : this.#slots.findIndex((slot) => !slot?.device);
    if (bus === 'mmio' && free < 0) {
      throw VmError.config(
        this.#isOn
          ? 'While the machine is on, virtio devices can be added to PCI only.'
          : `The board has ${VIRTIO_SLOTS} virtio-mmio slots, and all are taken. Put a drive on PCI (bus pci), or attach drives by SCSI: all of them take one place.`,
      );
    }
    const transport = (bus ?? this.options.bus) === 'mmio' && free >= 0 ? this.#fill(free, device) : this.#plug(device);
    device.on('warning', this.options.warn);
    return transport;
  }

  displace(transport: ManagedDevice): Promise<void> | undefined {
    if (transport instanceof VirtioPci) {
      this.options.bridge.detach(this.#functions.get(transport) ?? -1);
      this.#functions.delete(transport);
    } else if (transport instanceof VirtioMmio) {
      if (this.#isOn)
        throw new VmError('State', `${transport.name} is known to the guest for good; only devices on PCI can go while the machine is on.`);
      const at = this.#slots.indexOf(transport);
      if (at >= 0) this.#slots[at] = undefined;
    } else return undefined;
    transport.device?.off('warning', this.options.warn);
    transport.reset();
    return transport.drained();
  }

  /** Where the MMIO slots are that have a device, and their interrupt sources. */
  occupiedSlots(): { base: number; size: number; source: number }[] {
    return this.#slots.flatMap((mmio) =>
      mmio?.device ? [{ base: mmio.base, size: mmio.size, source: VIRTIO_FIRST_SOURCE + mmio.slot }] : [],
    );
  }

  /** What stands in the slots that have no device, each once. */
  emptySlots(): VirtioMmio[] {
    const empty = this.#slots.flatMap((slot, at) => (slot ? [] : [this.#slot(at)]));
    for (const slot of empty) this.#slots[slot.slot] = slot;
    return empty;
  }

  #fill(at: number, device: VirtioDevice): VirtioMmio {
    const empty = this.#slots[at];
    if (empty) this.options.vacate(empty.name);
    const transport = this.#slot(at, device);
    this.#slots[at] = transport;
    return transport;
  }

  #slot(slot: number, device?: VirtioDevice): VirtioMmio {
    const { memory, wires, trace } = this.options;
    return new VirtioMmio({
      memory,
      base: VIRTIO_BASE + slot * VIRTIO_STRIDE,
      size: VIRTIO_STRIDE,
      slot,
      interrupt: wires.wordLine(VIRTIO_FIRST_SOURCE + slot, VIRTIO_ISR + 4 * slot),
      device,
      ringFeatures: this.#ringFeatures,
      trace,
    });
  }

  #plug(device: VirtioDevice): VirtioPci {
    const { memory, bridge, trace } = this.options;
    const slot = bridge.freeSlot();
    const transport = new VirtioPci({ memory, device, slot, ringFeatures: this.#ringFeatures, trace });
    bridge.attach(slot.device, transport.pci);
    this.#functions.set(transport, slot.device);
    return transport;
  }

  get #ringFeatures(): number[] {
    return [...RING_FEATURES, ...this.options.features.map((name) => FEATURES[name])];
  }
}
