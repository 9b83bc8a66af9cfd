import type { BoardDevice } from '../bus/device';
import { Aplic } from './aplic';
import { Imsics } from './imsics';
import { Plic } from './plic';

/** Guest-physical addresses of something that is there once for machine level and once for supervisor level. */
interface ByLevel {
  machine: number;
  supervisor: number;
}

/** Which interrupt controllers a machine has, and where. Plain data: it goes to the harts' threads. */
export type InterruptPlan =
  | { kind: 'plic'; base: number; sources: number }
  | { kind: 'aplic'; domains: ByLevel; sources: number; imsics?: ByLevel };

/** A machine's interrupt controllers. All their state lies in the shared memory: each thread makes them anew and uses them. */
export class InterruptControllers {
  /** Where the devices' wires go. */
  readonly wires: Plic | Aplic;
  /** What the bus answers for them. */
  readonly devices: BoardDevice[];
  /** Label of the node that devices send messages to (`msi-parent`), where the harts have IMSICs. */
  readonly messageParent: string | undefined;
  private readonly imsics: Imsics[] = [];

  constructor(memory: WebAssembly.Memory, harts: number, plan: InterruptPlan) {
    if (plan.kind === 'plic') {
      this.wires = new Plic({ memory, base: plan.base, sources: plan.sources, contexts: 2 * harts });
      this.devices = [this.wires];
      return;
    }
    const { domains, sources, imsics } = plan;
    if (imsics) {
      this.imsics.push(new Imsics({ memory, base: imsics.machine, harts, level: 'machine' }));
      this.imsics.push(new Imsics({ memory, base: imsics.supervisor, harts, level: 'supervisor' }));
      this.messageParent = 'imsic_s';
    }
    const sendMessage = imsics && ((address: number, data: number) => this.sendMessage(address, data));
    this.wires = new Aplic({ memory, ...domains, harts, sources, sendMessage });
    this.devices = [...this.imsics, ...this.wires.domains];
  }

  /**
   * A message-signalled interrupt: a write of 32 bits to a guest-physical address. From any thread. Where that address is no interrupt
   * file's, nothing happens: a message is no way to write to memory.
   */
  sendMessage(address: number, data: number): void {
    for (const files of this.imsics) {
      if (address >= files.base && address < files.base + files.size) files.write(address - files.base, 4, data);
    }
  }
}
