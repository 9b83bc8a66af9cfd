import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MockLine } from '../../test/support/mock-places';
import { GoldfishRtc } from './goldfish-rtc';

const NOW = 1_750_000_000_123;

function setUp() {
  const line = new MockLine();
  const rtc = new GoldfishRtc({
    base: 0x101000,
    line,
  });
  const time = () => {
    const low = rtc.read(0, 4);
    return (BigInt(rtc.read(4, 4)) << 32n) | BigInt(low);
  };
  const write64 = (offset: number, value: bigint) => {
    rtc.write(offset + 4, 4, Number(value >> 32n));
    rtc.write(offset, 4, Number(BigInt.asUintN(32, value)));
  };
  return { rtc, line, time, write64 };
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('GoldfishRtc', () => {
  it('tells the time of day in nanoseconds', () => {
    expect(setUp().time()).toBe(BigInt(NOW) * 1_000_000n);
  });

  it('can be set, and goes on from there', () => {
    const { time, write64 } = setUp();
    write64(0, 5_000_000_000n);
    vi.advanceTimersByTime(1500);
    expect(time()).toBe(6_500_000_000n);
  });

  it('raises its line at the alarm when that is enabled, until it is cleared', () => {
    const { rtc, line, write64 } = setUp();
    rtc.write(0x10, 4, 1);
    write64(8, (BigInt(NOW) + 1000n) * 1_000_000n);
    expect(rtc.read(0x18, 4)).toBe(1);
    vi.advanceTimersByTime(990);
    expect(line.level).toBe(false);
    vi.advanceTimersByTime(20);
    expect(line.level).toBe(true);
    expect(rtc.read(0x18, 4)).toBe(0);
    rtc.write(0x1c, 4, 1);
    expect(line.level).toBe(false);
  });

  it('fires at once for an alarm in the past, waits for one months away, and can cancel it', () => {
    const { rtc, line, write64 } = setUp();
    rtc.write(0x10, 4, 1);
    write64(8, 1n);
    expect(line.level).toBe(true);
    rtc.write(0x1c, 4, 1);
    const days = 60 * 86_400_000;
    write64(8, BigInt(NOW + days) * 1_000_000n);
    vi.advanceTimersByTime(days - 1000);
    expect(line.level).toBe(false);
    vi.advanceTimersByTime(2000);
    expect(line.level).toBe(true);
    rtc.write(0x1c, 4, 1);
    write64(8, BigInt(NOW + 2 * days) * 1_000_000n);
    rtc.write(0x14, 4, 1);
    expect(rtc.read(0x18, 4)).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fires soon where the host’s clock is set past the alarm, and not where it is set back', () => {
    const { rtc, line, write64 } = setUp();
    rtc.write(0x10, 4, 1);
    write64(8, BigInt(NOW + 3600_000) * 1_000_000n);
    vi.setSystemTime(NOW - 86_400_000);
    vi.advanceTimersByTime(3600_000);
    expect(line.level).toBe(false);
    // As after a night's sleep, over which timers stood still.
    vi.setSystemTime(NOW + 8 * 3600_000);
    vi.advanceTimersByTime(10_000);
    expect(line.level).toBe(true);
  });

  it('saves and restores time, alarm and interrupt', () => {
    const { rtc, write64 } = setUp();
    write64(0, 1_000_000_000n);
    rtc.write(0x10, 4, 1);
    write64(8, 2_000_000_000n);
    const saved = JSON.parse(JSON.stringify(rtc.state.snapshot()));
    rtc.reset();
    expect(vi.getTimerCount()).toBe(0);
    const other = setUp();
    other.rtc.state.restore(saved);
    expect(other.time()).toBe(1_000_000_000n);
    vi.advanceTimersByTime(1001);
    expect(other.line.level).toBe(true);
    other.rtc.close();
  });
});
