import type { DeviceTreeNode } from '../machine/device-tree';
import type { MmioDevice } from './device';
import type { MmioBus } from './mmio-bus';
import { VmError } from './vm-error';

/** The devices of a machine by name, in the order in which they were added. */
export class DeviceManager {
  private readonly devices = new Map<string, MmioDevice>();

  constructor(private readonly bus: MmioBus) {}

  /** Puts the device on the bus. Throws VmError 'Config' for a name or an address range that is taken. */
  register(device: MmioDevice): void {
    if (this.devices.has(device.name)) throw VmError.config(`The machine already has a device named ${device.name}.`);
    this.bus.add(device);
    this.devices.set(device.name, device);
  }

  find(name: string): MmioDevice | undefined {
    return this.devices.get(name);
  }

  /** Takes the device off the bus; false where there is none of that name. */
  remove(name: string): boolean {
    const device = this.devices.get(name);
    if (!device) return false;
    this.bus.remove(device);
    return this.devices.delete(name);
  }

  all(): MmioDevice[] {
    return [...this.devices.values()];
  }

  /** Every device back to its state after power-on. */
  reset(): void {
    for (const device of this.devices.values()) device.reset?.();
  }

  deviceTreeNodes(): DeviceTreeNode[] {
    return this.all().flatMap((device) => device.deviceTreeNode?.() ?? []);
  }
}
