import {
  Emitter,
  F32_TYPE,
  F64_TYPE,
  I32_TYPE,
  I64_TYPE,
  type F32,
  type F64,
  type I32,
  type I64,
  type Label,
  type Local,
  type Value,
  type ValueType,
} from '../../wasm/emitter';
import type { FunctionType } from '../../wasm/module-builder';
import type { HostMemory } from '../../host/host-memory';
import { HART_F, HART_PC, HART_X } from '../../memory/layout';
import {
  FETCH_ENTRIES,
  FETCH_ENTRY_BYTES,
  FETCH_TAG,
  FETCH_VERSION,
  HART_FETCH_TLB,
  HART_FFLAGS,
  HART_FRM,
  HART_FS_DIRTY,
  HART_FS_OFF,
  HART_TLB,
  HART_TRAP,
  HOST_ALIGNED,
  HOST_WRITE,
  TLB_READ,
  TLB_WRITE,
} from '../hart-layout';
import type { HelperName, HelperResult } from '../helper-table';
import {
  immediateOf,
  LOAD_KINDS,
  rdOf,
  rmOf,
  rs1Of,
  rs2Of,
  rs3Of,
  type BlockOperation,
  type Context,
  type FloatViews,
  type LoadKind,
  type LogSize,
} from '../isa/instruction';
import { CSR_HAS_FLOAT, CSR_NO_WRITE } from '../isa/system';
import { fusesMultiplyAdd } from './fused-multiply-add';
import { TierEmitter } from '../tier-emitter';
import { findIdioms, type Found, type Idiom } from './idioms';
import { place, type Placement } from './placement';
import type { Edge, Region, RegionInstruction } from './region';
import { forEachBit, formatsOf, type RegisterSet, usesOf } from './registers';
import { analyse, successors, type Structure } from './structure';

/**
 * Parameters: base of the hart, virtual address of the page, budget, data TLB. Results: next pc, and what is left of the budget. A pc
 * with ASIDE added (none is odd): HART_TRAP says what exception the instruction there has raised, or it is to be interpreted.
 */
export const REGION_TYPE: FunctionType = { parameters: [I32_TYPE, I64_TYPE, I32_TYPE, I32_TYPE], results: [I64_TYPE, I32_TYPE] };
export const ASIDE = 1;

/** fflags: inexact. rm: to nearest even, and as frm says (unprivileged ISA §20.2). */
const NX = 1;
const RNE = 0;
const DYNAMIC = 7;
/** log2 of the pages' size over that of the fetch TLB's entries. */
const FETCH_SHIFT = 12 - Math.log2(FETCH_ENTRY_BYTES);
/** Half-words that the table of a jump through a register may span. */
const MAX_TABLE = 1024;

/**
 * Whether V8 sees that the result, or where a branch goes, does not depend on what the instruction reads. Accesses that follow depend on it
 * all the same (RVWMO's dependencies are syntactic), but the host would not know.
 */
function hidesDependency({ instruction: { name, flow }, word, length }: RegionInstruction): boolean {
  const [rs1, rs2] = [rs1Of(word), rs2Of(word)];
  if (flow === 'branch') return (rs1 === rs2 && rs1 !== 0) || immediateOf('b', word) === length;
  if (name === 'xor' || name === 'sub' || name === 'subw') return rs1 === rs2 && rs1 !== 0;
  if (name === 'and' || name === 'mul') return rs1 !== rs2 && (rs1 === 0 || rs2 === 0);
  return name === 'andi' && immediateOf('i', word) === 0 && rs1 !== 0;
}

