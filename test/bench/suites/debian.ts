import { type DebianMachine, prepareDebian, startDebian } from '../debian';
import type { BenchSuite, Measurement } from '../measurement';

const TO_LOGIN: Measurement = { name: 'Debian disk with systemd to its login', kind: 'cold', unit: 's' };

let machine: DebianMachine;

export const debian: BenchSuite = {
  description: 'seconds from starting the process to the login prompt of Debian with systemd on a disk',
  measurements: [TO_LOGIN],
  async prepare(context) {
    machine = await prepareDebian(context);
  },
  async run(context, peer) {
    const { session, seconds } = await startDebian(machine, context, peer);
    await session.stop();
    context.record(peer, TO_LOGIN, seconds);
  },
};
