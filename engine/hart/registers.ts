import { HARTS_BASE, HART_F, HART_PC, HART_STRIDE, HART_X } from '../memory/layout';
import { HART_FS_DIRTY, HART_FS_OFF, HART_PRIV } from './hart-layout';

/** The registers of a hart that does not run; what is written is in force when it goes on. */
export class HartRegisters {
  /** x0 to x31, of which x0 stays 0, and f0 to f31, NaN-boxed. */
  readonly x: BigUint64Array;
  readonly f: BigUint64Array;
  private readonly data: DataView;

  constructor(memory: WebAssembly.Memory, hart: number) {
    const base = HARTS_BASE + hart * HART_STRIDE;
    this.x = new BigUint64Array(memory.buffer, base + HART_X, 32);
    this.f = new BigUint64Array(memory.buffer, base + HART_F, 32);
    this.data = new DataView(memory.buffer, base);
  }

  /** The instruction to be executed next. */
  get pc(): bigint {
    return this.data.getBigUint64(HART_PC, true);
  }
  set pc(value: bigint) {
    this.data.setBigUint64(HART_PC, value & ~1n, true);
  }

  get privilege(): 'user' | 'supervisor' | 'machine' {
    const { level } = this;
    return level === 0 ? 'user' : level === 1 ? 'supervisor' : 'machine';
  }

  /** The privilege as a number: 0 user, 1 supervisor, 3 machine. */
  get level(): number {
    return this.data.getUint32(HART_PRIV, true);
  }
  set level(value: 0 | 1 | 3) {
    this.data.setUint32(HART_PRIV, value, true);
  }

  /** To be called when `f` was written: a system that saves these registers only when they changed sees that they did. */
  floatsWritten(): void {
    if (this.data.getInt32(HART_FS_OFF, true) === 0) this.data.setInt32(HART_FS_DIRTY, 1, true);
  }
}
