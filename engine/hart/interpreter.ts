import { Emitter, I32_TYPE, I64_TYPE, type F32, type F64, type I32, type I64, type Label, type Value } from '../wasm/emitter';
import { ModuleBuilder } from '../wasm/module-builder';
import type { HostMemory } from '../host/host-memory';
import { HART_F, HART_PC, HART_X } from '../memory/layout';
import { handlers, SPECIAL_HANDLERS, type Handler } from './handlers';
import {
  FETCH_ENTRIES,
  FETCH_RECORDS,
  FETCH_TAG,
  HART_BUDGET,
  HART_COUNTERS,
  HART_COUNTER_COUNT,
  HART_COUNTING,
  HART_FETCH_TLB,
  HART_FRM,
  HART_FS_DIRTY,
  HART_FS_OFF,
  HART_REGION_ENTRIES,
  HART_REGION_ORIGINALS,
  HART_TLB,
  HART_TRAP,
  HART_UNSETTLED,
  RECORD_A,
  RECORD_B,
  RECORD_BYTES,
  RECORD_HANDLER,
  RECORD_IMM,
  REGION_HANDLER,
  STAT_EXITS_BUDGET,
  STAT_EXITS_FAULT,
  STAT_EXITS_ASIDE,
  STAT_REGION_ENTRIES,
  STAT_REGION_INSTRUCTIONS,
  TLB_READ,
  TLB_WRITE,
} from './hart-layout';
import { ASIDE, REGION_TYPE } from './jit/region-emitter';
import { helperNames, helperType, type HelperName, type HelperResult } from './helper-table';
import { LOAD_KINDS, type BlockOperation, type Context, type FloatViews, type LoadKind, type LogSize } from './isa/instruction';
import { TierEmitter } from './tier-emitter';

/**
 * Tier 0: one WebAssembly function that runs decoded records (DESIGN §3). A `br_table` chooses the handler, whose body comes
 * from the instruction's own description. The module is made for one hart: its registers lie at constant addresses.
 *
 * @param hot after so many jumps to a record, and again after as many more, it is reported as hot; a power of two below 65536
 * @param busy likewise for a region, after so many entries
 * @param Loop the lockstep check has others (check/loops.ts)
 */
export function buildInterpreter(hart: number, hot: number, busy: number, host: HostMemory, Loop = RunLoop): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 65536);
  const helpers = Object.fromEntries(helperNames.map((name) => [name, module.importFunction('helpers', name, helperType(name))]));
  const decode = module.importFunction('env', 'decode', { parameters: [I32_TYPE], results: [] });
  const straddle = module.importFunction('env', 'straddle', { parameters: [], results: [I32_TYPE] });
  const reportHot = module.importFunction('env', 'hot', { parameters: [I32_TYPE], results: [] });
  module.importTable('env', 'regions');
  const run = new Loop(
    hart,
    (name) => helpers[name],
    { decode, straddle, reportHot, regionType: module.typeIndex(REGION_TYPE) },
    hot,
    busy,
    host,
  );
  run.emit();
  module.addFunction({ parameters: [], results: [] }, run.e, 'run');
  return module.build();
}

/** Function indices of the imports, and the type index of regions. */
interface Imports {
  decode: number;
  straddle: number;
  reportHot: number;
  regionType: number;
}

export class RunLoop extends TierEmitter implements Context {
  readonly e = new Emitter();
  /** Address of the current record. pc = pcBase + record / 4. */
  private readonly record = this.e.local<I32>(I32_TYPE);
  private readonly pcBase = this.e.local<I64>(I64_TYPE);
  /** Instructions left before the next poll. */
  protected readonly budget = this.e.local<I32>(I32_TYPE);
  /** The data TLB in force. */
  protected readonly tlb = this.e.local<I32>(I32_TYPE);
  /** Target of a jump through the fetch TLB. */
  protected readonly target = this.e.local<I64>(I64_TYPE);
  /** The handler of the record being executed. */
  private readonly operation = this.e.local<I32>(I32_TYPE);
  /** 1 if the instruction at `target` is to be interpreted although a region begins with it. */
  private readonly setAside = this.e.local<I32>(I32_TYPE);
  private jumpLabel: Label = 0;
  /** Where to go once an exception has been raised. */
  protected trapLabel: Label = 0;
  private nextLabel: Label = 0;
  /** The handler being emitted, and whether it left the straight line on every path. */
  private handler!: Handler;
  protected left = false;

