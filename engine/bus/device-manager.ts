import { z } from 'zod';
import type { SavedState } from './device-state';
import type { DeviceTreeNode } from './device-tree';
import type { AccessSize, DeviceStatus, ManagedDevice, MmioDevice } from './device';
import { MmioBus } from './mmio-bus';
import { DeviceError, VmError } from '../errors/vm-error';

/** States by the names of devices; a map, as names are somebody else's. */
const savedDevices = z.record(z.string(), z.unknown()).transform((states) => new Map(Object.entries(states)));

/** What a manager calls a device: unique as long as the manager lives. */
export type DeviceId = number;

/** Gives places to devices that have no address of their own, such as a virtio device a slot or a PCI function. */
export interface DevicePlaces<Placeless, Where> {
  /** Throws VmError 'Config' where there is no place left. */
  place(device: Placeless, where?: Where): ManagedDevice;
  /** Take a device's place back; resolves when it has let go of all it used, at once for devices of others. Throws where it must stay. */
  displace(device: ManagedDevice): Promise<void> | undefined;
}

/**
 * The devices of a machine, in the order in which they were added: registers, finds, removes and routes accesses to them. Those that
 * have an address sit on the bus; with `places`, devices without one can be registered too, also while the machine runs.
 */
export class DeviceManager<Placeless extends object = never, Where = never> {
  readonly #devices = new Map<DeviceId, ManagedDevice>();
  #nextId: DeviceId = 1;
  #fixed = false;

  constructor(
    readonly bus = new MmioBus(),
    private readonly places?: DevicePlaces<Placeless, Where>,
  ) {}

  /**
   * Adds a device: one with an address to the bus, another to the place `where`, or any. Throws VmError 'Config' for a name or an address
   * that is taken or where there is no place, 'State' for an address on the bus of a machine that runs.
   */
  register(device: MmioDevice | Placeless, where?: Where): DeviceId {
    const placed = isMmioDevice(device) ? device : this.#place(device, where);
    if (this.#idOf(placed.name) !== undefined) throw VmError.config(`The machine already has a device named ${placed.name}.`);
    if (isMmioDevice(placed)) {
      if (this.#fixed && placed === device) {
        throw new VmError('State', `${placed.name} cannot be added to the bus while the machine runs. Register it before the start.`);
      }
      this.bus.add(placed);
    }
    const id = this.#nextId++;
    this.#devices.set(id, placed);
    return id;
  }

  /** By id or name. */
  find(which: DeviceId | string): ManagedDevice | undefined {
    const id = typeof which === 'string' ? this.#idOf(which) : which;
    return id === undefined ? undefined : this.#devices.get(id);
  }

  /** Takes a device away at once; resolves when it has let go of guest memory. False where there is none of that id or name. Rejects with VmError 'State' where it has to stay while the machine runs. */
  async remove(which: DeviceId | string): Promise<boolean> {
    const id = typeof which === 'string' ? this.#idOf(which) : which;
    const device = id === undefined ? undefined : this.#devices.get(id);
    if (id === undefined || !device) return false;
    const displaced = this.places?.displace(device);
    this.#devices.delete(id);
    if (isMmioDevice(device)) this.bus.remove(device);
    await displaced;
    return true;
  }

  /** An access to a device's registers as a guest makes it. Throws DeviceError where the device does not answer, or there is none. */
  read(id: DeviceId, offset: number, size: AccessSize): number {
    const device = this.#mustFind(id, offset, size);
    return isMmioDevice(device) ? this.bus.read(device.base + offset, size) : device.read(offset, size);
  }

  write(id: DeviceId, offset: number, size: AccessSize, value: number): void {
    const device = this.#mustFind(id, offset, size);
    if (isMmioDevice(device)) this.bus.write(device.base + offset, size, value);
    else device.write(offset, size, value);
  }

  /** Make a device send its interrupt `vector` to the guest. Throws DeviceError where it has no such interrupt. */
  handleInterrupt(id: DeviceId, vector: number): void {
    const device = this.#mustFind(id);
    if (!device.interrupt) throw DeviceError.NotSupported(`${device.name} takes no interrupts by number.`);
    device.interrupt(vector);
  }

  /** Throws DeviceError where there is no such device. A device without a lifecycle of its own runs. */
  status(id: DeviceId): DeviceStatus {
    return this.#mustFind(id).deviceStatus ?? { kind: 'Running' };
  }

  all(): ManagedDevice[] {
    return [...this.#devices.values()];
  }

  /** Every device back to its state after power-on. */
  reset(): void {
    for (const device of this.#devices.values()) device.reset?.();
  }

  /** The state of every device, by name, as plain data. No hart may be running, and virtio devices must sleep. Throws VmError 'State' where one cannot be saved. */
  snapshot(): Record<string, SavedState> {
    const states = this.all().map((device): [string, SavedState] => {
      if (!device.state) throw new VmError('State', `The machine cannot be saved: ${device.name} has no state that can be.`);
      return [device.name, device.state.snapshot()];
    });
    return Object.fromEntries(states);
  }

  /**
   * Into devices that are as after power-on, of a machine that is made in the same way. Throws VmError 'State', and changes nothing, where
   * that is not so. Devices that were added first are restored last: interrupt controllers, which then hold what the wires of all others did.
   */
  restore(saved: unknown): void {
    const states = savedDevices.safeParse(saved);
    const devices = this.all();
    const unknown = (): string => {
      const names = states.success ? [...states.data.keys()] : [];
      const missing = devices.filter(({ name }) => !names.includes(name)).map(({ name }) => name);
      const others = names.filter((name) => this.#idOf(name) === undefined);
      return `it lacks ${missing.join(', ') || 'nothing'}, and has ${others.join(', ') || 'nothing'} that this machine lacks`;
    };
    if (!states.success || states.data.size !== devices.length || devices.some(({ name }) => !states.data.has(name))) {
      throw new VmError('State', `The saved state is not one of this machine: ${unknown()}.`, { cause: states.error });
    }
    const steps = devices.map(({ name, state }) => {
      if (!state) throw new VmError('State', `The machine cannot be restored: ${name} has no state that can be.`);
      return state.check(states.data.get(name));
    });
    for (const step of steps.reverse()) step();
  }

  /** From now on addresses on the bus stay what they are: the harts know them. */
  fixBus(): void {
    this.#fixed = true;
  }

  deviceTreeNodes(): DeviceTreeNode[] {
    return this.all().flatMap((device) => device.deviceTreeNode?.() ?? []);
  }

  #place(device: Placeless, where: Where | undefined): ManagedDevice {
    if (!this.places) throw VmError.config('The device has no address, and this manager has no places to give.');
    return this.places.place(device, where);
  }

  #idOf(name: string): DeviceId | undefined {
    for (const [id, device] of this.#devices) if (device.name === name) return id;
    return undefined;
  }

  #mustFind(id: DeviceId, offset = 0, size: AccessSize = 1): ManagedDevice {
    const device = this.#devices.get(id);
    if (!device) throw DeviceError.InvalidParameter(`There is no device ${id}.`);
    const end = isMmioDevice(device) ? device.size : Infinity;
    if (!(Number.isInteger(offset) && offset >= 0 && offset + size <= end && offset % size === 0)) {
      throw DeviceError.InvalidParameter(`${device.name} has no register of ${size} bytes at ${offset}.`);
    }
    return device;
  }
}

function isMmioDevice(device: object): device is MmioDevice {
  return 'base' in device && 'size' in device;
}
