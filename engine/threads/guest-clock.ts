import { uptime } from 'node:os';
import { MACHINE_CLOCK_BEAT, MACHINE_CLOCK_EPOCH, MACHINE_CLOCK_OFFSET } from '../memory/layout';

/** What guest time does while this process is stopped or its host sleeps: stand still, or go on, so that the guest finds a gap. */
export type HostSleep = 'hold' | 'run';

/** How often it is noted that threads run, in milliseconds. When guest time was held it goes on this much ahead, so that it never goes back. */
export const BEAT_MS = 500;
/** Silence after which nothing ran, in milliseconds: a busy host keeps a thread waiting too. */
const GAP_MS = 2000;
const DAY_MS = 86_400_000;

/** What the host tells of time, in milliseconds. */
export interface HostTime {
  /** The same for all threads. Linux stops it while the host sleeps, macOS and Windows do not. */
  monotonic: () => number;
  /** The same with the time that the host slept, on every system; coarser. */
  uptime: () => number;
}

function hostTime(): HostTime {
  // performance.now() counts from a different origin in every thread.
  const origin = monotonicOrigin();
  return { monotonic: () => performance.now() + origin, uptime: () => uptime() * 1000 };
}

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
 * Guest time in timebase ticks, the same in every thread: the host's monotonic clock plus an offset in shared memory. The host's time of day
 * has no part in it. The offset changes while no hart runs (start, resume), by a hart's own write to mtime, and as `keep` says.
 */
export class GuestClock {
  private readonly offset: Float64Array;
  private readonly words: Int32Array;
  private readonly ticksPerMs: number;

  /** `timebase` in Hz. */
  constructor(
    memory: WebAssembly.Memory,
    timebase = 10_000_000,
    private readonly host: HostTime = hostTime(),
  ) {
    this.offset = new Float64Array(memory.buffer, MACHINE_CLOCK_OFFSET, 1);
    this.words = new Int32Array(memory.buffer);
    this.ticksPerMs = timebase / 1000;
  }

  /** Ticks since the machine was switched on, not counting pauses; a whole number that never goes back. */
  now(): number {
    for (;;) {
      // A thread that was stopped between two steps must not put together what belongs to different times.
      const epoch = Atomics.load(this.words, MACHINE_CLOCK_EPOCH >> 2);
      const time = this.host.monotonic();
      if ((epoch & 1) !== 0 || this.endsGap(time, epoch)) continue;
      const ticks = Math.floor(time * this.ticksPerMs + this.offset[0]);
      if (Atomics.load(this.words, MACHINE_CLOCK_EPOCH >> 2) === epoch) return ticks;
    }
  }

  /** Make it be `ticks` now. */
  set(ticks: number): void {
    this.change(ticks - this.now());
  }

  /**
   * From now on, while harts run, hold guest time through gaps or let it go on. Returns what ends that. Gaps shorter than GAP_MS are not
   * noticed: they are as if the host had been busy.
   */
  keep(what: HostSleep): () => void {
    const { words, host } = this;
    const look = what === 'hold' ? () => void this.now() : this.sleepWatch();
    if (what === 'hold') Atomics.store(words, MACHINE_CLOCK_BEAT >> 2, beatAt(host.monotonic()));
    const timer = setInterval(look, BEAT_MS);
    timer.unref();
    return () => {
      clearInterval(timer);
      Atomics.store(words, MACHINE_CLOCK_BEAT >> 2, 0);
    };
  }

  /** Adds what the monotonic clock leaves out: sleep of the host, under Linux. */
  private sleepWatch(): () => void {
    const { uptime: up, monotonic } = this.host;
    let slept = up() - monotonic();
    return () => {
      const more = up() - monotonic() - slept;
      if (more < GAP_MS) return;
      slept += more;
      this.change(more * this.ticksPerMs);
    };
  }

  /** Note that this thread runs; where none has for too long, take that time out again. Returns whether time may be another now. */
  private endsGap(time: number, epoch: number): boolean {
    const { words } = this;
    const beat = Atomics.load(words, MACHINE_CLOCK_BEAT >> 2);
    if (beat === 0) return false;
    // As unsigned, up to 48 days; of a thread that read the time before another noted its beat, less than 0.
    const silence = ((beatAt(time) - beat + DAY_MS) >>> 0) - DAY_MS;
    if (silence < BEAT_MS) return false;
    if (silence < GAP_MS) Atomics.compareExchange(words, MACHINE_CLOCK_BEAT >> 2, beat, beatAt(time));
    else if (Atomics.compareExchange(words, MACHINE_CLOCK_EPOCH >> 2, epoch, epoch + 1) === epoch) {
      this.offset[0] -= (silence - BEAT_MS - 1) * this.ticksPerMs;
      Atomics.store(words, MACHINE_CLOCK_BEAT >> 2, beatAt(time));
      Atomics.add(words, MACHINE_CLOCK_EPOCH >> 2, 1);
    }
    return silence >= GAP_MS;
  }

  /** Add to the offset, in ticks, while nobody else reads or changes it. */
  private change(by: number): void {
    const word = MACHINE_CLOCK_EPOCH >> 2;
    for (;;) {
      const epoch = Atomics.load(this.words, word);
      if ((epoch & 1) === 0 && Atomics.compareExchange(this.words, word, epoch, epoch + 1) === epoch) break;
    }
    this.offset[0] += by;
    Atomics.add(this.words, word, 1);
  }
}

/** Odd, so that it is never 0; as 32 bits, of which only differences count. */
function beatAt(time: number): number {
  return Math.floor(time) | 1;
}