  constructor(
    protected readonly hart: number,
    helperIndex: (name: HelperName) => number,
    private readonly imports: Imports,
    private readonly hot: number,
    private readonly busy: number,
    host: HostMemory,
  ) {
    super(helperIndex, host);
  }

  protected hartBase(): I32 {
    return this.e.i32.const(this.hart);
  }

  emit(): void {
    const { e } = this;
    this.reload();
    e.loop((jump) => {
      this.jumpLabel = jump;
      this.emitPoll();
      this.emitFetch();
      e.loop((next) => {
        this.nextLabel = next;
        e.block((trap) => {
          this.trapLabel = trap;
          this.emitHandlers();
        });
        this.takeTrap();
        e.br(jump);
      });
    });
  }

  /**
   * The instruction at HART_PC did not retire, which take_trap books. It uses up the slice all the same, so that a hart whose
   * trap vector traps again still polls.
   */
  protected takeTrap(): void {
    this.callHelper('take_trap');
    this.reloadState();
  }

  /** Take up the state that helpers left: next pc, TLB; and with reload() the budget too. */
  private reloadState(): void {
    const { e } = this;
    e.set(this.target, e.i64.load(e.i32.const(0), this.hart + HART_PC));
    e.set(this.tlb, e.i32.load(e.i32.const(0), this.hart + HART_TLB));
  }
  private reload(): void {
    const { e } = this;
    this.reloadState();
    e.set(this.budget, e.i32.load(e.i32.const(0), this.hart + HART_BUDGET));
  }

  protected emitPoll(): void {
    const { e } = this;
    e.if(
      e.i32.le_s(e.get(this.budget), e.i32.const(0)),
      () => {
        // A region was the last to run.
        e.if(e.i32.ge_u(e.get(this.operation), e.i32.const(REGION_HANDLER)), () => this.count(STAT_EXITS_BUDGET));
        this.saveBudget();
        e.i64.store(e.i32.const(0), e.get(this.target), this.hart + HART_PC);
        e.if(this.callHelper('poll'), () => e.return());
        this.reload();
      },
      undefined,
      'unlikely',
    );
  }

  /** Find the record for `target` through the fetch TLB. */
  private emitFetch(): void {
    const { e } = this;
    const entry = e.keep(
      e.i32.add(
        e.i32.load(e.i32.const(0), this.hart + HART_FETCH_TLB),
        // (target >> 12) % entries × 16 bytes
        e.i32.and(e.i32.wrap(e.i64.shr_u(e.get(this.target), e.i64.const(8))), e.i32.const((FETCH_ENTRIES - 1) << 4)),
      ),
    );
    e.if(
      e.i64.eq(e.i64.load(e.get(entry), FETCH_TAG), e.i64.and(e.get(this.target), e.i64.const(-4096))),
      () => {
        e.set(
          this.record,
          e.i32.add(
            e.i32.load(e.get(entry), FETCH_RECORDS),
            e.i32.shl(e.i32.and(e.i32.wrap(e.get(this.target)), e.i32.const(4095)), e.i32.const(2)),
          ),
        );
      },
      () => {
        e.i64.store(e.i32.const(0), e.get(this.target), this.hart + HART_PC);
        e.get(this.target);
        e.if(e.i32.eqz(e.tee(this.record, this.callHelper('fetch_miss'))), () => {
          e.set(this.budget, e.i32.sub(e.get(this.budget), e.i32.const(1)));
          this.takeTrap();
          e.br(this.jumpLabel);
        });
      },
      'likely',
    );
    this.loadOperation();
    e.if(
      e.i32.ge_u(e.get(this.operation), e.i32.const(REGION_HANDLER)),
      () => {
        e.if(e.i32.eqz(e.get(this.setAside)), () => this.enterRegion(), undefined, 'likely');
        e.set(this.setAside, e.i32.const(0));
        this.setBase(e.get(this.target));
        this.restoreOperation();
      },
      () => {
        this.setBase(e.get(this.target));
        this.countJump();
      },
      'unlikely',
    );
    e.releaseTemporaries();
  }

  /** The handler of the record that comes next; every way to the next record goes through here. */
  private loadOperation(): void {
    const { e } = this;
    e.set(this.operation, e.i32.load16_u(e.get(this.record), RECORD_HANDLER));
  }
  protected next(): void {
    this.loadOperation();
    this.e.br(this.nextLabel);
  }

  private setBase(pc: I64): void {
    const { e } = this;
    e.set(this.pcBase, e.i64.sub(pc, e.i64.extend_u(e.i32.shr_u(e.get(this.record), e.i32.const(2)))));
  }

