import { workerData, type MessagePort } from 'node:worker_threads';
import { translate, type HotSpot } from '../hart/jit/compiler';
import { HART_MAIL, STAT_COMPILE_MICROSECONDS, STAT_MODULES, STAT_REGIONS_COMPILED, STAT_REGIONS_DECLINED } from '../hart/hart-layout';
import { StatisticsBlock } from '../hart/statistics';
import { HARTS_BASE, HART_STRIDE } from '../memory/layout';

/** What HartPool gives to the compile worker: a port to each hart. */
export interface CompileWorkerData {
  memory: WebAssembly.Memory;
  ports: MessagePort[];
  /** Whether the lockstep check is to be told what regions do. */
  checked: boolean;
}

/** A module costs some 0.4 ms whatever is in it, so several regions share one; too many would keep the first waiting. */
const BATCH = 12;

const { memory, ports, checked } = workerData as CompileWorkerData;
const halves = new Uint16Array(memory.buffer);
const words = new Int32Array(memory.buffer);

/**
 * What to translate next: of what was asked for last, since that is what runs now. Larger regions, with calls inlined, are less urgent
 * and go alone.
 */
function next(queue: HotSpot[]): HotSpot[] {
  const last = queue.splice(-BATCH);
  const small = last.filter(({ inlining }) => !inlining);
  const large = last.filter(({ inlining }) => inlining);
  const chosen = small.length > 0 ? small : large.splice(-1);
  queue.push(...large);
  return chosen;
}

ports.forEach((port, hart) => {
  const queue: HotSpot[] = [];
  const statistics = new StatisticsBlock(memory, hart);
  const work = (): void => {
    const begun = performance.now();
    const translation = translate(halves, next(queue), checked);
    port.postMessage(translation);
    statistics.add(STAT_COMPILE_MICROSECONDS, Math.round((performance.now() - begun) * 1000));
    statistics.add(STAT_MODULES, translation.module ? 1 : 0);
    statistics.add(STAT_REGIONS_COMPILED, translation.spots.length);
    statistics.add(STAT_REGIONS_DECLINED, translation.declined.length);
    Atomics.store(words, (HARTS_BASE + hart * HART_STRIDE + HART_MAIL) >>> 2, 1);
    if (queue.length > 0) setImmediate(work);
  };
  port.on('message', (spot: HotSpot) => {
    if (queue.length === 0) setImmediate(work);
    queue.push(spot);
  });
});
