import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { GuestAgent } from '../display/agent/guest-agent';
import { AGENT_PORT } from '../display/agent/protocol';
import { asVmError, reasonCode } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import type { MachineStatistics } from '../hart/statistics';
import type { FileLock } from '../host/file-lock';
import type { SetupProgress } from '../images/default-guest';
import { type MachineExit, VirtualMachine, type VirtualMachineOptions } from '../machine/virtual-machine';
import { impliedSource, keepingVariables } from '../settings/boot';
import { checkSettings } from '../settings/problem';
import { type BoxValues, type MachineConfigInput, OPTIONS, impliedValues, machineConfig, machineConfigSchema } from '../settings/settings';
import { AudioHub } from './audio-hub';
import { EXTRA_TERMINALS_MAX } from '../settings/hardware';
import type { ChannelKind, Connection } from './channel';
import { getClipboard, insertText, sendFiles, sendingEnded, setClipboard, sharedText } from './clipboard';
import { BootWatch } from './boot/boot-watch';
import { ConsoleHub } from './console-hub';
import type { Arguments, Progress, Result, RunState, Status } from './control';
import type { Controlled, Operations } from './control-server';
import { type ControlSocket, listenControl } from './control-socket';
import { reportError } from './error-report';
import { SpaceWatch } from './space-watch';
import { executionTrace, type SymbolFile } from './symbol-files';
import { DebugService } from './debug-service';
import { changesOfDrives } from './drive-changes';
import type { Library } from './library';
import { MessageLog } from './message-log';
import { Profiling } from './profiling';
import { saveConsole } from './saved-console';
import { ScreenHub } from './screen-hub';
import { saveScreenshot } from './screenshot';
import { setProcessPriority } from './process-priority';
import { VncService, type VncWish } from './vnc-service';

/** The port on which the built-in guest's agent takes orders, one a line: `poweroff`. */
export const CONTROL_PORT = 'hartbox.control';
/** Shortest time between two reports of progress within one phase, in milliseconds. */
const PROGRESS_MS = 100;
/** How long those who look at a box may take to hear of its end, in milliseconds. */
const FAREWELL_MS = 2000;
/** What a command line ends with where the box failed, not the guest: as timeout(1) and docker(1). */
const FAILED = 125;

export interface RunnerOptions extends Pick<VirtualMachineOptions, 'v8' | 'ports' | 'trace' | 'checkJit' | 'profile' | 'extraInitrd'> {
  /** The box to run: its lock is taken, its settings are read, and others can control it. Without one a machine runs that nobody else knows of. */
  box?: { library: Library; id: string };
  /** The machine; with a box what is to be different from its settings this time. */
  config?: MachineConfigInput;
  /** What hosts it, for people: `hartbox run`. */
  program: string;
  dataDirectory: string;
  /** Where a debugger is listened for from before the first instruction on: see parseGdbAddress(). Others can have that begin later. */
  gdb?: string | undefined;
  /** Where its first screen is shown by VNC from the beginning: see parseVncAddress(). A box without a screen gets one. Others can have that begin later. */
  vnc?: VncWish | undefined;
  /** It has a screen, though its settings say none. */
  hasScreen?: boolean;
  /** Of the trace `exec`: the address or the symbol from which on, and files with symbols and where they were loaded; else kernel and firmware. */
  traceFrom?: string | undefined;
  /** Tell where a fence.i is missing, with names as those of the trace. */
  checkFences?: boolean;
  symbols?: readonly SymbolFile[];
  /** Whether start() leaves it paused before the first instruction. */
  paused?: boolean;
}

/** How it ended. `code` is what a command line ends with: the guest's exit code, 255 for those that do not fit into a byte, 125 for failures. */
export interface RunExit {
  code: number;
  /** The guest has given it: by the test finisher, tohost or semihosting. */
  isGuests?: boolean;
  error?: VmError | undefined;
}

