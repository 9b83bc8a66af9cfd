import { VmError } from '../errors/vm-error';
import { hostMemory, type HostMemory } from '../host/host-memory';
import {
  HARTS_BASE,
  HART_INSTRET,
  HART_LINES,
  HART_MTIMECMP,
  HART_PC,
  HART_STRIDE,
  HART_X,
  MACHINE_EXTENSIONS_OFF,
  MACHINE_FENCES,
} from '../memory/layout';
import type { MemoryPlan } from '../memory/memory-plan';
import { FENCE_HART_SHIFT, FENCE_STORE, FENCE_STORED, FENCE_STORES } from './check/fence-layout';
import { Lockstep, type CheckHelpers } from './check/lockstep';
import { CheckedLoop, ReplayLoop } from './check/loops';
import { DebugPoints, type HartStop } from './debug-points';
import { Decoder } from './decoder';
import { type ExecTrace, ExecTracer } from './exec-tracer';
import { EXTENSION_SVADU, EXTENSION_SVPBMT } from './extension-bits';
import {
  CSR_MCOUNTEREN,
  CSR_MENVCFG,
  CSR_MSTATUS,
  CSR_SCOUNTEREN,
  CSR_STIMECMP,
  FETCH_TABLE_BYTES,
  HART_BUDGET,
  HART_COUNTERS,
  HART_COUNTER_COUNT,
  HART_FFLAGS,
  HART_FS_OFF,
  HART_ID,
  HART_MMIO_FAULT,
  HART_NO_FETCH_TLB,
  HART_PRIV,
  HART_PRIVATE_BYTES,
  HART_PROFILING,
  PROFILING,
  HART_SAMPLING,
  HART_SCRATCH_RECORDS,
  HART_SINGLE_RECORD,
  HART_SLICE,
  HART_SLICE_MOST,
  HART_STEPS,
  HART_STOP,
  HART_STOP_ADDRESS,
  HART_STOP_RECORD,
  HART_TRACE_FROM,
  HART_TRACING,
  HART_TRAP,
  HART_TVAL,
  HART_WATCH_PASS,
  REGIONS_MAX,
  STOP_BREAKPOINT,
  STOP_READ,
  STOP_STEP,
  STOP_WRITE,
  STAT_EARLIER,
  TRACE_ALL,
  TRACE_FROM,
} from './hart-layout';
import { STOP, STRADDLE } from './handlers';
import { helperNames } from './helper-table';
import { type Explanation, explainIllegal } from './illegal-instruction';
import { buildInterpreter, RunLoop } from './interpreter';
import { Regions, type Translator } from './jit/regions';
import { HART_PRIVATE } from '../memory/layout';
import { Sampler, type Samples } from './sampler';
import { SemihostingCalls, type SemihostingLine } from './semihosting';
import { StatisticsBlock } from './statistics';

/** Thrown out of an access to a device: the machine ends or starts anew by it, and the hart executes nothing more before its next reset. */
export class RunEnded extends Error {}

/** What a hart needs from its surroundings. All calls come from the hart's own thread. */
export interface HartEnvironment {
  /** Guest time in timebase ticks. */
  time(): number;
  /** Read or write a device register of 1, 2 or 4 bytes; undefined or false is an access fault. A write may throw RunEnded. */
  mmioRead(address: number, size: 1 | 2 | 4): number | undefined;
  mmioWrite(address: number, size: 1 | 2 | 4, value: number): boolean;
  /** Told of every trap, when tracing. */
  traceTrap?(cause: number, interrupt: boolean): void;
  /** Translates hot code; without it the hart only interprets. */
  translator?: Translator;
  /** What of the instructions to trace, and where the lines go, several in one text. */
  execTrace?: ExecTrace & { deliver(lines: string): void };
  /** Takes samples for a profile, some thousand a second in bundles, while HART_PROFILING says so; without it none are taken. */
  samples?(samples: Samples): void;
  /** Whether it says so from the beginning. */
  isProfiled?: boolean;
  /** Its semihosting calls; without it they are not served. */
  semihosting?: SemihostingLine;
  /** A program of this privilege (0 U, 1 S, 3 M) tried one that is not served. Told again and again. */
  semihostingRefused?(privilege: number): void;
  /** Told of instructions that were illegal, in words, each kind once. */
  illegalInstruction?(explanation: Explanation): void;
  /** Told of instructions that were executed without a fence.i after they were stored, once for each instruction that stores such; see plan.fences. */
  missingFence?(missing: MissingFence): void;
  /** What order this host keeps; found out unless given. */
  host?: HostMemory;
  /** compileLoop()'s result for the hart and the host, where that was made before; not where `hot` is tuned. */
  loop?: WebAssembly.Module;
}

