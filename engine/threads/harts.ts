import { EventEmitter } from 'node:events';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { MmioBus } from '../bus/mmio-bus';
import { asVmError, systemError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { CsrExaminer } from '../hart/csr-examiner';
import { DebugPoints, type HartStop } from '../hart/debug-points';
import { HART_PROFILING, PROFILING_ANEW } from '../hart/hart-layout';
import type { Samples } from '../hart/sampler';
import type { MissingFence } from '../hart/hart';
import type { Explanation } from '../hart/illegal-instruction';
import type { SemihostingReply, SemihostingRequest } from '../hart/semihosting';
import { StatisticsBlock, type MachineStatistics } from '../hart/statistics';
import { wakeHart } from '../interrupt/hart-lines';
import {
  HARTS_BASE,
  HART_STRIDE,
  HART_TRACE_TAKEN,
  MACHINE_RUN_STATE,
  RUN_ENDING,
  RUN_PAUSED,
  RUN_RUNNING,
  RUN_STOPPED,
} from '../memory/layout';
import type { MemoryPlan } from '../memory/memory-plan';
import { GuestClock } from './guest-clock';
import { LocalDevices, type HartBoard } from './hart-board';
import type { HartThreads } from './hart-threads';
import type { HartCommand, HartReport, HartSetup, NumberedReply, NumberedRequest, RefusedCall } from './hart-worker';
import { MmioServer } from './mmio-ring';

/** How long a hart may take to leave its run loop before its thread is ended by force, in ms. */
const STOP_PATIENCE = 2000;

interface Member {
  worker: Worker;
  /** Settles when the worker has answered the last command. */
  answer: Promise<void>;
  /** Whether that answer is still to come. */
  busy: boolean;
  /** While step() waits: how the step went, set before its answer comes. */
  step?: { stop?: HartStop };
}

/** What a hart does when the others go on: run; run, past an access to watched data that it stands before; execute one instruction; nothing. */
export type HartAction = 'run' | 'pass' | 'step' | 'stay';

const COMMANDS = { run: 'go', pass: 'run', step: 'step', stay: undefined } as const satisfies Record<HartAction, HartCommand | undefined>;

function threadFailed(cause: unknown): VmError {
  return systemError(cause) ?? new VmError('Internal', `A hart's thread failed: ${String(cause)}`, { cause });
}

interface HartPoolEvents {
  error: [VmError];
  samples: [number, Samples];
  stopped: [number, HartStop];
  refused: [RefusedCall];
  /** An instruction was illegal, and why. */
  illegal: [Explanation];
  /** An instruction was executed without a fence.i after it was stored. */
  unfenced: [MissingFence];
}

/** Answers semihosting calls; must not fail. */
type Semihost = (request: SemihostingRequest) => Promise<SemihostingReply>;

/** The harts of one machine: a thread each, run, paused and reset together. Lives on the device thread. */
export class HartPool extends EventEmitter<HartPoolEvents> {
  private members: Member[] = [];
  private readonly words: Int32Array;
  private readonly server: MmioServer;
  private readonly clock: GuestClock;
  private stopping = false;
  readonly points: DebugPoints;
  private letClockGo: (() => void) | undefined;
  /** Guest time when the harts were paused. */
  private pausedAt = 0;
  /** Milliseconds that the harts ran up to the last pause, and the time since when they run. */
  private ran = 0;
  private runningSince: number | undefined;
  private readonly statisticsBlocks: StatisticsBlock[];
  private localDevices: LocalDevices | undefined;

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly plan: MemoryPlan,
    private readonly bus: MmioBus,
    private readonly board: HartBoard,
    private readonly threads: HartThreads,
    /** Takes lines of the harts' traces; where it returns a promise, nothing more before that settles. */
    private readonly trace: (line: string) => Promise<void> | undefined = () => undefined,
    private readonly semihost?: Semihost,
  ) {
    super();
    this.words = new Int32Array(memory.buffer);
    this.statisticsBlocks = Array.from({ length: plan.harts }, (_, hart) => new StatisticsBlock(memory, hart));
    this.points = new DebugPoints(memory);
    this.clock = new GuestClock(memory, board.timebase);
    this.server = new MmioServer(memory, plan.harts, bus, (error) => this.emit('error', error));
  }

  /** Give the threads what they work on. */
  async launch(): Promise<void> {
    this.setRunState(RUN_PAUSED);
    const { memory, plan, board, threads } = this;
    const { compiler } = threads;
    compiler?.on('error', (cause) =>
      this.emit('error', systemError(cause) ?? new VmError('Internal', `The compile worker failed: ${String(cause)}`, { cause })),
    );
    const helpers = await threads.helpers;
    const { failure } = threads;
    if (failure !== undefined) throw threadFailed(failure);
    compiler?.postMessage(memory);
    for (const [id, worker] of threads.workers.entries()) {
      const member: Member = { worker, answer: Promise.resolve(), busy: false };
      this.awaitAnswer(member);
      worker.on('message', (message: HartReport) => {
        if (message === 0) this.server.serve();
        else if (typeof message === 'object' && 'trace' in message) this.passTrace(id, message.trace);
        else if (typeof message === 'object' && 'stopped' in message) this.noteStop(id, message.stopped);
        else if (typeof message === 'object' && 'samples' in message) this.emit('samples', id, message.samples);
        else if (typeof message === 'object' && 'refused' in message) this.emit('refused', message.refused);
        else if (typeof message === 'object' && 'illegal' in message) this.emit('illegal', message.illegal);
        else if (typeof message === 'object' && 'unfenced' in message) this.emit('unfenced', message.unfenced);
      });
      // While a command is under way its answer tells of this; between commands nobody else would.
      worker.on('error', (cause) => {
        if (!member.busy && !this.stopping) this.emit('error', threadFailed(cause));
      });
      this.members.push(member);
      const host = this.lineToHost(id);
      worker.postMessage({ memory, plan, helpers, board, ...(host && { host }) } satisfies HartSetup, host ? [host] : []);
    }
    threads.hold();
    await this.answers();
  }

  /** The hart's end of a line on which its semihosting calls are answered. */
  private lineToHost(hart: number): MessagePort | undefined {
    const { semihost } = this;
    if (!semihost) return undefined;
    const { port1, port2 } = new MessageChannel();
    port1.on('message', ({ start, request }: NumberedRequest) => {
      void semihost(request).then((reply) => {
        port1.postMessage({ start, reply } satisfies NumberedReply);
        wakeHart(this.words, hart);
      });
    });
    // The threads keep the process alive.
    port1.unref();
    return port2;
  }

  /** Let the threads, after launch(), run from the reset vector; or wait for resume() there. */
  async start({ paused = false }: { paused?: boolean } = {}): Promise<void> {
    await this.command(() => 'reset');
    this.clock.set(0);
    this.pausedAt = 0;
    if (!paused) this.resume();
  }

  /** The machine ends, or starts anew, by what a device is being told: the hart that tells it executes nothing more, others little. */
  endRun(): void {
    this.setRunState(RUN_ENDING);
  }

  /** Devices answer no hart before this settles: who takes what they say is behind. Stopping harts does not wait for it. */
  hold(until: Promise<void>): void {
    this.server.hold(until);
  }

  /** Let the harts leave their run loops; resolves when all have. Guest time stands still until resume(). */
  async pause(): Promise<void> {
    if (this.runState !== RUN_ENDING) this.setRunState(RUN_PAUSED);
    this.server.hurry(true);
    await this.answers();
    this.server.hurry(false);
    this.stopwatch(false);
    // What they posted last belongs to the time before: a reset must not find it.
    this.server.drain();
    this.pausedAt = this.clock.now();
    this.letClockGo?.();
  }

  /** Go on; each hart as its action says, where there are some. A step emits `stopped` when it is done. */
  resume(actions?: readonly HartAction[]): void {
    this.clock.set(this.pausedAt);
    this.letClockGo = this.clock.keep(this.board.hostSleep);
    this.stopwatch(true);
    this.setRunState(RUN_RUNNING);
    // Failures while running reach whoever listens to 'error'.
    this.command(actions ? (hart) => COMMANDS[actions[hart]] : () => 'run').catch((error: unknown) => {
      if (!this.stopping) this.emit('error', asVmError(error));
    });
  }

  /** Paused harts go back to their power-on state, to run from the reset vector on resume(). What they asked of devices is forgotten. */
  async reset(): Promise<void> {
    this.server.discard();
    await this.command(() => 'reset');
  }

  /** Let one hart, while all are paused, execute one instruction. Guest time passes meanwhile. */
  async step(hart: number): Promise<HartStop> {
    this.clock.set(this.pausedAt);
    const member = this.members[hart];
    const step: { stop?: HartStop } = {};
    member.step = step;
    this.awaitAnswer(member);
    member.worker.postMessage('step' satisfies HartCommand);
    await member.answer;
    delete member.step;
    this.server.drain();
    this.pausedAt = this.clock.now();
    return step.stop as HartStop;
  }

  /** The CSRs of a hart, while all are paused. */
  async csrsOf(hart: number): Promise<CsrExaminer> {
    return new CsrExaminer(this.memory, this.plan, hart, await this.threads.helpers, () => this.pausedAt);
  }

  /** What a hart would read from a device, while all are paused; undefined where none answers. */
  readDevice(address: number, size: 1 | 2 | 4): number | undefined {
    this.localDevices ??= new LocalDevices(this.memory, this.plan.harts, this.board, this.clock);
    return this.localDevices.read(address, size) ?? this.bus.read(address, size);
  }

  /** Throws DeviceError as a bus does. */
  writeDevice(address: number, size: 1 | 2 | 4, value: number): void {
    this.localDevices ??= new LocalDevices(this.memory, this.plan.harts, this.board, this.clock);
    if (!this.localDevices.write(address, size, value)) this.bus.write(address, size, value);
  }

  /** End the threads. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.stopwatch(false);
    this.letClockGo?.();
    this.setRunState(RUN_STOPPED);
    this.server.hurry(true);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_PATIENCE);
    });
    await Promise.race([this.answers().catch(() => {}), patience]);
    clearTimeout(timer);
    this.server.close();
    await this.threads.end();
    this.members = [];
  }

  /** Whether the harts take samples, for `samples`. The last of them come some 100 ms before the end. */
  set isProfiling(on: boolean) {
    for (let hart = 0; hart < this.plan.harts; hart++)
      Atomics.store(this.words, (HARTS_BASE + hart * HART_STRIDE + HART_PROFILING) >>> 2, on ? PROFILING_ANEW : 0);
  }

  /** What the harts have done since start(), up to their last polls. At any time, also after stop(). */
  get statistics(): MachineStatistics {
    const running = this.runningSince === undefined ? 0 : performance.now() - this.runningSince;
    const now = this.runningSince === undefined ? this.pausedAt : this.clock.now();
    return { seconds: (this.ran + running) / 1000, harts: this.statisticsBlocks.map((block) => block.read(now)) };
  }

  private noteStop(hart: number, stop: HartStop): void {
    const { step } = this.members[hart];
    if (step) step.stop = stop;
    else this.emit('stopped', hart, stop);
  }

  private stopwatch(running: boolean): void {
    const now = performance.now();
    if (this.runningSince !== undefined) this.ran += now - this.runningSince;
    this.runningSince = running ? now : undefined;
  }

  private async command(commandOf: (hart: number) => HartCommand | undefined): Promise<void> {
    for (const [hart, member] of this.members.entries()) {
      const command = commandOf(hart);
      if (command === undefined) continue;
      this.awaitAnswer(member);
      member.worker.postMessage(command);
    }
    await this.answers();
  }

  private async answers(): Promise<void> {
    await Promise.all(this.members.map(({ answer }) => answer));
  }

  /** From now on `answer` is the worker's next `ready` or `parked`. */
  private awaitAnswer(member: Member): void {
    const { worker } = member;
    member.busy = true;
    member.answer = new Promise<void>((resolve, reject) => {
      const settle = (error?: VmError): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit);
        member.busy = false;
        if (error) reject(error);
        else resolve();
      };
      const onMessage = (message: HartReport): void => {
        if (message === 'ready' || message === 'parked') settle();
        else if (typeof message === 'object' && 'failed' in message) settle(new VmError('Internal', message.failed));
      };
      const onError = (cause: unknown): void => settle(threadFailed(cause));
      const onExit = (code: number): void => settle(new VmError('Internal', `A hart's thread ended unexpectedly (exit code ${code}).`));
      worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    });
    // Whoever awaits it sees the failure; nobody awaiting yet is no crash.
    member.answer.catch(() => {});
  }

  private passTrace(hart: number, lines: string): void {
    const taken = (HARTS_BASE + hart * HART_STRIDE + HART_TRACE_TAKEN) >>> 2;
    const take = (): void => {
      Atomics.add(this.words, taken, 1);
      Atomics.notify(this.words, taken);
    };
    let held: Promise<void> | undefined;
    for (const line of lines.split('\n')) held = this.trace(line) ?? held;
    if (held) void held.then(take);
    else take();
  }

  private get runState(): number {
    return Atomics.load(this.words, MACHINE_RUN_STATE >>> 2);
  }

  private setRunState(state: number): void {
    Atomics.store(this.words, MACHINE_RUN_STATE >>> 2, state);
    for (let hart = 0; hart < this.plan.harts; hart++) wakeHart(this.words, hart);
  }
}