/** Emits one region as a wasm function: guest registers in locals, control flow structured (DESIGN §3). */
export class RegionEmitter extends TierEmitter implements Context {
  readonly e = new Emitter(REGION_TYPE.parameters);
  readonly fusesMultiplyAdd = fusesMultiplyAdd();
  private readonly hart = this.e.parameter<I32>(0);
  private readonly page = this.e.parameter<I64>(1);
  private readonly budget = this.e.parameter<I32>(2);
  protected readonly tlb = this.e.parameter<I32>(3);
  /** Where to go on outside the region, from the page: a constant where it can be, which costs nothing where it is not needed. */
  private readonly target = this.e.local<I64>(I64_TYPE);
  /** Where to leave the region for `target`: without storing a register, and then by group of those. */
  private readonly exitLabels: Label[] = [];
  private readonly hasFloat: boolean;
  /** HART_FS_DIRTY, if the region has instructions that set it. */
  private readonly fsDirty: Local<I32> | undefined;
  private readonly x: Local<I64>[];
  /**
   * A register that a region uses for one format is kept as a number, so that it need not pass through integer registers: as a
   * double, or as a single with the upper half, which tells whether it is NaN-boxed, in `high`. Others are kept as bits.
   */
  private readonly f: Local<I64 | F64 | F32>[];
  private readonly high: Local<I32>[];
  /** 1 while native arithmetic may round: NX is set already, and the dynamic rounding mode is to nearest. */
  private readonly mayRound = this.e.local<I32>(I32_TYPE);
  private readonly structure: Structure;
  private readonly placement: Placement;
  /** Pages that are known to be mapped as they were on entry to each block, as a bit set. */
  private readonly mappedAtStart: Int32Array;
  private readonly loopLabels = new Map<number, Label>();
  private readonly mergeLabels = new Map<number, Label>();

  /** Sources of idioms, by the index of the idiom's last instruction. */
  private readonly copies = new Map<number, Local<I64>>();
  private readonly freeCopies: Local<I64>[] = [];

  // The instruction being emitted.
  private block = 0;
  private index = 0;
  private here!: RegionInstruction;
  private left = false;

  constructor(
    private readonly region: Region,
    /** Function index of a helper. */
    helperIndex: (name: HelperName) => number,
    host: HostMemory,
  ) {
    super(helperIndex, host);
    this.structure = analyse(region.blocks);
    this.placement = place(region.blocks, this.structure);
    const { used } = this.placement;
    let singles = 0;
    let doubles = 0;
    for (const { body } of region.blocks) {
      for (const instruction of body) {
        const { single, double } = formatsOf(instruction, usesOf(instruction));
        singles |= single;
        doubles |= double;
      }
    }
    const locals = <T extends Value>(set: number, typeOf: (i: number) => ValueType): Local<T>[] =>
      Array.from({ length: 32 }, (_, i) => ((set >>> i) & 1 ? this.e.local<T>(typeOf(i)) : { index: -1, type: I64_TYPE }));
    this.x = locals(used.x, () => I64_TYPE);
    this.f = locals(used.f, (i) => (((singles >>> i) & 1) === 0 ? F64_TYPE : (doubles >>> i) & 1 ? I64_TYPE : F32_TYPE));
    this.high = locals(used.f & singles & ~doubles, () => I32_TYPE);
    this.hasFloat = region.blocks.some(({ body }) => body.some(({ instruction }) => instruction.fp));
    if (region.blocks.some(({ body }) => body.some(({ instruction }) => instruction.fp === 'dirty'))) this.fsDirty = this.e.local(I32_TYPE);
    this.mappedAtStart = new Int32Array(region.blocks.length).fill(-1);
    // What the entry itself needs is seen to first.
    this.mappedAtStart[0] = 1 | region.blocks[0].pages;
    for (let changed = true; changed; ) {
      changed = false;
      region.blocks.forEach((block, i) => {
        const mapped = this.mappedAtStart[i] | block.pages;
        for (const number of successors(block)) {
          const mappedThere = this.mappedAtStart[number] & mapped;
          if (mappedThere === this.mappedAtStart[number]) continue;
          this.mappedAtStart[number] = mappedThere;
          changed = true;
        }
      });
    }
  }

