import { EventEmitter } from 'node:events';
import type { z, ZodType } from 'zod';
import { VmError } from '../bus/vm-error';
import type { HartStop } from '../hart/debug-points';
import { HartRegisters } from '../hart/registers';
import { CHECK_BYTES } from '../hart/check/check-layout';
import type { Samples } from '../hart/sampler';
import { between, type MachineStatistics } from '../hart/statistics';
import { defaultGuest, type SetupProgress } from '../images/default-guest';
import type { DirectMemoryAccess } from '../memory/direct-memory-access';
import { GuestMemory } from '../memory/guest-memory';
import { createMemory, planMemory } from '../memory/memory-plan';
import { timerResolution } from '../host/timer-resolution';
import { HartThreads } from '../process/hart-threads';
import { HartPool } from '../process/harts';
import type { V8Verdict } from '../process/contract';
import { v8Verdict } from '../process/v8-verdict';
import { stockFirmware } from '../images/stock-firmware';
import type { ConsolePort } from '../virtio/devices/console-port';
import { Board } from './board';
import { Debugger } from './debugger';
import { FLASH_BANK_BYTES } from './flash/flash-bank';
import { FLASH_BASE, RAM_BASE } from './board-map';
import { type Boot, loadBoot } from './boot/boot-files';
import { Htif } from './boot/htif';
import { type DriveConfigInput, type MachineConfig, type MachineConfigInput, driveSchema, machineConfigSchema } from './config';
import { HeldWrites } from './held-writes';
import { RESET_ROM_BASE, RESET_ROM_SIZE } from './reset-rom';
import type { FinisherRequest } from './test-finisher';

export type MachineState = 'created' | 'running' | 'paused' | 'stopped' | 'failed';

/** How a machine ended. `code` is the guest's exit code, 0 to 2^32 - 1; 1 where the machine itself failed. */
export interface MachineExit {
  reason: 'poweroff' | 'finisher' | 'tohost' | 'stopped' | 'error';
  code: number;
  error?: VmError;
}

/** What can be traced: device accesses, virtio registers, traps of the harts. */
export const TRACES = ['mmio', 'virtio', 'trap'] as const;

export interface VirtualMachineOptions {
  /** Where the default guest is kept; the platform's usual place unless given. */
  dataDirectory?: string;
  /** Names out of TRACES. Lines go to the `trace` event, and to stderr while nobody listens to that. */
  trace?: string[];
  /** Do everything that translated code does once more in the interpreter and compare; a difference ends the machine. One hart only. */
  checkJit?: boolean;
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
  private readonly htif: Htif | undefined;
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
  /** Settles when everything asked for so far is done. */
  private lastStep: Promise<void> = Promise.resolve();
  private readonly held = new HeldWrites((error) => {
    // It may be paused already, and be told so all the same.
    this.pause().catch(() => undefined);
    this.emit('full', error);
  });

  private constructor(config: MachineConfig, boot: Boot, memory: GuestMemory, board: Board, harts: HartPool) {
    super();
    this.config = config;
    this.board = board;
    this.harts = harts;
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    if (boot.tohost !== undefined) {
      this.htif = new Htif({
        memory,
        tohost: boot.tohost,
        fromhost: boot.fromhost,
        output: (data) => void board.console.deliver(data),
        exit: (code) => this.end({ reason: 'tohost', code }),
      });
    }
    this.debugger = this.createDebugger(memory.memory);
    harts.on('stopped', (hart, stop) => this.stopAll(hart, stop));
    harts.on('error', (error) => this.end({ reason: 'error', code: 1, error }));
  }

