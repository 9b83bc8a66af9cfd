import { EventEmitter } from 'node:events';
import { basename } from 'node:path';
import type { MessagePortMain } from 'electron';
import { VmError } from '../engine/bus/vm-error';
import type { MachineConfig } from '../engine/machine/config';
import type { VmEntry } from '../engine/machine/vm-library';
import type { EngineEvent, EngineRequest, ErrorReport } from '../engine/process/contract';
import { reportError } from '../engine/process/error-report';
import type { VmState, VmView } from './contract';
import type { EngineEnd, EngineHostEvents } from './engine-host';

/** How long a guest that was asked to shut down may take before the user is asked, in milliseconds. */
const STALL_MS = 15_000;

/** What Machines needs of an engine process (engine-host.ts). */
export interface Engine extends EventEmitter<EngineHostEvents> {
  /** Undefined while there is no process. */
  readonly pid: number | undefined;
  send(request: EngineRequest, ports?: MessagePortMain[]): void;
  end(): void;
}

export interface MachinesOptions {
  library: { list(): Promise<VmEntry[]>; config(id: string): Promise<MachineConfig> };
  startEngine: (vm: string) => Engine;
  /** Where a VM's log is, for error details. */
  logFile: (vm: string) => string;
}

interface Running {
  engine: Engine;
  /** The engine's own last word, which comes before its process ends. */
  exit?: Extract<EngineEvent, { type: 'exit' }>;
  stall?: NodeJS.Timeout;
}

const idle = { unresponsive: false, stalled: false, progress: undefined } as const;

interface MachinesEvents {
  changed: [VmView];
  /** What a machine's harts have done since the event before; see reportStatistics(). */
  statistics: [id: string, interval: Extract<EngineEvent, { type: 'statistics' }>['interval']];
}

/** The library's VMs as they are now: their configuration, and for each running one its engine process. */
export class Machines extends EventEmitter<MachinesEvents> {
  private readonly views = new Map<string, VmView>();
  private readonly running = new Map<string, Running>();

  constructor(private readonly options: MachinesOptions) {
    super();
  }

  /** All VMs, freshly read from disk; the state of those that run stays. */
  async list(): Promise<VmView[]> {
    const entries = await this.options.library.list();
    const views = entries.map((entry) => {
      const view = this.running.has(entry.id) ? this.view(entry.id) : viewOf(entry, this.views.get(entry.id));
      this.views.set(entry.id, view);
      return view;
    });
    for (const id of this.views.keys()) {
      if (!entries.some((entry) => entry.id === id) && !this.running.has(id)) this.views.delete(id);
    }
    return views;
  }

  /** VMs that have an engine process. */
  active(): VmView[] {
    return [...this.running.keys()].map((id) => this.view(id));
  }

  /** The operating-system processes of these. */
  pids(): number[] {
    return [...this.running.values()].map(({ engine }) => engine.pid).filter((pid) => pid !== undefined);
  }

  async start(id: string): Promise<void> {
    if (this.running.has(id)) throw new VmError('State', `"${this.view(id).name}" is already running.`);
    const before = this.view(id);
    const config = await this.options.library.config(id).catch((error: unknown) => {
      this.update(id, { state: 'broken', error: reportError(error) });
      throw error;
    });
    // Another request may have started it meanwhile.
    if (this.running.has(id)) return;
    const fresh = { ...before, ...idle, ...described(config), error: undefined, warning: undefined };
    const running: Running = { engine: this.startEngine(id, fresh) };
    this.running.set(id, running);
    this.update(id, { ...fresh, state: 'starting' });
    running.engine.on('event', (event) => this.onEvent(id, running, event));
    running.engine.on('responsive', (responsive) => this.update(id, { unresponsive: !responsive }));
    running.engine.on('gone', (end) => this.onGone(id, running, end));
  }

  /** Ask the guest to shut down. After a while without effect the VM counts as stalled, for the user to decide. */
  powerOff(id: string): void {
    const running = this.required(id, ['running', 'paused', 'stopping'], 'shut down');
    // A guest that stands still hears nothing.
    if (this.view(id).state === 'paused') running.engine.send({ type: 'resume' });
    running.engine.send({ type: 'power-off' });
    clearTimeout(running.stall);
    running.stall = setTimeout(() => this.update(id, { stalled: true }), STALL_MS);
    this.update(id, { state: 'stopping', stalled: false });
  }

