import { EventEmitter } from 'node:events';
import { availableParallelism } from 'node:os';
import { systemError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import type { HartStop } from '../hart/debug-points';
import type { ExecTrace } from '../hart/exec-tracer';
import { onDesk } from '../gpu/desk';
import type { Scanout } from '../gpu/scanout';
import { extensionBits } from '../hart/isa/extensions';
import { HartRegisters } from '../hart/registers';
import { CHECK_BYTES } from '../hart/check/check-layout';
import { describeMissingFence, fenceCheckBytes } from '../hart/check/missing-fence';
import { FunctionNames, type NamedFunction } from '../hart/function-names';
import type { MissingFence } from '../hart/hart';
import type { Samples } from '../hart/sampler';
import { between, type MachineStatistics } from '../hart/statistics';
import { defaultGuest, type SetupProgress } from '../images/default-guest';
import type { Explanation } from '../hart/illegal-instruction';
import type { SemihostingRequest } from '../hart/semihosting';
import type { DirectMemoryAccess } from '../memory/direct-memory-access';
import { GuestMemory } from '../memory/guest-memory';
import { MACHINE_SEMIHOSTING } from '../memory/layout';
import { createMemory, planMemory } from '../memory/memory-plan';
import { makeFile } from '../host/new-file';
import { pacedWriter } from '../host/paced-writer';
import { timerResolution } from '../host/timer-resolution';
import { HartThreads } from '../threads/hart-threads';
import type { RefusedCall } from '../threads/hart-worker';
import { type HartAction, HartPool } from '../threads/harts';
import type { V8Verdict } from '../threads/v8-verdict-schema';
import { v8Verdict } from '../threads/v8-verdict';
import { openSbi, stockFirmware } from '../images/stock-firmware';
import type { InputKind } from '../virtio/devices/human-input';
import type { InputEvent } from '../virtio/devices/input';
import type { ConsolePort } from '../virtio/devices/console-port';
import type { LiveAudio } from '../backend/audio/live-audio';
import type { VirtioSound } from '../virtio/devices/sound/device';
import { Board, memoryRegions, type MemoryMapEntry } from './board';
import { writeCoreFile } from './core-dump';
import { Debugger } from './debugger';
import type { MachineDrives } from './drives';
import { MemoryBalloon } from './memory-balloon';
import type { MachineNetworks } from './networks';
import { RAM_BASE } from '../board/board-map';
import { type Boot, loadBoot } from './boot/boot-files';
import { Htif } from './boot/htif';
import { checkSettings } from '../settings/problem';
import { type MachineConfig, type MachineConfigInput, machineConfigSchema } from '../settings/settings';
import { HeldWrites } from './held-writes';
import { SemihostingHost } from './semihosting-host';
import { createSemihosting, semihostingRefused } from './semihosting-setup';
import type { FinisherRequest } from '../board/test-finisher';
import { WarningGate } from './warning-gate';

export type MachineState = 'created' | 'running' | 'paused' | 'stopped' | 'failed';

/** How a machine ended. `code` is the guest's exit code, 0 to 2^32 - 1; 1 where the machine itself failed. */
export interface MachineExit {
  reason: 'poweroff' | 'finisher' | 'tohost' | 'semihosting' | 'stopped' | 'error';
  code: number;
  error?: VmError;
}

/** What can be traced: device accesses, virtio registers, traps of the harts, each instruction that they execute. */
export const TRACES = ['mmio', 'virtio', 'trap', 'exec'] as const;

export interface VirtualMachineOptions {
  /** Where the default guest is kept; the platform's usual place unless given. */
  dataDirectory?: string;
  /** What the box is known by, so that its network adapters keep their addresses; without it they are new at each start. */
  box?: string | undefined;
  /** Names out of TRACES. Lines go to the `trace` event; while nobody listens to that to stderr, and the guest waits for who reads it. */
  trace?: string[];
  /** Of the trace `exec`: from where on, and with what names. */
  execTrace?: ExecTrace;
  /** Do everything that translated code does once more in the interpreter and compare; a difference ends the machine. One hart only. */
  checkJit?: boolean;
  /**
   * Warn of instructions that a hart executes without a fence.i after they were stored, with these names of functions. Harts then only
   * interpret, some ten times slower, and the machine takes twice the memory.
   */
  checkFences?: { functions?: readonly NamedFunction[] } | undefined;
  /** Take samples of what the harts execute, about 1000 a second each, for the `samples` event. */
  profile?: boolean;
  /** A cpio archive that the guest gets behind its initrd. */
  extraInitrd?: Uint8Array;
  /** Names of extra console ports. */
  ports?: string[];
  /** Called while the default guest, or the firmware that comes with it, is fetched and made. */
  onProgress?: (progress: SetupProgress) => void;
  /** Ends that preparation; `create` then throws the signal's reason. */
  signal?: AbortSignal;
  /** The flags that V8 runs harts with, where they are known already; else they are tried in a process of its own, once for each V8. */
  v8?: V8Verdict | undefined;
}

interface MachineEvents {
  state: [MachineState];
  exit: [MachineExit];
  warning: [VmError];
  /** The host has no space for what the guest writes: the write waits, and the machine is being paused. `resume` tries again. */
  full: [VmError];
  /** Forwarded ports, or the addresses that the guest is known by, are others now. */
  networks: [];
  trace: [string];
  /** A hart stopped where the debugger told it to, and why; the machine is paused. */
  stopped: [number, HartStop];
  /** A hart's samples for a GuestProfile, in bundles; the last come before `exit`. */
  samples: [number, Samples];
  /** Since the machine was switched on, and since the event before; see reportStatistics(). */
  statistics: [MachineStatistics, MachineStatistics];
}

/** How often `tohost` is looked at, in milliseconds. */
const HTIF_INTERVAL = 1;

/**
 * One RISC-V machine, from its configuration to its end: created → running ⇄ paused → stopped or failed. All methods
 * take effect in the order of their calls; one that the present state does not allow throws VmError 'State'.
 */
export class VirtualMachine extends EventEmitter<MachineEvents> {
  readonly config: MachineConfig;
  readonly debugger: Debugger;
  private readonly board: Board;
  private readonly harts: HartPool;
  private htifTimer: NodeJS.Timeout | undefined;
  private statisticsTimer: NodeJS.Timeout | undefined;
  /** Why the harts are slower than they could be. */
  private slowness: VmError | undefined;
  private currentState: MachineState = 'created';
  /** While it runs. */
  private letTimersGo: (() => void) | undefined;
  private readonly ended: Promise<MachineExit>;
  private resolveEnded: (exit: MachineExit) => void = () => undefined;
  /** Set when the end begins; the first reason counts. */
  private exit: MachineExit | undefined;
  /** For what would keep the end waiting. */
  private readonly ending = new AbortController();
  /** The guest has asked for a reboot that is still to come. */
  private isRebooting = false;
  /** What of semihosting was refused, and which instructions were illegal, since the last start. */
  private readonly refusals = new Set<string>();
  /** Where what was stored was executed without a fence.i. */
  private readonly unfenced = new Set<bigint | undefined>();
  /** What boots runs in machine mode by itself, without firmware. */
  private readonly isProgram: boolean;
  private readonly warnings = new WarningGate((warning) => this.emit('warning', warning));
  /** Settles when everything asked for so far is done. */
  private lastStep: Promise<void> = Promise.resolve();
  private readonly held = new HeldWrites((error) => {
    // It may be paused already, and be told so all the same.
    this.pause().catch(() => undefined);
    this.emit('full', error);
  });

  private constructor(
    config: MachineConfig,
    boot: Boot,
    memory: GuestMemory,
    board: Board,
    harts: HartPool,
    private readonly semihost: SemihostingHost | undefined,
    private readonly htif: Htif | undefined,
  ) {
    super();
    this.config = config;
    this.board = board;
    board.networks.onChange = () => this.emit('networks');
    this.isProgram = boot.next === 0;
    this.harts = harts;
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    this.debugger = this.createDebugger(memory);
    harts.on('stopped', (hart, stop) => this.stopAll(hart, stop));
    harts.on('error', (error) => this.end({ reason: 'error', code: 1, error }));
    harts.on('refused', (what) => this.tellOfRefusal(what));
    harts.on('illegal', (explanation) => this.tellOfIllegal(explanation));
  }

  /**
   * Reads the kernel and the other files, opens the drives and lays out the memory. Throws VmError: 'Config', 'Image',
   * 'Resource', or 'Network' where the default guest is needed and cannot be fetched.
   */
  static async create(input: MachineConfigInput, options: VirtualMachineOptions = {}): Promise<VirtualMachine> {
    const checked = checkSettings(machineConfigSchema, input, "The machine's configuration is wrong. ");
    const { trace = [], checkJit = false, checkFences } = options;
    const config = checkFences ? { ...checked, jit: false } : checked;
    const unknown = trace.find((name) => !TRACES.some((known) => known === name));
    if (unknown !== undefined)
      throw VmError.config(`There is nothing to trace under the name "${unknown}". It can be ${TRACES.join(', ')}.`, {
        code: 'trace-unknown',
        params: { name: unknown, known: TRACES.join(', ') },
      });

    if (checkJit && config.harts > 1) throw VmError.config(`Translated code can be checked on one hart only, not on ${config.harts}.`);
    if (checkJit && !config.jit) throw VmError.config('There is no translated code to check: translation is switched off.');

    const { flags, failure } = options.v8 ?? (await v8Verdict(options.dataDirectory));
    const threads = new HartThreads({ harts: config.harts, jit: config.jit, checked: checkJit, flags });
    try {
      const machine = await VirtualMachine.assemble(config, threads, flags, options);
      if (failure !== undefined) machine.slowness = new VmError('Internal', failure);
      return machine;
    } catch (error) {
      await threads.end();
      throw error;
    }
  }

  private static async assemble(
    config: MachineConfig,
    threads: HartThreads,
    v8Flags: readonly string[],
    {
      trace = [],
      execTrace,
      dataDirectory,
      box,
      onProgress,
      signal,
      extraInitrd,
      ports = [],
      checkJit = false,
      checkFences,
      profile = false,
    }: VirtualMachineOptions,
  ): Promise<VirtualMachine> {
    const ram = { base: RAM_BASE, size: config.memory };
    const boot = await loadBoot(config, {
      ram,
      extraInitrd,
      defaultGuest: () => defaultGuest({ dataDirectory, onProgress, signal }),
      openSbi: () => openSbi({ dataDirectory, onProgress, signal }),
      stockFirmware: (which) => stockFirmware(which, { dataDirectory, onProgress, signal }),
    });
    const plan = planMemory(config.harts, memoryRegions(config), {
      checkBytes: checkJit ? CHECK_BYTES : 0,
      fenceBytes: checkFences ? fenceCheckBytes(config.memory) : 0,
      extensionsOff: extensionBits(config.extensionsOff),
      cores: availableParallelism(),
    });
    const memory = new GuestMemory(createMemory(plan), plan);

    // The board reports to the machine, which is made out of it.
    const toStderr = pacedWriter(process.stderr);
    const traced = (line: string): Promise<void> | undefined => (machine.emit('trace', line) ? undefined : toStderr(`${line}\n`));
    const traceVirtio = (line: string): void => {
      const held = traced(line);
      if (held) harts.hold(held);
    };
    const folder = config.semihosting ? await SemihostingHost.openFolder(config.semihostingFolder) : undefined;
    const board: Board = await Board.create({
      config,
      memory,
      boot,
      ports,
      network: { box, dataDirectory },
      v8Flags,
      finisher: (request) => machine.finish(request),
      watchdog: () => machine.watchdogBites(),
      warn: (error) => machine.warnings.warn(error),
      full: (error) => machine.held.hold(error),
      traceVirtio: trace.includes('virtio') ? traceVirtio : undefined,
    }).catch(async (error: unknown) => {
      await folder?.close();
      throw error;
    });
    const semihosting = config.semihosting
      ? createSemihosting({
          config,
          boot,
          ram,
          board,
          folder,
          warn: (error) => machine.warnings.warn(error),
          exit: (code) => machine.exitBy('semihosting', code),
        })
      : undefined;
    if (semihosting) memory.data.setUint32(MACHINE_SEMIHOSTING, config.semihostingUser ? 2 : 1, true);
    const htif =
      boot.tohost === undefined
        ? undefined
        : new Htif({
            memory,
            tohost: boot.tohost,
            fromhost: boot.fromhost,
            output: (data) => board.console.deliver(data),
            exit: (code) => machine.exitBy('tohost', code),
          });
    if (htif) board.devices.register(htif);
    const hartBoard = board.hartBoard({ trace, execTrace, profile, semihosting: semihosting?.facts });
    const serve = semihosting && ((request: SemihostingRequest) => semihosting.host.serve(request));
    const harts = new HartPool(memory.memory, plan, board.bus, hartBoard, threads, traced, serve);
    const machine: VirtualMachine = new VirtualMachine(config, boot, memory, board, harts, semihosting?.host, htif);
    const names = new FunctionNames(checkFences?.functions ?? []);
    harts.on('unfenced', (missing) => machine.tellOfMissingFence(missing, names));
    harts.on('samples', (hart, samples) => machine.emit('samples', hart, samples));
    return machine;
  }

  /** Why the machine was paused without being asked to: the host has no space for its disks. Undefined otherwise. */
  get pauseReason(): VmError | undefined {
    return this.held.reason;
  }

  get state(): MachineState {
    return this.currentState;
  }

  /**
   * All devices by id and name: what can be added, before the start anywhere, and while the machine is on to PCI, where the guest finds
   * a device after `echo 1 > /sys/bus/pci/rescan`; and removed, again on PCI only, after the guest has let go of it.
   */
  get devices(): Board['devices'] {
    return this.board.devices;
  }

  /** The terminal: output of UART and virtio console in one, input for the one that the guest uses. */
  get console(): ConsolePort {
    return this.board.console;
  }

  /** The terminals beside that one, hvc1 and so on in Linux. */
  get terminals(): readonly ConsolePort[] {
    return this.board.terminals;
  }

  /** The tree that the guest gets, flattened; its random seed is another each time. Whether or not the machine is on. */
  deviceTree(): Uint8Array {
    return this.board.deviceTree();
  }

  /** What lies where in the physical address space, by address: memory and the registers of devices. */
  get memoryMap(): MemoryMapEntry[] {
    return this.board.memoryMap();
  }

  /** The guest's memory, to be read and written from outside: best while the machine is paused. */
  get memory(): DirectMemoryAccess {
    return this.board.dma;
  }

  /**
   * Press the power button for a moment: what the guest then does is up to it; systems with systemd shut down, as does the default guest.
   * Throws VmError: 'State' where the machine does not run or nothing in the guest listens to the button (yet), 'Config' if it has none.
   */
  pressPowerButton(): void {
    const board = this.usableBoard('press its power button');
    if (this.currentState !== 'running')
      throw new VmError('State', `The machine is ${this.currentState}: nobody in it sees its power button.`, {
        code: 'power-button-unseen',
        params: { state: this.currentState },
      });
    if (!board.pressPowerButton())
      throw new VmError(
        'State',
        "Nothing in the guest listens to the power button: it has not started that far, or has no driver for virtio's input devices.",
        { code: 'power-button-unheard' },
      );
  }

  /**
   * Something happens at an input device: what the events say at one moment, as Linux's input-event-codes.h counts them. As long as the guest
   * has no driver for the keyboard, what is typed there goes to its serial port, which firmware listens to. `screen`: the one that they are about,
   * of several. False where they are lost: no driver listens, or it does not keep up. Throws VmError: 'Config' for a device that the machine lacks
   * and for events that it does not make.
   */
  input(device: InputKind, events: readonly InputEvent[], screen?: number): boolean {
    const board = this.usableBoard('take input');
    return board.report(device, screen === undefined ? events : onDesk(board.scanouts, screen, events));
  }

  /** The lamps that the guest has switched on at an input device: LED_NUML (0), LED_CAPSL (1), … Throws as `input` does. */
  lamps(device: InputKind): number[] {
    return this.usableBoard('show lamps').input(device).lamps;
  }

  /** What it has to type and point with. */
  get inputKinds(): InputKind[] {
    return this.board.inputKinds;
  }

  /** Its screens. */
  get scanouts(): readonly Scanout[] {
    return this.board.scanouts;
  }

  /** What one of its screens shows, the first is 0. Throws VmError 'Config' if there is none of that number. */
  scanout(index = 0): Scanout {
    const { scanouts } = this.board;
    if (Object.hasOwn(scanouts, index)) return scanouts[index];
    throw VmError.config(
      scanouts.length === 0
        ? 'The machine has no screen: its configuration says screens: 0.'
        : `The machine has no screen ${index}; the last one is ${scanouts.length - 1}.`,
      { code: scanouts.length === 0 ? 'no-screens' : 'no-such-screen', params: { screen: index, last: scanouts.length - 1 } },
    );
  }

  /** The guest's part of its memory. Throws VmError: 'Config' if the machine has no balloon, 'State' where it is off. */
  get balloon(): MemoryBalloon {
    const { balloon } = this.usableBoard('tell how its memory is used');
    return new MemoryBalloon(balloon, this.config.memory, () => this.currentState === 'running');
  }

  /**
   * The sound card: what its streams do, and its jacks. Throws VmError 'Config' if the machine was made without it.
   */
  get sound(): VirtioSound {
    const { soundCard } = this.usableBoard('show its sound card');
    if (soundCard) return soundCard;
    throw VmError.config('The machine has no sound card: its configuration says sound: false.', { code: 'no-sound-card' });
  }

  /** Who listens to what the guest plays, and is heard by it: undefined for a machine without a sound card. */
  get liveAudio(): LiveAudio | undefined {
    return this.board.liveAudio;
  }

  /** One of the extra console ports. Throws VmError 'Config' if the machine was made without it. */
  port(name: string): ConsolePort {
    return this.board.port(name);
  }

  /** The drives that it has now. */
  get drives(): MachineDrives {
    return this.board.drives;
  }

  /** Its network adapters, and what goes through them. */
  get networks(): MachineNetworks {
    return this.board.networks;
  }

  /** What the harts have done since the machine was switched on. At any time, also when it is off. */
  get statistics(): MachineStatistics {
    return this.harts.statistics;
  }

  /** Emit `statistics` every so many milliseconds while the machine runs; 0 ends it now. */
  reportStatistics(every: number): void {
    clearInterval(this.statisticsTimer);
    if (every === 0 || this.exit) return;
    let last = this.statistics;
    this.statisticsTimer = setInterval(() => {
      if (this.currentState !== 'running') return;
      const now = this.statistics;
      this.emit('statistics', now, between(last, now));
      last = now;
    }, every);
  }

  /** Take samples of what the harts execute from now on, or no more; the last come up to 100 ms before. Throws VmError 'State' where it is off. */
  setProfiling(on: boolean): void {
    this.usableBoard('be profiled');
    this.harts.isProfiling = on;
  }

  /** Switch on; `paused`: before the first instruction, until resume(). */
  start({ paused = false }: { paused?: boolean } = {}): Promise<void> {
    return this.step('start', ['created'], async () => {
      await Promise.all([this.harts.launch(), this.board.powerOn()]);
      await this.harts.start({ paused });
      if (!paused) this.pollHtif();
      this.enter(paused ? 'paused' : 'running');
      if (this.slowness) this.emit('warning', this.slowness);
    });
  }

  /** Hold the harts; guest time stands still. */
  pause(): Promise<void> {
    return this.step('pause', ['running'], () => this.standStill());
  }

  /**
   * Write memory and registers to a file, an ELF core as GDB reads it; one of that name is replaced. The machine stands still meanwhile; whoever
   * pauses it during that finds it paused after it. Throws VmError: 'State' where it is off, or is switched off before the file is complete, which
   * then is not there; 'Config' or 'Resource' where the file cannot be written.
   */
  async dumpMemory(file: string): Promise<void> {
    let written: Promise<void> | undefined;
    await this.step('be dumped', ['running', 'paused'], async () => {
      const isRunning = this.currentState === 'running';
      if (isRunning) await this.standStill();
      written = this.writeDump(file);
      // A machine does not end by a dump that fails.
      await written.catch(() => undefined);
      if (isRunning) this.goOn();
    });
    await written;
  }

  private async writeDump(file: string): Promise<void> {
    const contents = await this.debugger.coreContents();
    await makeFile(file, (temporary) => writeCoreFile(temporary, contents, this.ending.signal), { replace: true });
  }

  /** Go on. Writes that wait for space on the host are tried again: where there is still none, the machine is paused again. */
  resume(): Promise<void> {
    return this.go();
  }

  private go(actions?: readonly HartAction[]): Promise<void> {
    this.held.retry();
    return this.step('resume', ['paused'], async () => this.goOn(actions));
  }

  /** These two are parts of steps. */
  private async standStill(): Promise<void> {
    await this.harts.pause();
    clearInterval(this.htifTimer);
    this.board.setPaused(true);
    this.enter('paused');
  }

  private goOn(actions?: readonly HartAction[]): void {
    this.board.setPaused(false);
    this.harts.resume(actions);
    this.pollHtif();
    this.enter('running');
  }

  /**
   * What the reset button does: everything as after power-on, whatever the guest is doing; memory is lost, and so is what the host had no
   * space for. A paused machine stays paused, before its first instruction.
   */
  reset(): Promise<void> {
    return this.restart('be reset', ['running', 'paused']);
  }

  /** Switch off at once, whatever the guest is doing. Resolves when everything is released; a machine that is off stays so. */
  async stop(): Promise<void> {
    this.end({ reason: 'stopped', code: 0 });
    await this.ended;
  }

  /** Resolves when the machine has ended and everything is released. */
  wait(): Promise<MachineExit> {
    return this.ended;
  }

  /** Do something when everything before is done. Failures end the machine; misuse does not. */
  private step(what: string, from: MachineState[], work: () => Promise<void>): Promise<void> {
    const done = this.lastStep.then(async () => {
      if (!from.includes(this.currentState) || this.exit) {
        throw new VmError(
          'State',
          `The machine cannot ${what}: it is ${this.exit ? 'ending' : this.currentState}, and would have to be ${from.join(' or ')}.`,
          { code: 'wrong-machine-state', params: { task: what, state: this.exit ? 'ending' : this.currentState } },
        );
      }
      try {
        await work();
      } catch (cause) {
        const error = toVmError(cause);
        this.end({ reason: 'error', code: 1, error });
        throw error;
      }
    });
    this.lastStep = done.catch(() => undefined);
    return done;
  }

  private usableBoard(what: string): Board {
    if (this.exit || this.currentState === 'stopped' || this.currentState === 'failed')
      throw new VmError('State', `The machine cannot ${what}: it is ending or off.`, {
        code: 'wrong-machine-state',
        params: { task: what, state: 'ending' },
      });
    return this.board;
  }

  private createDebugger(memory: GuestMemory): Debugger {
    const state = (): MachineState => this.currentState;
    const { harts, config } = this;
    const known = (hart: number): void => {
      if (!(Number.isInteger(hart) && hart >= 0 && hart < config.harts))
        throw VmError.config(`There is no hart ${hart}; the machine has harts 0 to ${config.harts - 1}.`);
    };
    return new Debugger({
      harts: config.harts,
      points: harts.points,
      memory,
      events: this,
      get state() {
        return state();
      },
      registers: (hart) => {
        known(hart);
        return new HartRegisters(memory.memory, hart);
      },
      step: async (hart) => {
        known(hart);
        let stop: HartStop | undefined;
        await this.step('step', ['paused'], async () => {
          stop = await harts.step(hart);
        });
        return stop as HartStop;
      },
      pause: () => this.pause(),
      go: (actions) => this.go(actions),
      reset: () => this.reset(),
      stop: () => this.stop(),
      powerOff: () => this.pressPowerButton(),
      csrsOf: (hart) => harts.csrsOf(hart),
      readDevice: (address, size) => harts.readDevice(address, size),
      writeDevice: (address, size, value) => harts.writeDevice(address, size, value),
    });
  }

  /** A hart has stopped for the debugger: so do the others. */
  private stopAll(hart: number, stop: HartStop): void {
    this.step('stop for the debugger', ['running', 'paused'], async () => {
      if (this.currentState === 'running') await this.standStill();
      this.emit('stopped', hart, stop);
    }).catch(() => undefined);
  }

  private finish(request: FinisherRequest): void {
    this.harts.endRun();
    if (request.kind === 'exit') this.end({ reason: request.code === 0 ? 'poweroff' : 'finisher', code: request.code });
    else if (!this.config.reboot) this.end({ reason: 'poweroff', code: 0 });
    else if (!this.isRebooting) {
      this.isRebooting = true;
      // Also where somebody has paused it meanwhile.
      this.restart('reboot', ['running', 'paused']).catch(() => undefined);
    }
  }

  private watchdogBites(): void {
    const { watchdog } = this.config;
    this.warnings.warn(
      new VmError('Guest', `The guest was not heard of by its watchdog in time. What it is set to do then: ${watchdog}.`, {
        code: 'watchdog-bit',
        params: { action: watchdog },
      }),
    );
    const { watchdogDump } = this.config;
    if (watchdogDump === undefined) this.watchdogActs();
    else {
      // A dump that fails keeps nothing from what is to come.
      this.dumpMemory(watchdogDump)
        .catch((error: unknown) => this.warnings.warn(toVmError(error)))
        .finally(() => this.watchdogActs());
    }
  }

  private watchdogActs(): void {
    const { watchdog } = this.config;
    if (watchdog === 'reset') this.reset().catch(() => undefined);
    else if (watchdog === 'pause') this.pause().catch(() => undefined);
    else if (watchdog === 'power-off') this.end({ reason: 'poweroff', code: 0 });
  }

  /** A hart has called for the end, and executes nothing more. */
  private exitBy(reason: 'semihosting' | 'tohost', code: number): void {
    this.harts.endRun();
    this.end({ reason, code });
  }

  /** Each kind once for each start. Firmware finds out which CSRs there are by trying them. */
  private tellOfIllegal({ key, text, isProbe }: Explanation): void {
    if (isProbe && !this.isProgram) return;
    if (!this.refusals.has(key)) this.warnings.warn(new VmError('Guest', text, { code: 'illegal-instruction', params: { text } }));
    this.refusals.add(key);
  }

  /** Instructions whose stores were found to lack a fence.i, by `checkFences`. */
  get missingFences(): number {
    return this.unfenced.size;
  }

  private tellOfMissingFence(missing: MissingFence, names: FunctionNames): void {
    if (this.unfenced.has(missing.storePc)) return;
    this.unfenced.add(missing.storePc);
    const text = describeMissingFence(missing, names);
    this.warnings.warn(new VmError('Guest', text, { code: 'fence-missing', params: { text } }));
  }

  /** Once for each start, whichever hart it is. */
  private tellOfRefusal(call: RefusedCall): void {
    // OpenSBI finds out by trying.
    if (call === 'machine' && !this.isProgram) return;
    const what = call === 'user' ? 'user' : 'semihosting';
    if (!this.refusals.has(what)) this.warnings.warn(semihostingRefused(what));
    this.refusals.add(what);
  }

  /** Everything as after power-on; if the machine ran, on it goes. */
  private restart(what: string, from: MachineState[]): Promise<void> {
    return this.step(what, from, async () => {
      const isRunning = this.currentState === 'running';
      if (isRunning) await this.harts.pause();
      // A write that waits for space would be waited for.
      await this.held.refuseDuring(() => this.board.powerOn());
      this.semihost?.reset();
      this.refusals.clear();
      await this.harts.reset();
      this.isRebooting = false;
      if (isRunning) this.harts.resume();
    });
  }

  private end(exit: MachineExit): void {
    if (this.exit) return;
    this.exit = exit;
    this.ending.abort(new VmError('State', 'The box is switched off.', { code: 'box-switched-off' }));
    this.held.giveUp();
    clearInterval(this.htifTimer);
    clearInterval(this.statisticsTimer);
    void this.lastStep.then(() => this.release(exit));
  }

  private async release(exit: MachineExit): Promise<void> {
    // Started while the end was already decided.
    clearInterval(this.htifTimer);
    try {
      await this.harts.stop();
      this.board.flush();
      await this.semihost?.close();
      await this.board.close();
    } catch (cause) {
      exit = { reason: 'error', code: exit.code || 1, error: exit.error ?? toVmError(cause) };
    }
    this.enter(exit.reason === 'error' ? 'failed' : 'stopped');
    this.resolveEnded(exit);
    this.emit('exit', exit);
  }

  private enter(state: MachineState): void {
    this.currentState = state;
    if (state === 'running') this.letTimersGo ??= timerResolution.hold();
    else {
      this.letTimersGo?.();
      this.letTimersGo = undefined;
    }
    this.emit('state', state);
  }

  private pollHtif(): void {
    const { htif } = this;
    if (htif) this.htifTimer = setInterval(() => htif.poll(), HTIF_INTERVAL);
  }
}

function toVmError(cause: unknown): VmError {
  const known = systemError(cause);
  if (known) return known;
  return new VmError('Internal', `The machine failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