interface RunnerEvents {
  status: [Status];
  warning: [VmError];
  /** The host has no space; the box is paused and tries again by itself. Told once; clients hear it as a warning. */
  full: [VmError];
  /** After `full` everything is written. */
  space: [];
  /** It is off: its lock is free, its files are closed. */
  exit: [{ code: number; isGuests?: boolean; error?: ReturnType<typeof reportError> | undefined }];
}

/**
 * One running box from its preparation to its end, wherever it is hosted: by a command line, by the app's engine process, by a program that
 * uses the engine as a library. prepare() and start(), then wait(); meanwhile `operations` do what the control table says, for clients
 * over any line (control-server.ts) as for the host itself.
 */
export class Runner extends EventEmitter<RunnerEvents> implements Controlled {
  readonly operations: Operations;
  private machine: VirtualMachine | undefined;
  private readonly hub: ConsoleHub;
  /** Of the terminals beside the console. */
  private readonly terminals = Array.from({ length: EXTRA_TERMINALS_MAX }, () => new ConsoleHub());
  private readonly screens = new ScreenHub();
  private readonly audio = new AudioHub();
  private agent: GuestAgent | undefined;
  /** Ends what is being sent to it. */
  private sending = new AbortController();
  private readonly log = new MessageLog();
  private readonly profiling = new Profiling();
  private readonly boot: BootWatch;
  private readonly preparation = new AbortController();
  private readonly since = Date.now();
  private lock: FileLock | undefined;
  private socket: ControlSocket | undefined;
  /** The values that it runs by; those of the app too. */
  private values: Partial<BoxValues> = {};
  private pending: string[] = [];
  private readonly debugging = new DebugService((what) => this.tell(what));
  private readonly vnc = new VncService((what) => this.tell(what));
  private reloading: Promise<unknown> = Promise.resolve();
  private size = { columns: 80, rows: 24 };
  private progress: Progress | undefined;
  private reportedAt = 0;
  private isShuttingDown = false;
  private isOff = false;
  private readonly space = new SpaceWatch(
    () => this.machine,
    () => {
      this.emit('space');
      this.tell('There is space on the host again.');
    },
  );
  private readonly ended: Promise<RunExit>;
  private resolveEnded: (exit: RunExit) => void = () => undefined;

