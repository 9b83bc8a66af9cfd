import type { VmView } from '../main/contract';

type Boot = NonNullable<VmView['boot']>;

/** Which part of the start is done, at a moment in milliseconds since 1970; undefined where nobody knows how long it takes. Never all of it. */
export function bootPart({ since, expected }: Boot, now: number): number | undefined {
  if (expected === undefined) return undefined;
  return Math.min(0.97, Math.max(0, (now - since) / 1000 / expected));
}

/** Whole seconds that it still takes, by the last time; 0 where it takes longer than that. */
export function secondsLeft({ since, expected }: Boot, now: number): number | undefined {
  return expected === undefined ? undefined : Math.max(0, Math.ceil(expected - (now - since) / 1000));
}
