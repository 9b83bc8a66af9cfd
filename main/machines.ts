import { EventEmitter } from 'node:events';
import { basename, dirname } from 'node:path';
import type { MessagePortMain } from 'electron';
import { reasonCode } from '../engine/errors/system-error';
import { VmError } from '../engine/errors/vm-error';
import { reloadSettings } from '../engine/runner/reload-settings';
import type { ChannelKind } from '../engine/runner/channel';
import type { Arguments, ErrorReport, EventData, OperationName, Result, Status } from '../engine/runner/control';
import type { ControlClient } from '../engine/runner/control-client';
import { reportError } from '../engine/runner/error-report';
import type { BoxEntry } from '../engine/runner/library';
import type { BoxValues } from '../engine/settings/settings';
import type { VmState, VmView } from './contract';
import type { EngineEnd, EngineHostEvents } from './engine-host';

/** How long a guest that was asked to shut down may take before the user is asked, in milliseconds. */
const STALL_MS = 15_000;

/** What Machines needs of an engine process (engine-host.ts). */
export interface Engine extends EventEmitter<EngineHostEvents> {
  /** Undefined while there is no process. */
  readonly pid: number | undefined;
  readonly client: ControlClient;
  end(): void;
}

export interface MachinesOptions {
  library: { list(): Promise<BoxEntry[]>; settings(id: string): Promise<{ values: BoxValues }> };
  startEngine: (id: string) => Engine;
  /** A line to the process that runs a box, if one does (control-socket.ts). */
  findRunning: (id: string) => Promise<ControlClient | undefined>;
  /** Where a box's log is, for error details. */
  logFile: (id: string) => string;
}

/** A box that runs: in an engine process of this app, or elsewhere, such as in a `hartbox run`. */
interface Running {
  client: ControlClient;
  /** Of this app. */
  engine?: Engine;
  /** The box's own last word, which comes before its process ends. */
  exit?: EventData<'exit'>;
  stall?: NodeJS.Timeout;
  /** To be started again as soon as it is off. */
  again: boolean;
  /** The user has forced it off: however it ends now, that is what they wanted. */
  forced?: true;
}

const idle = {
  unresponsive: false,
  stalled: false,
  progress: undefined,
  boot: undefined,
  program: undefined,
  pending: [],
  network: { addresses: [], forwards: [] },
  clipboard: undefined,
} as const satisfies Partial<VmView>;

interface MachinesEvents {
  changed: [VmView];
  /** Is no longer in the library. */
  removed: [id: string];
  /** What a machine's harts have done since the event before; see reportStatistics(). */
  statistics: [id: string, interval: EventData<'statistics'>['interval']];
}

/** The library's boxes as they are now: their settings, and for each that runs a line to it, whoever started it. */
export class Machines extends EventEmitter<MachinesEvents> {
  private readonly views = new Map<string, VmView>();
  private readonly running = new Map<string, Running>();
  /** While the line to a box that runs elsewhere is being made. */
  private readonly looking = new Set<string>();
  private reading: Promise<void> | undefined;

  constructor(private readonly options: MachinesOptions) {
    super();
  }

