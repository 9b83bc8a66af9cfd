import type { VmError } from '../bus/vm-error';
import { type SetupProgress, defaultGuest } from '../images/default-guest';
import { keepingVariables, type MachineConfig } from '../machine/config';
import { VirtualMachine } from '../machine/virtual-machine';
import { VmLibrary } from '../machine/vm-library';
import { type ClientPort, ConsoleHub } from './console-hub';
import { type EngineEvent, type EngineRequest, HEARTBEAT_MS, type V8Verdict, engineRequestSchema } from './contract';
import { reportError } from './error-report';

/** The line to the app's main process, as Electron gives it to a utility process. */
interface ParentPort {
  on(event: 'message', listener: (event: { data: unknown; ports: ClientPort[] }) => void): unknown;
  postMessage(message: EngineEvent): void;
}

/** Shortest time between two progress messages of one phase, in milliseconds. */
const PROGRESS_MS = 100;
/** The port on which the default guest's agent takes orders, one a line: `poweroff`. */
const CONTROL_PORT = 'hartbox.control';

type Start = Extract<EngineRequest, { type: 'start' }>;

/** Hosts one VirtualMachine in a process of its own, from start to exit. */
class EngineProcess {
  private readonly hub = new ConsoleHub();
  private readonly preparation = new AbortController();
  private machine: VirtualMachine | undefined;
  private started = false;
  private reported = { phase: '', at: 0 };

  constructor(private readonly parent: ParentPort) {
    parent.on('message', ({ data, ports }) => {
      this.receive(data, ports).catch((error: unknown) => this.post({ type: 'warning', error: reportError(error) }));
    });
    setInterval(() => this.post({ type: 'heartbeat' }), HEARTBEAT_MS);
  }

  /** The last message, then the end. */
  exit(code: number, error?: unknown): void {
    this.post({ type: 'exit', code, error: error === undefined ? undefined : reportError(error) });
    // The message leaves with the next turn of the event loop.
    setTimeout(() => process.exit(0), 50);
  }

  private post(event: EngineEvent): void {
    this.parent.postMessage(event);
  }

  /** Tell of a preparation's progress, as often as a person can see it move. */
  private report(progress: SetupProgress): void {
    const now = performance.now();
    if (progress.phase === this.reported.phase && now - this.reported.at < PROGRESS_MS) return;
    this.reported = { phase: progress.phase, at: now };
    this.post({ type: 'progress', progress });
  }

  private async receive(data: unknown, ports: ClientPort[]): Promise<void> {
    const request = engineRequestSchema.parse(data);
    switch (request.type) {
      case 'start':
        if (!this.started) {
          this.started = true;
          await this.run(request);
        }
        break;
      case 'console':
        if (ports[0]) this.hub.connect(ports[0]);
        break;
      case 'pause':
        await this.machine?.pause();
        break;
      case 'resume':
        await this.machine?.resume();
        break;
      case 'statistics':
        this.machine?.reportStatistics(request.every);
        break;
      case 'power-off':
        this.machine?.port(CONTROL_PORT).write(new TextEncoder().encode('poweroff\n'));
        break;
      case 'force-off':
        if (!this.started) {
          this.started = true;
          this.exit(0);
          break;
        }
        this.preparation.abort();
        await this.machine?.stop();
        break;
    }
  }

  private async run({ vm, dataDirectory, v8 }: Start): Promise<void> {
    const library = new VmLibrary(dataDirectory);
    try {
      const lock = await library.lock(vm, 'the Hartbox app');
      try {
        const exit = await this.runMachine(keepingVariables(await library.config(vm), library.flashFile(vm)), dataDirectory, v8);
        this.exit(exit.code, exit.error);
      } finally {
        await lock.release();
      }
    } catch (error) {
      if (this.preparation.signal.aborted) this.exit(0);
      else this.exit(1, error);
    }
  }

  private async runMachine(config: MachineConfig, dataDirectory: string, v8: V8Verdict): Promise<{ code: number; error?: VmError }> {
    if (config.kernel === undefined && config.firmware !== 'uboot' && config.firmware !== 'edk2') {
      await defaultGuest({ dataDirectory, signal: this.preparation.signal, onProgress: (progress) => this.report(progress) });
    }
    this.post({ type: 'state', state: 'starting' });
    const machine = await VirtualMachine.create(config, { dataDirectory, v8, ports: [CONTROL_PORT] });
    this.preparation.signal.throwIfAborted();
    this.machine = machine;
    this.hub.attach(machine.console);
    machine.on('warning', (error) => this.post({ type: 'warning', error: reportError(error) }));
    // The machine is paused then: the user resumes it.
    machine.on('full', (error) => this.post({ type: 'warning', error: reportError(error) }));
    machine.on('statistics', (total, interval) => this.post({ type: 'statistics', total, interval }));
    machine.on('state', (state) => {
      if (state === 'running' || state === 'paused') this.post({ type: 'state', state });
    });
    await machine.start();
    return machine.wait();
  }
}

const { parentPort } = process as typeof process & { parentPort?: ParentPort };
if (parentPort) {
  const host = new EngineProcess(parentPort);
  process.on('uncaughtException', (error) => host.exit(1, error));
  process.on('unhandledRejection', (error) => host.exit(1, error));
} else {
  console.error('This is the part of the Hartbox app that runs a machine; the app starts it. To run a machine by hand use: hartbox run');
  process.exit(2);
}
