import { CHECK_BYTES } from '../../engine/hart/check/check-layout';
import type { HartStop } from '../../engine/hart/debug-points';
import { fenceCheckBytes } from '../../engine/hart/check/missing-fence';
import { Hart, type HartEnvironment, type HartTuning } from '../../engine/hart/hart';
import { HART_MAIL } from '../../engine/hart/hart-layout';
import { translate, type HotSpot, type Translation } from '../../engine/hart/jit/compiler';
import { HART_INSTRET, HART_X, MACHINE_RUN_STATE, RUN_RUNNING, RUN_STOPPED } from '../../engine/memory/layout';
import { GuestMemory } from '../../engine/memory/guest-memory';
import { createMemory, planMemory } from '../../engine/memory/memory-plan';

export const RAM = 0x8000_0000;
/** A store here ends the run. */
export const FINISH = 0x100000;

/**
 * One hart with some RAM on the calling thread and nothing else: for tests of the hart itself. With `jit`, hot code is
 * translated at once and used from the next slice on; with `check` too, what it does is checked. Of several `harts` the others
 * never run, nor answer.
 */
export class BareHart {
  readonly memory: GuestMemory;
  readonly hart: Hart;
  private readonly data: DataView;
  private readonly finished: Translation[] = [];
  /** Regions that were translated, and those of them with calls inlined. */
  translated = 0;
  inlined = 0;

  constructor(
    helpers: WebAssembly.Module,
    options: {
      jit?: boolean;
      check?: boolean;
      fences?: boolean;
      tuning?: HartTuning;
      environment?: Partial<HartEnvironment>;
      ramBytes?: number;
      harts?: number;
      extensionsOff?: number;
    } = {},
  ) {
    const plan = planMemory(options.harts ?? 1, [{ base: RAM, size: options.ramBytes ?? 1 << 20 }], {
      checkBytes: options.check ? CHECK_BYTES : 0,
      fenceBytes: options.fences ? fenceCheckBytes(options.ramBytes ?? 1 << 20) : 0,
      extensionsOff: options.extensionsOff,
    });
    const shared = createMemory(plan);
    this.memory = new GuestMemory(shared, plan);
    this.data = new DataView(shared.buffer);
    const halves = new Uint16Array(shared.buffer);
    const translator = {
      request: (spot: HotSpot) => {
        const translation = translate(halves, [spot], options.check);
        this.translated += translation.spots.length;
        if (spot.inlining) this.inlined += translation.spots.length;
        this.finished.push(translation);
        Atomics.store(this.memory.words, (this.hart.base + HART_MAIL) >>> 2, 1);
      },
      urge: () => {},
      receive: () => this.finished.shift(),
    };
    const environment: HartEnvironment = {
      time: () => 0,
      mmioRead: () => undefined,
      mmioWrite: (address) => {
        if (address !== FINISH) return false;
        this.stop();
        return true;
      },
      ...(options.jit ? { translator } : {}),
      ...options.environment,
    };
    this.hart = new Hart(shared, plan, 0, helpers, environment, options.tuning);
  }

  /** Run code placed at the start of RAM until it stores to FINISH. */
  run(code: Uint8Array): HartStop | undefined {
    this.memory.copyIn(RAM, code);
    this.hart.reset(RAM);
    return this.resume();
  }

  /** Go on. */
  resume(): HartStop | undefined {
    Atomics.store(this.memory.words, MACHINE_RUN_STATE >>> 2, RUN_RUNNING);
    return this.hart.run();
  }

  /** End the run at the next poll. */
  stop(): void {
    Atomics.store(this.memory.words, MACHINE_RUN_STATE >>> 2, RUN_STOPPED);
  }

  x(register: number): bigint {
    return this.data.getBigUint64(this.hart.base + HART_X + 8 * register, true);
  }

  /** A statistic of the hart: one of STAT_*. */
  statistic(offset: number): number {
    return Number(this.data.getBigUint64(this.hart.base + offset, true));
  }

  /** Instructions retired up to the last poll. */
  get retired(): bigint {
    return this.data.getBigUint64(this.hart.base + HART_INSTRET, true);
  }
}
