import type { ManagedDevice } from '../bus/device';
import type { DevicePlaces } from '../bus/device-manager';
import { VmError } from '../errors/vm-error';
import type { WiredController } from '../interrupt/wired-controller';
import type { GuestMemory } from '../memory/guest-memory';
import { VIRTIO_ISR } from '../memory/layout';
import type { PciHostBridge } from '../pci/host-bridge';
import type { VirtioDevice } from '../virtio/device';
import { RING_FEATURES, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA, VIRTIO_F_RING_PACKED } from '../virtio/features';
import type { VirtioBus, VirtioPlace } from '../virtio/registry';
import { VirtioMmio } from '../virtio/transport/mmio';
import { VirtioPci } from '../virtio/transport/pci';
import type { VirtioTransport } from '../virtio/transport/transport';
import { VIRTIO_BASE, VIRTIO_FIRST_SOURCE, VIRTIO_SLOTS, VIRTIO_STRIDE } from '../board/board-map';
import type { MachineConfig } from '../settings/settings';

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
  /** Whether MMIO slots are of before virtio 1.0. */
  legacy: boolean;
  /** Refuse drivers that break rules. */
  strict: boolean;
  /** Called with the name of an empty slot that gets a device. */
  vacate: (slot: string) => void;
  /** Gets what devices warn of. */
  warn: (error: VmError) => void;
  /** Gets a line for every register access. */
  trace?: (line: string) => void;
}

/** Where the virtio devices of a machine sit: in the board's eight MMIO slots and on its PCI bus. */
export class VirtioPlaces implements DevicePlaces<VirtioDevice, VirtioBus | VirtioPlace> {
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

  place(device: VirtioDevice, where: VirtioBus | VirtioPlace = {}): ManagedDevice {
    const { bus, slot } = typeof where === 'string' ? { bus: where, slot: undefined } : where;
    const isMmio = (bus ?? this.options.bus) === 'mmio';
    if (isMmio && slot !== undefined) this.#mustBeFree(slot);
    const free = this.#isOn ? -1 : (slot ?? this.#slots.findIndex((one) => !one?.device));
    if (isMmio && free < 0 && (bus !== undefined || slot !== undefined)) {
      throw VmError.config(
        this.#isOn
          ? 'While the box runs, virtio devices can be added to PCI only.'
          : `The board has ${VIRTIO_SLOTS} virtio-mmio slots, and all are taken. Put a drive on PCI (bus pci), or attach drives by SCSI: all of them take one place.`,
        { code: this.#isOn ? 'slots-while-on' : 'slots-full', params: { slots: VIRTIO_SLOTS } },
      );
    }
    const transport = isMmio && free >= 0 ? this.#fill(free, device) : this.#plug(device, isMmio ? undefined : slot);
    device.on('warning', this.options.warn);
    return transport;
  }

  displace(transport: ManagedDevice): Promise<void> | undefined {
    if (transport instanceof VirtioPci) {
      this.options.bridge.detach(this.#functions.get(transport) ?? -1);
      this.#functions.delete(transport);
    } else if (transport instanceof VirtioMmio) {
      if (this.#isOn)
        throw new VmError('State', `${transport.name} is known to the guest for good; only devices on PCI can go while the box runs.`, {
          code: 'device-stays',
          params: { device: transport.name },
        });
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

  #mustBeFree(slot: number): void {
    if (slot >= VIRTIO_SLOTS)
      throw VmError.config(`The board has virtio-mmio slots 0 to ${VIRTIO_SLOTS - 1}, not ${slot}.`, {
        code: 'slot-unknown',
        params: { slot, last: VIRTIO_SLOTS - 1 },
      });
    if (this.#slots[slot]?.device)
      throw VmError.config(`virtio-mmio slot ${slot} is to hold two devices. Give one of them another place (slot).`, {
        code: 'slot-taken',
        params: { slot },
      });
  }

  #fill(at: number, device: VirtioDevice): VirtioMmio {
    const empty = this.#slots[at];
    if (empty) this.options.vacate(empty.name);
    const transport = this.#slot(at, device);
    this.#slots[at] = transport;
    return transport;
  }

  #slot(slot: number, device?: VirtioDevice): VirtioMmio {
    const { memory, wires, trace, strict, legacy } = this.options;
    return new VirtioMmio({
      memory,
      base: VIRTIO_BASE + slot * VIRTIO_STRIDE,
      size: VIRTIO_STRIDE,
      slot,
      interrupt: wires.wordLine(VIRTIO_FIRST_SOURCE + slot, VIRTIO_ISR + 4 * slot),
      device,
      ringFeatures: this.#ringFeatures,
      strict,
      legacy,
      trace,
    });
  }

  #plug(device: VirtioDevice, at?: number): VirtioPci {
    const { memory, bridge, trace, strict } = this.options;
    const slot = bridge.freeSlot(at);
    const transport = new VirtioPci({ memory, device, slot, ringFeatures: this.#ringFeatures, strict, trace });
    bridge.attach(slot.device, transport.pci);
    this.#functions.set(transport, slot.device);
    return transport;
  }

  get #ringFeatures(): number[] {
    return [...RING_FEATURES, ...this.options.features.map((name) => FEATURES[name])];
  }
}
