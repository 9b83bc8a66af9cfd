import type { AccessSize, InterruptLine, MmioDevice } from '../bus/device';
import type { DeviceTreeNode } from './device-tree';

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
/** Longest delay that setTimeout takes, in milliseconds. */
const MAX_DELAY = 0x7fff_ffff;

export interface GoldfishRtcSnapshot {
  /** Guest time minus host time, nanoseconds in decimal. */
  offset: string;
  alarm: string;
  alarmArmed: boolean;
  interruptEnabled: boolean;
  interruptPending: boolean;
  timeHigh: number;
  alarmHigh: number;
}

/** Goldfish real-time clock: the host's time of day with an alarm interrupt. The guest may set its own time. */
export class GoldfishRtc implements MmioDevice {
  readonly name: string;
  readonly base: number;
  readonly size = 0x1000;
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
    this.restore({
      offset: '0',
      alarm: '0',
      alarmArmed: false,
      interruptEnabled: false,
      interruptPending: false,
      timeHigh: 0,
      alarmHigh: 0,
    });
  }

  /** Stops the alarm's timer; the device is not used afterwards. */
  close(): void {
    clearTimeout(this.timer);
  }

  snapshot(): GoldfishRtcSnapshot {
    return {
      offset: this.offset.toString(),
      alarm: this.alarm.toString(),
      alarmArmed: this.alarmArmed,
      interruptEnabled: this.interruptEnabled,
      interruptPending: this.interruptPending,
      timeHigh: this.timeHigh,
      alarmHigh: this.alarmHigh,
    };
  }

  restore(state: GoldfishRtcSnapshot): void {
    this.offset = BigInt(state.offset);
    this.alarm = BigInt(state.alarm);
    this.alarmArmed = state.alarmArmed;
    this.interruptEnabled = state.interruptEnabled;
    this.interruptPending = state.interruptPending;
    this.timeHigh = state.timeHigh;
    this.alarmHigh = state.alarmHigh;
    this.schedule();
    this.update();
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      properties: {
        compatible: 'google,goldfish-rtc',
        reg: [{ u64: this.base }, { u64: this.size }],
        ...this.line.deviceTree,
      },
    };
  }

  private now(): bigint {
    return BigInt(Date.now()) * NS_PER_MS + this.offset;
  }

  /** Set the host timer for the alarm, which may be further away than one timer reaches. */
  private schedule(): void {
    clearTimeout(this.timer);
    if (!this.alarmArmed) return;
    const wait = this.alarm - this.now();
    if (wait <= 0n) {
      this.alarmArmed = false;
      this.interruptPending = true;
      this.update();
      return;
    }
    const milliseconds = wait / NS_PER_MS + 1n;
    this.timer = setTimeout(() => this.schedule(), milliseconds > MAX_DELAY ? MAX_DELAY : Number(milliseconds));
    this.timer.unref();
  }

  private update(): void {
    this.line.setLevel(this.interruptPending && this.interruptEnabled);
  }
}
