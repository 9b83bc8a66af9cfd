import { I64_TYPE, type Emitter, type F32, type F64, type I32, type I64, type Local } from '../wasm/emitter';
import type { HostMemory } from '../host/host-memory';
import { HART_FENCE, TLB_ADDEND, TLB_ENTRIES } from './hart-layout';
import { helperType, type HelperName, type HelperResult } from './helper-table';
import type { FloatViews, LoadKind, LogSize } from './isa/instruction';

/** What both tiers do alike when they turn an instruction's semantics into wasm: guest memory through the TLB, and helpers. */
export abstract class TierEmitter {
  abstract readonly e: Emitter;
  /** Address of the data TLB in force. */
  protected abstract readonly tlb: Local<I32>;
  /** `helperIndex`: the function index of an imported helper. */
  constructor(
    private readonly helperIndex: (name: HelperName) => number,
    readonly host: HostMemory,
  ) {}

  /** The hart's own part of the shared memory. */
  protected abstract hartBase(): I32;

  /** On x86 any locked instruction is a full fence, at a third of the cost of the mfence that V8 makes of wasm's. */
  fence(): void {
    const { e } = this;
    if (this.host.reorders === 'anything') e.atomic.fence();
    else if (this.host.reorders === 'stores after loads')
      e.drop(e.atomic.rmw32('add', e.i32.add(this.hartBase(), e.i32.const(HART_FENCE)), e.i32.const(0)));
  }

  abstract fs2<V extends keyof FloatViews>(view: V): FloatViews[V];
  abstract fd(value: I64 | F64 | F32 | I32): void;
  /** Take the exception that a helper has raised, if it has. */
  protected abstract trapIfRaised(): void;

  protected callHelper<N extends HelperName>(name: N): HelperResult<N> {
    this.e.call(this.helperIndex(name));
    const result = helperType(name).results[0];
    return (result === undefined ? undefined : { wasm: result === I64_TYPE ? 'i64' : 'i32' }) as HelperResult<N>;
  }

  call<N extends HelperName>(name: N, ..._args: (I32 | I64)[]): HelperResult<N> {
    return this.callHelper(name);
  }

  /** A single in a register: its low half if that is properly NaN-boxed, else the canonical NaN. */
  protected unbox(register: I64): I32 {
    const { e } = this;
    const value = e.keep(register);
    return e.select(
      e.i32.wrap(e.get(value)),
      e.i32.const(0x7fc00000),
      e.i64.eq(e.i64.shr_u(e.get(value), e.i64.const(32)), e.i64.constHalves(-1, 0)),
    );
  }
  /** A register's contents for a result of any kind. */
  protected boxed(value: I64 | F64 | F32 | I32): I64 {
    const { e } = this;
    if (value.wasm === 'i64') return value;
    if (value.wasm === 'f64') return e.i64.reinterpret(value);
    const low = value.wasm === 'i32' ? value : e.i32.reinterpret(value);
    return e.i64.or(e.i64.extend_u(low), e.i64.constHalves(0, -1));
  }

  /** The TLB entry for an address: (address >> 12) % entries × 32 bytes. */
  protected tlbEntry(address: Local<I64>): Local<I32> {
    const { e } = this;
    return e.keep(
      e.i32.add(e.get(this.tlb), e.i32.and(e.i32.wrap(e.i64.shr_u(e.get(address), e.i64.const(7))), e.i32.const((TLB_ENTRIES - 1) << 5))),
    );
  }
  /** Whether the entry's tag is the page of both the first and the last byte: then it does not matter how they are aligned. */
  protected hit(address: Local<I64>, entry: Local<I32>, tag: number, size: LogSize): I32 {
    const { e } = this;
    const last = size === 0 ? e.get(address) : e.i64.add(e.get(address), e.i64.const((1 << size) - 1));
    return e.i64.eq(e.i64.and(last, e.i64.const(-4096)), e.i64.load(e.get(entry), tag));
  }
  /** Likewise for an address that has to be aligned: its low bits are kept, so that others never fit. */
  protected hitAligned(address: Local<I64>, entry: Local<I32>, tag: number, size: LogSize): I32 {
    const { e } = this;
    return e.i64.eq(e.i64.load(e.get(entry), tag), e.i64.and(e.get(address), e.i64.const(-4096 + (1 << size) - 1)));
  }
  protected hostAddress(address: Local<I64>, entry: Local<I32>): I32 {
    const { e } = this;
    return e.i32.add(e.i32.wrap(e.get(address)), e.i32.load(e.get(entry), TLB_ADDEND));
  }

  abstract load(kind: LoadKind, address: I64): I64;
  abstract store(size: LogSize, address: I64, value: I64): void;

  /** Load from, and store to, an address in the shared memory. */
  protected loadHost(kind: LoadKind, host: I32): I64 {
    const { i64 } = this.e;
    const loads = {
      b: i64.load8_s,
      h: i64.load16_s,
      w: i64.load32_s,
      d: i64.load,
      bu: i64.load8_u,
      hu: i64.load16_u,
      wu: i64.load32_u,
    };
    return loads[kind](host);
  }
  protected storeHost(size: LogSize, host: I32, value: I64): void {
    const { i64 } = this.e;
    [i64.store8, i64.store16, i64.store32, i64.store][size](host, value);
  }

  loadFloat(format: 'f32' | 'f64', address: I64): void {
    if (format === 'f64') this.fd(this.load('d', address));
    else this.fd(this.e.i32.wrap(this.load('wu', address)));
  }
  storeFloat(format: 'f32' | 'f64', address: I64): void {
    this.store(format === 'f64' ? 3 : 2, address, this.fs2('i64'));
  }

  /** Where a word for an atomic operation lies in the shared memory. */
  abstract atomicAddress(size: 2 | 3, address: I64): I32;
}
