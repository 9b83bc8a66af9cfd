import { afterEach, expect, it, vi } from 'vitest';
import { VmError } from '../errors/vm-error';
import { WarningGate } from './warning-gate';

afterEach(() => {
  vi.useRealTimers();
});

it('passes a few warnings at once, of a flood one a second, and says how many it left out', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const passed: string[] = [];
  const gate = new WarningGate(({ message }) => passed.push(message));
  const warn = (count: number): void => {
    for (let i = 0; i < count; i++) gate.warn(new VmError('Guest', `warning ${i}`));
  };
  warn(1000);
  expect(passed).toHaveLength(20);
  vi.advanceTimersByTime(1000);
  warn(10);
  expect(passed.slice(20)).toEqual([expect.stringMatching(/^980 further warnings were left out/), 'warning 0']);
  vi.advanceTimersByTime(3600_000);
  warn(1);
  expect(passed.slice(22)).toEqual([expect.stringMatching(/^9 further/), 'warning 0']);
  warn(1000);
  expect(passed).toHaveLength(24 + 19);
});
