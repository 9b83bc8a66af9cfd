import type { MmioDevice } from '../bus/device';
import { Plic } from './plic';
import type { WiredController } from './wired-controller';

/** Which interrupt controllers a machine has, and where. Plain data: it goes to the harts' threads. */
export interface InterruptPlan {
  kind: 'plic';
  base: number;
  sources: number;
}

/** A machine's interrupt controllers. All their state lies in the shared memory: each thread makes them anew and uses them. */
export class InterruptControllers {
  /** Where the devices' wires go. */
  readonly wires: WiredController;
  /** What the bus answers for them. */
  readonly devices: MmioDevice[];

  constructor(memory: WebAssembly.Memory, harts: number, plan: InterruptPlan) {
    const plic = new Plic({ memory, base: plan.base, sources: plan.sources, contexts: 2 * harts });
    this.wires = plic;
    this.devices = [plic];
  }
}