  emit(): Emitter {
    const { e, region } = this;
    this.checkPages(region.blocks[0].pages & ~1, () => this.refuse());
    if (this.hasFloat) {
      e.if(e.i32.load(e.get(this.hart), HART_FS_OFF), () => this.refuse(), undefined, 'unlikely');
      if (this.fsDirty) e.set(this.fsDirty, e.i32.load(e.get(this.hart), HART_FS_DIRTY));
    }
    this.loadRegisters(this.placement.loads[0]);
    if (this.hasFloat) this.loadMayRound();
    const { groups } = this.placement;
    for (let i = 0; i <= groups.length; i++) this.exitLabels.push(e.openBlock());
    this.emitTree(0);
    for (let i = groups.length - 1; i >= 0; i--) {
      e.end();
      this.storeRegisters(groups[i]);
    }
    e.end();
    this.goOn(() => e.get(this.target));
    return e;
  }

  protected hartBase(): I32 {
    return this.e.get(this.hart);
  }

  /** Leave the function for an offset from the page. */
  private goOn(offset: () => I64): void {
    const { e } = this;
    if (this.fsDirty) e.i32.store(e.get(this.hart), e.get(this.fsDirty), HART_FS_DIRTY);
    e.return(e.i64.add(e.get(this.page), offset()), e.get(this.budget));
  }

  /** Leave the region at the end of the present block. */
  private leaveAtEnd(offset: () => I64): void {
    this.storeRegisters(this.placement.dirty[this.block]);
    this.goOn(offset);
  }

  private loadRegisters({ x, f }: RegisterSet): void {
    const { e } = this;
    forEachBit(x, (i) => e.set(this.x[i], e.i64.load(e.get(this.hart), HART_X + 8 * i)));
    forEachBit(f, (i) => {
      const local = this.f[i];
      const type = local.type === F64_TYPE ? e.f64 : local.type === F32_TYPE ? e.f32 : e.i64;
      e.set(local, type.load(e.get(this.hart), HART_F + 8 * i));
      if (local.type === F32_TYPE) e.set(this.high[i], e.i32.load(e.get(this.hart), HART_F + 8 * i + 4));
    });
  }

  private storeRegisters({ x, f }: RegisterSet): void {
    const { e } = this;
    forEachBit(x, (i) => e.i64.store(e.get(this.hart), e.get(this.x[i]), HART_X + 8 * i));
    forEachBit(f, (i) => {
      const hart = e.get(this.hart);
      if (this.f[i].type === F64_TYPE) e.f64.store(hart, this.float(i, 'f64'), HART_F + 8 * i);
      else e.i64.store(hart, this.float(i, 'i64'), HART_F + 8 * i);
    });
  }

  // ---- control flow -----------------------------------------------------------------------------------------------

  private emitTree(block: number): void {
    const { structure, e } = this;
    const inner = (): void => {
      this.emitWithin(
        block,
        structure.children[block].filter((child) => structure.merge[child]),
        0,
      );
    };
    if (!structure.loopHeader[block]) {
      inner();
      return;
    }
    e.loop((label) => {
      this.loopLabels.set(block, label);
      const { i32 } = e;
      e.if(
        i32.le_s(e.get(this.budget), i32.const(0)),
        () => {
          this.block = block;
          this.leaveTo(this.region.blocks[block].offset);
        },
        undefined,
        'unlikely',
      );
      inner();
    });
    e.unreachable();
  }

  /** The block inside one wasm block for each merge point that it dominates; each merge point's code follows its end. */
  private emitWithin(block: number, merges: number[], from: number): void {
    if (from === merges.length) {
      this.emitBlock(block);
      return;
    }
    const { e } = this;
    e.block((label) => {
      this.mergeLabels.set(merges[from], label);
      this.emitWithin(block, merges, from + 1);
    });
    this.emitTree(merges[from]);
  }

