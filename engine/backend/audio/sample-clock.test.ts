import { describe, expect, it } from 'vitest';
import { SampleClock } from './sample-clock';

/** A clock beside loudspeakers that run `pace` times as fast as the computer's, and report each 50 ms, `late` milliseconds late at most. */
function run(
  clock: SampleClock,
  time: { now: number },
  { pace, seconds, late = 0 }: { pace: number; seconds: number; late?: number },
): void {
  const from = time.now;
  for (let step = 1; step <= seconds * 20; step++) {
    const at = from + step * 50;
    time.now = at + late * ((step * 7919) % 11) * 0.1;
    clock.report(time, 5000 + (at - from) * pace);
  }
}

describe('the clock of samples', () => {
  it("is the computer's while nobody listens", () => {
    const time = { now: 100 };
    const clock = new SampleClock(() => time.now);
    const before = clock.now();
    time.now += 60_000;
    expect(clock.now() - before).toBe(60_000);
  });

  it.each([1.001, 0.9992])('keeps the pace of loudspeakers that run %f times as fast, though reports are late', (pace) => {
    const time = { now: 0 };
    const clock = new SampleClock(() => time.now);
    run(clock, time, { pace, seconds: 60, late: 30 });
    const before = [clock.now(), time.now];
    run(clock, time, { pace, seconds: 60, late: 30 });
    // Another sixty seconds of theirs; each run's first report comes at another time of theirs, so it starts over there.
    expect(Math.abs((clock.now() - before[0]) / (time.now - before[1]) - pace)).toBeLessThan(0.0005);
  });

  it('never jumps, stands still or goes back, whatever is reported', () => {
    const time = { now: 0 };
    const clock = new SampleClock(() => time.now);
    const other = {};
    let before = clock.now();
    for (let step = 0; step < 5000; step++) {
      time.now += (step * 31) % 90;
      const passed = (step * 31) % 90;
      clock.report(step % 3 === 0 ? other : time, ((step * 104_729) % 100_000) * 10);
      const now = clock.now();
      expect(now - before).toBeGreaterThanOrEqual(passed * 0.995 - 1e-6);
      expect(now - before).toBeLessThanOrEqual(passed * 1.005 + 1e-6);
      before = now;
    }
  });

  it("is the computer's again a second after the last report", () => {
    const time = { now: 0 };
    const clock = new SampleClock(() => time.now);
    run(clock, time, { pace: 1.004, seconds: 30 });
    time.now += 1001;
    const before = clock.now();
    time.now += 10_000;
    expect(clock.now() - before).toBeCloseTo(10_000, 6);
    run(clock, time, { pace: 1.004, seconds: 30 });
    clock.forget(time);
    const after = clock.now();
    time.now += 10_000;
    expect(clock.now() - after).toBeCloseTo(10_000, 6);
  });
});