  constructor(private readonly options: RunnerOptions) {
    super();
    // One for each client; how many may come is bounded elsewhere.
    this.setMaxListeners(0);
    this.hub = new ConsoleHub((columns, rows) => this.note({ columns, rows }));
    this.boot = new BootWatch({
      onChange: () => this.note(),
      onDiagnosis: (found) => this.warn(found),
      isSeen: () => {
        const { screens = 0, network } = this.status;
        return screens > 0 || network.addresses.length > 0;
      },
      file: options.box && join(options.dataDirectory, 'boots', `${options.box.id}.json`),
    });
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    this.operations = {
      status: () => this.status,
      pause: () => this.pause(),
      resume: () => this.resume(),
      reset: () => this.reset(),
      'power-off': () => this.powerOff(),
      'force-off': () => this.forceOff(),
      'reload-settings': () => this.reload(),
      'drive-resize': ({ id, size }) => this.running.drives.resize(id, size).then(() => ({})),
      'drive-medium': ({ id, file, force }) => this.running.drives.changeMedium(id, file, { force }).then(() => ({})),
      networks: () => ({ adapters: this.machine?.networks.list() ?? [], capture: this.machine?.networks.capture }),
      'network-flows': () => ({ flows: this.machine?.networks.flows() ?? [] }),
      'network-forwards': () => ({ forwards: this.machine?.networks.forwards() ?? [] }),
      'network-forward': (forward) => this.running.networks.addForward(forward),
      'network-unforward': (forward) => {
        this.running.networks.removeForward(forward);
        return {};
      },
      'network-link': ({ id, up }) => {
        this.running.networks.setLink(id, up);
        return {};
      },
      'network-line': ({ id, ...limits }) => {
        this.running.networks.setLine(id, limits);
        return {};
      },
      'capture-start': ({ file }) => this.running.networks.startCapture(file).then(() => ({})),
      'capture-end': () => this.running.networks.endCapture(),
      memory: (args) => this.memory(args),
      input: ({ device, reports, screen }) => ({
        isHeard: reports.every((events) => this.running.input(device, events, screen)),
        lamps: this.running.lamps(device),
      }),
      screens: () => ({ screens: (this.machine?.scanouts ?? []).map(({ size }) => ({ ...size })) }),
      screenshot: ({ file, screen }) => saveScreenshot(this.running.scanout(screen), file),
      dump: ({ file }) => this.running.dumpMemory(file).then(() => ({})),
      'clipboard-get': () => getClipboard(this.agent),
      'clipboard-set': (content) => setClipboard(this.agent, content),
      'insert-text': ({ text }) =>
        insertText(this.agent, text, (reports) => reports.every((events) => this.running.input('keyboard', events))),
      'send-files': ({ files }) => sendFiles(this.agent, files, this.sending.signal),
      'cancel-files': () => {
        this.sending.abort(sendingEnded());
        this.sending = new AbortController();
        return {};
      },
      board: () => {
        const { running } = this;
        return { memoryMap: running.memoryMap, deviceTree: Buffer.from(running.deviceTree()).toString('base64') };
      },
      drives: () => ({
        drives: this.running.drives
          .list()
          .map(({ id, config, file, traffic }) => ({ id, file, isDisc: config.media === 'cdrom', ...traffic })),
      }),
      profile: (wish) => this.profiling.take(this.running, wish),
      statistics: () => this.statistics,
      debug: ({ address }) => this.debugging.show(this.running, address),
      vnc: (wish) => this.vnc.show(this.running, this.values.name, wish),
      'console-history': () => ({ text: this.hub.text }),
      log: () => ({ lines: this.log.lines }),
    };
  }

  get status(): Status {
    const { machine, options, progress } = this;
    return {
      box: options.box?.id,
      state: this.state,
      pid: process.pid,
      program: options.program,
      since: this.since,
      progress,
      pauseReason: machine?.pauseReason && reportError(machine.pauseReason),
      boot: this.boot.progress,
      pending: this.pending,
      screens: machine?.scanouts.length,
      input: machine?.inputKinds,
      clipboard: this.agent && { isThere: this.agent.isThere, copies: this.agent.copies, sending: this.agent.sending },
      consoles: machine?.terminals.length,
      hasSound: machine && machine.liveAudio !== undefined,
      network: {
        addresses: machine?.networks.list().flatMap(({ addresses }) => addresses) ?? [],
        forwards: machine?.networks.forwards().map(({ adapter: _, ...forward }) => forward) ?? [],
      },
      debugger: this.debugging.status,
      vnc: this.vnc.status,
      ...this.size,
    };
  }

  private async memory({ target, reclaim = false }: Arguments<'memory'>): Promise<Result<'memory'>> {
    const machine = this.running;
    if (target !== undefined) machine.balloon.setTarget(target);
    if (reclaim) await machine.balloon.reclaim();
    const { guest, ...use } = await machine.balloon.use();
    return { ...use, ...(guest && { guest: { ...guest } }) };
  }

  private get state(): RunState {
    if (this.isOff) return 'off';
    switch (this.machine?.state) {
      case undefined:
        return this.progress ? 'preparing' : 'starting';
      case 'created':
        return 'starting';
      case 'running':
        return this.isShuttingDown ? 'stopping' : 'running';
      case 'paused':
        return 'paused';
      default:
        return 'stopping';
    }
  }

  /** Of a machine that is not there yet: nothing. */
  get statistics(): MachineStatistics {
    return this.machine?.statistics ?? { seconds: 0, harts: [] };
  }