  private emitBlock(number: number): void {
    const { e } = this;
    const block = this.region.blocks[number];
    this.block = number;
    this.left = false;
    if (number !== 0) this.loadRegisters(this.placement.loads[number]);
    this.checkPages(block.pages & ~this.mappedAtStart[number], () => this.leaveTo(block.offset));
    if (block.body.length > 0) e.set(this.budget, e.i32.sub(e.get(this.budget), e.i32.const(block.body.length)));
    const idioms = findIdioms(block.body);
    let marked = false;
    for (this.index = 0; this.index < block.body.length; this.index++) {
      this.here = block.body[this.index];
      const { instruction, word } = this.here;
      if (instruction.pure && rdOf(word) === 0) continue;
      if (this.host.reorders === 'anything' && hidesDependency(this.here)) this.fence();
      this.keepSources(idioms);
      const match = idioms.get(this.index);
      if (match) this.emitIdiom(match.idiom);
      else instruction.emit(this);
      // Only now: it may have been left to the interpreter, or have raised an exception.
      if (this.fsDirty && instruction.fp === 'dirty' && !marked) {
        e.set(this.fsDirty, e.i32.const(1));
        marked = true;
      }
      e.releaseTemporaries();
    }
    if (!this.left) this.follow(number, block.next);
  }

  /** Keep the sources of idioms that the present instruction may change. */
  private keepSources(idioms: ReadonlyMap<number, Found>): void {
    for (const [last, { from, source }] of idioms) {
      if (from !== this.index) continue;
      const copy = this.freeCopies.pop() ?? this.e.local<I64>(I64_TYPE);
      this.e.set(copy, this.readX(source));
      this.copies.set(last, copy);
    }
  }

  private emitIdiom(idiom: Idiom): void {
    const { e } = this;
    const { i32, i64 } = e;
    const copy = this.copies.get(this.index)!;
    this.copies.delete(this.index);
    this.freeCopies.push(copy);
    const source = e.get(copy);
    const { kind, bits, amount } = idiom;
    if (kind === 'rotate') {
      this.rd(bits === 32 ? i64.extend_s(i32.rotl(i32.wrap(source), i32.const(amount))) : i64.rotl(source, i64.const(amount)));
      return;
    }
    let extended: I64;
    if (kind === 'zero') extended = bits === 32 ? i64.extend_u(i32.wrap(source)) : i64.and(source, i64.const(2 ** bits - 1));
    else if (bits === 32) extended = i64.extend32_s(source);
    else extended = bits === 16 ? i64.extend16_s(source) : i64.extend8_s(source);
    this.rd(amount === 0 ? extended : i64.shl(extended, i64.const(amount)));
  }

  /** Unless these pages are mapped as they were when the region was made, and hold the same code, do otherwise. */
  private checkPages(pages: number, otherwise: () => void): void {
    const { e } = this;
    const { i32, i64 } = e;
    this.region.pages.forEach(({ distance, version }, index) => {
      if (((pages >>> index) & 1) === 0) return;
      const page = e.keep(i64.add(e.get(this.page), i64.const(distance)));
      const entry = e.keep(
        i32.add(
          i32.load(e.get(this.hart), HART_FETCH_TLB),
          i32.and(i32.wrap(i64.shr_u(e.get(page), i64.const(FETCH_SHIFT))), i32.const((FETCH_ENTRIES - 1) * FETCH_ENTRY_BYTES)),
        ),
      );
      const same = i32.and(
        i64.eq(i64.load(e.get(entry), FETCH_TAG), e.get(page)),
        i32.eq(i32.load(e.get(entry), FETCH_VERSION), i32.const(version)),
      );
      e.if(i32.eqz(same), otherwise, undefined, 'unlikely');
      e.releaseTemporaries();
    });
  }

  private follow(from: number, edge: Edge | undefined): void {
    if (!edge) throw new Error('a block without successor ends in an indirect jump');
    const { e } = this;
    if ('leave' in edge) {
      this.leaveAtEnd(() => e.i64.const(edge.leave));
      return;
    }
    const { structure } = this;
    const to = edge.block;
    if (!structure.allowed(from, to)) {
      this.leaveAtEnd(() => e.i64.const(this.region.blocks[to].offset));
      return;
    }
    const back = structure.order[to] <= structure.order[from];
    const label = back ? this.loopLabels.get(to) : structure.merge[to] ? this.mergeLabels.get(to) : undefined;
    if (label !== undefined) {
      e.br(label);
      return;
    }
    const saved = { block: this.block, index: this.index, here: this.here };
    this.emitTree(to);
    Object.assign(this, saved);
  }

