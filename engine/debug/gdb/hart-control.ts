import type { HartStop } from '../../hart/debug-points';
import type { Resumption } from './resume';
import type { StopPoints } from './stop-points';
import type { DebugTarget } from './target';

/** Why all harts stand, as a debugger is told: a hart's own stop, or that it asked for it. */
export type Stop = HartStop | { reason: 'interrupt'; pc: bigint };

/**
 * Lets the harts go on as a debugger says, and tells it of the one stop that ends that: all harts stand then. Of harts that stop at the same
 * time the others are told of when they are to go on.
 */
export class HartControl {
  /** Whether the debugger waits for a stop. */
  isRunning = false;
  private isInterrupted = false;
  private isClosed = false;
  private underWay: Promise<void> = Promise.resolve();
  /** What was last asked to go on. */
  private resumption: Resumption = { actions: [] };
  /** Where harts stand whose stop has been told: they go on from a breakpoint there. */
  private readonly toldAt = new Map<number, bigint>();
  /** Of those the harts that stand before an access to watched data. */
  private readonly watched = new Set<number>();
  private readonly onStopped = (hart: number, stop: HartStop): void => {
    if (this.isRunning) this.guard(this.stopped(hart, stop));
  };

  constructor(
    private readonly target: DebugTarget,
    private readonly points: StopPoints,
    private readonly tellDebugger: (hart: number, stop: Stop) => void,
  ) {
    target.events.on('stopped', this.onStopped);
  }

  /** From now on nobody is told of anything. Resolves when nothing is under way any more. */
  close(): Promise<void> {
    this.isClosed = true;
    this.target.events.off('stopped', this.onStopped);
    return this.underWay;
  }

  /** Whether some hart is held though others run. */
  get holdsSome(): boolean {
    return this.isRunning && this.resumption.actions.some((action) => action !== 'run');
  }

  /** Whatever was told of where harts stand does not count any more. */
  forget(): void {
    this.toldAt.clear();
    this.watched.clear();
  }

  resume(resumption: Resumption): void {
    this.isRunning = true;
    this.isInterrupted = false;
    this.resumption = resumption;
    this.guard(this.go());
  }

  /** Let all harts stand. `hart`: the one that this is told of. */
  async interrupt(hart: number): Promise<void> {
    if (!this.isRunning) return;
    this.isInterrupted = true;
    const { target } = this;
    // A hart that only steps sees it behind its step.
    if (target.state !== 'running' && this.resumption.actions.includes('step')) return;
    try {
      if (target.state === 'running') await target.pause();
    } catch {
      // It has stopped by itself, or ended; in either case that is told.
      return;
    }
    if (this.isRunning) this.tell(hart, { reason: 'interrupt', pc: target.registers(hart).pc });
  }

  private async go(): Promise<void> {
    const { target } = this;
    const { actions } = this.resumption;
    // One that came to a breakpoint while another's stop was told would go past it.
    const waiting = actions.findIndex((action, hart) => {
      if (action !== 'run') return false;
      const { pc } = target.registers(hart);
      return this.points.stopsAt(pc) && this.toldAt.get(hart) !== pc;
    });
    if (waiting >= 0) {
      this.tell(waiting, { reason: 'breakpoint', pc: target.registers(waiting).pc });
      return;
    }
    const ways = actions.map((action, hart) => {
      const isPast = action === 'run' && this.watched.has(hart) && this.toldAt.get(hart) === target.registers(hart).pc;
      return isPast ? 'pass' : action;
    });
    for (const [hart, action] of actions.entries()) {
      if (action === 'stay') continue;
      this.toldAt.delete(hart);
      this.watched.delete(hart);
    }
    const alone = actions.indexOf('step');
    const goesAlone = alone >= 0 && actions.every((action, hart) => action === 'stay' || hart === alone);
    if (goesAlone) await this.stopped(alone, await target.step(alone));
    else await target.go(ways);
  }

  /** A hart has stopped, and so all have. */
  private async stopped(hart: number, stop: HartStop): Promise<void> {
    if (this.isClosed) return;
    // At watched data GDB lets the hart execute the access by itself, to compare.
    if (stop.reason === 'step') await this.stepped(hart, stop);
    else this.tell(hart, stop);
  }

  private async stepped(hart: number, stop: HartStop): Promise<void> {
    const { pc } = stop;
    const { range } = this.resumption;
    if (this.isInterrupted) this.tell(hart, { reason: 'interrupt', pc });
    else if (this.points.stopsAt(pc)) this.tell(hart, { reason: 'breakpoint', pc });
    else if (range && pc >= range.start && pc < range.end) await this.go();
    else this.tell(hart, stop);
  }

  /** The answer to what let the harts go on. */
  private tell(hart: number, stop: Stop): void {
    if (!this.isRunning || this.isClosed) return;
    this.isRunning = false;
    this.toldAt.set(hart, stop.pc);
    if ('address' in stop && !stop.isDone) this.watched.add(hart);
    this.tellDebugger(hart, stop);
  }

  /** What happens beside the packets must not fail unseen. */
  private guard(work: Promise<void>): void {
    this.underWay = work.catch(() => {
      // The machine has ended, which is told, or was taken over by somebody else: then the debugger sees it standing.
      if (this.target.state === 'paused') this.tell(0, { reason: 'interrupt', pc: this.target.registers(0).pc });
    });
  }
}