  private emitHandlers(): void {
    const { e } = this;
    const { decode, straddle } = this.imports;
    const labels: Label[] = [];
    const count = SPECIAL_HANDLERS + handlers.length;
    for (let i = 0; i <= count; i++) labels.unshift(e.openBlock());
    e.set(this.budget, e.i32.sub(e.get(this.budget), e.i32.const(1)));
    // Whatever is no handler is a region: those are entered by jumps.
    e.brTable(labels.slice(0, -1), labels[count], e.get(this.operation));

    const specials: (() => void)[] = [
      // DECODE
      () => {
        this.aside(() => {
          this.creditOne();
          e.get(this.record);
          e.call(decode);
          this.next();
        });
      },
      // ILLEGAL
      () => this.aside(() => this.illegal()),
      // NOP_4, NOP_2
      () => this.advance(4),
      () => this.advance(2),
      // PAGE_END
      () => {
        this.creditOne();
        e.set(this.target, this.pc());
        e.br(this.jumpLabel);
      },
      // STRADDLE
      () => {
        this.aside(() => {
          this.savePc();
          e.set(this.target, this.pc());
          e.call(straddle);
          const scratch = e.keep<I32>({ wasm: 'i32' });
          e.brIf(this.trapLabel, e.i32.eqz(e.get(scratch)));
          this.creditOne();
          e.set(this.record, e.get(scratch));
          this.setBase(e.get(this.target));
          this.next();
        });
      },
      // STOP: fetch_miss found that the hart is to stop before the instruction at HART_PC.
      () => {
        this.creditOne();
        this.saveBudget();
        e.return();
      },
    ];
    for (const special of specials) {
      e.end();
      special();
      e.releaseTemporaries();
    }
    for (const handler of handlers) {
      e.end();
      this.handler = handler;
      this.left = false;
      const { instruction } = handler;
      if (instruction.fp) {
        e.if(e.i32.load(e.i32.const(0), this.hart + HART_FS_OFF), () => this.illegal(), undefined, 'unlikely');
      }
      instruction.emit(this);
      // Not before: it may have raised an exception.
      if (instruction.fp === 'dirty') e.i32.store(e.i32.const(0), e.i32.const(1), this.hart + HART_FS_DIRTY);
      // Regions end before most CSR instructions, so what follows may begin one.
      if (!this.left) this.advance(handler.length, instruction.extension === 'zicsr');
      e.releaseTemporaries();
    }
    e.end();
    this.creditOne();
    this.goto(this.pc());
  }

  /** Run translated code (engine/hart/jit), which says where to go on. */
  protected enterRegion(): void {
    const { e } = this;
    const { i32, i64 } = e;
    const given = e.keep(e.get(this.budget));
    const entered = e.keep(i32.shl(i32.sub(e.get(this.operation), i32.const(REGION_HANDLER)), i32.const(1)));
    const count = e.keep(i32.add(i32.load16_u(e.get(entered), this.hart + HART_REGION_ENTRIES), i32.const(1)));
    i32.store16(e.get(entered), e.get(count), this.hart + HART_REGION_ENTRIES);
    e.if(i32.eqz(i32.and(e.get(count), i32.const(this.busy - 1))), () => this.reportHot(() => e.get(this.target)), undefined, 'unlikely');
    this.callRegion();
    this.count(STAT_REGION_INSTRUCTIONS, i64.extend_s(i32.sub(e.get(given), e.get(this.budget))));
    this.count(STAT_REGION_ENTRIES);
    e.brIf(this.jumpLabel, i32.eqz(i32.and(i32.wrap(e.get(this.target)), i32.const(ASIDE))), 'likely');
    e.set(this.target, i64.sub(e.get(this.target), i64.const(ASIDE)));
    i64.store(i32.const(0), e.get(this.target), this.hart + HART_PC);
    e.if(
      i32.load(i32.const(0), this.hart + HART_TRAP),
      () => {
        this.count(STAT_EXITS_FAULT);
        this.takeTrap();
      },
      () => {
        this.count(STAT_EXITS_ASIDE);
        e.set(this.setAside, i32.const(1));
      },
    );
    e.br(this.jumpLabel);
  }

