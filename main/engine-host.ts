import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { type MessagePortMain, type UtilityProcess, utilityProcess } from 'electron';
import log from 'electron-log/main';
import { type EngineEvent, type EngineRequest, HEARTBEAT_MS, engineEventSchema } from '../engine/process/contract';

/** Silence after which an engine process counts as not responding, in milliseconds. */
const SILENCE_MS = HEARTBEAT_MS * 5;
/** How long a process that was told to end gets before it is killed, in milliseconds. */
const GRACE_MS = 4000;

type EngineLog = Pick<ReturnType<typeof log.create>, 'info' | 'warn'>;

export interface EngineHostEvents {
  event: [EngineEvent];
  /** Heartbeats stopped (false) or came back (true). */
  responsive: [boolean];
  /** The process is gone; the last word of this host. */
  gone: [exitCode: number];
}

/** One engine process: a VM's own operating-system process. What befalls it, befalls that VM alone. */
export class EngineHost extends EventEmitter<EngineHostEvents> {
  private readonly process: UtilityProcess;
  private responsive = true;
  private silence: NodeJS.Timeout | undefined;
  private grace: NodeJS.Timeout | undefined;

  constructor(vm: string, dataDirectory: string) {
    super();
    this.process = utilityProcess.fork(join(import.meta.dirname, 'engine-process.js'), [], {
      serviceName: `Hartbox engine (${vm})`,
      stdio: 'pipe',
      env: scrubbedEnvironment(dataDirectory),
    });
    const output = engineLog(vm, dataDirectory);
    this.process.stdout?.on('data', (data: Buffer) => output.info(data.toString().trimEnd()));
    this.process.stderr?.on('data', (data: Buffer) => output.warn(data.toString().trimEnd()));
    this.process.on('message', (message: unknown) => this.receive(message, output));
    this.process.on('exit', (code) => {
      clearTimeout(this.silence);
      clearTimeout(this.grace);
      output.info(`The engine process ended with code ${code}.`);
      this.emit('gone', code);
    });
    this.process.once('spawn', () => {
      output.info(`The engine process started (process ${this.process.pid}).`);
      this.send({ type: 'start', vm, dataDirectory });
      this.listen();
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  send(request: EngineRequest, ports: MessagePortMain[] = []): void {
    this.process.postMessage(request, ports);
  }

  /** End the process: it is asked to force the machine off, and killed if it does not go. */
  end(): void {
    this.send({ type: 'force-off' });
    this.grace ??= setTimeout(() => {
      this.process.kill();
      this.grace = setTimeout(() => {
        if (this.process.pid !== undefined) process.kill(this.process.pid, 'SIGKILL');
      }, GRACE_MS);
    }, GRACE_MS);
  }

  private receive(message: unknown, output: EngineLog): void {
    this.listen();
    const event = engineEventSchema.safeParse(message);
    if (!event.success) {
      output.warn('The engine process sent a message that is not part of the contract; it was ignored.', event.error.message);
      return;
    }
    if (event.data.type === 'exit' && event.data.error) output.warn(event.data.error.message, event.data.error.details);
    this.emit('event', event.data);
  }

  /** Something was heard: start waiting for the next. */
  private listen(): void {
    if (!this.responsive) {
      this.responsive = true;
      this.emit('responsive', true);
    }
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.responsive = false;
      this.emit('responsive', false);
    }, SILENCE_MS);
  }
}

/** Where what an engine process prints is kept. */
export function engineLogFile(vm: string, dataDirectory: string): string {
  return join(dataDirectory, 'logs', `${vm}.log`);
}

function engineLog(vm: string, dataDirectory: string): EngineLog {
  const output = log.create({ logId: `engine-${vm}` });
  output.transports.file.resolvePathFn = () => engineLogFile(vm, dataDirectory);
  output.transports.console.level = false;
  return output;
}

/** What an engine process may know of our environment: nothing that changes how Node or Electron run. */
function scrubbedEnvironment(dataDirectory: string): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !/^(NODE_|ELECTRON_|npm_)/i.test(entry[0]),
  );
  return { ...Object.fromEntries(kept), HARTBOX_HOME: dataDirectory };
}
