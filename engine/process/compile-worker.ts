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

ports.forEach((port, hart) => {
  const queue: HotSpot[] = [];
  /** Regions to be made again with calls inlined: larger, and less urgent. */
  const busy: HotSpot[] = [];
  const statistics = new StatisticsBlock(memory, hart);
  const work = (): void => {
    const begun = performance.now();
    const translation = translate(halves, queue.length > 0 ? queue.splice(0, BATCH) : busy.splice(0, 1), checked);
    port.postMessage(translation);
    statistics.add(STAT_COMPILE_MICROSECONDS, Math.round((performance.now() - begun) * 1000));
    statistics.add(STAT_MODULES, translation.module ? 1 : 0);
    statistics.add(STAT_REGIONS_COMPILED, translation.spots.length);
    statistics.add(STAT_REGIONS_DECLINED, translation.declined.length);
    Atomics.store(words, (HARTS_BASE + hart * HART_STRIDE + HART_MAIL) >>> 2, 1);
    if (queue.length + busy.length > 0) setImmediate(work);
  };
  port.on('message', (spot: HotSpot) => {
    if (queue.length + busy.length === 0) setImmediate(work);
    (spot.inlining ? busy : queue).push(spot);
  });
});
