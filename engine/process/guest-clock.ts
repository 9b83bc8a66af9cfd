import { MACHINE_CLOCK_OFFSET } from '../memory/layout';

/**
 * Guest time in timebase ticks, the same in every thread: the host's monotonic clock plus an offset in shared memory.
 * The offset changes only while no hart runs (start, resume) or by a hart's own write to mtime.
 */
export class GuestClock {
  private readonly offset: Float64Array;
  private readonly ticksPerMs: number;
  /** performance.now() counts from a different origin in every thread; this makes it the monotonic clock, in ms. */
  private readonly origin: number;

  /** `timebase` in Hz. */
  constructor(memory: WebAssembly.Memory, timebase = 10_000_000) {
    this.offset = new Float64Array(memory.buffer, MACHINE_CLOCK_OFFSET, 1);
    this.ticksPerMs = timebase / 1000;
    this.origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  }

  /** Ticks since the machine was switched on, not counting pauses; a whole number. */
  now(): number {
    return Math.floor((performance.now() + this.origin) * this.ticksPerMs + this.offset[0]);
  }

  /** Make it be `ticks` now. */
  set(ticks: number): void {
    this.offset[0] += ticks - this.now();
  }
}
