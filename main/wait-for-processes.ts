/** Time between two looks, in milliseconds. */
const INTERVAL_MS = 20;

/** Block this thread until none of these processes is left, or the time is over. Returns whether none is left. */
export function waitForProcesses(pids: readonly number[], milliseconds: number): boolean {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + milliseconds;
  while (pids.some(lives)) {
    if (performance.now() >= deadline) return false;
    Atomics.wait(never, 0, 0, INTERVAL_MS);
  }
  return true;
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