  /** Call the region at `target`, which sets `target` and the budget to its results. */
  protected callRegion(): void {
    const { e } = this;
    const { i32, i64 } = e;
    i32.const(this.hart);
    i64.and(e.get(this.target), i64.const(-4096));
    e.get(this.budget);
    e.get(this.tlb);
    e.callIndirect(this.imports.regionType, i32.sub(e.get(this.operation), i32.const(REGION_HANDLER)));
    e.set<I32>(this.budget, { wasm: 'i32' });
    e.set<I64>(this.target, { wasm: 'i64' });
    e.set(this.tlb, i32.load(i32.const(0), this.hart + HART_TLB));
  }

  /** The handler that the record had before it became the way into a region. */
  private restoreOperation(): void {
    const { e } = this;
    const { i32 } = e;
    const index = i32.shl(i32.sub(e.get(this.operation), i32.const(REGION_HANDLER)), i32.const(1));
    e.set(this.operation, i32.load16_u(index, this.hart + HART_REGION_ORIGINALS));
  }

  /** Count a jump to the record, and report it when it is hot. */
  protected countJump(): void {
    const { e } = this;
    const { i32 } = e;
    e.if(i32.load(i32.const(0), this.hart + HART_COUNTING), () => {
      const counter = e.keep(
        i32.shl(i32.and(i32.shr_u(e.get(this.record), i32.const(3)), i32.const(HART_COUNTER_COUNT - 1)), i32.const(1)),
      );
      const count = e.keep(i32.add(i32.load16_u(e.get(counter), this.hart + HART_COUNTERS), i32.const(1)));
      i32.store16(e.get(counter), e.get(count), this.hart + HART_COUNTERS);
      e.if(
        i32.eqz(i32.and(e.get(count), i32.const(this.hot - 1))),
        () => {
          this.reportHot(() => this.pc());
        },
        undefined,
        'unlikely',
      );
    });
  }

  private reportHot(pc: () => I64): void {
    const { e } = this;
    e.i64.store(e.i32.const(0), pc(), this.hart + HART_PC);
    e.get(this.record);
    e.call(this.imports.reportHot);
  }

  // ---- going on ---------------------------------------------------------------------------------------------------

  /** To the next record; `bytes` of code are `bytes` × 4 of records. */
  private advance(bytes: number, counted = false): void {
    const { e } = this;
    e.set(this.record, e.i32.add(e.get(this.record), e.i32.const((bytes * RECORD_BYTES) / 2)));
    if (counted) this.countJump();
    this.next();
  }

  protected goto(target: I64): void {
    this.e.set(this.target, target);
    this.e.br(this.jumpLabel);
  }

  private creditOne(): void {
    const { e } = this;
    e.set(this.budget, e.i32.add(e.get(this.budget), e.i32.const(1)));
  }

  /** Add to a statistic; one unless told otherwise. */
  private count(statistic: number, amount?: I64): void {
    const { e } = this;
    const kept = e.keep(amount ?? e.i64.const(1));
    e.i64.store(e.i32.const(0), e.i64.add(e.i64.load(e.i32.const(0), this.hart + statistic), e.get(kept)), this.hart + statistic);
  }

  protected savePc(): void {
    const { e } = this;
    e.i64.store(e.i32.const(0), this.pc(), this.hart + HART_PC);
  }

  protected saveBudget(): void {
    const { e } = this;
    e.i32.store(e.i32.const(0), e.get(this.budget), this.hart + HART_BUDGET);
  }

  private illegal(): void {
    this.savePc();
    this.callHelper('illegal');
    this.e.br(this.trapLabel);
  }

  protected trapIfRaised(): void {
    const { e } = this;
    e.brIf(this.trapLabel, e.i32.load(e.i32.const(0), this.hart + HART_TRAP));
  }

  // ---- Context: operands ----------------------------------------------------------------------------------------

