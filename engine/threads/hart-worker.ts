import { once } from 'node:events';
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { MmioRange } from '../bus/mmio-bus';
import { DeviceError } from '../errors/vm-error';
import type { HartStop } from '../hart/debug-points';
import { compileLoop, Hart, type HartEnvironment, type MissingFence, RunEnded } from '../hart/hart';
import type { HostMemory } from '../host/host-memory';
import type { Samples } from '../hart/sampler';
import type { Translation } from '../hart/jit/compiler';
import type { Explanation } from '../hart/illegal-instruction';
import type { SemihostingReply, SemihostingRequest } from '../hart/semihosting';
import { HARTS_BASE, HART_STRIDE, HART_TRACE_TAKEN, MACHINE_RUN_STATE, RUN_ENDING, RUN_RUNNING, RUN_STOPPED } from '../memory/layout';
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
  /** Where its semihosting calls go, and the answers come from. */
  host?: MessagePort;
}

/** A semihosting call that is not served: of user mode while those of others are; or none is, of machine mode or others. */
export type RefusedCall = 'user' | 'machine' | 'semihosting';

/** A call has the number of the machine's start, so that no answer is taken for another's. */
export interface NumberedRequest {
  start: number;
  request: SemihostingRequest;
}
export interface NumberedReply {
  start: number;
  reply: SemihostingReply;
}

/**
 * To the worker. `run`: run until the machine's run state says otherwise or a debugger's stop, then answer `parked`; so does `step`. `go`: as
 * `run`, but the first instruction, too, stops before an access to watched data.
 */
export type HartCommand = 'reset' | 'run' | 'go' | 'step';
/** From the worker. 0 is the doorbell of the MMIO ring. */
export type HartReport =
  | 0
  | 'ready'
  | 'parked'
  | { failed: string }
  | { trace: string }
  | { samples: Samples }
  | { stopped: HartStop }
  | { refused: RefusedCall }
  | { illegal: Explanation }
  | { unfenced: MissingFence };

const port = parentPort;
if (!port) throw new Error('hart-worker runs as a worker thread only');
const { id, compiler, host } = workerData as HartWorkerData;
const setup = once(port, 'message') as Promise<[HartSetup]>;
// Meanwhile.
const loop = compileLoop(id, host);
const [{ memory, plan, helpers, board, host: semihost }] = await setup;
const report = (message: HartReport): void => port.postMessage(message);

const clock = new GuestClock(memory, board.timebase);
const local = new LocalDevices(memory, plan.harts, board, clock);
const ring = new MmioPort(memory, id, () => report(0));
const traceTraps = board.trace?.includes('trap');
const traceMmio = board.trace?.includes('mmio');

/** Who answers an access. A write is posted, so that what no device takes has to be found here. */
function rangeOf(address: number, bytes: number): MmioRange | undefined {
  const range = board.ranges.find(({ base, size }) => address >= base && address < base + size);
  return range && bytes >= range.sizes.min && bytes <= range.sizes.max ? range : undefined;
}

/** Messages with lines of a trace that may be on their way to their reader; then the hart waits for it, unless it is to stop. */
const TRACE_AHEAD = 128;
const TRACE_WAIT_MS = 20;
/** Instructions between two looks at requests while each may have something to say: who is to stop says little more. */
const TRACED_SLICE = 128;
const words = new Int32Array(memory.buffer);
const traceTaken = (HARTS_BASE + id * HART_STRIDE + HART_TRACE_TAKEN) >>> 2;
let traceSent = Atomics.load(words, traceTaken);

const runState = (): number => Atomics.load(words, MACHINE_RUN_STATE >>> 2);

function trace(line: string): void {
  // What was executed before comes before.
  hart.flushTrace();
  traceLines(line);
}

/** Several are one message. */
function traceLines(lines: string): void {
  report({ trace: lines });
  traceSent = (traceSent + 1) | 0;
  for (;;) {
    const taken = Atomics.load(words, traceTaken);
    if (((traceSent - taken) | 0) <= TRACE_AHEAD || runState() !== RUN_RUNNING) return;
    Atomics.wait(words, traceTaken, taken, TRACE_WAIT_MS);
  }
}

function traced(kind: string, address: number, size: number, value: number | undefined): void {
  trace(`mmio hart ${id} ${kind} 0x${address.toString(16)} ${size} ${value === undefined ? 'fault' : `0x${value.toString(16)}`}`);
}

/** Counts the starts of the machine. */
let start = 0;
/** What of semihosting was refused since the last start: told once each. */
const refusals = new Set<string>();

const environment: HartEnvironment = {
  host,
  loop,
  time: () => clock.now(),
  mmioRead: (address, size) => {
    let value: number | undefined;
    try {
      value = local.read(address, size) ?? (rangeOf(address, size) ? ring.read(address, size) : undefined);
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
      const range = answered ? undefined : rangeOf(address, size);
      if (range) {
        ring.write(address, size, value);
        if (range.holdsWriters) ring.settle();
        answered = true;
      }
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
    }
    if (traceMmio) traced('write', address, size, answered ? value : undefined);
    const state = runState();
    if (state === RUN_ENDING || state === RUN_STOPPED) throw new RunEnded();
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
  illegalInstruction: (illegal) => report({ illegal }),
  missingFence: (unfenced) => report({ unfenced }),
  semihostingRefused: (privilege) => {
    const refused = board.semihosting ? 'user' : privilege === 3 ? 'machine' : 'semihosting';
    if (!refusals.has(refused)) report({ refused });
    refusals.add(refused);
  },
  ...(semihost && board.semihosting
    ? {
        semihosting: {
          ...board.semihosting,
          send: (request: SemihostingRequest) => {
            // What was written to devices before comes before.
            ring.settle();
            semihost.postMessage({ start, request } satisfies NumberedRequest);
          },
          receive: () => {
            let answer: NumberedReply | undefined;
            do answer = receiveMessageOnPort(semihost)?.message as NumberedReply | undefined;
            while (answer && answer.start !== start);
            return answer?.reply;
          },
        },
      }
    : {}),
  samples: (samples) => report({ samples }),
  isProfiled: board.profile ?? false,
  ...(board.trace?.includes('exec') ? { execTrace: { ...board.execTrace, deliver: traceLines } } : {}),
  ...(traceTraps
    ? {
        traceTrap: (cause: number, interrupt: boolean) => {
          trace(`trap hart ${id} ${interrupt ? 'interrupt' : 'exception'} ${cause} pc 0x${hart.pc.toString(16)}`);
        },
      }
    : {}),
};
const hart: Hart = new Hart(memory, plan, id, helpers, environment, board.trace?.length ? { slice: TRACED_SLICE } : {});

port.on('message', (command: HartCommand) => {
  try {
    if (command === 'reset') {
      start++;
      refusals.clear();
      hart.reset(board.resetVector);
    } else {
      const stopped = command === 'step' ? hart.step() : hart.run(command === 'go');
      if (stopped) report({ stopped });
    }
    report('parked');
  } catch (error) {
    report({ failed: error instanceof Error ? error.message : String(error) });
  }
});
report('ready');