  /** Leave the region within the present block, for an offset from the page. */
  private leaveTo(offset: number): void {
    const { e } = this;
    e.set(this.target, e.i64.const(offset));
    e.br(this.exitLabels[this.placement.exits[this.block] + 1]);
  }

  /** The region cannot be used now: its first instruction is to be interpreted. */
  private refuse(): void {
    const { e } = this;
    e.return(e.i64.add(e.get(this.page), e.i64.const(this.region.entry + ASIDE)), e.get(this.budget));
  }

  /** Leave before the current instruction, which has raised an exception or else is to be interpreted. */
  private leaveAside(raised: boolean): void {
    const { e } = this;
    // take_trap books an instruction that raises.
    const unexecuted = this.region.blocks[this.block].body.length - this.index - (raised ? 1 : 0);
    if (unexecuted > 0) e.set(this.budget, e.i32.add(e.get(this.budget), e.i32.const(unexecuted)));
    this.leaveTo(this.here.offset + ASIDE);
  }

  protected trapIfRaised(): void {
    const { e } = this;
    e.if(e.i32.load(e.get(this.hart), HART_TRAP), () => this.leaveAside(true), undefined, 'unlikely');
  }

  // ---- Context: operands -----------------------------------------------------------------------------------------

  private readX(register: number): I64 {
    return register === 0 ? this.e.i64.const(0) : this.e.get(this.x[register]);
  }
  rs1(): I64 {
    return this.readX(rs1Of(this.here.word));
  }
  rs2(): I64 {
    return this.readX(rs2Of(this.here.word));
  }
  rd(value: I64): void {
    const register = rdOf(this.here.word);
    if (register === 0) {
      this.e.drop(value);
      return;
    }
    this.e.set(this.x[register], value);
  }
  private float<V extends keyof FloatViews>(register: number, view: V): FloatViews[V] {
    const { e } = this;
    const local = this.f[register];
    const read = (): I64 => {
      const value = e.get(local);
      if (value.wasm === 'i64') return value;
      if (value.wasm === 'f64') return e.i64.reinterpret(value);
      const low = e.i64.extend_u(e.i32.reinterpret(value));
      return e.i64.or(low, e.i64.shl(e.i64.extend_u(e.get(this.high[register])), e.i64.const(32)));
    };
    const single = (): F32 => {
      if (local.type !== F32_TYPE) return e.f32.reinterpret(this.unbox(read()));
      const value = e.temporary<F32>(F32_TYPE);
      e.if(
        e.i32.eq(e.get(this.high[register]), e.i32.const(-1)),
        () => e.set(value, e.get(local as Local<F32>)),
        () => e.set(value, e.f32.reinterpret(e.i32.const(0x7fc00000))),
        'likely',
      );
      return e.get(value);
    };
    const as = {
      i64: read,
      f64: () => (local.type === F64_TYPE ? e.get(local as Local<F64>) : e.f64.reinterpret(read())),
      f32: single,
      i32: () => (local.type === F32_TYPE ? e.i32.reinterpret(single()) : this.unbox(read())),
    };
    return as[view]() as FloatViews[V];
  }
  fs1<V extends keyof FloatViews>(view: V): FloatViews[V] {
    return this.float(rs1Of(this.here.word), view);
  }
  fs2<V extends keyof FloatViews>(view: V): FloatViews[V] {
    return this.float(rs2Of(this.here.word), view);
  }
  fs3<V extends keyof FloatViews>(view: V): FloatViews[V] {
    return this.float(rs3Of(this.here.word), view);
  }
  fd(value: I64 | F64 | F32 | I32): void {
    const { e } = this;
    const register = rdOf(this.here.word);
    const local = this.f[register];
    if (local.type === I64_TYPE) {
      e.set(local, this.boxed(value));
    } else if (local.type === F64_TYPE) {
      e.set(local, value.wasm === 'f64' ? value : e.f64.reinterpret(this.boxed(value)));
    } else if (value.wasm === 'f32' || value.wasm === 'i32') {
      e.set(local, value.wasm === 'f32' ? value : e.f32.reinterpret(value));
      e.set(this.high[register], e.i32.const(-1));
    } else {
      const bits = e.keep(this.boxed(value));
      e.set(local, e.f32.reinterpret(e.i32.wrap(e.get(bits))));
      e.set(this.high[register], e.i32.wrap(e.i64.shr_u(e.get(bits), e.i64.const(32))));
    }
  }
  get rs1IsRs2(): boolean {
    return rs1Of(this.here.word) === rs2Of(this.here.word);
  }
  // ---- Context: memory --------------------------------------------------------------------------------------------

