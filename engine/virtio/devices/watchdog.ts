import { z } from 'zod';
import type { AccessSize } from '../../bus/device';
import { Countdown, type CountdownTime } from '../../bus/countdown';
import { DeviceState, unsigned } from '../../bus/device-state';
import { DeviceError } from '../../errors/vm-error';
import { VirtioDevice } from '../device';

/** Ours: the configuration space says how long the device waits, and the driver can change that. */
export const VIRTIO_WATCHDOG_F_TIMEOUT = 0;
/** What drivers that cannot say are given, milliseconds: they calm it every 15 s. */
const TIMEOUT_DEFAULT = 20_000;
const TIMEOUT_MAX = 24 * 3_600_000;
const PINGS = 8;

export interface VirtioWatchdogOptions extends CountdownTime {
  /** Nobody has calmed it in time. */
  bite: () => void;
}

/**
 * A watchdog. The specification has its number (virtio 1.3 §5: 35) and no text; the queue is as Cloud Hypervisor has it
 * (virtio-devices/src/watchdog.rs) and the driver made for that: each chain has a byte to be written, to which the device writes 1; the first one switches the
 * watchdog on, and each gives the guest 20 s more.
 *
 * With VIRTIO_WATCHDOG_F_TIMEOUT there are 4 bytes of configuration, how many milliseconds that is: 1000 to 86,400,000. The driver may write them, and 0
 * switches it off until the next chain. No time passes while the machine is paused.
 */
export class VirtioWatchdog extends VirtioDevice {
  readonly name = 'virtio-watchdog';
  readonly deviceId = 35;
  readonly queueSizes = [PINGS];
  readonly #countdown: Countdown;

  /** What was left of its time is not part of it: the guest has all of it again. */
  override readonly state = new DeviceState(this, {
    version: 1,
    schema: z.strictObject({ timeout: unsigned(32), on: z.boolean() }),
    save: () => ({ timeout: this.#timeout, on: this.#countdown.isOn }),
    load:
      ({ timeout, on }) =>
      () => {
        this.config.setUint32(0, timeout, true);
        if (on) this.#countdown.begin(timeout);
      },
  });

  constructor({ bite, clock, later }: VirtioWatchdogOptions) {
    super([VIRTIO_WATCHDOG_F_TIMEOUT], new DataView(new ArrayBuffer(4)));
    this.config.setUint32(0, TIMEOUT_DEFAULT, true);
    this.#countdown = new Countdown(bite, { ...(clock && { clock }), ...(later && { later }) });
  }

  get #timeout(): number {
    return this.config.getUint32(0, true);
  }

  override writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset !== 0 || size !== 4 || !this.hasFeature(VIRTIO_WATCHDOG_F_TIMEOUT)) return;
    if (value === 0) {
      this.#countdown.callOff();
      return;
    }
    this.config.setUint32(0, Math.max(1000, Math.min(TIMEOUT_MAX, value)), true);
    if (this.#countdown.isOn) this.#countdown.begin(this.#timeout);
  }

  /** The machine is paused, or goes on. */
  setPaused(isPaused: boolean): void {
    this.#countdown.setPaused(isPaused);
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const { writable } = chain;
      if (writable.length > 0) {
        writable.writeU8(0, 1);
        this.#countdown.begin(this.#timeout);
      }
      this.queue(index)?.complete(chain, Math.min(1, writable.length));
      if (writable.length === 0) throw DeviceError.InvalidParameter('A request has no byte to be written.');
    }
  }

  protected override onReset(): void {
    this.#countdown.callOff();
    this.config.setUint32(0, TIMEOUT_DEFAULT, true);
  }
}
