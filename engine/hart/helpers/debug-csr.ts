import { CSR_MSTATUS, HART_BUDGET, HART_FS_DIRTY, HART_FS_OFF, HART_PRIV, HART_TRAP, HART_TVAL, HART_UNSETTLED } from '../hart-layout';
import { csr_access } from './csr';
import { hart, MSTATUS_FS, PRIV_M } from './state';

/** CSRs as a debugger reads and writes them while the hart stands still: as machine mode would, but nothing is trapped or claimed by it. */

const NO_WRITE: u32 = 0x1000;
const WRITE: u32 = 0;
const SET_BITS: u32 = 1;

let known: bool = false;

/** Whether the last debug_csr() found a register, and one that can be written where that was asked for. */
export function debug_csr_known(): bool {
  return known;
}

/** The value that an instruction executed now would read; with `write`, `value` is written as an instruction would. */
export function debug_csr(number: u32, value: u64, write: i32): u64 {
  const trap = load<i32>(hart + HART_TRAP);
  const tval = load<u64>(hart + HART_TVAL);
  const priv = load<i32>(hart + HART_PRIV);
  const unsettled = load<i32>(hart + HART_UNSETTLED);
  const budget = load<i32>(hart + HART_BUDGET);
  store<i32>(hart + HART_TRAP, 0);
  store<i32>(hart + HART_PRIV, PRIV_M);
  store<i32>(hart + HART_FS_OFF, 0);
  // Counters are read as if the instruction that reads them were counted already.
  if (!write) store<i32>(hart + HART_BUDGET, budget - 1);
  const old = csr_access(write ? value : 0, write ? number : number | NO_WRITE, write ? WRITE : SET_BITS);
  known = load<i32>(hart + HART_TRAP) == 0;
  store<i32>(hart + HART_BUDGET, budget);
  store<i32>(hart + HART_TRAP, trap);
  store<u64>(hart + HART_TVAL, tval);
  store<i32>(hart + HART_PRIV, priv);
  store<i32>(hart + HART_UNSETTLED, unsettled);
  // What is written to floating-point registers while they are off does not switch them on.
  const off = (load<u64>(hart + CSR_MSTATUS) & MSTATUS_FS) == 0;
  store<i32>(hart + HART_FS_OFF, off ? 1 : 0);
  if (off) store<i32>(hart + HART_FS_DIRTY, 0);
  return old;
}