  /** Hooks after each access to memory, before each atomic operation: the lockstep check records them. */
  protected loaded?(kind: LoadKind, address: Local<I64>, value: Local<I64>): void;
  protected stored?(size: LogSize, address: Local<I64>, value: Local<I64>): void;
  protected located?(size: 2 | 3, address: Local<I64>, host: Local<I32>): void;

  /**
   * Where in the shared memory an access goes. `kind`: log2 of its bytes and HOST_…. A page that the TLB lacks is put there; what then
   * still has no address (a device, an exception, an access across pages) is left to the interpreter.
   */
  private reach(at: Local<I64>, kind: number): Local<I32> {
    const { e } = this;
    const entry = this.tlbEntry(at);
    const host = e.temporary<I32>(I32_TYPE);
    const size = (kind & 3) as LogSize;
    const tag = kind & HOST_WRITE ? TLB_WRITE : TLB_READ;
    e.if(
      kind & HOST_ALIGNED ? this.hitAligned(at, entry, tag, size) : this.hit(at, entry, tag, size),
      () => e.set(host, this.hostAddress(at, entry)),
      () => {
        e.get(at);
        e.i32.const(kind);
        e.if(e.i32.eqz(e.tee(host, this.callHelper('host_address'))), () => this.leaveAside(false), undefined, 'unlikely');
      },
      'likely',
    );
    return host;
  }

  load(kind: LoadKind, address: I64): I64 {
    return this.loadAs(
      kind,
      I64_TYPE,
      address,
      (host) => this.loadHost(kind, host),
      (value) => value,
    );
  }
  store(size: LogSize, address: I64, value: I64): void {
    this.storeAs(
      size,
      address,
      value,
      (host, stored) => this.storeHost(size, host, stored),
      (stored) => stored,
    );
  }

  /** As `load`, into a local of another type; `bits` are those of the value. */
  private loadAs<T extends Value>(kind: LoadKind, type: ValueType, address: I64, load: (host: I32) => T, bits: (value: T) => I64): T {
    const { e } = this;
    const at = e.keep(address);
    const host = this.reach(at, LOAD_KINDS[kind] & 3);
    if (!this.loaded) return load(e.get(host));
    const value = e.temporary<T>(type);
    e.set(value, load(e.get(host)));
    this.loaded(kind, at, e.keep(bits(e.get(value))));
    return e.get(value);
  }

  /** As `store`, from a value of another type. */
  private storeAs<T extends Value>(
    size: LogSize,
    address: I64,
    value: T,
    store: (host: I32, value: T) => void,
    bits: (value: T) => I64,
  ): void {
    const { e } = this;
    const kept = e.keep(value);
    const at = e.keep(address);
    const host = this.reach(at, size | HOST_WRITE);
    store(e.get(host), e.get(kept));
    if (this.stored) this.stored(size, at, e.keep(bits(e.get(kept))));
  }

