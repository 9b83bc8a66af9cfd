import { workerData, type MessagePort } from 'node:worker_threads';
import { translate, type HotSpot } from '../hart/jit/compiler';
import { HART_MAIL } from '../hart/hart-layout';
import { HARTS_BASE, HART_STRIDE } from '../memory/layout';

/** What HartPool gives to the compile worker: a port to each hart. */
export interface CompileWorkerData {
  memory: WebAssembly.Memory;
  ports: MessagePort[];
}

/** A module costs some 0.4 ms whatever is in it, so several regions share one; too many would keep the first waiting. */
const BATCH = 12;

const { memory, ports } = workerData as CompileWorkerData;
const halves = new Uint16Array(memory.buffer);
const words = new Int32Array(memory.buffer);

ports.forEach((port, hart) => {
  const queue: HotSpot[] = [];
  const work = (): void => {
    port.postMessage(translate(halves, queue.splice(0, BATCH)));
    Atomics.store(words, (HARTS_BASE + hart * HART_STRIDE + HART_MAIL) >>> 2, 1);
    if (queue.length > 0) setImmediate(work);
  };
  port.on('message', (spot: HotSpot) => {
    if (queue.push(spot) === 1) setImmediate(work);
  });
});
