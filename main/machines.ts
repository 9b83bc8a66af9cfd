import { EventEmitter } from 'node:events';
import { basename } from 'node:path';
import type { MessagePortMain } from 'electron';
import { VmError } from '../engine/bus/vm-error';
import type { MachineConfig } from '../engine/machine/config';
import type { VmEntry } from '../engine/machine/vm-library';
import type { EngineEvent, EngineRequest, ErrorReport } from '../engine/process/contract';
import { reportError } from '../engine/process/error-report';
import type { VmState, VmView } from './contract';

/** How long a guest that was asked to shut down may take before the user is asked, in milliseconds. */
const STALL_MS = 15_000;

/** What Machines needs of an engine process (engine-host.ts). */
export interface Engine extends EventEmitter<{ event: [EngineEvent]; responsive: [boolean]; gone: [exitCode: number] }> {
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

/** The library's VMs as they are now: their configuration, and for each running one its engine process. */
export class Machines extends EventEmitter<{ changed: [VmView] }> {
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

  async start(id: string): Promise<void> {
    if (this.running.has(id)) throw new VmError('State', `"${this.view(id).name}" is already running.`);
    const before = this.view(id);
    const config = await this.options.library.config(id).catch((error: unknown) => {
      this.update(id, { state: 'broken', error: reportError(error) });
      throw error;
    });
    // Another request may have started it meanwhile.
    if (this.running.has(id)) return;
    const running: Running = { engine: this.options.startEngine(id) };
    this.running.set(id, running);
    this.update(id, { ...before, ...idle, ...described(config), state: 'starting', error: undefined, warning: undefined });
    running.engine.on('event', (event) => this.onEvent(id, running, event));
    running.engine.on('responsive', (responsive) => this.update(id, { unresponsive: !responsive }));
    running.engine.on('gone', (code) => this.onGone(id, running, code));
  }

  /** Ask the guest to shut down. After a while without effect the VM counts as stalled, for the user to decide. */
  powerOff(id: string): void {
    const running = this.required(id, ['running', 'stopping'], 'shut down');
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
      case 'heartbeat':
      case 'statistics':
        break;
    }
  }

  private onGone(id: string, running: Running, code: number): void {
    clearTimeout(running.stall);
    this.running.delete(id);
    const error = running.exit ? running.exit.error : this.crashReport(id, code);
    this.update(id, { ...idle, state: error ? 'failed' : 'off', error });
  }

  private crashReport(id: string, code: number): ErrorReport {
    return {
      kind: 'Internal',
      message: `The engine process of "${this.view(id).name}" ended unexpectedly. Its disks are as the guest last wrote them; other VMs are not affected. Start the VM again to go on.`,
      details: `Exit code ${code}\nLog: ${this.options.logFile(id)}`,
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
