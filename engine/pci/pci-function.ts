import type { AccessSize } from '../bus/device';
import { bytesSchema, DeviceState, loadBytes, saveBytes } from '../bus/device-state';
import { VmError } from '../errors/vm-error';
import { ConfigurationSpace } from './configuration-space';

// Offsets in the header of type 0 (PCI 3.0 §6.1).
const VENDOR = 0x00;
const DEVICE = 0x02;
const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION = 0x08;
const CLASS_CODE = 0x09;
const BARS = 0x10;
const SUBSYSTEM_VENDOR = 0x2c;
const SUBSYSTEM = 0x2e;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const COMMAND_MASTER = 4;
const COMMAND_INTX_DISABLE = 0x400;
const COMMAND_WRITABLE = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE;
const STATUS_INTERRUPT = 8;

const BAR_IO = 1;
const BAR_64_BITS = 4;
const BAR_PREFETCHABLE = 8;
const BARS_MAX = 6;

/** What lies behind a BAR. Accesses are aligned and inside; values are unsigned. */
export interface BarRegion {
  /** Bytes: a power of two, at least 16 (4 for ports). */
  readonly size: number;
  readonly kind: 'io' | 'memory32' | 'memory64';
  readonly prefetchable?: boolean;
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

/** A region and where drivers have put it on the bus. */
export interface PlacedRegion {
  space: 'io' | 'memory';
  address: number;
  region: BarRegion;
}

export interface PciFunctionOptions {
  name: string;
  vendor: number;
  device: number;
  revision?: number;
  /** Base class, subclass and interface: 0x010000 is a SCSI controller. */
  classCode: number;
  subsystemVendor?: number;
  subsystem?: number;
  /** Whether it has INTA#. */
  interrupts?: boolean;
}

/**
 * A PCI function with a header of type 0: its configuration space, the regions behind its BARs, and its interrupt pin. Where it sits,
 * and how its interrupts get out, is the host bridge's business.
 */
export class PciFunction {
  readonly name: string;
  readonly config = new ConfigurationSpace();
  readonly #regions: (BarRegion | undefined)[] = Array.from({ length: BARS_MAX }, () => undefined);
  /** Called when regions may have moved, or the command register says something else. */
  onChange: (() => void)[] = [];
  /** Asked when the driver looks at the status register: whether the function wants its pin asserted. */
  interruptStatus: () => boolean = () => false;
  /** Called at power-on, after the configuration space. */
  onReset: (() => void) | undefined;
  /** The configuration space, and with it where the BARs are. */
  readonly state = new DeviceState(this, {
    version: 1,
    schema: bytesSchema,
    save: () => saveBytes(this.config.bytes),
    load: (saved, refuse) => {
      const bytes = loadBytes(saved);
      if (!this.config.fits(bytes)) refuse('it is that of another PCI function');
      return () => {
        this.config.load(bytes);
        this.changed();
      };
    },
  });

  constructor(options: PciFunctionOptions) {
    this.name = options.name;
    const { config } = this;
    config.define(VENDOR, 2, options.vendor);
    config.define(DEVICE, 2, options.device);
    config.define(COMMAND, 2, 0, COMMAND_WRITABLE);
    config.define(REVISION, 1, options.revision ?? 0);
    config.define(CLASS_CODE, 1, options.classCode & 0xff);
    config.define(CLASS_CODE + 1, 2, options.classCode >>> 8);
    config.define(SUBSYSTEM_VENDOR, 2, options.subsystemVendor ?? options.vendor);
    config.define(SUBSYSTEM, 2, options.subsystem ?? options.device);
    config.define(INTERRUPT_LINE, 1, 0, 0xff);
    config.define(INTERRUPT_PIN, 1, options.interrupts ? 1 : 0);
    config.hook(COMMAND, 2, { afterWrite: () => this.changed() });
    config.hook(BARS, 4 * BARS_MAX, { afterWrite: () => this.changed() });
    config.hook(STATUS, 2, {
      beforeRead: () => {
        const status = config.get(STATUS, 2) & ~STATUS_INTERRUPT;
        config.set(STATUS, 2, this.interruptStatus() ? status | STATUS_INTERRUPT : status);
      },
    });
  }

  /** Give BAR `index` something to map; one of 64 bits takes the next index too. */
  addRegion(index: number, region: BarRegion): void {
    const { size, kind, prefetchable } = region;
    if ((size & (size - 1)) !== 0 || size < (kind === 'io' ? 4 : 16)) throw new VmError('Internal', `A BAR cannot map ${size} bytes.`);
    this.#regions[index] = region;
    const type = kind === 'io' ? BAR_IO : (kind === 'memory64' ? BAR_64_BITS : 0) | (prefetchable ? BAR_PREFETCHABLE : 0);
    this.config.define(BARS + 4 * index, 4, type, -size & (kind === 'io' ? ~3 : ~15));
    if (kind === 'memory64') this.config.define(BARS + 4 * index + 4, 4, 0, -1);
  }

  region(index: number): BarRegion | undefined {
    return this.#regions[index];
  }

  /** Where BAR `index` is mapped on the bus, or undefined while the driver has switched such accesses off. */
  addressOf(index: number): number | undefined {
    const region = this.#regions[index];
    const enabling = region?.kind === 'io' ? COMMAND_IO : COMMAND_MEMORY;
    if (!region || (this.command & enabling) === 0) return undefined;
    const low = this.config.get(BARS + 4 * index, 4);
    if (region.kind === 'io') return low - (low % 4);
    return low - (low % 16) + (region.kind === 'memory64' ? this.config.get(BARS + 4 * index + 4, 4) * 0x1_0000_0000 : 0);
  }

  /** All regions that can be reached now. */
  placed(): PlacedRegion[] {
    return this.#regions.flatMap((region, index): PlacedRegion[] => {
      const address = this.addressOf(index);
      return region && address !== undefined ? [{ space: region.kind === 'io' ? 'io' : 'memory', address, region }] : [];
    });
  }

  get isMaster(): boolean {
    return (this.command & COMMAND_MASTER) !== 0;
  }

  /** Whether the driver has switched the interrupt pin off. */
  get isPinDisabled(): boolean {
    return (this.command & COMMAND_INTX_DISABLE) !== 0;
  }

  /** Tell whoever follows this function that it is not where or what it was. */
  changed(): void {
    for (const listener of this.onChange) listener();
  }

  reset(): void {
    this.config.reset();
    this.changed();
    this.onReset?.();
  }

  private get command(): number {
    return this.config.get(COMMAND, 2);
  }
}
