import { once } from 'node:events';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { MmioRange } from '../bus/mmio-bus';
import { DeviceError } from '../bus/vm-error';
import type { HartStop } from '../hart/debug-points';
import { compileLoop, Hart } from '../hart/hart';
import type { HostMemory } from '../host/host-memory';
import type { Samples } from '../hart/sampler';
import type { Translation } from '../hart/jit/compiler';
import type { MemoryPlan } from '../memory/memory-plan';
import { GuestClock } from './guest-clock';
import { LocalDevices, type HartBoard } from './hart-board';
import { MmioPort } from './mmio-ring';

/** What a hart's thread begins with. */
export interface HartWorkerData {
  id: number;
  /** To the compile worker; without it the hart only interprets. */
  compiler: MessagePort | undefined;
  host: HostMemory;
}

/** What it is told first, when the machine is made. */
export interface HartSetup {
  memory: WebAssembly.Memory;
  plan: MemoryPlan;
  helpers: WebAssembly.Module;
  board: HartBoard;
}

/** To the worker. `run`: run until the machine's run state says otherwise or a debugger's stop, then answer `parked`; so does `step`. */
export type HartCommand = 'reset' | 'run' | 'step';
/** From the worker. 0 is the doorbell of the MMIO ring. */
export type HartReport = 0 | 'ready' | 'parked' | { failed: string } | { trace: string } | { samples: Samples } | { stopped: HartStop };

const port = parentPort;
if (!port) throw new Error('hart-worker runs as a worker thread only');
const { id, compiler, host } = workerData as HartWorkerData;
const setup = once(port, 'message') as Promise<[HartSetup]>;
// Meanwhile.
const loop = compileLoop(id, host);
const [{ memory, plan, helpers, board }] = await setup;
const report = (message: HartReport): void => port.postMessage(message);

const clock = new GuestClock(memory, board.timebase);
const local = new LocalDevices(memory, plan.harts, board, clock);
const ring = new MmioPort(memory, id, () => report(0));
const traceTraps = board.trace?.includes('trap');
const traceMmio = board.trace?.includes('mmio');

function rangeOf(address: number): MmioRange | undefined {
  return board.ranges.find(({ base, size }) => address >= base && address < base + size);
}

function traced(kind: string, address: number, size: number, value: number | undefined): void {
  report({
    trace: `mmio hart ${id} ${kind} 0x${address.toString(16)} ${size} ${value === undefined ? 'fault' : `0x${value.toString(16)}`}`,
  });
}

const hart = new Hart(memory, plan, id, helpers, {
  host,
  loop,
  time: () => clock.now(),
  mmioRead: (address, size) => {
    let value: number | undefined;
    try {
      value = local.read(address, size) ?? (rangeOf(address) ? ring.read(address, size) : undefined);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
    }
    if (traceMmio) traced('read', address, size, value);
    return value;
  },
  mmioWrite: (address, size, value) => {
    let answered = false;
    try {
      answered = local.write(address, size, value);
      const range = answered ? undefined : rangeOf(address);
      if (range) {
        ring.write(address, size, value);
        if (range.holdsWriters) ring.settle();
        answered = true;
      }
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
    }
    if (traceMmio) traced('write', address, size, answered ? value : undefined);
    return answered;
  },
  ...(compiler
    ? {
        translator: {
          request: (spot) => compiler.postMessage(spot),
          urge: (key) => compiler.postMessage(key),
          receive: () => receiveMessageOnPort(compiler)?.message as Translation | undefined,
        },
      }
    : {}),
  ...(board.profile ? { samples: (samples) => report({ samples }) } : {}),
  ...(traceTraps
    ? {
        traceTrap: (cause: number, interrupt: boolean) => {
          report({ trace: `trap hart ${id} ${interrupt ? 'interrupt' : 'exception'} ${cause} pc 0x${hart.pc.toString(16)}` });
        },
      }
    : {}),
});

port.on('message', (command: HartCommand) => {
  try {
    if (command === 'reset') hart.reset(board.resetVector);
    else {
      const stopped = command === 'run' ? hart.run() : hart.step();
      if (stopped) report({ stopped });
    }
    report('parked');
  } catch (error) {
    report({ failed: error instanceof Error ? error.message : String(error) });
  }
});
report('ready');
