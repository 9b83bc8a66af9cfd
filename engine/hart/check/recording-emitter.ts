import type { I32, I64, Local } from '../../wasm/emitter';
import type { HelperName, HelperResult } from '../helper-table';
import { LOAD_KINDS, type LoadKind, type LogSize } from '../isa/instruction';
import { RegionEmitter } from '../jit/region-emitter';

/** Regions that tell the lockstep check of their accesses to memory, and are otherwise as ever. */
export class RecordingEmitter extends RegionEmitter {
  protected override readonly blockHelper = 'record_block';
  /** Whether an atomic operation is being emitted. */
  private operating = false;

  protected override loaded(kind: LoadKind, address: Local<I64>, value: Local<I64>): void {
    const { e } = this;
    e.get(address);
    e.get(value);
    e.i32.const(LOAD_KINDS[kind]);
    this.callHelper('record_load');
  }

  protected override stored(size: LogSize, address: Local<I64>, value: Local<I64>): void {
    const { e } = this;
    e.get(address);
    e.get(value);
    e.i32.const(size);
    this.callHelper('record_store');
  }

  protected override located(size: 2 | 3, address: Local<I64>, host: Local<I32>): void {
    const { e } = this;
    e.get(address);
    e.get(host);
    e.i32.const(size);
    this.callHelper('record_atomic');
    this.operating = true;
  }

  /** Every atomic operation ends with its destination. */
  override rd(value: I64): void {
    super.rd(value);
    if (this.operating) this.callHelper('record_outcome');
    this.operating = false;
  }

  override callFaulting<N extends HelperName>(name: N, ...args: (I32 | I64)[]): HelperResult<N> {
    const recorded = name === 'load_reserved' ? 'record_reserved' : name === 'store_conditional' ? 'record_conditional' : name;
    return super.callFaulting(recorded as N, ...args);
  }
}