  private field(offset: number): I32 {
    return this.e.i32.load8_u(this.e.get(this.record), offset);
  }
  private secondSource(): number {
    const { format } = this.handler.instruction;
    return format === 's' || format === 'b' ? RECORD_A : RECORD_IMM;
  }
  private register(file: number, field: number): I64 {
    return this.e.i64.load(this.field(field), this.hart + file);
  }
  private setRegister(file: number, value: I64): void {
    const { e } = this;
    const kept = e.keep(value);
    e.i64.store(this.field(RECORD_A), e.get(kept), this.hart + file);
  }
  rs1(): I64 {
    return this.register(HART_X, RECORD_B);
  }
  rs2(): I64 {
    return this.register(HART_X, this.secondSource());
  }
  rd(value: I64): void {
    if (this.handler.discard) this.e.drop(value);
    else this.setRegister(HART_X, value);
  }
  private float<V extends keyof FloatViews>(field: number, view: V): FloatViews[V] {
    const { e } = this;
    const read = {
      i64: () => this.register(HART_F, field),
      f64: () => e.f64.load(this.field(field), this.hart + HART_F),
      i32: () => this.unbox(this.register(HART_F, field)),
      f32: () => e.f32.reinterpret(this.unbox(this.register(HART_F, field))),
    };
    return read[view]() as FloatViews[V];
  }
  fs1<V extends keyof FloatViews>(view: V): FloatViews[V] {
    return this.float(RECORD_B, view);
  }
  fs2<V extends keyof FloatViews>(view: V): FloatViews[V] {
    return this.float(this.secondSource(), view);
  }
  fs3<V extends keyof FloatViews>(view: V): FloatViews[V] {
    return this.float(RECORD_IMM + 1, view);
  }
  fd(value: I64 | F64 | F32 | I32): void {
    const { e } = this;
    if (value.wasm !== 'f64') {
      this.setRegister(HART_F, this.boxed(value));
      return;
    }
    const kept = e.keep(value);
    e.f64.store(this.field(RECORD_A), e.get(kept), this.hart + HART_F);
  }
  readonly rs1IsRs2 = false;
  imm(): I64 {
    return this.e.i64.load32_s(this.e.get(this.record), RECORD_IMM);
  }
  imm32(): I32 {
    return this.e.i32.load(this.e.get(this.record), RECORD_IMM);
  }
  readonly knownImmediate = undefined;
  constant(): I64 {
    return this.e.i64.extend_u(this.field(RECORD_B));
  }
  rs1IsZero(): I32 {
    return this.e.i32.eqz(this.field(RECORD_B));
  }
  rs2IsZero(): I32 {
    return this.e.i32.eqz(this.field(this.secondSource()));
  }
  rm(): I32 {
    const { e } = this;
    const mode = e.keep(this.field(RECORD_IMM + 2));
    e.if(e.i32.eq(e.get(mode), e.i32.const(7)), () => {
      e.set(mode, e.i32.load(e.i32.const(0), this.hart + HART_FRM));
      e.if(e.i32.gt_u(e.get(mode), e.i32.const(4)), () => this.illegal(), undefined, 'unlikely');
    });
    return e.get(mode);
  }
  pc(): I64 {
    const { e } = this;
    return e.i64.add(e.get(this.pcBase), e.i64.extend_u(e.i32.shr_u(e.get(this.record), e.i32.const(2))));
  }
  link(): I64 {
    return this.e.i64.add(this.pc(), this.e.i64.const(this.handler.length));
  }

  // ---- Context: memory ------------------------------------------------------------------------------------------

  load(kind: LoadKind, address: I64): I64 {
    const { e } = this;
    const at = e.keep(address);
    const entry = this.tlbEntry(at);
    const value = e.temporary<I64>(I64_TYPE);
    e.if(
      this.hit(at, entry, TLB_READ, (LOAD_KINDS[kind] & 3) as LogSize),
      () => e.set(value, this.loadHost(kind, this.hostAddress(at, entry))),
      () => {
        this.savePc();
        e.get(at);
        e.i32.const(LOAD_KINDS[kind]);
        e.set(value, this.callHelper('load_slow'));
        this.trapIfRaised();
      },
      'likely',
    );
    return e.get(value);
  }

  store(size: LogSize, address: I64, value: I64): void {
    const { e } = this;
    const kept = e.keep(value);
    const at = e.keep(address);
    const entry = this.tlbEntry(at);
    e.if(
      this.hit(at, entry, TLB_WRITE, size),
      () => this.storeHost(size, this.hostAddress(at, entry), e.get(kept)),
      () => {
        this.savePc();
        e.get(at);
        e.get(kept);
        e.i32.const(size);
        this.callHelper('store_slow');
        this.trapIfRaised();
      },
      'likely',
    );
  }

  atomicAddress(size: 2 | 3, address: I64): I32 {
    const { e } = this;
    const at = e.keep(address);
    const entry = this.tlbEntry(at);
    const host = e.temporary<I32>(I32_TYPE);
    e.if(
      this.hitAligned(at, entry, TLB_WRITE, size),
      () => e.set(host, this.hostAddress(at, entry)),
      () => {
        this.savePc();
        e.get(at);
        e.i32.const(size);
        e.brIf(this.trapLabel, e.i32.eqz(e.tee(host, this.callHelper('atomic_address'))));
      },
      'likely',
    );
    return e.get(host);
  }

  cacheBlock(operation: BlockOperation, address: I64): void {
    this.callFaulting('cache_block', address, this.e.i32.const(operation));
  }