/** An instruction that a hart executes though it has done no fence.i since the instruction was stored. Virtual addresses. */
export interface MissingFence {
  hart: number;
  pc: bigint;
  /** Who stored it, and where that store is; undefined where stores are too many to tell. */
  storeHart: number;
  storePc: bigint | undefined;
}

/** What tests turn to bring rare things about soon. */
export interface HartTuning {
  /** Instructions between two looks at timers, interrupts and requests. */
  slice?: number;
  /** Jumps to a place after which its code is translated; a power of two. */
  hot?: number;
  /** Translated regions at a time. */
  regions?: number;
}

interface HelperExports extends CheckHelpers {
  setHart(base: number, decoded: number): void;
  setFlagsAddress(address: number): void;
  setTracing(on: number): void;
  flushAll(): void;
  selectTlbs(): void;
  pmpUpdate(): void;
  peek(address: bigint): number;
  reach(address: bigint, bytes: number, isWrite: number): number;
  account(): void;
  dropAllCode(): void;
  dropStaleCode(): void;
  beginEpoch(): void;
  unfenced(host: number): number;
}

/** Instructions between two looks at timers, interrupts and requests: about 40 µs of work. */
const SLICE = 8192;
const HOT = 8192;
/** A region that is entered so many times as often as makes a place hot is made anew, with calls inlined. */
const BUSY = 4;
const MSTATUS_UXL_SXL = 0xa_0000_0000n;
const MENVCFG_ADUE = 1n << 61n;
const MENVCFG_PBMTE = 1n << 62n;
/** Instructions that are told of. */
const ILLEGAL_MOST = 256;
const NEVER = (1n << 64n) - 1n;
/** HartStop's reasons by their numbers in HART_STOP. */
const STOP_REASONS = { [STOP_STEP]: 'step', [STOP_BREAKPOINT]: 'breakpoint', [STOP_READ]: 'read', [STOP_WRITE]: 'write' } as const;

/** The interpreter of the hart `id`: all that can be made of a hart before there is a machine. */
export function compileLoop(id: number, host: HostMemory, hot = HOT, Loop = RunLoop): WebAssembly.Module {
  return new WebAssembly.Module(buildInterpreter(HARTS_BASE + id * HART_STRIDE, hot, BUSY * hot, host, Loop));
}

/** One RISC-V hart: its state in the shared memory and the code that runs it, on the calling thread. */
export class Hart {
  readonly base: number;
  private readonly data: DataView;
  private readonly helpers: HelperExports;
  private readonly loop: () => void;
  private readonly regions: Regions | undefined;
  private readonly points: DebugPoints;
  private pointsSeen = 0;
  /** Until the next reset. */
  private ended = false;
  private readonly sampler: Sampler | undefined;
  private readonly tracer: ExecTracer | undefined;
  private readonly traceFrom: bigint | undefined;
  private readonly calls: SemihostingCalls | undefined;
  /** Instructions that were illegal since the last reset, with the privilege. */
  private readonly illegal = new Set<number>();
  private readonly lockstep: Lockstep | undefined;
  /** Stores told of as unfenced since the last reset. */
  private readonly told = new Set<number>();

