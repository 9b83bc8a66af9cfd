import { Hart } from '../../engine/hart/hart';
import { HART_INSTRET, HARTS_BASE, MACHINE_RUN_STATE, RUN_STOPPED } from '../../engine/memory/layout';
import { createMemory, planMemory } from '../../engine/memory/memory-plan';
import { RAM_BASE } from './program';

const MEBIBYTE = 2 ** 20;
const TEST_FINISHER = 0x100000;
const TIMEOUT_MILLISECONDS = 60_000;

/**
 * Runs an image from the start of RAM in M-mode on one hart of ours, on this thread, until it writes the test finisher; returns
 * what is then in RAM, as much as the image is long, and how many instructions retired.
 */
export function runInEngine(helpers: WebAssembly.Module, image: Uint8Array): { memory: Uint8Array; instructions: number } {
  const plan = planMemory(1, [{ base: RAM_BASE, size: (Math.ceil(image.length / MEBIBYTE) + 1) * MEBIBYTE }]);
  const memory = createMemory(plan);
  const bytes = new Uint8Array(memory.buffer);
  const ram = plan.regions[0]?.offset ?? 0;
  bytes.set(image, ram);
  const words = new Int32Array(memory.buffer);
  const stop = (): void => void Atomics.store(words, MACHINE_RUN_STATE >>> 2, RUN_STOPPED);
  const started = performance.now();
  let finished = false;
  const hart = new Hart(memory, plan, 0, helpers, {
    time: () => {
      if (performance.now() - started > TIMEOUT_MILLISECONDS) stop();
      return 0;
    },
    mmioRead: () => undefined,
    mmioWrite: (address) => {
      if (address !== TEST_FINISHER) return false;
      finished = true;
      stop();
      return true;
    },
  });
  hart.reset(RAM_BASE);
  hart.run();
  if (!finished) throw new Error(`the hart did not finish; it is at pc 0x${hart.pc.toString(16)}`);
  const retired = new DataView(memory.buffer).getBigUint64(HARTS_BASE + HART_INSTRET, true);
  return { memory: bytes.slice(ram, ram + image.length), instructions: Number(retired) };
}
