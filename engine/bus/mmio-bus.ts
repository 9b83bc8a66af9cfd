import type { AccessSize, AccessSizes, LongAccess, MmioDevice } from './device';
import { DeviceError, VmError } from '../errors/vm-error';

const ANY_SIZE: AccessSizes = { min: 1, max: 4 };

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

/** Where a device answers, and whether writes to it wait until it has. */
export interface MmioRange {
  base: number;
  size: number;
  /** Accesses that it takes. */
  sizes: AccessSizes;
  holdsWriters: boolean;
}

/**
 * Routes guest-physical addresses to devices. Everything that a device does not answer (an unmapped address, a
 * misaligned access, a size it does not take) is a DeviceError, which the hart sees as an access fault.
 */
export class MmioBus {
  /** Sorted by base, never overlapping. */
  private devices: MmioDevice[] = [];
  /** Guests access one device many times in a row. */
  private last: MmioDevice | undefined;

  add(device: MmioDevice): void {
    if (device.base < 0 || device.size <= 0 || !Number.isSafeInteger(device.base + device.size)) {
      throw VmError.config(`${device.name} does not occupy a valid address range (${hex(device.base)}, ${device.size} bytes).`);
    }
    const at = this.devices.findIndex((other) => other.base + other.size > device.base);
    const next = at < 0 ? undefined : this.devices[at];
    if (next && next.base < device.base + device.size) {
      throw VmError.config(
        `${device.name} overlaps ${next.name} at ${hex(Math.max(next.base, device.base))}; give one of them another address.`,
      );
    }
    this.devices.splice(at < 0 ? this.devices.length : at, 0, device);
  }

  remove(device: MmioDevice): void {
    this.devices = this.devices.filter((other) => other !== device);
    if (this.last === device) this.last = undefined;
  }

  /** The mapped ranges, in address order. */
  ranges(): MmioRange[] {
    return this.devices.map(({ base, size, accessSizes = ANY_SIZE, holdsWriters = false }) => ({
      base,
      size,
      sizes: accessSizes,
      holdsWriters,
    }));
  }

  /** Unsigned value at a guest-physical address. Throws DeviceError where nothing answers. */
  read(address: number, size: AccessSize): number {
    const device = this.find(address, size);
    return device.read(address - device.base, size);
  }

  /** `value` is unsigned; bits above `size` bytes must be zero. Throws DeviceError where nothing answers. */
  write(address: number, size: AccessSize, value: number): void {
    const device = this.find(address, size);
    device.write(address - device.base, size, value);
  }

  /** As write(), but what takes long is begun only: the caller has to go on with what this returns. */
  begin(address: number, size: AccessSize, value: number): LongAccess | undefined {
    const device = this.find(address, size);
    if (device.begin) return device.begin(address - device.base, size, value);
    device.write(address - device.base, size, value);
    return undefined;
  }

  private find(address: number, size: AccessSize): MmioDevice {
    const last = this.last;
    const device = last && address >= last.base && address < last.base + last.size ? last : this.lookUp(address);
    const sizes = device.accessSizes ?? ANY_SIZE;
    if (address % size !== 0 || address + size > device.base + device.size || size < sizes.min || size > sizes.max) {
      throw DeviceError.NotSupported(
        `${device.name} takes aligned accesses of ${sizes.min} to ${sizes.max} bytes; the guest accessed ${size} bytes at ${hex(address)}.`,
      );
    }
    this.last = device;
    return device;
  }

  private lookUp(address: number): MmioDevice {
    let low = 0;
    let high = this.devices.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const device = this.devices[middle];
      if (address < device.base) high = middle - 1;
      else if (address >= device.base + device.size) low = middle + 1;
      else return device;
    }
    throw DeviceError.InvalidParameter(`No device answers at ${hex(address)}.`);
  }
}
