import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchSuite, Measurement } from '../measurement';
import { PROMPT } from '../prompt';

/** The default guest looks for its ports for a few seconds after it is up, and hot code is still being translated. */
const SETTLE_SECONDS = 20;
const IDLE_SECONDS = 10;
/** Linux counts process times in these a second (USER_HZ). */
const TICKS_PER_SECOND = 100;

const TO_PROMPT: Measurement = { name: 'boot to the shell prompt', kind: 'cold', unit: 's' };
const IDLE: Measurement = { name: 'idle at the prompt', kind: 'idle', unit: '% of a core' };

export const boot: BenchSuite = {
  description: 'seconds from starting the process to the shell prompt; CPU use of a guest that waits there',
  measurements: [TO_PROMPT, IDLE],
  async run({ guest, chosen, record }, peer) {
    const start = performance.now();
    const session = peer.start(guest);
    try {
      await session.expect(PROMPT, 120);
      if (chosen(TO_PROMPT)) record(peer, TO_PROMPT, (performance.now() - start) / 1000);
      if (!chosen(IDLE)) return;
      await delay(SETTLE_SECONDS * 1000);
      const [used, at] = [cpuSeconds(session.pid), performance.now()];
      await delay(IDLE_SECONDS * 1000);
      record(peer, IDLE, ((cpuSeconds(session.pid) - used) / ((performance.now() - at) / 1000)) * 100);
    } finally {
      await session.stop();
    }
  },
};

/** CPU time that a process with all its threads has used (proc(5): utime and stime). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
