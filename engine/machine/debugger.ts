import { VmError } from '../bus/vm-error';
import type { DebugPoints, HartStop, Watchpoint } from '../hart/debug-points';
import type { HartRegisters } from '../hart/registers';

/** What a debugger needs of the machine. */
interface DebuggedMachine {
  /** Whether no hart runs, and why not if one does. */
  readonly state: string;
  readonly points: DebugPoints;
  registers(hart: number): HartRegisters;
  step(hart: number): Promise<HartStop>;
}

/**
 * Stops the harts of a machine and looks into them, for debuggers. When a hart stops, all do: the machine pauses and emits `stopped`;
 * resume() goes on with the instructions at which the harts stand, whether or not those have breakpoints. All but step() throw
 * VmError 'State' while harts run; step() wants a paused machine.
 */
export class Debugger {
  constructor(private readonly machine: DebuggedMachine) {}

  /** See DebugPoints.setBreakpoints(). */
  setBreakpoints(addresses: bigint[]): void {
    this.standing.points.setBreakpoints(addresses);
  }

  /** See DebugPoints.setWatchpoints(). */
  setWatchpoints(watchpoints: Watchpoint[]): void {
    this.standing.points.setWatchpoints(watchpoints);
  }

  registers(hart: number): HartRegisters {
    return this.standing.registers(hart);
  }

  /** Let one hart execute one instruction or take the trap that it raises; the others stand. Interrupts wait. */
  step(hart: number): Promise<HartStop> {
    return this.machine.step(hart);
  }

  private get standing(): DebuggedMachine {
    const { state } = this.machine;
    if (state === 'running') throw new VmError('State', 'The machine runs; pause it before its harts are looked at or told where to stop.');
    return this.machine;
  }
}
