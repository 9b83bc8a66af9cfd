/** What calls may take of the device thread, in milliseconds: it grows by half of the time that passes, up to this. */
const CREDIT_MAX = 4;
/** A call that took longer, in milliseconds, has waited for a disk, or this thread had to leave its processor to another. */
const SLOW = 1;
/** It counts so many times: devices wait for such calls a twentieth of the time at most. */
const SLOW_COUNTS = 10;

let credit = CREDIT_MAX;
let countedAt = 0;

/** Do nothing at once from now on: what never answered would stop all devices, and nobody could stop the box. */
export function leaveToThreads(): void {
  credit = -Infinity;
}

/**
 * Ask the host for what mostly takes it microseconds, as it has what it needs in memory: at once, where to have one of Node's threads do it
 * would take ten times as long. Where it turns out to be slow, or there is much to do, by the threads for a while, so that the event loop
 * has its turn and devices do not wait.
 */
export function quickly<T>(atOnce: () => T, byThreads: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  credit = Math.min(CREDIT_MAX, credit + (begun - countedAt) / 2);
  countedAt = begun;
  if (credit <= 0) return byThreads();
  const answer = new Promise<T>((resolve) => resolve(atOnce()));
  const took = performance.now() - begun;
  credit -= took > SLOW ? took * SLOW_COUNTS : took;
  return answer;
}
