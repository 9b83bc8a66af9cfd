import { CodeBuffer } from './code-buffer';

/**
 * Emits one WebAssembly function body. Expressions are written as nested calls, and because JavaScript evaluates
 * arguments before the call, operands are emitted before their operator: exactly the order of a stack machine.
 * So `e.i64.add(e.get(a), e.i64.const(1))` needs no tree, no allocation and no second pass. The values that pass
 * between the calls are only types for the compiler to check; a value used twice goes through a local.
 */
export interface I32 {
  readonly wasm: 'i32';
}
export interface I64 {
  readonly wasm: 'i64';
}
export interface F32 {
  readonly wasm: 'f32';
}
export interface F64 {
  readonly wasm: 'f64';
}
export interface V128 {
  readonly wasm: 'v128';
}
export type Value = I32 | I64 | F32 | F64;

export const I32_TYPE = 0x7f;
export const I64_TYPE = 0x7e;
export const F32_TYPE = 0x7d;
export const F64_TYPE = 0x7c;
export type ValueType = typeof I32_TYPE | typeof I64_TYPE | typeof F32_TYPE | typeof F64_TYPE;

export interface Local<T extends Value> {
  readonly index: number;
  readonly type: ValueType;
  /** Carries T for the type checker; never set. */
  readonly value?: T;
}

/** A branch target: the depth of the block when it was opened. */
export type Label = number;

const I32_VALUE = { wasm: 'i32' } as const;
const I64_VALUE = { wasm: 'i64' } as const;
const F32_VALUE = { wasm: 'f32' } as const;
const F64_VALUE = { wasm: 'f64' } as const;

const V128_VALUE = { wasm: 'v128' } as const;

const VOID_BLOCK = 0x40;

export class Emitter {
  readonly code = new CodeBuffer();
  private readonly locals: ValueType[] = [];
  private depth = 0;
  private readonly hints: { at: number; likely: boolean }[] = [];
  private readonly free = new Map<ValueType, number[]>();
  private readonly lent: { type: ValueType; index: number }[] = [];

  /** `parameters`: types of the function's parameters, which are its first locals. */
  constructor(private readonly parameters: ValueType[] = []) {}

  // ---- locals -----------------------------------------------------------------------------------------------

  parameter<T extends Value>(index: number): Local<T> {
    const type = this.parameters[index];
    if (type === undefined) throw new RangeError(`function has no parameter ${index}`);
    return { index, type };
  }

  local<T extends Value>(type: ValueType): Local<T> {
    const index = this.parameters.length + this.locals.push(type) - 1;
    return { index, type };
  }

  /** Take the value on the stack into a temporary local; `releaseTemporaries` makes it available again. */
  keep<T extends Value>(value: T): Local<T> {
    const type = value.wasm === 'i32' ? I32_TYPE : value.wasm === 'i64' ? I64_TYPE : value.wasm === 'f32' ? F32_TYPE : F64_TYPE;
    const local = this.temporary<T>(type);
    this.set(local, value);
    return local;
  }

  temporary<T extends Value>(type: ValueType): Local<T> {
    const index = this.free.get(type)?.pop() ?? this.local(type).index;
    this.lent.push({ type, index });
    return { index, type };
  }

  releaseTemporaries(): void {
    for (const { type, index } of this.lent) {
      const pool = this.free.get(type);
      if (pool) pool.push(index);
      else this.free.set(type, [index]);
    }
    this.lent.length = 0;
  }

  get<T extends Value>(local: Local<T>): T {
    this.op(0x20, local.index);
    return (local.type === I32_TYPE
      ? I32_VALUE
      : local.type === I64_TYPE
        ? I64_VALUE
        : local.type === F32_TYPE
          ? F32_VALUE
          : F64_VALUE) as unknown as T;
  }
  set<T extends Value>(local: Local<T>, _value: T): void {
    this.op(0x21, local.index);
  }
  tee<T extends Value>(local: Local<T>, value: T): T {
    this.op(0x22, local.index);
    return value;
  }
  drop(_value: Value): void {
    this.code.byte(0x1a);
  }
  select<T extends Value>(whenTrue: T, _whenFalse: T, _condition: I32): T {
    this.code.byte(0x1b);
    return whenTrue;
  }

  // ---- control ----------------------------------------------------------------------------------------------

