import { z } from 'zod';
import type { AccessSize, BoardDevice, InterruptLine } from '../bus/device';
import { DeviceState, unsigned } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';

// Register map of the "goldfish" virtual platform's RTC. Times are nanoseconds since 1970.
const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const NS_PER_MS = 1_000_000n;
/** How often an alarm's time is looked at, in milliseconds: the host's clock may be set, and timers stand still while the host sleeps. */
const LOOK_EVERY = 10_000;

const NS_MAX = 2n ** 64n;

const stateSchema = z.strictObject({
  /** Guest time minus host time, nanoseconds in decimal. */
  offset: z.string().regex(/^-?\d{1,20}$/),
  alarm: z.string().regex(/^\d{1,20}$/),
  alarmArmed: z.boolean(),
  interruptEnabled: z.boolean(),
  interruptPending: z.boolean(),
  timeHigh: unsigned(32),
  alarmHigh: unsigned(32),
});

/** Goldfish real-time clock: the host's time of day with an alarm interrupt. The guest may set its own time. */
export class GoldfishRtc implements BoardDevice {
  readonly name: string;
  readonly base: number;
  /** That of its registers; the device tree gives it a page, as QEMU's does. */
  readonly size = 0x24;
  readonly accessSizes = { min: 4, max: 4 } as const;
  private readonly line: InterruptLine;
  private offset = 0n;
  private timeHigh = 0;
  private alarmHigh = 0;
  private alarm = 0n;
  private alarmArmed = false;
  private interruptEnabled = false;
  private interruptPending = false;
  private timer: NodeJS.Timeout | undefined;

  readonly state = new DeviceState(this, {
    version: 1,
    schema: stateSchema,
    save: () => {
      const { alarmArmed, interruptEnabled, interruptPending, timeHigh, alarmHigh } = this;
      const times = { offset: this.offset.toString(), alarm: this.alarm.toString() };
      return { ...times, alarmArmed, interruptEnabled, interruptPending, timeHigh, alarmHigh };
    },
    load: ({ offset, alarm, ...registers }, refuse) => {
      const when = BigInt(alarm);
      if (when >= NS_MAX) refuse('the alarm is set to a time that it cannot have');
      return () => {
        Object.assign(this, registers);
        this.offset = BigInt(offset);
        this.alarm = when;
        this.setTimer();
        this.update();
      };
    },
  });

  constructor(options: { base: number; line: InterruptLine }) {
    this.base = options.base;
    this.name = `rtc@${options.base.toString(16)}`;
    this.line = options.line;
  }

  read(offset: number, _size: AccessSize): number {
    switch (offset) {
      case TIME_LOW: {
        // Reading the low half latches the high half of the same instant.
        const now = this.now();
        this.timeHigh = Number(BigInt.asUintN(32, now >> 32n));
        return Number(BigInt.asUintN(32, now));
      }
      case TIME_HIGH:
        return this.timeHigh;
      case ALARM_LOW:
        return Number(BigInt.asUintN(32, this.alarm));
      case ALARM_HIGH:
        return Number(BigInt.asUintN(32, this.alarm >> 32n));
      case IRQ_ENABLED:
        return this.interruptEnabled ? 1 : 0;
      case ALARM_STATUS:
        return this.alarmArmed ? 1 : 0;
      default:
        return 0;
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    switch (offset) {
      case TIME_LOW:
        // The driver writes the high half first; the low half makes the time take effect.
        this.offset += ((BigInt(this.timeHigh) << 32n) | BigInt(value)) - this.now();
        this.schedule();
        break;
      case TIME_HIGH:
        this.timeHigh = value;
        break;
      case ALARM_LOW:
        this.alarm = (BigInt(this.alarmHigh) << 32n) | BigInt(value);
        this.alarmArmed = true;
        this.schedule();
        break;
      case ALARM_HIGH:
        this.alarmHigh = value;
        break;
      case IRQ_ENABLED:
        this.interruptEnabled = (value & 1) !== 0;
        this.update();
        break;
      case CLEAR_ALARM:
        this.alarmArmed = false;
        this.schedule();
        break;
      case CLEAR_INTERRUPT:
        this.interruptPending = false;
        this.update();
        break;
    }
  }

  reset(): void {
    this.offset = 0n;
    this.alarm = 0n;
    this.alarmArmed = false;
    this.interruptEnabled = false;
    this.interruptPending = false;
    this.timeHigh = 0;
    this.alarmHigh = 0;
    this.setTimer();
    this.update();
  }

  /** Stops the alarm's timer; the device is not used afterwards. */
  close(): void {
    clearTimeout(this.timer);
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      properties: {
        compatible: 'google,goldfish-rtc',
        reg: [{ u64: this.base }, { u64: 0x1000 }],
        ...this.line.deviceTree,
      },
    };
  }

  private now(): bigint {
    return BigInt(Date.now()) * NS_PER_MS + this.offset;
  }

  /** The time or the alarm is another: ring at once, or when it is time. */
  private schedule(): void {
    if (this.alarmArmed && this.alarm <= this.now()) {
      this.alarmArmed = false;
      this.interruptPending = true;
      this.update();
    }
    this.setTimer();
  }

  /** Set the host timer for the alarm, or for the next look at it. */
  private setTimer(): void {
    clearTimeout(this.timer);
    if (!this.alarmArmed) return;
    const wait = this.alarm - this.now();
    const milliseconds = wait > 0n ? wait / NS_PER_MS + 1n : 0n;
    this.timer = setTimeout(() => this.schedule(), milliseconds > LOOK_EVERY ? LOOK_EVERY : Number(milliseconds));
    this.timer.unref();
  }

  private update(): void {
    this.line.setLevel(this.interruptPending && this.interruptEnabled);
  }
}
