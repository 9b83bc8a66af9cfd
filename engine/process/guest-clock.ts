import { MACHINE_CLOCK_OFFSET } from '../memory/layout';

/** Milliseconds from the monotonic clock's zero to performance.now()'s; the best of several tries, as a thread may be put aside in between. */
function monotonicOrigin(): number {
  let origin = 0;
  let best = Infinity;
  for (let i = 0; i < 16; i++) {
    const before = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before < best) {
      best = after - before;
      origin = monotonic - (before + after) / 2;
    }
  }
  return origin;
}

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
    this.origin = monotonicOrigin();
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