  /**
   * Take the box's lock, fetch what is missing of guest and firmware, and make the machine. Throws VmError as VirtualMachine.create()
   * and Library.lock() do, or the abort's reason after forceOff(); everything is released then.
   */
  async prepare(): Promise<VirtualMachine> {
    try {
      const machine = await this.make();
      this.machine = machine;
      this.preparation.signal.throwIfAborted();
      if (this.options.gdb !== undefined) await this.debugging.listen(machine, this.options.gdb);
      if (machine.config.clipboard) {
        const agent = new GuestAgent(machine.port(AGENT_PORT), () => this.note());
        for (const scanout of machine.scanouts) scanout.on('wanted', () => agent.arrange(machine.scanouts.map(({ wanted }) => wanted)));
        this.agent = agent;
        this.vnc.text = sharedText(agent);
      }
      if (this.options.vnc) await this.vnc.show(machine, this.values.name, this.options.vnc);
      this.follow(machine);
      return machine;
    } catch (error) {
      await this.machine?.stop();
      if (this.preparation.signal.aborted) await this.finish({ code: 0 });
      else await this.finish({ code: FAILED, error: asVmError(error) });
      throw error;
    }
  }

  /** Switch on. Throws VmError; everything is released then. */
  async start(): Promise<void> {
    void this.boot.begin();
    await this.running.start({ paused: this.options.paused ?? false });
    this.debugging.begin();
  }

