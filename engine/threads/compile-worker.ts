import { once } from 'node:events';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { translate, type HotSpot, type Translation } from '../hart/jit/compiler';
import { RequestQueue } from '../hart/jit/request-queue';
import { HART_MAIL, STAT_COMPILE_MICROSECONDS, STAT_MODULES, STAT_REGIONS_COMPILED, STAT_REGIONS_DECLINED } from '../hart/hart-layout';
import { StatisticsBlock } from '../hart/statistics';
import type { HostMemory } from '../host/host-memory';
import { HARTS_BASE, HART_STRIDE } from '../memory/layout';

/** What the compile worker begins with: a port to each hart. Its first message is the machine's memory. */
export interface CompileWorkerData {
  ports: MessagePort[];
  /** Whether the lockstep check is to be told what regions do. */
  checked: boolean;
  host: HostMemory;
}

if (!parentPort) throw new Error('compile-worker runs as a worker thread only');
const { ports, checked, host } = workerData as CompileWorkerData;
const [memory] = (await once(parentPort, 'message')) as [WebAssembly.Memory];
const halves = new Uint16Array(memory.buffer);
const words = new Int32Array(memory.buffer);

ports.forEach((port, hart) => {
  const queue = new RequestQueue();
  const statistics = new StatisticsBlock(memory, hart);
  const deliver = (translation: Translation): void => {
    port.postMessage(translation);
    statistics.add(STAT_REGIONS_DECLINED, translation.declined.length);
    Atomics.store(words, (HARTS_BASE + hart * HART_STRIDE + HART_MAIL) >>> 2, 1);
  };
  const work = (): void => {
    const begun = performance.now();
    const translation = translate(halves, queue.take(begun), checked, host);
    deliver(translation);
    statistics.add(STAT_COMPILE_MICROSECONDS, Math.round((performance.now() - begun) * 1000));
    statistics.add(STAT_MODULES, translation.module ? 1 : 0);
    statistics.add(STAT_REGIONS_COMPILED, translation.spots.length);
    if (!queue.isEmpty) setImmediate(work);
  };
  port.on('message', (spot: HotSpot | number) => {
    if (typeof spot === 'number') {
      queue.urge(spot, performance.now());
      return;
    }
    if (queue.isEmpty) setImmediate(work);
    const declined = queue.add(spot, performance.now());
    if (declined.length > 0) deliver({ module: undefined, spots: [], declined });
  });
});