  atomicAddress(size: 2 | 3, address: I64): I32 {
    const at = this.e.keep(address);
    const host = this.reach(at, size | HOST_WRITE | HOST_ALIGNED);
    this.located?.(size, at, host);
    return this.e.get(host);
  }

  /** The helper that does it at once, or nothing, and says whether. */
  protected readonly blockHelper: 'block_now' | 'record_block' = 'block_now';
  cacheBlock(operation: BlockOperation, _address: I64): void {
    const { e } = this;
    e.i32.const(operation);
    e.if(e.i32.eqz(this.callHelper(this.blockHelper)), () => this.leaveAside(false), undefined, 'unlikely');
  }

  override loadFloat(format: 'f32' | 'f64', address: I64): void {
    const { e } = this;
    const { type } = this.f[rdOf(this.here.word)];
    if (format === 'f64' && type === F64_TYPE) {
      this.fd(this.loadAs('d', F64_TYPE, address, e.f64.load, e.i64.reinterpret));
    } else if (format === 'f32' && type === F32_TYPE) {
      this.fd(this.loadAs('wu', F32_TYPE, address, e.f32.load, (value) => e.i64.extend_u(e.i32.reinterpret(value))));
    } else {
      super.loadFloat(format, address);
    }
  }
  override storeFloat(format: 'f32' | 'f64', address: I64): void {
    const { e } = this;
    const local = this.f[rs2Of(this.here.word)];
    if (format === 'f64' && local.type === F64_TYPE) {
      this.storeAs(3, address, e.get(local as Local<F64>), e.f64.store, e.i64.reinterpret);
    } else if (format === 'f32' && local.type === F32_TYPE) {
      this.storeAs(2, address, e.get(local as Local<F32>), e.f32.store, (value) => e.i64.extend_u(e.i32.reinterpret(value)));
    } else {
      super.storeFloat(format, address);
    }
  }
  get knownImmediate(): number {
    return immediateOf(this.here.instruction.format, this.here.word);
  }
  imm(): I64 {
    return this.e.i64.const(this.knownImmediate);
  }
  imm32(): I32 {
    return this.e.i32.const(this.knownImmediate);
  }
  constant(): I64 {
    return this.e.i64.const(rs1Of(this.here.word));
  }
  rs1IsZero(): I32 {
    return this.e.i32.const(rs1Of(this.here.word) === 0 ? 1 : 0);
  }
  rs2IsZero(): I32 {
    return this.e.i32.const(rs2Of(this.here.word) === 0 ? 1 : 0);
  }
  rm(): I32 {
    const { e } = this;
    const mode = rmOf(this.here.word);
    if (mode !== 7) return e.i32.const(mode);
    const dynamic = e.keep(e.i32.load(e.get(this.hart), HART_FRM));
    e.if(
      e.i32.gt_u(e.get(dynamic), e.i32.const(4)),
      () => {
        e.i64.store(e.get(this.hart), this.pc(), HART_PC);
        this.callHelper('illegal');
        this.leaveAside(true);
      },
      undefined,
      'unlikely',
    );
    return e.get(dynamic);
  }
  pc(): I64 {
    return this.e.i64.add(this.e.get(this.page), this.e.i64.const(this.here.offset));
  }
  link(): I64 {
    return this.e.i64.add(this.e.get(this.page), this.e.i64.const(this.here.offset + this.here.length));
  }

  // ---- Context: control --------------------------------------------------------------------------------------------

  branch(condition: I32): void {
    const number = this.block;
    const { taken, next } = this.region.blocks[number];
    this.e.if(
      condition,
      () => this.follow(number, taken),
      () => this.follow(number, next),
    );
    this.e.unreachable();
    this.left = true;
  }
  jump(): void {
    this.follow(this.block, this.region.blocks[this.block].next);
    this.left = true;
  }
  jumpTo(target: I64): void {
    const { e } = this;
    const offset = e.keep(e.i64.sub(target, e.get(this.page)));
    this.jumpToOneOf(this.block, offset, this.region.blocks[this.block].targets ?? []);
    this.leaveAtEnd(() => e.get(offset));
    this.left = true;
  }

