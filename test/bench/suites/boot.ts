import { setTimeout as delay } from 'node:timers/promises';
import type { BenchSuite, Measurement } from '../measurement';
import { PROMPT } from '../prompt';

/** The default guest looks for its ports for a few seconds after it is up, and hot code is still being translated. */
const SETTLE_SECONDS = 20;
const IDLE_SECONDS = 10;

const TO_PROMPT: Measurement = { name: 'boot to the shell prompt', kind: 'cold', unit: 's' };
const IDLE: Measurement = { name: 'idle at the prompt', kind: 'idle', unit: '% of a core' };

export const boot: BenchSuite = {
  description: 'seconds from starting the process to the shell prompt; CPU use of a guest that waits there',
  measurements: [TO_PROMPT, IDLE],
  async run({ guest, chosen, record, cpuTime }, peer) {
    const start = performance.now();
    const session = peer.start(guest);
    try {
      await session.expect(PROMPT, 120);
      if (chosen(TO_PROMPT)) record(peer, TO_PROMPT, cpuTime ? session.cpuSeconds : (performance.now() - start) / 1000);
      if (!chosen(IDLE)) return;
      await delay(SETTLE_SECONDS * 1000);
      const [used, at] = [session.cpuSeconds, performance.now()];
      await delay(IDLE_SECONDS * 1000);
      record(peer, IDLE, ((session.cpuSeconds - used) / ((performance.now() - at) / 1000)) * 100);
    } finally {
      await session.stop();
    }
  },
};