  block(body: (end: Label) => void): void {
    this.open(0x02, body);
  }
  loop(body: (start: Label) => void): void {
    this.open(0x03, body);
  }
  /** Open blocks one inside the other without closures, for br_table ladders; close each with `end`. */
  openBlock(): Label {
    this.code.byte(0x02);
    this.code.byte(VOID_BLOCK);
    return ++this.depth;
  }
  end(): void {
    this.depth--;
    this.code.byte(0x0b);
  }
  /** `hint`: whether the condition is expected to hold (branch hinting proposal). */
  if(_condition: I32, then: () => void, otherwise?: () => void, hint?: 'likely' | 'unlikely'): void {
    if (hint) this.hints.push({ at: this.code.length, likely: hint === 'likely' });
    this.code.byte(0x04);
    this.code.byte(VOID_BLOCK);
    this.depth++;
    then();
    if (otherwise) {
      this.code.byte(0x05);
      otherwise();
    }
    this.end();
  }
  br(label: Label): void {
    this.op(0x0c, this.depth - label);
  }
  /** `hint`: as for `if`. */
  brIf(label: Label, _condition: I32, hint?: 'likely' | 'unlikely'): void {
    if (hint) this.hints.push({ at: this.code.length, likely: hint === 'likely' });
    this.op(0x0d, this.depth - label);
  }
  brTable(labels: Label[], otherwise: Label, _index: I32): void {
    this.op(0x0e, labels.length);
    for (const label of labels) this.code.u32(this.depth - label);
    this.code.u32(this.depth - otherwise);
  }
  return(..._values: Value[]): void {
    this.code.byte(0x0f);
  }
  unreachable(): void {
    this.code.byte(0x00);
  }
  /** Call by function index; the arguments must have been emitted. */
  call(index: number): void {
    this.op(0x10, index);
  }

  /** Call through the module's table; the arguments and, last, the index in the table must have been emitted. */
  callIndirect(type: number, _index: I32): void {
    this.op(0x11, type);
    this.code.byte(0x00);
  }