  /** Resolves when the box has ended, and those who look at it know. */
  async wait(): Promise<RunExit> {
    const exit = await this.ended;
    let limit: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, FAREWELL_MS);
    });
    await Promise.race([this.socket?.allGone(), patience]);
    clearTimeout(limit);
    return exit;
  }

  /** Whether the preparation was broken off by forceOff(). */
  get isCancelled(): boolean {
    return this.preparation.signal.aborted;
  }

  /** End the box, or its preparation, at once. Resolves when it is off. */
  async forceOff(): Promise<Record<string, never>> {
    this.preparation.abort();
    await this.machine?.stop();
    await this.ended;
    return {};
  }

  /** Try at once what the host had no space for. Nothing happens if nothing waits. */
  retry(): void {
    this.space.retry();
  }

  connect(kind: ChannelKind, connection: Connection): void {
    const { hub: console, screens: screen, audio } = this;
    const [hvc1, hvc2, hvc3] = this.terminals;
    ({ console, hvc1, hvc2, hvc3, screen, audio })[kind].connect(connection);
  }

  /** The terminal has another size. */
  resize(columns: number, rows: number): void {
    this.hub.resize(columns, rows);
  }

  private async make(): Promise<VirtualMachine> {
    const { options } = this;
    const { box, dataDirectory, program } = options;
    if (box) {
      this.lock = await box.library.lock(box.id, program);
      await this.listen(dataDirectory, box.library.folder(box.id));
    }
    this.values = await this.wanted();
    if ((options.vnc || options.hasScreen) && !this.values.screens) this.values = { ...this.values, screens: 1 };
    const config = checkSettings(machineConfigSchema, machineConfig(this.values), "The box's settings are wrong. ");
    this.size = { ...config.console };
    if (config.priority === 'low') this.prioritise(config.priority);
    const isTraced = options.trace?.includes('exec');
    const names = isTraced || options.checkFences ? await executionTrace(config, options) : undefined;
    const ports = [...(options.ports ?? [CONTROL_PORT]), ...(config.clipboard ? [AGENT_PORT] : [])];
    const machine = await VirtualMachine.create(config, {
      ...options,
      ...(isTraced && { execTrace: names }),
      checkFences: options.checkFences ? { functions: names?.functions } : undefined,
      box: box?.library.folder(box.id),
      ports,
      onProgress: (progress) => this.report(progress),
      signal: this.preparation.signal,
    });
    this.progress = undefined;
    for (const port of ports) machine.port(port).onData(() => this.boot.programSpoke());
    return machine;
  }

  /** The box can run without, so it does. */
  private async listen(dataDirectory: string, folder: string): Promise<void> {
    try {
      this.socket = await listenControl(this, dataDirectory, folder);
    } catch (error) {
      this.warn(asVmError(error));
    }
  }

  /** The values that the settings ask for now, with what is different this time. */
  private async wanted(): Promise<Partial<BoxValues>> {
    const { box, config: given = {} } = this.options;
    if (!box) return given as Partial<BoxValues>;
    const { set, values } = await box.library.settings(box.id);
    const source = impliedSource(given) ?? values.source;
    const implied = impliedValues({ ...set, ...given, source });
    return keepingVariables({ ...values, ...implied, ...given, source } as BoxValues, box.library.flashFile(box.id));
  }

  private prioritise(priority: BoxValues['priority']): void {
    try {
      setProcessPriority(priority);
    } catch (cause) {
      throw new VmError(
        'Resource',
        `The priority of the box could not be made ${priority}: ${(cause as Error).message}. It counts from the next start.`,
        { cause, code: 'priority-refused', params: { priority, reason: reasonCode(cause) } },
      );
    }
  }

  private follow(machine: VirtualMachine): void {
    this.hub.attach(machine.console);
    for (const [at, terminal] of machine.terminals.entries()) this.terminals[at].attach(terminal);
    machine.console.onData((data) => this.boot.feed(data));
    this.screens.attach(machine);
    this.audio.attach(machine.liveAudio);
    machine.on('warning', (warning) => this.warn(warning));
    machine.on('full', (error) => this.onFull(error));
    machine.on('networks', () => this.note());
    machine.on('state', (state) => {
      if (state === 'running') this.space.look();
      this.note();
    });
    void machine.wait().then((exit) => this.finish(endOf(exit)));
    this.note();
  }

  /** Tell of a preparation's progress, as often as a person can see it move. */
  private report(progress: SetupProgress): void {
    const now = performance.now();
    const isNew = progress.phase !== this.progress?.phase;
    if (!isNew && now - this.reportedAt < PROGRESS_MS) return;
    this.reportedAt = now;
    this.progress = progress;
    this.note();
  }

  /** Something has changed; with `what` also to be found in the log. */
  private tell(what?: string): void {
    if (what !== undefined) this.log.add('info', what);
    this.note();
  }

  private warn(warning: VmError): void {
    this.log.add('warning', warning.message);
    this.emit('warning', warning);
  }

  /** Something of the status has changed. */
  private note(size?: { columns: number; rows: number }): void {
    if (size) this.size = size;
    this.emit('status', this.status);
  }

  private async pause(): Promise<Record<string, never>> {
    if (!this.space.keepPaused()) await this.running.pause();
    return {};
  }

  private async resume(): Promise<Record<string, never>> {
    this.space.hold();
    await this.running.resume();
    return {};
  }

  private async reset(): Promise<Record<string, never>> {
    const machine = this.running;
    const waitedForSpace = machine.pauseReason !== undefined;
    this.space.forget();
    await machine.reset();
    this.isShuttingDown = false;
    if (waitedForSpace && machine.state === 'paused') await machine.resume();
    this.note();
    return {};
  }

  /** The agent of the built-in guest, a power button for others. A guest that stands still hears neither. */
  private async powerOff(): Promise<Record<string, never>> {
    const { machine } = this;
    if (!machine || machine.state === 'created') {
      // There is no guest to ask, and nothing that it could lose.
      this.preparation.abort();
      void machine?.stop();
      return {};
    }
    const agent = (this.options.ports ?? [CONTROL_PORT]).includes(CONTROL_PORT) ? machine.port(CONTROL_PORT) : undefined;
    if (machine.state === 'paused') await this.resume();
    // What the built-in guest is told while it still boots, it hears as soon as it can.
    if (agent && (agent.isOpen || machine.config.source === 'linux')) agent.write(new TextEncoder().encode('poweroff\n'));
    else machine.pressPowerButton();
    this.isShuttingDown = true;
    this.tell('The guest was asked to shut down.');
    return {};
  }

  private onFull(error: VmError): void {
    if (this.space.wait()) {
      this.log.add('warning', error.message);
      this.emit('full', error);
    }
    this.note();
  }

  /** One after another: each compares with what the one before has left. */
  private reload(): Promise<Result<'reload-settings'>> {
    const reloaded = this.reloading.then(() => this.takeOver());
    this.reloading = reloaded.catch(() => undefined);
    return reloaded;
  }

  private async takeOver(): Promise<Result<'reload-settings'>> {
    const machine = this.running;
    const wanted = await this.wanted();
    const live: string[] = [];
    const restart: string[] = [];
    const failures: unknown[] = [];
    for (const { key, part, effect, kind } of OPTIONS) {
      const [before, after] = [this.values, wanted].map((values) => values[key as keyof BoxValues]);
      if (kind !== 'drives' && JSON.stringify(before) === JSON.stringify(after)) continue;
      try {
        if (kind === 'drives') {
          const outcome = await this.changeDrives(machine, wanted.drives ?? []);
          if (outcome === 'same') continue;
          if (outcome === 'restart') restart.push(key);
          else live.push(key);
        } else if (kind === 'networks') {
          const isLive = await machine.networks.change(wanted.network ?? []);
          (isLive ? live : restart).push(key);
        } else if (part !== 'app' && (effect !== 'live' || key !== 'priority')) restart.push(key);
        else {
          if (key === 'priority') this.prioritise(wanted.priority ?? 'normal');
          live.push(key);
        }
      } catch (error) {
        restart.push(key);
        failures.push(error);
      }
    }
    for (const key of live) this.values = { ...this.values, [key]: wanted[key as keyof BoxValues] };
    this.pending = restart;
    this.note();
    for (const failure of failures) this.warn(asVmError(failure));
    if (failures.length > 0) throw asVmError(failures[0]);
    return { live, restart };
  }

  private async changeDrives(machine: VirtualMachine, wanted: BoxValues['drives']): Promise<'same' | 'live' | 'restart'> {
    const hasScsi =
      machine.config.scsi || machine.drives.list().some(({ config }) => (config.interface ?? '') === 'scsi' || config.media === 'cdrom');
    const { detach, insert, attach, needsRestart } = changesOfDrives(machine.drives.list(), wanted, hasScsi);
    for (const id of detach) await machine.drives.detach(id);
    for (const { id, file } of insert) await machine.drives.changeMedium(id, file);
    for (const drive of attach) await machine.drives.attach(drive);
    if (needsRestart) return 'restart';
    return detach.length + insert.length + attach.length > 0 ? 'live' : 'same';
  }

  private get running(): VirtualMachine {
    if (this.machine && !this.isOff) return this.machine;
    throw new VmError('State', `The box is ${this.isOff ? 'off' : 'still being prepared'}; that takes one that runs.`, {
      code: this.isOff ? 'box-not-running' : 'box-being-prepared',
    });
  }

  /** The last step, whatever came before. */
  private async finish(exit: RunExit): Promise<void> {
    if (this.isOff) return;
    this.space.hold();
    this.boot.close();
    if (this.machine && this.options.box) await saveConsole(this.options.dataDirectory, this.options.box.id, this.hub.text);
    if (exit.error) this.log.add('error', exit.error.message);
    await this.debugging.close();
    await this.vnc.close();
    await this.socket?.close();
    await this.lock?.release();
    this.isOff = true;
    this.progress = undefined;
    this.note();
    this.resolveEnded(exit);
    this.emit('exit', { ...exit, error: exit.error && reportError(exit.error) });
  }
}

function endOf({ reason, code, error }: MachineExit): RunExit {
  if (error) return { code: FAILED, error };
  const isGuests = reason === 'finisher' || reason === 'tohost' || reason === 'semihosting';
  return { code: code >= 0 && code <= 255 ? code : 255, ...(isGuests && { isGuests }) };
}
