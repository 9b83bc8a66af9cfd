import { CHECK_BYTES } from '../../engine/hart/check/check-layout';
import { Hart, type HartEnvironment, type HartTuning } from '../../engine/hart/hart';
import { extensionBits, type OptionalExtension } from '../../engine/hart/isa/extensions';
import { HART_MAIL, STAT_CHECKED_INSTRUCTIONS, STAT_REGION_INSTRUCTIONS } from '../../engine/hart/hart-layout';
import { translate, type HotSpot, type Translation } from '../../engine/hart/jit/compiler';
import type { Translator } from '../../engine/hart/jit/regions';
import { HART_INSTRET, HARTS_BASE, MACHINE_RUN_STATE, RUN_STOPPED } from '../../engine/memory/layout';
import { createMemory, planMemory } from '../../engine/memory/memory-plan';
import { RAM_BASE } from './program';

const MEBIBYTE = 2 ** 20;
const TEST_FINISHER = 0x100000;
/** Of CPU time, so that a busy host does not pass for a hart that hangs. */
const TIMEOUT_MILLISECONDS = 60_000;

/**
 * How the hart runs code: `translated` turns everything that is jumped to into a region as soon as can be; `checked` does so too, and
 * compares what regions do with the interpreter.
 */
export type Tier = 'interpreted' | 'translated' | 'checked';

const EAGER = { slice: 128, hot: 1 };
const TUNING: Record<Tier, HartTuning> = { interpreted: {}, translated: EAGER, checked: EAGER };

/** Translates at once, on this thread; the hart takes it up at its next poll. */
function translator(memory: WebAssembly.Memory, checked: boolean): Translator {
  const halves = new Uint16Array(memory.buffer);
  const words = new Int32Array(memory.buffer);
  const finished: Translation[] = [];
  return {
    request: (spot: HotSpot) => {
      finished.push(translate(halves, [spot], checked));
      Atomics.store(words, (HARTS_BASE + HART_MAIL) >>> 2, 1);
    },
    urge: () => {},
    receive: () => finished.shift(),
  };
}

/**
 * Runs an image from the start of RAM in M-mode on one hart of ours, on this thread, until it writes the test finisher; returns
 * what is then in RAM, as much as the image is long, and how many instructions retired, in all and in translated code. Throws VmError
 * where the check finds a difference. `off`: what the hart does without.
 */
export function runInEngine(
  helpers: WebAssembly.Module,
  image: Uint8Array,
  tier: Tier = 'interpreted',
  off: readonly OptionalExtension[] = [],
): { memory: Uint8Array; instructions: number; translated: number } {
  const plan = planMemory(1, [{ base: RAM_BASE, size: (Math.ceil(image.length / MEBIBYTE) + 1) * MEBIBYTE }], {
    checkBytes: tier === 'checked' ? CHECK_BYTES : 0,
    extensionsOff: extensionBits(off),
  });
  const memory = createMemory(plan);
  const bytes = new Uint8Array(memory.buffer);
  const ram = plan.regions[0]?.offset ?? 0;
  bytes.set(image, ram);
  const words = new Int32Array(memory.buffer);
  const stop = (): void => void Atomics.store(words, MACHINE_RUN_STATE >>> 2, RUN_STOPPED);
  const before = process.cpuUsage();
  let deadline = performance.now() + TIMEOUT_MILLISECONDS;
  let finished = false;
  const environment: HartEnvironment = {
    time: () => {
      if (performance.now() > deadline) {
        const { user, system } = process.cpuUsage(before);
        const left = TIMEOUT_MILLISECONDS - (user + system) / 1000;
        if (left <= 0) stop();
        deadline = performance.now() + left;
      }
      return 0;
    },
    mmioRead: () => undefined,
    mmioWrite: (address) => {
      if (address !== TEST_FINISHER) return false;
      finished = true;
      stop();
      return true;
    },
    ...(tier === 'interpreted' ? {} : { translator: translator(memory, tier === 'checked') }),
  };
  const hart = new Hart(memory, plan, 0, helpers, environment, TUNING[tier]);
  hart.reset(RAM_BASE);
  hart.run();
  if (!finished) throw new Error(`the hart did not finish; it is at pc 0x${hart.pc.toString(16)}`);
  const count = (offset: number): number => Number(new DataView(memory.buffer).getBigUint64(HARTS_BASE + offset, true));
  return {
    memory: bytes.slice(ram, ram + image.length),
    instructions: count(HART_INSTRET),
    // Nothing that ran translated may have gone unchecked.
    translated: count(tier === 'checked' ? STAT_CHECKED_INSTRUCTIONS : STAT_REGION_INSTRUCTIONS),
  };
}