  /** End the machine at once, whatever it does. Nothing happens if it is off. */
  forceOff(id: string): void {
    this.running.get(id)?.engine.end();
  }

  pause(id: string): void {
    this.required(id, ['running'], 'paused').engine.send({ type: 'pause' });
  }

  resume(id: string): void {
    this.required(id, ['paused'], 'resumed').engine.send({ type: 'resume' });
  }

  /** Emit `statistics` of a running VM every so many milliseconds. */
  reportStatistics(id: string, every: number): void {
    this.running.get(id)?.engine.send({ type: 'statistics', every });
  }

  /** Give a running VM's console to the holder of the other end of `port`. */
  connectConsole(id: string, port: MessagePortMain): void {
    const running = this.running.get(id);
    if (!running) throw new VmError('State', `"${this.view(id).name}" is not running, so it has no console.`);
    running.engine.send({ type: 'console' }, [port]);
  }

  /** Resolves when no engine process is left. */
  async allEnded(): Promise<void> {
    while (this.running.size > 0) {
      await new Promise<void>((resolve) => this.once('changed', () => resolve()));
    }
  }

  private onEvent(id: string, running: Running, event: EngineEvent): void {
    const { state } = this.view(id);
    switch (event.type) {
      case 'progress':
        this.update(id, { state: 'preparing', progress: event.progress });
        break;
      case 'state':
        // A guest that was asked to shut down is still shutting down.
        this.update(id, { state: state === 'stopping' && event.state === 'running' ? state : event.state, progress: undefined });
        break;
      case 'warning':
        this.update(id, { warning: event.error });
        break;
      case 'exit':
        running.exit = event;
        break;
      case 'statistics':
        this.emit('statistics', id, event.interval);
        break;
      case 'heartbeat':
        break;
    }
  }

  private startEngine(id: string, fresh: Partial<VmView>): Engine {
    try {
      return this.options.startEngine(id);
    } catch (cause) {
      const error = new VmError(
        'Resource',
        `The engine process of "${this.view(id).name}" could not be started: ${(cause as Error).message}. Close other programs and start the VM again.`,
        { cause },
      );
      this.update(id, { ...fresh, state: 'failed', error: reportError(error) });
      throw error;
    }
  }

  private onGone(id: string, running: Running, end: EngineEnd): void {
    clearTimeout(running.stall);
    this.running.delete(id);
    // Who was told to end, and had to be killed, has ended as it was told to.
    const error = running.exit ? running.exit.error : end.killed ? undefined : this.crashReport(id, end);
    this.update(id, { ...idle, state: error ? 'failed' : 'off', error });
  }

  private crashReport(id: string, { exitCode, reason }: EngineEnd): ErrorReport {
    return {
      kind: 'Internal',
      message: `The engine process of "${this.view(id).name}" ended unexpectedly. Its disks are as the guest last wrote them; other VMs are not affected. Start the VM again to go on.`,
      details: [reason, `Exit code ${exitCode}`, `Log: ${this.options.logFile(id)}`].filter(Boolean).join('\n'),
    };
  }

  private required(id: string, states: VmState[], what: string): Running {
    const running = this.running.get(id);
    const view = this.view(id);
    if (!running || !states.includes(view.state)) throw new VmError('State', `"${view.name}" cannot be ${what} while it is ${view.state}.`);
    return running;
  }

  private view(id: string): VmView {
    const view = this.views.get(id);
    if (!view) throw new VmError('Config', `There is no VM "${id}" any more.`);
    return view;
  }

  private update(id: string, change: Partial<VmView>): void {
    const view = { ...this.view(id), ...change };
    this.views.set(id, view);
    this.emit('changed', view);
  }
}

/** What a card says about a configuration. */
function described({ name, memory, harts, kernel }: MachineConfig): Pick<VmView, 'name' | 'memory' | 'harts' | 'kernel'> {
  return { name, memory, harts, kernel: kernel === undefined ? undefined : basename(kernel) };
}

/** A VM that does not run; a failure that it ended with stays on it until it is started again. */
function viewOf(entry: VmEntry, before: VmView | undefined): VmView {
  if (entry.error)
    return { id: entry.id, name: before?.name ?? entry.id, memory: 0, harts: 0, state: 'broken', error: reportError(entry.error), ...idle };
  const failed = before?.state === 'failed';
  return { id: entry.id, ...described(entry.config), state: failed ? 'failed' : 'off', error: failed ? before.error : undefined, ...idle };
}
