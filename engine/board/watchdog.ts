import { z } from 'zod';
import { Countdown, type CountdownTime } from '../bus/countdown';
import type { AccessSize, BoardDevice } from '../bus/device';
import { DeviceState, unsigned } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';

// Registers of the watchdog of Allwinner's D1 (D1-H user manual §3.8.6): a RISC-V chip, whose driver stock kernels have.
const CONTROL = 0x10;
const CONFIGURATION = 0x14;
const MODE = 0x18;

/** What has to be written to CONTROL: 0xa57 as the key, and bit 0. */
const RESTART = (0xa57 << 1) | 1;
/** In the high half of what is written to CONFIGURATION and MODE. */
const KEY = 0x16aa;
/** CONFIGURATION: what happens at the end is a reset of the whole system, not an interrupt alone. */
const SYSTEM_RESET = 1;
const ENABLED = 1;
/** Milliseconds by the number in bits 4 to 7 of MODE; others are reserved, and last as long as the longest. */
const INTERVALS = [500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 12_000, 14_000, 16_000];
const INTERVAL_MAX = 16_000;

export interface WatchdogOptions extends CountdownTime {
  base: number;
  /** Nobody has calmed it in time. */
  bite: () => void;
}

/**
 * A watchdog, of the kind that Linux's driver sunxi_wdt knows: where the guest has switched it on and then does not write to it in time, it
 * bites. No time passes for it while the machine is paused. Its interrupt, which drivers do without, is not wired.
 */
export class Watchdog implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = 0x20;
  readonly accessSizes = { min: 4, max: 4 } as const;
  readonly #countdown: Countdown;
  #configuration = 0;
  #mode = 0;

  /** What was left of its time is not part of it: the guest has all of it again. */
  readonly state = new DeviceState(this, {
    version: 1,
    schema: z.strictObject({ configuration: unsigned(2), mode: unsigned(8) }),
    save: () => ({ configuration: this.#configuration, mode: this.#mode }),
    load:
      ({ configuration, mode }) =>
      () => {
        this.#configuration = configuration;
        this.#mode = mode;
        this.#restart();
      },
  });

  constructor(options: WatchdogOptions) {
    const end = (): void => {
      if (this.#configuration === SYSTEM_RESET) options.bite();
    };
    this.#countdown = new Countdown(end, options);
    this.base = options.base;
    this.name = `watchdog@${options.base.toString(16)}`;
  }

  read(offset: number): number {
    if (offset === CONFIGURATION) return this.#configuration;
    return offset === MODE ? this.#mode : 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset === CONTROL) {
      if (value === RESTART) this.#restart();
      return;
    }
    if (value >>> 16 !== KEY) return;
    if (offset === CONFIGURATION) this.#configuration = value & 3;
    if (offset !== MODE) return;
    this.#mode = value & 0xf1;
    this.#restart();
  }

  reset(): void {
    this.#configuration = 0;
    this.#mode = 0;
    this.#restart();
  }

  /** The machine is paused, or goes on. */
  setPaused(isPaused: boolean): void {
    this.#countdown.setPaused(isPaused);
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      properties: { compatible: 'allwinner,sun20i-d1-wdt', reg: [{ u64: this.base }, { u64: this.size }] },
    };
  }

  #restart(): void {
    if (this.#mode & ENABLED) this.#countdown.begin(INTERVALS[this.#mode >> 4] ?? INTERVAL_MAX);
    else this.#countdown.callOff();
  }
}
