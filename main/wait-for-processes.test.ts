import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { waitForProcesses } from './wait-for-processes';

it('waits until all are gone, and no longer than told', async () => {
  // A child of ours stays known until we have heard of its end, for which we must not block: this one is its parent's.
  const parent = spawn(process.execPath, [
    '-e',
    `const child = require('node:child_process').spawn(process.execPath, ['-e', 'setTimeout(() => 0, 800)'], { stdio: 'ignore' });
     process.stdout.write(String(child.pid));`,
  ]);
  try {
    const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
    const before = performance.now();
    expect(waitForProcesses([Number(pid)], 100)).toBe(false);
    expect(performance.now() - before).toBeLessThan(700);
    expect(waitForProcesses([Number(pid)], 20_000)).toBe(true);
    expect(performance.now() - before).toBeLessThan(15_000);
    expect(waitForProcesses([], 0)).toBe(true);
  } finally {
    parent.kill('SIGKILL');
  }
});
