import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type { App, Details, UtilityProcess, utilityProcess } from 'electron';
import { HEARTBEAT_MS } from '../engine/runner/control';
import { type ControlClient, LineClient } from '../engine/runner/control-client';
import type { EngineStart } from '../engine/runner/engine-start';
import { type MessagePortLike, portLine } from '../engine/runner/transport';
import type { V8Verdict } from '../engine/threads/v8-verdict-schema';
import { takeOutput } from './utility-output';

/** Silence after which an engine process counts as not responding, in milliseconds. */
const SILENCE_MS = HEARTBEAT_MS * 5;
/** How long a process that was told to end gets before it is killed, in milliseconds. */
const GRACE_MS = 4000;
/** A new process that says nothing for so long, in milliseconds, will not: Electron does not always tell that it could not be launched. */
const BIRTH_MS = 30_000;

/** What Electron tells as the exit code of a process that was killed by SIGKILL; none of ours ends with it. */
const KILLED = 9;

/** What is kept of what an engine process prints. */
export interface EngineLog {
  info(...parts: unknown[]): void;
  warn(...parts: unknown[]): void;
}

/** What an EngineHost needs of Electron. */
export interface EngineHostPlatform {
  fork: typeof utilityProcess.fork;
  /** Tells of child processes that are gone. */
  app: Pick<App, 'on' | 'off'>;
  log: EngineLog;
  /** The flags that V8 runs harts with; never rejects. */
  v8: Promise<V8Verdict>;
}

/** How an engine process ended. */
export interface EngineEnd {
  exitCode: number;
  /** It was told to end, and did not obey in time. */
  killed: boolean;
  /** What else is known of why. */
  reason?: string;
}

export interface EngineHostEvents {
  /** Heartbeats stopped (false) or came back (true). */
  responsive: [boolean];
  /** The process is gone; the last word of this host. */
  gone: [EngineEnd];
}

/** One engine process: a VM's own operating-system process. What befalls it, befalls that VM alone. */
export class EngineHost extends EventEmitter<EngineHostEvents> {
  /** Closed when the process is gone. */
  readonly client: ControlClient;
  private readonly process: UtilityProcess;
  private readonly name: string;
  private isGone = false;
  private isEnding = false;
  /** It was killed because it did not end when it was told to. */
  private killed = false;
  private reason: string | undefined;
  private responsive = true;
  private silence: NodeJS.Timeout | undefined;
  private grace: NodeJS.Timeout | undefined;
  private readonly birth: NodeJS.Timeout | undefined;
  private readonly onChildGone = (_event: unknown, details: Details): void => {
    if (details.name !== this.name || details.reason !== 'launch-failed') return;
    const code = details.systemErrorCode ?? details.exitCode;
    this.leave(code, `The operating system could not launch the process (error ${code}).`);
  };

  constructor(
    vm: string,
    dataDirectory: string,
    private readonly platform: EngineHostPlatform,
  ) {
    super();
    const { fork, app, log } = platform;
    this.name = `Hartbox engine (${vm})`;
    this.process = fork(join(import.meta.dirname, 'engine-process.js'), [], {
      serviceName: this.name,
      stdio: 'pipe',
      env: engineEnvironment(dataDirectory),
    });
    void takeOutput(this.process, { stdout: (text) => log.info(text.trimEnd()), stderr: (text) => log.warn(text.trimEnd()) });
    this.process.on('message', () => this.listen());
    this.client = new LineClient(portLine(this.process as MessagePortLike, { carriesPorts: true }));
    this.client.on('malformed', (why) => log.warn('The engine process sent a message that it may not send; it was ignored.', why));
    this.client.on('exit', ({ error }) => {
      if (error) log.warn(error.message, error.details);
    });
    // Without a listener the event would be an exception in the main process. `exit` follows.
    this.process.on('error', (type: string, location?: string, report?: string) => {
      this.reason = describeFatalError(type, location, report);
      log.warn(this.reason);
    });
    this.process.on('exit', (code) => {
      if (code === KILLED)
        this.reason ??= 'It was ended by force, by another program or by the system, which does so when memory runs out.';
      this.leave(code);
    });
    app.on('child-process-gone', this.onChildGone);
    this.process.once('spawn', () => {
      log.info(`The engine process started (process ${this.process.pid}).`);
      if (this.isEnding) this.kill();
      else
        void platform.v8.then((v8) => {
          if (!this.isEnding && !this.isGone) this.process.postMessage({ start: { vm, dataDirectory, v8 } } satisfies EngineStart);
        });
    });
    this.birth = setTimeout(() => {
      this.kill();
      this.leave(-1, `The process gave no sign of life for ${BIRTH_MS / 1000} s.`);
    }, BIRTH_MS);
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** End the process: it is asked to force the machine off, and killed if it does not go. */
  end(): void {
    if (this.isGone || this.isEnding) return;
    this.isEnding = true;
    this.client.call('force-off', {}).catch(() => undefined);
    const steps = [
      () => this.kill(),
      () => this.killAtOnce(),
      // Nothing can be done any more; whoever waits for the end must not wait for ever.
      () => this.leave(-1, 'It was killed, and the operating system has not said that it ended.'),
    ];
    const next = (): void => {
      steps.shift()?.();
      if (steps.length > 0 && !this.isGone) this.grace = setTimeout(next, GRACE_MS);
    };
    this.grace = setTimeout(next, GRACE_MS);
  }

  private kill(): void {
    this.killed = this.isEnding;
    this.process.kill();
  }

  private killAtOnce(): void {
    const { pid } = this.process;
    if (pid === undefined) return;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // It may have ended at this very moment.
      this.platform.log.warn(`The engine process could not be killed: ${(error as Error).message}`);
    }
  }

  private leave(exitCode: number, reason = this.reason): void {
    if (this.isGone) return;
    this.isGone = true;
    for (const timer of [this.silence, this.grace, this.birth]) clearTimeout(timer);
    this.platform.app.off('child-process-gone', this.onChildGone);
    this.platform.log.info(`The engine process ended with code ${exitCode}.${reason === undefined ? '' : ` ${reason}`}`);
    this.client.close();
    this.emit('gone', { exitCode, killed: this.killed, reason });
  }

  /** Something was heard: start waiting for the next. */
  private listen(): void {
    if (this.isGone) return;
    clearTimeout(this.birth);
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

/** Of Node's diagnostic report only what says why: the rest holds the environment, which is nobody's business. */
function describeFatalError(type: string, location = '', report = ''): string {
  const parts = [`${type} in V8`, location];
  try {
    const { header, javascriptStack } = JSON.parse(report) as { header?: { event?: string }; javascriptStack?: { message?: string } };
    parts.push(header?.event ?? '', javascriptStack?.message ?? '');
  } catch {
    // Older ones have none.
  }
  return parts.filter(Boolean).join(': ').replace(/\.?$/, '.');
}

/** What an engine process may know of our environment: nothing that changes how Node or Electron run. */
export function engineEnvironment(dataDirectory: string): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !/^(NODE_|ELECTRON_|npm_)/i.test(entry[0]),
  );
  return { ...Object.fromEntries(kept), HARTBOX_HOME: dataDirectory };
}
