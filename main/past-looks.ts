import type { VmView } from './contract';
import type { InsideLook, PastLook } from './inside-contract';
import type { Machines } from './machines';

/** How often a box that runs is looked at, and how far back is kept, in milliseconds. */
const EVERY_MS = 4000;
const SPAN_MS = 120_000;

/** What boxes that run did lately, also while nobody looked: charts do not begin empty. */
export class PastLooks {
  readonly #past = new Map<string, PastLook[]>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(
    machines: Pick<Machines, 'on'>,
    private readonly look: (id: string) => Promise<InsideLook>,
  ) {
    machines.on('changed', ({ id, state }: VmView) => {
      const isOn = state === 'running' || state === 'paused' || state === 'stopping';
      if (isOn && !this.#timers.has(id)) this.#begin(id);
      else if (!isOn) this.#end(id);
    });
  }

  /** The oldest first. */
  of(id: string): PastLook[] {
    return this.#past.get(id) ?? [];
  }

  #begin(id: string): void {
    const past: PastLook[] = [];
    this.#past.set(id, past);
    this.#timers.set(
      id,
      setInterval(() => {
        const at = Date.now();
        this.look(id).then(
          (look) => {
            past.push({ at: at / 1000, look });
            while (past[0].at * 1000 < at - SPAN_MS) past.shift();
          },
          // It has ended meanwhile, or is busy.
          () => undefined,
        );
      }, EVERY_MS).unref(),
    );
  }

  #end(id: string): void {
    clearInterval(this.#timers.get(id));
    this.#timers.delete(id);
    this.#past.delete(id);
  }
}