  /**
   * Reads the kernel and the other files, opens the drives and lays out the memory. Throws VmError: 'Config', 'Image',
   * 'Resource', or 'Network' where the default guest is needed and cannot be fetched.
   */
  static async create(input: MachineConfigInput, options: VirtualMachineOptions = {}): Promise<VirtualMachine> {
    const config = parse(machineConfigSchema, input, "The machine's configuration");
    const { trace = [], checkJit = false } = options;
    const unknown = trace.find((name) => !TRACES.some((known) => known === name));
    if (unknown !== undefined)
      throw VmError.config(`There is nothing to trace under the name "${unknown}". It can be ${TRACES.join(', ')}.`);

    if (checkJit && config.harts > 1) throw VmError.config(`Translated code can be checked on one hart only, not on ${config.harts}.`);
    if (checkJit && !config.jit) throw VmError.config('There is no translated code to check: translation is switched off.');

    const { flags, failure } = options.v8 ?? (await v8Verdict(options.dataDirectory));
    const threads = new HartThreads({ harts: config.harts, jit: config.jit, checked: checkJit, flags });
    try {
      const machine = await VirtualMachine.assemble(config, threads, options);
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
    { trace = [], dataDirectory, onProgress, signal, extraInitrd, ports = [], checkJit = false, profile = false }: VirtualMachineOptions,
  ): Promise<VirtualMachine> {
    const ram = { base: RAM_BASE, size: config.memory };
    const boot = await loadBoot(config, {
      ram,
      extraInitrd,
      defaultGuest: () => defaultGuest({ dataDirectory, onProgress, signal }),
      stockFirmware: (which) => stockFirmware(which, { dataDirectory, onProgress, signal }),
    });
    const regions = [
      ram,
      { base: RESET_ROM_BASE, size: RESET_ROM_SIZE, readonly: true },
      { base: FLASH_BASE, size: FLASH_BANK_BYTES, device: true },
      { base: FLASH_BASE + FLASH_BANK_BYTES, size: FLASH_BANK_BYTES, device: true },
    ];
    const plan = planMemory(config.harts, regions, { checkBytes: checkJit ? CHECK_BYTES : 0 });
    const memory = new GuestMemory(createMemory(plan), plan);

    // The board reports to the machine, which is made out of it.
    const traced = (line: string): void => {
      if (!machine.emit('trace', line)) process.stderr.write(`${line}\n`);
    };
    const board = await Board.create({
      config,
      memory,
      boot,
      ports,
      finisher: (request) => machine.finish(request),
      warn: (error) => machine.emit('warning', error),
      full: (error) => machine.held.hold(error),
      traceVirtio: trace.includes('virtio') ? traced : undefined,
    });
    const harts = new HartPool(memory.memory, plan, board.bus, board.hartBoard(trace, profile), threads);
    harts.on('trace', traced);
    const machine = new VirtualMachine(config, boot, memory, board, harts);
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

  /** The guest's memory, to be read and written from outside: best while the machine is paused. */
  get memory(): DirectMemoryAccess {
    return this.board.dma;
  }

  /** One of the extra console ports. Throws VmError 'Config' if the machine was made without it. */
  port(name: string): ConsolePort {
    return this.board.port(name);
  }

  /**
   * Attach a drive to the SCSI adapter; a guest that runs finds it by itself. Resolves with its id. Throws VmError: 'Config' if the
   * machine has no adapter or the drive is none of SCSI, 'Image' or 'Resource' if its file cannot be used.
   */
  async attachDrive(drive: DriveConfigInput): Promise<string> {
    const { drives } = this.usableBoard('attach a drive');
    return drives.attach(parse(driveSchema, drive, "The drive's configuration"));
  }

  /** Pull a SCSI drive out. Resolves when all that the guest has written is on stable storage and the file is closed. */
  async detachDrive(id: string): Promise<void> {
    await this.usableBoard('detach a drive').drives.detach(id);
  }

  /** Let a drive grow to `size` bytes; the guest is told. Throws VmError 'Config' for less than it has, and for read-only drives. */
  async resizeDrive(id: string, size: number): Promise<void> {
    await this.usableBoard('resize a drive').drives.resize(id, size);
  }

  /**
   * Put another disc into a CD-ROM drive; without `file` the drive is empty then. Throws VmError 'State' while the guest has locked
   * the drive, which it then is asked to unlock, unless `force` is set.
   */
  async changeMedium(id: string, file: string | undefined, { force = false }: { force?: boolean } = {}): Promise<void> {
    await this.usableBoard('change a disc').drives.changeMedium(id, file, force);
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

  /** Switch on. */
  start(): Promise<void> {
    return this.step('start', ['created'], async () => {
      await Promise.all([this.harts.launch(), this.board.powerOn()]);
      await this.harts.start();
      this.pollHtif();
      this.enter('running');
      if (this.slowness) this.emit('warning', this.slowness);
    });
  }

  /** Hold the harts; guest time stands still. */
  pause(): Promise<void> {
    return this.step('pause', ['running'], async () => {
      await this.harts.pause();
      clearInterval(this.htifTimer);
      this.enter('paused');
    });
  }

  /** Go on. Writes that wait for space on the host are tried again: where there is still none, the machine is paused again. */
  resume(): Promise<void> {
    this.held.retry();
    return this.step('resume', ['paused'], async () => {
      this.harts.resume();
      this.pollHtif();
      this.enter('running');
    });
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
      throw new VmError('State', `The machine cannot ${what}: it is ending or off.`);
    return this.board;
  }

  private createDebugger(memory: WebAssembly.Memory): Debugger {
    const state = (): MachineState => this.currentState;
    const { harts, config } = this;
    const known = (hart: number): void => {
      if (!(Number.isInteger(hart) && hart >= 0 && hart < config.harts))
        throw VmError.config(`There is no hart ${hart}; the machine has harts 0 to ${config.harts - 1}.`);
    };
    return new Debugger({
      points: harts.points,
      get state() {
        return state();
      },
      registers: (hart) => {
        known(hart);
        return new HartRegisters(memory, hart);
      },
      step: async (hart) => {
        known(hart);
        let stop: HartStop | undefined;
        await this.step('step', ['paused'], async () => {
          stop = await harts.step(hart);
        });
        return stop as HartStop;
      },
    });
  }

  /** A hart has stopped for the debugger: so do the others. */
  private stopAll(hart: number, stop: HartStop): void {
    this.step('stop for the debugger', ['running', 'paused'], async () => {
      if (this.currentState === 'running') {
        await this.harts.pause();
        clearInterval(this.htifTimer);
        this.enter('paused');
      }
      this.emit('stopped', hart, stop);
    }).catch(() => undefined);
  }

  private finish(request: FinisherRequest): void {
    if (request.kind === 'reset') this.reboot();
    else this.end({ reason: request.code === 0 ? 'poweroff' : 'finisher', code: request.code });
  }

  /** The guest asked for a reset: everything as after power-on, and on it goes. */
  private reboot(): void {
    this.step('reboot', ['running'], async () => {
      await this.harts.pause();
      await this.board.powerOn();
      await this.harts.reset();
      this.harts.resume();
    }).catch(() => undefined);
  }

  private end(exit: MachineExit): void {
    if (this.exit) return;
    this.exit = exit;
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

function parse<Schema extends ZodType>(schema: Schema, input: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'configuration'}: ${message}`);
  throw VmError.config(`${what} is wrong. ${problems.join('; ')}.`, { cause: parsed.error });
}

function toVmError(cause: unknown): VmError {
  if (cause instanceof VmError) return cause;
  return new VmError('Internal', `The machine failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