  // ---- Context: control -------------------------------------------------------------------------------------------

  /** Jump by the immediate: within the page the record moves, else through the fetch TLB. */
  private relative(): void {
    const { e } = this;
    if (!this.handler.near) {
      this.goto(e.i64.add(this.pc(), this.imm()));
      return;
    }
    const distance = e.keep(this.imm32());
    e.set(this.record, e.i32.add(e.get(this.record), e.get(distance)));
    // Loops and calls are where hot code begins.
    const { instruction, discard } = this.handler;
    if (instruction.name === 'jal' && !discard) this.countJump();
    else e.if(e.i32.lt_s(e.get(distance), e.i32.const(0)), () => this.countJump());
    e.if(e.i32.gt_s(e.get(this.budget), e.i32.const(0)), () => this.next(), undefined, 'likely');
    this.goto(this.pc());
  }
  branch(condition: I32): void {
    this.e.if(condition, () => this.relative());
  }
  jump(): void {
    this.relative();
    this.left = true;
  }
  jumpTo(target: I64): void {
    const { e } = this;
    e.set(this.target, target);
    // Returns are foreseen by their calls; where all others go is noted while looking for hot code.
    const counting = e.i32.load(e.i32.const(0), this.hart + HART_COUNTING);
    e.if(this.handler.discard ? e.i32.and(counting, e.i32.ne(this.field(RECORD_B), e.i32.const(8))) : counting, () => {
      e.get(this.record);
      e.get(this.target);
      this.callHelper('note_jump');
    });
    e.br(this.jumpLabel);
    this.left = true;
  }

  // ---- Context: helpers -------------------------------------------------------------------------------------------

  readonly fusesMultiplyAdd = false;
  /** A helper costs little next to dispatch, and knows the native ways too. */
  native<T extends Value>(_attempt: (giveUp: Label, mode: number) => T, exactly: () => I32 | I64): T | I32 | I64 {
    return exactly();
  }

  /**
   * Something that calls out of the loop. To V8 it is code that hardly ever runs, so that what the loop holds is kept in registers
   * everywhere else: a call on an ordinary path would have it all live on the stack. The condition always holds.
   */
  private aside(body: () => void): void {
    const { e } = this;
    e.if(e.i32.load(e.i32.const(0), this.hart + HART_TLB), body, () => e.unreachable(), 'unlikely');
  }
  /** Call a helper aside, with the arguments on the stack. `after` may jump. */
  private callAside<N extends HelperName>(name: N, before: () => void, after: () => void): HelperResult<N> {
    const { e } = this;
    const { parameters, results } = helperType(name);
    const kept = parameters.map((type) => e.temporary<I64>(type));
    for (const local of [...kept].reverse()) e.set(local, { wasm: 'i64' });
    const result = results.length > 0 ? e.temporary<I64>(results[0]) : undefined;
    this.aside(() => {
      before();
      for (const local of kept) e.get(local);
      this.callHelper(name);
      if (result) e.set(result, { wasm: 'i64' });
      after();
    });
    return (result && e.get(result)) as HelperResult<N>;
  }
  override call<N extends HelperName>(name: N, ..._args: (I32 | I64)[]): HelperResult<N> {
    const nothing = (): void => undefined;
    return this.callAside(name, nothing, nothing);
  }
  callFaulting<N extends HelperName>(name: N, ..._args: (I32 | I64)[]): HelperResult<N> {
    const save = (): void => {
      this.savePc();
      this.saveBudget();
    };
    return this.callAside(name, save, () => this.trapIfRaised());
  }
  csr(operand: I64, operation: number): I64 {
    return this.callFaulting('csr_access', operand, this.imm32(), this.e.i32.const(operation));
  }
  transfer(name: HelperName, ..._args: (I32 | I64)[]): void {
    const { e } = this;
    const save = (): void => {
      this.savePc();
      this.saveBudget();
    };
    this.callAside(name, save, () => {
      this.trapIfRaised();
      this.reload();
      e.br(this.jumpLabel);
    });
    e.unreachable();
    this.left = true;
  }
  settle(): void {
    const { e } = this;
    e.if(
      e.i32.load(e.i32.const(0), this.hart + HART_UNSETTLED),
      () => {
        e.i64.store(e.i32.const(0), this.link(), this.hart + HART_PC);
        this.callHelper('settle');
        this.reloadState();
        e.br(this.jumpLabel);
      },
      undefined,
      'unlikely',
    );
  }
}
