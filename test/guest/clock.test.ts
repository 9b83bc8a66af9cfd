import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { killHartboxes, startHartbox } from '../support/hartbox-process';

afterEach(killHartboxes);

/** How long the process stands still, in seconds: several times what the guest's watchdog, set to its shortest, waits. */
const STOPPED = 8;

const SCRIPT = `
  echo 1 > /proc/sys/kernel/watchdog_thresh
  cut -d ' ' -f 1 /proc/uptime
  echo ready
  read line
  cut -d ' ' -f 1 /proc/uptime
  date +%s
  hwclock -s
  date +%s
  sleep 1
  cut -d ' ' -f 1 /proc/uptime
  dmesg | grep -iE 'lockup|stall' | head -3
  echo over
`;

/** What the guest's clocks say before and after its process was stopped, in seconds, and what its kernel said of it. */
async function stopped(hostSleep: string) {
  const { child, ended, says } = startHartbox(['exec', '--harts', '2', '--host-sleep', hostSleep, '--', 'sh', '-c', SCRIPT]);
  await says(/ready/);
  const start = performance.now();
  child.kill('SIGSTOP');
  await delay(STOPPED * 1000);
  child.kill('SIGCONT');
  child.stdin.write('go\n');
  const { stdout, code } = await ended;
  const took = (performance.now() - start) / 1000;
  expect(code).toBe(0);
  const [before, , after, date, set, later, ...complaints] = stdout.toString().trim().split('\n');
  return {
    gap: Number(after) - Number(before),
    took,
    date: Number(date),
    set: Number(set),
    slept: Number(later) - Number(after),
    complaints,
  };
}

describe.skipIf(process.platform === 'win32')('a guest whose process was stopped', () => {
  it('finds no gap where its clock was held, and the time of day in the real-time clock', async () => {
    const { gap, took, date, set, slept, complaints } = await stopped('hold');
    expect(gap).toBeGreaterThanOrEqual(0);
    // What the timer that notes beats may lag behind.
    expect(gap).toBeLessThan(took - STOPPED + 1);
    expect(slept).toBeGreaterThanOrEqual(1);
    expect(set - date).toBeGreaterThanOrEqual(STOPPED - 2);
    expect(Math.abs(set - Date.now() / 1000)).toBeLessThan(took);
    expect(complaints).toEqual(['over']);
  }, 120_000);

  it('finds the gap where its clock went on', async () => {
    const { gap, slept } = await stopped('run');
    expect(gap).toBeGreaterThanOrEqual(STOPPED);
    expect(slept).toBeGreaterThanOrEqual(1);
  }, 120_000);
});