  /** Go to the target that has the offset; fall through if none has. */
  private jumpToOneOf(from: number, offset: Local<I64>, targets: { offset: number; edge: Edge }[]): void {
    const { e } = this;
    const { i32, i64 } = e;
    const first = Math.min(...targets.map((target) => target.offset));
    const span = (Math.max(...targets.map((target) => target.offset)) - first) / 2 + 1;
    if (targets.length <= 3 || span > MAX_TABLE) {
      for (const target of targets) {
        e.if(
          i64.eq(e.get(offset), i64.const(target.offset)),
          () => this.follow(from, target.edge),
          undefined,
          targets.length === 1 ? 'likely' : undefined,
        );
      }
      return;
    }
    e.block((none) => {
      const labels = targets.map(() => e.openBlock());
      const table = new Array<Label>(span).fill(none);
      targets.forEach((target, i) => {
        table[(target.offset - first) / 2] = labels[i];
      });
      const index = e.keep(i64.sub(e.get(offset), i64.const(first)));
      e.brIf(none, i64.ge_u(e.get(index), i64.const(2 * span)));
      e.brTable(table, none, i32.wrap(i64.shr_u(e.get(index), i64.const(1))));
      for (const target of [...targets].reverse()) {
        e.end();
        this.follow(from, target.edge);
      }
    });
  }

  // ---- Context: helpers --------------------------------------------------------------------------------------------

  private loadMayRound(): void {
    const { e } = this;
    const nx = e.i32.and(e.i32.load(e.get(this.hart), HART_FFLAGS), e.i32.const(NX));
    e.set(this.mayRound, e.i32.and(nx, e.i32.eqz(e.i32.load(e.get(this.hart), HART_FRM))));
  }

  native<T extends Value>(attempt: (giveUp: Label, mode: number) => T, exactly: () => I32 | I64, modes?: readonly number[]): T | I32 | I64 {
    const { e } = this;
    const given = rmOf(this.here.word);
    const mode = given === DYNAMIC ? RNE : given;
    if (modes && !modes.includes(mode)) return exactly();
    const done = e.openBlock();
    const giveUp = e.openBlock();
    if (modes) e.brIf(giveUp, e.i32.eqz(e.get(this.mayRound)), 'unlikely');
    const result = e.keep<Value>(attempt(giveUp, mode));
    e.br(done);
    e.end();
    const bits = exactly();
    if (result.type === F64_TYPE) e.f64.reinterpret(bits as I64);
    else if (result.type === F32_TYPE) e.f32.reinterpret(bits as I32);
    e.set<Value>(result, bits);
    this.loadMayRound();
    e.end();
    return e.get(result) as T;
  }

  callFaulting<N extends HelperName>(name: N, ..._args: (I32 | I64)[]): HelperResult<N> {
    const { e } = this;
    const result = this.callHelper(name);
    const kept = e.keep(result as I64);
    this.trapIfRaised();
    return e.get(kept) as HelperResult<N>;
  }
  transfer(name: HelperName): void {
    throw new Error(`${name} ends a region; it is never inside one`);
  }
  csr(_operand: I64, operation: number): I64 {
    const { e } = this;
    if (this.fsDirty) e.i32.store(e.get(this.hart), e.get(this.fsDirty), HART_FS_DIRTY);
    e.i32.const(this.knownImmediate | (rs1Of(this.here.word) === 0 ? CSR_NO_WRITE : 0) | (this.hasFloat ? CSR_HAS_FLOAT : 0));
    e.i32.const(operation);
    const before = e.keep<I64>(this.callHelper('csr_now'));
    e.if(e.i64.eq(e.get(before), e.i64.const(-1)), () => this.leaveAside(false), undefined, 'unlikely');
    e.set(this.tlb, e.i32.load(e.get(this.hart), HART_TLB));
    return e.get(before);
  }
  settle(): void {
    // What follows from csr_now has been seen to.
  }
}
