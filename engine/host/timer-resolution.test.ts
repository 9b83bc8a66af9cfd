import { expect, it } from 'vitest';
import { type TimerApi, TimerResolution } from './timer-resolution';

function fakeWindows(): { calls: string[]; api: TimerApi } {
  const calls: string[] = [];
  return {
    calls,
    api: {
      timeBeginPeriod: (milliseconds) => calls.push(`begin ${milliseconds}`),
      timeEndPeriod: (milliseconds) => calls.push(`end ${milliseconds}`),
      setProcessInformation: (kind, information) => {
        calls.push(`set ${kind}: ${[0, 4, 8].map((offset) => information.readUInt32LE(offset)).join(' ')}`);
        return false;
      },
    },
  };
}

it('asks Windows for fine timers while anybody needs them, also behind other windows, and gives them back once', () => {
  const { calls, api } = fakeWindows();
  const timers = new TimerResolution(() => api);
  const one = timers.hold();
  const two = timers.hold();
  // PROCESS_POWER_THROTTLING_STATE version 1: the flag "ignore timer resolution" is ours, and off.
  expect(calls.splice(0)).toEqual(['set 4: 1 4 0', 'begin 1']);
  one();
  one();
  expect(calls).toEqual([]);
  two();
  expect(calls.splice(0)).toEqual(['end 1', 'set 4: 1 0 0']);
  timers.hold()();
  expect(calls).toEqual(['set 4: 1 4 0', 'begin 1', 'end 1', 'set 4: 1 0 0']);
});

it('does nothing where there is nothing to ask', () => {
  expect(() => new TimerResolution(() => undefined).hold()()).not.toThrow();
});
