import { I32_TYPE, I64_TYPE, type Emitter, type I32, type I64, type Label, type Local } from '../wasm/emitter';
import { TLB_ADDEND, TLB_ENTRIES, TLB_READ, TLB_WRITE } from './hart-layout';
import { helperType, type HelperName, type HelperResult } from './helper-table';
import { LOAD_KINDS, type LoadKind, type LogSize } from './isa/instruction';

/** What both tiers do alike when they turn an instruction's semantics into wasm: guest memory through the TLB, and helpers. */
export abstract class TierEmitter {
  abstract readonly e: Emitter;
  /** Address of the data TLB in force. */
  protected abstract readonly tlb: Local<I32>;
  /** Where to go once an exception has been raised. */
  protected trapLabel: Label = 0;

  /** `helperIndex`: the function index of an imported helper. */
  constructor(private readonly helperIndex: (name: HelperName) => number) {}

  /** Note which instruction this is, before anything that may raise an exception. */
  protected abstract noteInstruction(): void;
  /** HART_TRAP: not zero if a helper has raised an exception. */
  protected abstract raised(): I32;

  protected callHelper<N extends HelperName>(name: N): HelperResult<N> {
    this.e.call(this.helperIndex(name));
    const result = helperType(name).results[0];
    return (result === undefined ? undefined : { wasm: result === I64_TYPE ? 'i64' : 'i32' }) as HelperResult<N>;
  }

  /** Hooks after each access to memory, before each atomic operation: the lockstep check records them. */
  protected loaded?(kind: LoadKind, address: Local<I64>, value: Local<I64>): void;
  protected stored?(size: LogSize, address: Local<I64>, value: Local<I64>): void;
  protected located?(size: 2 | 3, address: Local<I64>, host: Local<I32>): void;

  call<N extends HelperName>(name: N, ..._args: (I32 | I64)[]): HelperResult<N> {
    return this.callHelper(name);
  }

  protected trapIfRaised(): void {
    this.e.brIf(this.trapLabel, this.raised());
  }

  /** The TLB entry for an address: (address >> 12) % entries × 32 bytes. */
  private tlbEntry(address: Local<I64>): Local<I32> {
    const { e } = this;
    return e.keep(
      e.i32.add(e.get(this.tlb), e.i32.and(e.i32.wrap(e.i64.shr_u(e.get(address), e.i64.const(7))), e.i32.const((TLB_ENTRIES - 1) << 5))),
    );
  }
  /** Whether the entry's tag fits. The low bits of a misaligned address are kept, so that it never does. */
  private hit(address: Local<I64>, entry: Local<I32>, tag: number, size: LogSize): I32 {
    const { e } = this;
    return e.i64.eq(e.i64.load(e.get(entry), tag), e.i64.and(e.get(address), e.i64.const(-4096 + (1 << size) - 1)));
  }
  private hostAddress(address: Local<I64>, entry: Local<I32>): I32 {
    const { e } = this;
    return e.i32.add(e.i32.wrap(e.get(address)), e.i32.load(e.get(entry), TLB_ADDEND));
  }

  load(kind: LoadKind, address: I64): I64 {
    const { e } = this;
    const at = e.keep(address);
    const entry = this.tlbEntry(at);
    const value = e.temporary<I64>(I64_TYPE);
    const loads = {
      b: e.i64.load8_s,
      h: e.i64.load16_s,
      w: e.i64.load32_s,
      d: e.i64.load,
      bu: e.i64.load8_u,
      hu: e.i64.load16_u,
      wu: e.i64.load32_u,
    };
    e.if(
      this.hit(at, entry, TLB_READ, (LOAD_KINDS[kind] & 3) as LogSize),
      () => e.set(value, loads[kind](this.hostAddress(at, entry))),
      () => {
        this.noteInstruction();
        e.get(at);
        e.i32.const(LOAD_KINDS[kind]);
        e.set(value, this.callHelper('load_slow'));
        this.trapIfRaised();
      },
      'likely',
    );
    this.loaded?.(kind, at, value);
    return e.get(value);
  }

  store(size: LogSize, address: I64, value: I64): void {
    const { e } = this;
    const kept = e.keep(value);
    const at = e.keep(address);
    const entry = this.tlbEntry(at);
    const stores = [e.i64.store8, e.i64.store16, e.i64.store32, e.i64.store];
    e.if(
      this.hit(at, entry, TLB_WRITE, size),
      () => stores[size](this.hostAddress(at, entry), e.get(kept)),
      () => {
        this.noteInstruction();
        e.get(at);
        e.get(kept);
        e.i32.const(size);
        this.callHelper('store_slow');
        this.trapIfRaised();
      },
      'likely',
    );
    this.stored?.(size, at, kept);
  }

  atomicAddress(size: 2 | 3, address: I64): I32 {
    const { e } = this;
    const at = e.keep(address);
    const entry = this.tlbEntry(at);
    const host = e.temporary<I32>(I32_TYPE);
    e.if(
      this.hit(at, entry, TLB_WRITE, size),
      () => e.set(host, this.hostAddress(at, entry)),
      () => {
        this.noteInstruction();
        e.get(at);
        e.i32.const(size);
        e.brIf(this.trapLabel, e.i32.eqz(e.tee(host, this.callHelper('atomic_address'))));
      },
      'likely',
    );
    this.located?.(size, at, host);
    return e.get(host);
  }
}
