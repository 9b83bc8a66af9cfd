import { expect, it } from 'vitest';
import { bootPart, secondsLeft } from './boot-estimate';

it.each([
  [undefined, 5, undefined, undefined],
  [10, 0, 0, 10],
  [10, 2.5, 0.25, 8],
  [10, 60, 0.97, 0],
  // The clock of this computer was set back.
  [10, -5, 0, 15],
] as const)('of a start that took %s s the last time, after %s s', (expected, seconds, part, left) => {
  const boot = { stage: 'kernel', since: 1000, ...(expected !== undefined && { expected }) } as const;
  expect(bootPart(boot, 1000 + seconds * 1000)).toBe(part);
  expect(secondsLeft(boot, 1000 + seconds * 1000)).toBe(left);
});
