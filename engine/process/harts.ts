import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import type { MmioBus } from '../bus/mmio-bus';
import { VmError } from '../bus/vm-error';
import { DebugPoints, type HartStop } from '../hart/debug-points';
import type { Samples } from '../hart/sampler';
import { StatisticsBlock, type MachineStatistics } from '../hart/statistics';
import { wakeHart } from '../interrupt/hart-lines';
import { MACHINE_RUN_STATE, RUN_PAUSED, RUN_RUNNING, RUN_STOPPED } from '../memory/layout';
import type { MemoryPlan } from '../memory/memory-plan';
import { GuestClock } from './guest-clock';
import type { HartBoard } from './hart-board';
import type { HartThreads } from './hart-threads';
import type { HartCommand, HartReport, HartSetup } from './hart-worker';
import { MmioServer } from './mmio-ring';

/** How long a hart may take to leave its run loop before its thread is ended by force, in ms. */
const STOP_PATIENCE = 2000;

interface Member {
  worker: Worker;
  /** Settles when the worker has answered the last command. */
  answer: Promise<void>;
  /** Whether that answer is still to come. */
  busy: boolean;
  /** How the last step went; set before its answer comes. */
  stepped?: HartStop;
}

function threadFailed(cause: unknown): VmError {
  return new VmError('Internal', `A hart's thread failed: ${String(cause)}`, { cause });
}

/** The harts of one machine: a thread each, run, paused and reset together. Lives on the device thread. */
export class HartPool extends EventEmitter<{ error: [VmError]; trace: [string]; samples: [number, Samples]; stopped: [number, HartStop] }> {
  private members: Member[] = [];
  private readonly words: Int32Array;
  private readonly server: MmioServer;
  private readonly clock: GuestClock;
  private stopping = false;
  readonly points: DebugPoints;
  /** Guest time when the harts were paused. */
  private pausedAt = 0;
  /** Milliseconds that the harts ran up to the last pause, and the time since when they run. */
  private ran = 0;
  private runningSince: number | undefined;
  private readonly statisticsBlocks: StatisticsBlock[];

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly plan: MemoryPlan,
    bus: MmioBus,
    private readonly board: HartBoard,
    private readonly threads: HartThreads,
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
    compiler?.on('error', (cause) => this.emit('error', new VmError('Internal', `The compile worker failed: ${String(cause)}`, { cause })));
    const helpers = await threads.helpers;
    const { failure } = threads;
    if (failure !== undefined) throw threadFailed(failure);
    compiler?.postMessage(memory);
    for (const [id, worker] of threads.workers.entries()) {
      const member: Member = { worker, answer: Promise.resolve(), busy: false };
      this.awaitAnswer(member);
      worker.on('message', (message: HartReport) => {
        if (message === 0) this.server.serve();
        else if (typeof message === 'object' && 'trace' in message) this.emit('trace', message.trace);
        else if (typeof message === 'object' && 'stopped' in message) this.noteStop(id, message.stopped);
        else if (typeof message === 'object' && 'samples' in message) this.emit('samples', id, message.samples);
      });
      // While a command is under way its answer tells of this; between commands nobody else would.
      worker.on('error', (cause) => {
        if (!member.busy && !this.stopping) this.emit('error', threadFailed(cause));
      });
      this.members.push(member);
      worker.postMessage({ memory, plan, helpers, board } satisfies HartSetup);
    }
    threads.hold();
    await this.answers();
  }

  /** Let the threads, after launch(), run from the reset vector. */
  async start(): Promise<void> {
    await this.command('reset');
    this.clock.set(0);
    this.pausedAt = 0;
    this.resume();
  }

  /** Let the harts leave their run loops; resolves when all have. Guest time stands still until resume(). */
  async pause(): Promise<void> {
    this.setRunState(RUN_PAUSED);
    await this.answers();
    this.stopwatch(false);
    // What they posted last belongs to the time before: a reset must not find it.
    this.server.drain();
    this.pausedAt = this.clock.now();
  }

  resume(): void {
    this.clock.set(this.pausedAt);
    this.stopwatch(true);
    this.setRunState(RUN_RUNNING);
    // Failures while running reach whoever listens to 'error'.
    this.command('run').catch((error: unknown) => {
      if (!this.stopping) this.emit('error', error instanceof VmError ? error : new VmError('Internal', String(error), { cause: error }));
    });
  }

  /** Paused harts go back to their power-on state, to run from the reset vector on resume(). */
  async reset(): Promise<void> {
    await this.command('reset');
  }

  /** Let one hart, while all are paused, execute one instruction. Guest time passes meanwhile. */
  async step(hart: number): Promise<HartStop> {
    this.clock.set(this.pausedAt);
    const member = this.members[hart];
    this.awaitAnswer(member);
    member.worker.postMessage('step' satisfies HartCommand);
    await member.answer;
    this.server.drain();
    this.pausedAt = this.clock.now();
    return member.stepped as HartStop;
  }

  /** End the threads. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.stopwatch(false);
    this.setRunState(RUN_STOPPED);
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

  /** What the harts have done since start(), up to their last polls. At any time, also after stop(). */
  get statistics(): MachineStatistics {
    const running = this.runningSince === undefined ? 0 : performance.now() - this.runningSince;
    return { seconds: (this.ran + running) / 1000, harts: this.statisticsBlocks.map((block) => block.read()) };
  }

  private noteStop(hart: number, stop: HartStop): void {
    if (stop.reason === 'step') this.members[hart].stepped = stop;
    else this.emit('stopped', hart, stop);
  }

  private stopwatch(running: boolean): void {
    const now = performance.now();
    if (this.runningSince !== undefined) this.ran += now - this.runningSince;
    this.runningSince = running ? now : undefined;
  }

  private async command(command: HartCommand): Promise<void> {
    for (const member of this.members) {
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

  private setRunState(state: number): void {
    Atomics.store(this.words, MACHINE_RUN_STATE >>> 2, state);
    for (let hart = 0; hart < this.plan.harts; hart++) wakeHart(this.words, hart);
  }
}
