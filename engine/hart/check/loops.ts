import type { I32, I64 } from '../../wasm/emitter';
import { HART_PC } from '../../memory/layout';
import type { HelperName, HelperResult } from '../helper-table';
import { RunLoop } from '../interpreter';
import { LOAD_KINDS, type LoadKind, type LogSize } from '../isa/instruction';

/** Helpers that touch memory, and those that take what they would find there from the log. */
const REPLAYED: Partial<Record<HelperName, HelperName>> = {
  load_reserved: 'replay_reserved',
  store_conditional: 'replay_conditional',
  cache_block: 'replay_block',
};

/** The run loop of a hart whose regions are checked. */
export class CheckedLoop extends RunLoop {
  protected override callRegion(): void {
    const { e } = this;
    e.get(this.target);
    this.callHelper('check_enter');
    const given = e.keep(e.get(this.budget));
    super.callRegion();
    e.get(this.target);
    e.get(given);
    e.get(this.budget);
    this.callHelper('check_leave');
  }
}

/**
 * Repeats what a region did: interprets as many instructions as HART_BUDGET says, or up to an exception, and takes accesses to
 * memory from the check's log.
 */
export class ReplayLoop extends RunLoop {
  protected override emitPoll(): void {
    const { e } = this;
    e.if(e.i32.le_s(e.get(this.budget), e.i32.const(0)), () => {
      e.i64.store(e.i32.const(0), e.get(this.target), this.hart + HART_PC);
      this.stop();
    });
  }

  /** Regions may end anywhere, so every instruction may be the last. */
  protected override next(): void {
    const { e } = this;
    e.if(e.i32.le_s(e.get(this.budget), e.i32.const(0)), () => {
      this.savePc();
      this.stop();
    });
    super.next();
  }

  protected override takeTrap(): void {
    this.stop();
  }

  private stop(): void {
    this.saveBudget();
    this.e.return();
  }

  protected override enterRegion(): void {}
  protected override countJump(): void {}
  override jumpTo(target: I64): void {
    this.goto(target);
    this.left = true;
  }

  override load(kind: LoadKind, address: I64): I64 {
    const { e } = this;
    const at = e.keep(address);
    this.savePc();
    e.get(at);
    e.i32.const(LOAD_KINDS[kind]);
    const value = e.keep(this.callHelper('replay_load'));
    this.trapIfRaised();
    return e.get(value);
  }

  override store(size: LogSize, address: I64, value: I64): void {
    const { e } = this;
    const kept = e.keep(value);
    const at = e.keep(address);
    this.savePc();
    e.get(at);
    e.get(kept);
    e.i32.const(size);
    this.callHelper('replay_store');
    this.trapIfRaised();
  }

  override atomicAddress(size: 2 | 3, address: I64): I32 {
    const { e } = this;
    const at = e.keep(address);
    this.savePc();
    e.get(at);
    e.i32.const(size);
    const host = e.keep(this.callHelper('replay_atomic'));
    e.brIf(this.trapLabel, e.i32.eqz(e.get(host)));
    return e.get(host);
  }

  override callFaulting<N extends HelperName>(name: N, ...args: (I32 | I64)[]): HelperResult<N> {
    return super.callFaulting((REPLAYED[name] ?? name) as N, ...args);
  }

  override transfer(): void {
    this.savePc();
    this.callHelper('replay_system');
    this.e.unreachable();
    this.left = true;
  }
}