  /** All boxes, freshly read from disk, and what runs of them. Whoever asks while one reads gets what that one finds. */
  async list(): Promise<VmView[]> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    await this.reading;
    return [...this.views.values()];
  }

  private async read(): Promise<void> {
    const entries = await this.options.library.list();
    const known = new Map(this.views);
    const views = new Map<string, VmView>();
    // In the library's order.
    for (const entry of entries) {
      const before = known.get(entry.id);
      // What it runs with may be other than what its settings say by now.
      const view = this.running.has(entry.id) && before ? { ...before, ...appearance(entry) } : viewOf(entry, before);
      views.set(entry.id, view);
    }
    // What still runs is shown though its folder is gone.
    for (const id of this.running.keys()) {
      const view = known.get(id);
      if (view && !views.has(id)) views.set(id, view);
    }
    // All at once: whoever is told of one box may ask for the others.
    this.views.clear();
    for (const [id, view] of views) this.views.set(id, view);
    for (const [id, view] of views) if (JSON.stringify(view) !== JSON.stringify(known.get(id))) this.emit('changed', view);
    for (const id of known.keys()) if (!views.has(id)) this.emit('removed', id);
    await Promise.all([...this.views.keys()].map((id) => this.look(id)));
  }

  /** See whether somebody else runs the box, and follow it then. */
  private async look(id: string): Promise<void> {
    if (this.running.has(id) || this.looking.has(id)) return;
    this.looking.add(id);
    try {
      const client = await this.options.findRunning(id);
      if (!client) return;
      // The user may have been quicker.
      if (this.running.has(id) || !this.views.has(id)) client.close();
      else this.follow(id, { client, again: false });
    } catch (error) {
      this.update(id, { warning: reportError(error) });
    } finally {
      this.looking.delete(id);
    }
  }

  /** Boxes that have an engine process of this app. */
  active(): VmView[] {
    return [...this.running].filter(([, { engine }]) => engine).map(([id]) => this.view(id));
  }

  /** The operating-system processes of these. */
  pids(): number[] {
    return [...this.running.values()].map(({ engine }) => engine?.pid).filter((pid) => pid !== undefined);
  }

  async start(id: string): Promise<void> {
    await this.look(id);
    if (this.running.has(id)) throw this.refusal(id, 'started');
    const before = this.view(id);
    const { values } = await this.options.library.settings(id).catch((error: unknown) => {
      this.update(id, { state: 'broken', error: reportError(error) });
      throw error;
    });
    // Another request may have started it meanwhile.
    if (this.running.has(id)) return;
    const fresh = { ...before, ...idle, ...described({ id, values }), error: undefined, warning: undefined, exitCode: undefined };
    const engine = this.startEngine(id, fresh);
    this.update(id, { ...fresh, state: 'starting' });
    this.follow(id, { client: engine.client, engine, again: false });
  }

  private follow(id: string, running: Running): void {
    const { client, engine } = running;
    this.running.set(id, running);
    client.on('status', (status) => this.onStatus(id, running, status));
    client.on('warning', (warning) => this.update(id, { warning }));
    client.on('statistics', ({ interval }) => this.emit('statistics', id, interval));
    client.on('exit', (exit) => {
      running.exit = exit;
    });
    if (engine) {
      engine.on('responsive', (responsive) => this.update(id, { unresponsive: !responsive }));
      engine.on('gone', (end) => this.onGone(id, running, end));
    } else {
      client.on('closed', () => this.onGone(id, running));
      if (client.status) this.onStatus(id, running, client.status);
    }
  }

  /** Ask the guest to shut down. After a while without effect the box counts as stalled, for the user to decide. */
  async powerOff(id: string): Promise<void> {
    const running = this.required(id, ['running', 'paused', 'stopping'], 'shut down');
    clearTimeout(running.stall);
    running.stall = setTimeout(() => this.update(id, { stalled: true }), STALL_MS);
    this.update(id, { state: 'stopping', stalled: false });
    await running.client.call('power-off', {});
  }

  /** Shut down and start again. */
  async restart(id: string): Promise<void> {
    this.required(id, ['running', 'paused', 'stopping'], 'restarted').again = true;
    await this.powerOff(id);
  }

  /** Switched off at once where it runs, and started: with files that are others now, what the guest would still write is of no use. */
  async startAnew(id: string): Promise<void> {
    const running = this.running.get(id);
    if (!running) return this.start(id);
    running.again = true;
    running.forced = true;
    if (running.engine) running.engine.end();
    else await running.client.call('force-off', {});
  }

  /** What its build has to say. */
  note(id: string, change: Pick<Partial<VmView>, 'building' | 'warning'>): void {
    this.update(id, change);
  }

  /** As the reset button does: the guest is not asked. */
  async reset(id: string): Promise<void> {
    await this.required(id, ['running', 'paused', 'stopping'], 'reset').client.call('reset', {});
  }

  /** Let debuggers attach to it. */
  async debug(id: string): Promise<{ address: string; symbols: string[] }> {
    return this.required(id, ['running', 'paused', 'stopping'], 'debugged').client.call('debug', {});
  }

  /** Ask something of a box that runs, by the control table. */
  async call<N extends OperationName>(id: string, name: N, args: Arguments<N>): Promise<Result<N>> {
    return this.required(id, ['running', 'paused', 'stopping'], 'changed').client.call(name, args);
  }

  /** Another program runs it. */
  isElsewhere(id: string): boolean {
    return this.view(id).program !== undefined;
  }

  nameOf(id: string): string {
    return this.view(id).name;
  }

  /** End the machine at once, whatever it does. Nothing happens if it is off. */
  async forceOff(id: string): Promise<void> {
    const running = this.running.get(id);
    if (!running) return;
    running.again = false;
    running.forced = true;
    if (running.engine) running.engine.end();
    else await running.client.call('force-off', {});
  }

  async pause(id: string): Promise<void> {
    await this.required(id, ['running'], 'paused').client.call('pause', {});
  }

  async resume(id: string): Promise<void> {
    await this.required(id, ['paused'], 'resumed').client.call('resume', {});
  }

  /** Have a running box take over its changed settings. Undefined if it is off, or not yet so far. */
  async applySettings(id: string): Promise<{ live: string[]; restart: string[] } | undefined> {
    const client = this.running.get(id)?.client;
    const answer = client && (await reloadSettings(client));
    return typeof answer === 'string' ? undefined : answer;
  }

  /** Emit `statistics` of a running box every so many milliseconds. */
  reportStatistics(id: string, every: number): void {
    this.running
      .get(id)
      ?.client.call('watch-statistics', { every })
      // It has ended meanwhile.
      .catch(() => undefined);
  }

  /** Give a running box's console, or its screens, to the holder of the other end of `port`. */
  async connect(id: string, kind: ChannelKind, port: MessagePortMain): Promise<void> {
    const running = this.running.get(id);
    if (!running)
      throw new VmError('State', `"${this.view(id).name}" is not running, so there is nothing to look at.`, {
        code: 'box-off',
        params: { name: this.view(id).name },
      });
    await running.client.lend(kind, port);
  }

  /** Write what a screen shows to a PNG file. */
  async screenshot(id: string, screen: number, file: string): Promise<void> {
    await this.required(id, ['running', 'paused', 'stopping'], 'photographed').client.call('screenshot', { screen, file });
  }

  /** Resolves when no engine process of this app is left. */
  async allEnded(): Promise<void> {
    while (this.active().length > 0) {
      await new Promise<void>((resolve) => this.once('changed', () => resolve()));
    }
  }

  private onStatus(id: string, running: Running, status: Status): void {
    if (status.state === 'off') return;
    const program = running.engine ? undefined : status.program;
    const { state: before } = this.view(id);
    // A guest that was asked to shut down is still shutting down, until it is found paused.
    const state = before === 'stopping' && status.state === 'running' ? before : status.state;
    this.update(id, {
      state,
      progress: status.progress,
      boot: status.state === 'running' ? status.boot : undefined,
      pending: status.pending,
      network: status.network,
      clipboard: status.clipboard,
      program,
      ...(status.screens !== undefined && { screens: status.screens }),
      ...(status.hasSound !== undefined && { hasSound: status.hasSound }),
      ...(status.input !== undefined && { input: status.input }),
      ...(status.consoles !== undefined && { consoles: status.consoles }),
    });
  }

  private startEngine(id: string, fresh: Partial<VmView>): Engine {
    try {
      return this.options.startEngine(id);
    } catch (cause) {
      const error = new VmError(
        'Resource',
        `The engine process of "${this.view(id).name}" could not be started: ${(cause as Error).message}. Close other programs and start the box again.`,
        { cause, code: 'engine-not-started', params: { name: this.view(id).name, reason: reasonCode(cause) } },
      );
      this.update(id, { ...fresh, state: 'failed', error: reportError(error) });
      throw error;
    }
  }

  /** `end` is that of our own engine process; of another's only the line is gone. */
  private onGone(id: string, running: Running, end?: EngineEnd): void {
    clearTimeout(running.stall);
    this.running.delete(id);
    if (!this.views.has(id)) return;
    // Who was told to end, and had to be killed, has ended as it was told to.
    const crash = running.exit || !end || end.killed ? undefined : this.crashReport(id, end);
    const error = running.forced ? undefined : (running.exit?.error ?? crash);
    const exitCode = !running.forced && !error && running.exit?.isGuests ? running.exit.code : undefined;
    this.update(id, { ...idle, state: error ? 'failed' : 'off', error, exitCode });
    if (running.again && !error) void this.start(id).catch(() => undefined);
    // The line may have been cut, or somebody else has been quick.
    else if (!running.exit && !end) void this.look(id);
  }

  private crashReport(id: string, { exitCode, reason }: EngineEnd): ErrorReport {
    const { name } = this.view(id);
    return {
      kind: 'Internal',
      message: `The engine process of "${name}" ended unexpectedly. Its disks are as the guest last wrote them; other boxes are not affected. Start the box again to go on.`,
      details: [reason, `Exit code ${exitCode}`, `Log: ${this.options.logFile(id)}`].filter(Boolean).join('\n'),
      code: 'engine-crashed',
      params: { name },
    };
  }

  private required(id: string, states: VmState[], what: string): Running {
    const running = this.running.get(id);
    if (!running || !states.includes(this.view(id).state)) throw this.refusal(id, what);
    return running;
  }

  private refusal(id: string, what: string): VmError {
    const { name, state } = this.view(id);
    return new VmError('State', `"${name}" cannot be ${what} while it is ${state}.`, {
      code: 'wrong-state',
      params: { name, task: what, state },
    });
  }

  private view(id: string): VmView {
    const view = this.views.get(id);
    if (!view) throw new VmError('Config', `There is no box "${id}" any more.`, { code: 'box-gone', params: { id } });
    return view;
  }

  private update(id: string, change: Partial<VmView>): void {
    const before = this.views.get(id);
    if (!before) return;
    const view = { ...before, ...change };
    this.views.set(id, view);
    this.emit('changed', view);
  }
}