  /**
   * @param plan with room for the lockstep check, every translated region is checked; its translator must know
   * @param helpers compiled helpers.wasm, shared between harts
   * @param id hart number from 0, as in mhartid
   */
  constructor(
    readonly memory: WebAssembly.Memory,
    plan: MemoryPlan,
    readonly id: number,
    helpers: WebAssembly.Module,
    environment: HartEnvironment,
    private readonly tuning: HartTuning = {},
  ) {
    this.base = HARTS_BASE + id * HART_STRIDE;
    const base = this.base;
    const hot = tuning.hot ?? HOT;
    const decoded = plan.decoded + id * plan.decodedStride;
    this.data = new DataView(memory.buffer);
    const words = new Int32Array(memory.buffer);
    const halves = new Uint16Array(memory.buffer);
    const fault = (base + HART_MMIO_FAULT) >>> 2;
    const decoder = new Decoder(memory, base, decoded);

    this.helpers = new WebAssembly.Instance(helpers, {
      env: {
        memory,
        page_decoded: (slot: number) => this.regions?.revive(slot),
        mail: () => this.regions?.receive(),
        sample: () => this.sampler?.sample(),
        trace_exec: () => this.tracer?.instruction(),
        replay: () => this.lockstep?.replay(),
        differs: (what: number, region: bigint, interpreter: bigint) => this.lockstep?.differs(what, region, interpreter),
        time: () => environment.time(),
        illegal_taken: () => this.tellOfIllegal(environment),
        semihosting: () => (this.calls?.proceed() === false ? 0 : 1),
        semihosting_refused: (privilege: number) => environment.semihostingRefused?.(privilege),
        trace_trap: (cause: number, interrupt: number) => environment.traceTrap?.(cause, interrupt !== 0),
        mmio_read: (address: number, size: 1 | 2 | 4) => {
          const value = environment.mmioRead(address, size);
          if (value === undefined) words[fault] = 1;
          return value ?? 0;
        },
        mmio_write: (address: number, size: 1 | 2 | 4, value: number) => {
          if (!environment.mmioWrite(address, size, value >>> 0)) words[fault] = 1;
        },
      },
    }).exports as unknown as HelperExports;
    this.helpers.setHart(base, decoded);
    this.helpers.setFlagsAddress(base + HART_FFLAGS);
    this.helpers.setTracing(environment.traceTrap ? 1 : 0);

    halves[(base + HART_STOP_RECORD) >>> 1] = STOP;
    new Uint8Array(memory.buffer).fill(0xff, base + HART_NO_FETCH_TLB, base + HART_NO_FETCH_TLB + FETCH_TABLE_BYTES);
    this.points = new DebugPoints(memory);
    if (environment.samples) {
      this.data.setUint32(base + HART_PROFILING, environment.isProfiled ? PROFILING : 0, true);
      const peek = (address: bigint): number => this.helpers.peek(address);
      this.sampler = new Sampler(
        memory,
        base,
        peek,
        () => environment.time(),
        (samples) => environment.samples?.(samples),
      );
    }

    const { execTrace } = environment;
    if (execTrace) {
      this.traceFrom = execTrace.from;
      const fetch = (offset: number): number => {
        const at = this.helpers.fetch_at_pc(offset);
        // The instruction will raise that by itself.
        this.data.setInt32(base + HART_TRAP, 0, true);
        return at;
      };
      this.tracer = new ExecTracer(memory, id, base, fetch, execTrace.functions ?? [], (lines) => execTrace.deliver(lines));
    }

    if (environment.semihosting) {
      const reach = (address: bigint, bytes: number, isWrite: number): number => this.helpers.reach(address, bytes, isWrite);
      this.calls = new SemihostingCalls(memory, base, reach, () => environment.time(), environment.semihosting);
    }

    const scratch = base + HART_SCRATCH_RECORDS;
    const straddle = (): number => {
      const first = this.helpers.fetch_at_pc(0);
      if (first === 0) return 0;
      let word = halves[first >>> 1];
      if ((word & 3) === 3) {
        const second = this.helpers.fetch_at_pc(2);
        if (second === 0) return 0;
        word = (word | (halves[second >>> 1] << 16)) >>> 0;
        if (plan.fences !== undefined) this.lookForFence(environment, second);
      }
      if (plan.fences !== undefined) this.lookForFence(environment, first);
      decoder.decodeAlone(scratch, word);
      return scratch;
    };
    const helperImports = Object.fromEntries(
      helperNames.map((name) => [name, (this.helpers as unknown as Record<string, WebAssembly.ExportValue>)[name]]),
    );
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: environment.translator ? REGIONS_MAX : 1 });
    if (environment.translator) {
      this.regions = new Regions(
        memory,
        base,
        decoded,
        table,
        { env: { memory }, helpers: helperImports },
        environment.translator,
        (record) => decoder.decode(record),
        () => this.helpers.dropAllCode(),
        new StatisticsBlock(memory, id),
        hot,
        tuning.regions,
      );
    }
    const checked = plan.check !== undefined && environment.translator !== undefined;
    const host = environment.host ?? hostMemory();
    const runner = (Loop: typeof RunLoop): (() => void) => {
      const code = (Loop === RunLoop ? environment.loop : undefined) ?? compileLoop(id, host, hot, Loop);
      const { exports } = new WebAssembly.Instance(code, {
        env: {
          memory,
          decode: (record: number) => decoder.decode(record),
          straddle,
          hot: (record: number) => this.regions?.hot(record),
          regions: table,
        },
        helpers: helperImports,
      });
      return exports.run as () => void;
    };
    this.loop = runner(checked ? CheckedLoop : RunLoop);
    if (checked) this.lockstep = new Lockstep(memory, base, plan.check as number, this.helpers, runner(ReplayLoop));
  }

  /** Power-on state: machine mode at `pc`, everything else zero (privileged ISA §3.4). */
  reset(pc: number): void {
    const { data, base } = this;
    const bytes = new Uint8Array(this.memory.buffer);
    const retired = data.getBigUint64(base + HART_INSTRET, true);
    const profiling = data.getUint32(base + HART_PROFILING, true);
    data.setBigUint64(base + STAT_EARLIER, data.getBigUint64(base + STAT_EARLIER, true) + retired, true);
    bytes.fill(0, base + HART_X, base + HART_LINES);
    bytes.fill(0, base + HART_PRIVATE, base + HART_PRIVATE + HART_PRIVATE_BYTES);
    bytes.fill(0, base + HART_COUNTERS, base + HART_COUNTERS + 2 * HART_COUNTER_COUNT);
    data.setBigUint64(base + HART_PC, BigInt(pc), true);
    data.setUint32(base + HART_PRIV, 3, true);
    data.setUint32(base + HART_FS_OFF, 1, true);
    const slice = this.tuning.slice ?? SLICE;
    data.setUint32(base + HART_SLICE, slice, true);
    data.setUint32(base + HART_BUDGET, slice, true);
    data.setUint32(base + HART_SLICE_MOST, slice, true);
    data.setUint32(base + HART_PROFILING, profiling, true);
    if (this.tracer) {
      data.setUint32(base + HART_TRACING, this.traceFrom === undefined ? TRACE_ALL : TRACE_FROM, true);
      data.setBigUint64(base + HART_TRACE_FROM, this.traceFrom ?? 0n, true);
    }
    data.setBigUint64(base + HART_ID, BigInt(this.id), true);
    data.setBigUint64(base + CSR_MSTATUS, MSTATUS_UXL_SXL, true);
    // As in QEMU: what firmware does not know of is on.
    const off = data.getUint32(MACHINE_EXTENSIONS_OFF, true);
    const menvcfg = (off & EXTENSION_SVADU ? 0n : MENVCFG_ADUE) | (off & EXTENSION_SVPBMT ? 0n : MENVCFG_PBMTE);
    data.setBigUint64(base + CSR_MENVCFG, menvcfg, true);
    data.setBigUint64(base + CSR_STIMECMP, NEVER, true);
    data.setBigUint64(base + HART_MTIMECMP, NEVER, true);
    data.setUint16(base + HART_SINGLE_RECORD, STRADDLE, true);
    this.helpers.pmpUpdate();
    this.helpers.flushAll();
    this.helpers.selectTlbs();
    this.regions?.start();
    this.calls?.reset();
    this.illegal.clear();
    this.told.clear();
    this.helpers.beginEpoch();
    this.ended = false;
  }

  /**
   * Run until the machine's run state is no longer RUN_RUNNING, or until a breakpoint or a watchpoint: then why. The first instruction
   * is executed in any case. After RunEnded nothing is.
   *
   * @param watching whether that first instruction stops before an access to watched data all the same
   */
  run(watching = false): HartStop | undefined {
    if (!this.points.isEmpty) {
      const stop = this.step(watching);
      if (watching && stop.reason !== 'step') return stop;
    }
    if (this.ended) return undefined;
    this.resume(0);
    this.enterLoop();
    this.sampler?.flush();
    return this.takeStop();
  }

  /**
   * Execute one instruction, or take the trap that it raises; interrupts wait, and WFI does not. Watchpoints let it pass, but are the
   * reason then; with `watching` it stops before the access. Whatever the machine's run state.
   */
  step(watching = false): HartStop {
    this.resume(2);
    this.data.setInt32(this.base + HART_WATCH_PASS, watching ? 0 : 1, true);
    // The loop may be left without an instruction to look at the run state, but not twice in a row.
    let stop: HartStop | undefined;
    while (!stop && !this.ended) {
      this.enterLoop();
      stop = this.takeStop();
    }
    const { data, base, pc } = this;
    const watched = data.getInt32(base + HART_WATCH_PASS, true) as 0 | 1 | typeof STOP_READ | typeof STOP_WRITE;
    data.setInt32(base + HART_WATCH_PASS, 0, true);
    if (watched > 1)
      return {
        reason: STOP_REASONS[watched as typeof STOP_READ | typeof STOP_WRITE],
        pc,
        address: data.getBigUint64(base + HART_STOP_ADDRESS, true),
        isDone: true,
      };
    return stop ?? { reason: 'step', pc };
  }

  private resume(steps: number): void {
    const { data, base } = this;
    if (this.pointsSeen !== this.points.epoch) {
      this.pointsSeen = this.points.epoch;
      // A debugger may have written registers and memory as well.
      this.helpers.pmpUpdate();
      this.helpers.dropStaleCode();
      this.helpers.flushAll();
    }
    data.setUint32(base + HART_STEPS, steps, true);
    data.setInt32(base + HART_SAMPLING, 0, true);
    this.helpers.selectTlbs();
  }

  private takeStop(): HartStop | undefined {
    const { data, base, pc } = this;
    this.helpers.account();
    const stop = data.getInt32(base + HART_STOP, true) as keyof typeof STOP_REASONS | 0;
    if (stop === 0) return undefined;
    data.setInt32(base + HART_STOP, 0, true);
    const reason = STOP_REASONS[stop];
    if (reason === 'step' || reason === 'breakpoint') return { reason, pc };
    return { reason, pc, address: data.getBigUint64(base + HART_STOP_ADDRESS, true) };
  }

  /** Lines of the execution trace that are kept back go before what is traced next. */
  flushTrace(): void {
    this.tracer?.flush();
  }

  /** Say of an instruction why it is illegal, the first time that it is. A guest may emulate what its hart does not have, again and again. */
  private tellOfIllegal(environment: HartEnvironment): void {
    if (!environment.illegalInstruction || this.illegal.size >= ILLEGAL_MOST) return;
    const { data, base } = this;
    const word = Number(data.getBigUint64(base + HART_TVAL, true) & 0xffff_ffffn);
    const privilege = data.getUint32(base + HART_PRIV, true);
    const seen = word * 4 + privilege;
    if (this.illegal.has(seen)) return;
    this.illegal.add(seen);
    environment.illegalInstruction(
      explainIllegal(word, this.pc, {
        privilege,
        floatIsOff: data.getUint32(base + HART_FS_OFF, true) !== 0,
        mcounteren: data.getBigUint64(base + CSR_MCOUNTEREN, true),
        scounteren: data.getBigUint64(base + CSR_SCOUNTEREN, true),
        extensionsOff: data.getUint32(MACHINE_EXTENSIONS_OFF, true),
      }),
    );
  }

  /** The instruction at HART_PC, some of which lies at `host`, is about to be executed. */
  private lookForFence(environment: HartEnvironment, host: number): void {
    const store = this.helpers.unfenced(host) >>> 0;
    if (store === 0 || this.told.has(store)) return;
    this.told.add(store);
    const { data, id, pc } = this;
    const number = store & FENCE_STORE;
    const at = data.getUint32(MACHINE_FENCES, true) + FENCE_STORES + 8 * (number - 1);
    environment.missingFence?.({
      hart: id,
      pc,
      storeHart: (store & ~FENCE_STORED) >>> FENCE_HART_SHIFT,
      storePc: number === 0 ? undefined : data.getBigUint64(at, true) - 1n,
    });
  }

  private enterLoop(): void {
    try {
      this.loop();
    } catch (cause) {
      if (cause instanceof RunEnded) {
        this.ended = true;
        return;
      }
      if (cause instanceof VmError) throw cause;
      throw new VmError('Internal', `Hart ${this.id} stopped at pc 0x${this.pc.toString(16)}: ${String(cause)}`, { cause });
    } finally {
      this.tracer?.flush();
    }
  }

  /** Valid while the hart does not run. */
  get pc(): bigint {
    return this.data.getBigUint64(this.base + HART_PC, true);
  }
}