  /** The finished body with its local declarations, as the code section wants it, and its branch hints. */
  body(): { code: CodeBuffer; hints: { at: number; likely: boolean }[] } {
    const body = new CodeBuffer();
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.locals) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    body.u32(runs.length);
    for (const { type, count } of runs) {
      body.u32(count);
      body.byte(type);
    }
    const start = body.length;
    body.append(this.code.bytes, this.code.length);
    body.byte(0x0b);
    return { code: body, hints: this.hints.map(({ at, likely }) => ({ at: at + start, likely })) };
  }

  // ---- values (core spec §5.4) --------------------------------------------------------------------------------

  readonly i32 = {
    const: (value: number): I32 => {
      this.code.byte(0x41);
      this.code.s32(value);
      return I32_VALUE;
    },
    eqz: this.from<I32, I32>(0x45, I32_VALUE),
    eq: this.compare<I32>(0x46),
    ne: this.compare<I32>(0x47),
    lt_s: this.compare<I32>(0x48),
    lt_u: this.compare<I32>(0x49),
    gt_s: this.compare<I32>(0x4a),
    gt_u: this.compare<I32>(0x4b),
    le_s: this.compare<I32>(0x4c),
    ge_s: this.compare<I32>(0x4e),
    ge_u: this.compare<I32>(0x4f),
    clz: this.from<I32, I32>(0x67, I32_VALUE),
    ctz: this.from<I32, I32>(0x68, I32_VALUE),
    popcnt: this.from<I32, I32>(0x69, I32_VALUE),
    add: this.binary<I32>(0x6a, I32_VALUE),
    sub: this.binary<I32>(0x6b, I32_VALUE),
    mul: this.binary<I32>(0x6c, I32_VALUE),
    div_s: this.binary<I32>(0x6d, I32_VALUE),
    div_u: this.binary<I32>(0x6e, I32_VALUE),
    rem_s: this.binary<I32>(0x6f, I32_VALUE),
    rem_u: this.binary<I32>(0x70, I32_VALUE),
    and: this.binary<I32>(0x71, I32_VALUE),
    or: this.binary<I32>(0x72, I32_VALUE),
    xor: this.binary<I32>(0x73, I32_VALUE),
    shl: this.binary<I32>(0x74, I32_VALUE),
    shr_s: this.binary<I32>(0x75, I32_VALUE),
    shr_u: this.binary<I32>(0x76, I32_VALUE),
    rotl: this.binary<I32>(0x77, I32_VALUE),
    rotr: this.binary<I32>(0x78, I32_VALUE),
    wrap: this.from<I64, I32>(0xa7, I32_VALUE),
    reinterpret: this.from<F32, I32>(0xbc, I32_VALUE),
    /** Saturating, NaN to 0. */
    trunc_f32_s: this.saturating<F32, I32>(0, I32_VALUE),
    trunc_f32_u: this.saturating<F32, I32>(1, I32_VALUE),
    trunc_f64_s: this.saturating<F64, I32>(2, I32_VALUE),
    trunc_f64_u: this.saturating<F64, I32>(3, I32_VALUE),
    load: this.loadOp(0x28, 2, I32_VALUE),
    load8_u: this.loadOp(0x2d, 0, I32_VALUE),
    load16_u: this.loadOp(0x2f, 1, I32_VALUE),
    store: this.storeOp<I32>(0x36, 2),
    store8: this.storeOp<I32>(0x3a, 0),
    store16: this.storeOp<I32>(0x3b, 1),
  };

  readonly i64 = {
    /** A constant from a safe integer. */
    const: (value: number): I64 => {
      this.code.byte(0x42);
      this.code.s64(value | 0, Math.floor(value / 0x1_0000_0000));
      return I64_VALUE;
    },
    /** A constant from its halves. */
    constHalves: (low: number, high: number): I64 => {
      this.code.byte(0x42);
      this.code.s64(low, high);
      return I64_VALUE;
    },
    eqz: this.from<I64, I32>(0x50, I32_VALUE),
    eq: this.compare<I64>(0x51),
    ne: this.compare<I64>(0x52),
    lt_s: this.compare<I64>(0x53),
    lt_u: this.compare<I64>(0x54),
    gt_s: this.compare<I64>(0x55),
    gt_u: this.compare<I64>(0x56),
    le_s: this.compare<I64>(0x57),
    ge_s: this.compare<I64>(0x59),
    ge_u: this.compare<I64>(0x5a),
    clz: this.from<I64, I64>(0x79, I64_VALUE),
    ctz: this.from<I64, I64>(0x7a, I64_VALUE),
    popcnt: this.from<I64, I64>(0x7b, I64_VALUE),
    add: this.binary<I64>(0x7c, I64_VALUE),
    sub: this.binary<I64>(0x7d, I64_VALUE),
    mul: this.binary<I64>(0x7e, I64_VALUE),
    div_s: this.binary<I64>(0x7f, I64_VALUE),
    div_u: this.binary<I64>(0x80, I64_VALUE),
    rem_s: this.binary<I64>(0x81, I64_VALUE),
    rem_u: this.binary<I64>(0x82, I64_VALUE),
    and: this.binary<I64>(0x83, I64_VALUE),
    or: this.binary<I64>(0x84, I64_VALUE),
    xor: this.binary<I64>(0x85, I64_VALUE),
    shl: this.binary<I64>(0x86, I64_VALUE),
    shr_s: this.binary<I64>(0x87, I64_VALUE),
    shr_u: this.binary<I64>(0x88, I64_VALUE),
    rotl: this.binary<I64>(0x89, I64_VALUE),
    rotr: this.binary<I64>(0x8a, I64_VALUE),
    extend_s: this.from<I32, I64>(0xac, I64_VALUE),
    extend_u: this.from<I32, I64>(0xad, I64_VALUE),
    reinterpret: this.from<F64, I64>(0xbd, I64_VALUE),
    trunc_f32_s: this.saturating<F32, I64>(4, I64_VALUE),
    trunc_f32_u: this.saturating<F32, I64>(5, I64_VALUE),
    trunc_f64_s: this.saturating<F64, I64>(6, I64_VALUE),
    trunc_f64_u: this.saturating<F64, I64>(7, I64_VALUE),
    extend8_s: this.from<I64, I64>(0xc2, I64_VALUE),
    extend16_s: this.from<I64, I64>(0xc3, I64_VALUE),
    extend32_s: this.from<I64, I64>(0xc4, I64_VALUE),
    load: this.loadOp(0x29, 3, I64_VALUE),
    load8_s: this.loadOp(0x30, 0, I64_VALUE),
    load8_u: this.loadOp(0x31, 0, I64_VALUE),
    load16_s: this.loadOp(0x32, 1, I64_VALUE),
    load16_u: this.loadOp(0x33, 1, I64_VALUE),
    load32_s: this.loadOp(0x34, 2, I64_VALUE),
    load32_u: this.loadOp(0x35, 2, I64_VALUE),
    store: this.storeOp<I64>(0x37, 3),
    store8: this.storeOp<I64>(0x3c, 0),
    store16: this.storeOp<I64>(0x3d, 1),
    store32: this.storeOp<I64>(0x3e, 2),
  };

  readonly f32 = {
    const: (value: number): F32 => {
      this.code.byte(0x43);
      this.code.f32(value);
      return F32_VALUE;
    },
    eq: this.compare<F32>(0x5b),
    ne: this.compare<F32>(0x5c),
    lt: this.compare<F32>(0x5d),
    gt: this.compare<F32>(0x5e),
    le: this.compare<F32>(0x5f),
    ge: this.compare<F32>(0x60),
    abs: this.from<F32, F32>(0x8b, F32_VALUE),
    neg: this.from<F32, F32>(0x8c, F32_VALUE),
    ceil: this.from<F32, F32>(0x8d, F32_VALUE),
    floor: this.from<F32, F32>(0x8e, F32_VALUE),
    trunc: this.from<F32, F32>(0x8f, F32_VALUE),
    nearest: this.from<F32, F32>(0x90, F32_VALUE),
    sqrt: this.from<F32, F32>(0x91, F32_VALUE),
    add: this.binary<F32>(0x92, F32_VALUE),
    sub: this.binary<F32>(0x93, F32_VALUE),
    mul: this.binary<F32>(0x94, F32_VALUE),
    div: this.binary<F32>(0x95, F32_VALUE),
    min: this.binary<F32>(0x96, F32_VALUE),
    max: this.binary<F32>(0x97, F32_VALUE),
    copysign: this.binary<F32>(0x98, F32_VALUE),
    convert_i32_s: this.from<I32, F32>(0xb2, F32_VALUE),
    convert_i32_u: this.from<I32, F32>(0xb3, F32_VALUE),
    convert_i64_s: this.from<I64, F32>(0xb4, F32_VALUE),
    convert_i64_u: this.from<I64, F32>(0xb5, F32_VALUE),
    demote: this.from<F64, F32>(0xb6, F32_VALUE),
    reinterpret: this.from<I32, F32>(0xbe, F32_VALUE),
    load: this.loadOp(0x2a, 2, F32_VALUE),
    store: this.storeOp<F32>(0x38, 2),
  };

  readonly f64 = {
    const: (value: number): F64 => {
      this.code.byte(0x44);
      this.code.f64(value);
      return F64_VALUE;
    },
    eq: this.compare<F64>(0x61),
    ne: this.compare<F64>(0x62),
    lt: this.compare<F64>(0x63),
    gt: this.compare<F64>(0x64),
    le: this.compare<F64>(0x65),
    ge: this.compare<F64>(0x66),
    abs: this.from<F64, F64>(0x99, F64_VALUE),
    neg: this.from<F64, F64>(0x9a, F64_VALUE),
    ceil: this.from<F64, F64>(0x9b, F64_VALUE),
    floor: this.from<F64, F64>(0x9c, F64_VALUE),
    trunc: this.from<F64, F64>(0x9d, F64_VALUE),
    nearest: this.from<F64, F64>(0x9e, F64_VALUE),
    sqrt: this.from<F64, F64>(0x9f, F64_VALUE),
    add: this.binary<F64>(0xa0, F64_VALUE),
    sub: this.binary<F64>(0xa1, F64_VALUE),
    mul: this.binary<F64>(0xa2, F64_VALUE),
    div: this.binary<F64>(0xa3, F64_VALUE),
    min: this.binary<F64>(0xa4, F64_VALUE),
    max: this.binary<F64>(0xa5, F64_VALUE),
    copysign: this.binary<F64>(0xa6, F64_VALUE),
    convert_i32_s: this.from<I32, F64>(0xb7, F64_VALUE),
    convert_i32_u: this.from<I32, F64>(0xb8, F64_VALUE),
    convert_i64_s: this.from<I64, F64>(0xb9, F64_VALUE),
    convert_i64_u: this.from<I64, F64>(0xba, F64_VALUE),
    promote: this.from<F32, F64>(0xbb, F64_VALUE),
    reinterpret: this.from<I64, F64>(0xbf, F64_VALUE),
    load: this.loadOp(0x2b, 3, F64_VALUE),
    store: this.storeOp<F64>(0x39, 3),
  };

  /** The first lane of a vector. `relaxed_madd` is a × b + c, fused or not as the processor has it (relaxed SIMD proposal). */
  readonly f32x4 = {
    splat: this.vector<(lane: F32) => V128>(0x13, V128_VALUE),
    relaxed_madd: this.vector<(a: V128, b: V128, c: V128) => V128>(0x105, V128_VALUE),
    sqrt: this.vector<(vector: V128) => V128>(0xe3, V128_VALUE),
    extract0: this.vector<(vector: V128) => F32>(0x1f, F32_VALUE, 0),
  };
  readonly f64x2 = {
    splat: this.vector<(lane: F64) => V128>(0x14, V128_VALUE),
    relaxed_madd: this.vector<(a: V128, b: V128, c: V128) => V128>(0x107, V128_VALUE),
    sqrt: this.vector<(vector: V128) => V128>(0xef, V128_VALUE),
    extract0: this.vector<(vector: V128) => F64>(0x21, F64_VALUE, 0),
  };

  /** Threads proposal: sequentially consistent operations on naturally aligned addresses. */
  readonly atomic = {
    rmw32: (op: AtomicOp, _address: I32, _value: I32): I32 => this.atomicOp(ATOMIC_RMW32[op], 2, I32_VALUE),
    rmw64: (op: AtomicOp, _address: I32, _value: I64): I64 => this.atomicOp(ATOMIC_RMW64[op], 3, I64_VALUE),
    cmpxchg32: (_address: I32, _expected: I32, _value: I32): I32 => this.atomicOp(0x48, 2, I32_VALUE),
    cmpxchg64: (_address: I32, _expected: I64, _value: I64): I64 => this.atomicOp(0x49, 3, I64_VALUE),
    load32: (_address: I32): I32 => this.atomicOp(0x10, 2, I32_VALUE),
    load64: (_address: I32): I64 => this.atomicOp(0x11, 3, I64_VALUE),
    fence: (): void => {
      this.code.byte(0xfe);
      this.code.byte(0x03);
      this.code.byte(0x00);
    },
  };

  private open(opcode: number, body: (label: Label) => void): void {
    this.code.byte(opcode);
    this.code.byte(VOID_BLOCK);
    const label = ++this.depth;
    body(label);
    this.end();
  }
  private op(opcode: number, operand: number): void {
    this.code.byte(opcode);
    this.code.u32(operand);
  }
  private binary<T extends Value>(opcode: number, result: T): (a: T, b: T) => T {
    return () => {
      this.code.byte(opcode);
      return result;
    };
  }
  private compare<T extends Value>(opcode: number): (a: T, b: T) => I32 {
    return () => {
      this.code.byte(opcode);
      return I32_VALUE;
    };
  }
  private from<A extends Value, T extends Value>(opcode: number, result: T): (a: A) => T {
    return () => {
      this.code.byte(opcode);
      return result;
    };
  }
  private saturating<A extends Value, T extends Value>(opcode: number, result: T): (a: A) => T {
    return () => {
      this.code.byte(0xfc);
      this.code.u32(opcode);
      return result;
    };
  }
  private vector<F extends (...operands: never[]) => unknown>(opcode: number, result: ReturnType<F>, lane?: number): F {
    return (() => {
      this.code.byte(0xfd);
      this.code.u32(opcode);
      if (lane !== undefined) this.code.byte(lane);
      return result;
    }) as unknown as F;
  }
  private loadOp<T extends Value>(opcode: number, align: number, result: T): (address: I32, offset?: number) => T {
    return (_address, offset = 0) => {
      this.code.byte(opcode);
      this.code.u32(align);
      this.code.u32(offset);
      return result;
    };
  }
  private storeOp<T extends Value>(opcode: number, align: number): (address: I32, value: T, offset?: number) => void {
    return (_address, _value, offset = 0) => {
      this.code.byte(opcode);
      this.code.u32(align);
      this.code.u32(offset);
    };
  }
  private atomicOp<T extends Value>(opcode: number, align: number, result: T): T {
    this.code.byte(0xfe);
    this.code.byte(opcode);
    this.code.u32(align);
    this.code.u32(0);
    return result;
  }
}

export type AtomicOp = 'add' | 'and' | 'or' | 'xor' | 'xchg';
const ATOMIC_RMW32: Record<AtomicOp, number> = { add: 0x1e, and: 0x2c, or: 0x33, xor: 0x3a, xchg: 0x41 };
const ATOMIC_RMW64: Record<AtomicOp, number> = { add: 0x1f, and: 0x2d, or: 0x34, xor: 0x3b, xchg: 0x42 };