/** What a card says about settings. */
function described(entry: BoxEntry): Partial<VmView> {
  if (entry.error) return {};
  const { memory, harts, source, kernel, drives, screens, consoles, sound: hasSound } = entry.values;
  const disk = source === 'disk' ? drives[0]?.file : undefined;
  return {
    ...appearance(entry),
    memory,
    harts,
    source,
    screens,
    consoles,
    hasSound,
    kernel: kernel === undefined ? undefined : basename(kernel),
    // What a box has in its folder is called alike in all of them.
    disk: disk === undefined || basename(dirname(disk)) === entry.id ? undefined : basename(disk),
  };
}

/** The app's own part of that, which may change while the box runs. */
function appearance({ values, error }: BoxEntry): Partial<VmView> {
  if (error) return {};
  const { name, icon, tags, autostart, build, bell, guestTitle, guestClipboard, volume, muted } = values;
  return { name, icon, tags, autostart, build, terminal: { bell, guestTitle, guestClipboard }, sound: { volume, muted } };
}

const unknown = {
  memory: 0,
  harts: 0,
  source: 'linux',
  screens: 0,
  hasSound: false,
  sound: { volume: 100, muted: false },
  input: [],
  consoles: 0,
  icon: 'box',
  tags: [],
  autostart: false,
  terminal: { bell: 'none', guestTitle: false, guestClipboard: false },
} as const satisfies Partial<VmView>;

/** A box that does not run; the failure or the exit code that it ended with stays on it until it is started again. */
function viewOf(entry: BoxEntry, before: VmView | undefined): VmView {
  const { id } = entry;
  const view = { name: before?.name ?? id, ...unknown, tags: [], ...idle, pending: [], id, ...described(entry) };
  if (entry.error) return { ...view, state: 'broken', error: reportError(entry.error) };
  const failed = before?.state === 'failed';
  return { ...view, state: failed ? 'failed' : 'off', error: failed ? before.error : undefined, exitCode: before?.exitCode };
}
