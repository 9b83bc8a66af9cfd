import { CACHE_BLOCK_BYTES } from '../extension-bits';
import { CSR_MENVCFG, CSR_SENVCFG, HART_PRIV, HART_TRAP, HART_TVAL } from '../hart-layout';
import { watching } from './debug';
import { illegal } from './illegal';
import { DEVICE, locate, TRAPPED } from './mmu';
import { ACCESS_READ, ACCESS_WRITE } from './pmp';
import {
  CAUSE_LOAD_ACCESS,
  CAUSE_LOAD_PAGE,
  CAUSE_STORE_ACCESS,
  CAUSE_STORE_PAGE,
  ENVCFG_CBCFE,
  ENVCFG_CBIE,
  ENVCFG_CBZE,
  hart,
  PRIV_M,
  PRIV_S,
} from './state';
import { accessFault } from './translation';

/** Operations on cache blocks (CMO extensions; isa/blocks.ts). They fault at the block's first byte, as in QEMU. */

const INVAL: u32 = 0;
const ZERO: u32 = 4;

/** Whether the present privilege may do that (menvcfg, senvcfg). */
function allowed(operation: u32): bool {
  const priv = load<i32>(hart + HART_PRIV);
  if (priv == PRIV_M) return true;
  const enable = operation == ZERO ? ENVCFG_CBZE : operation == INVAL ? ENVCFG_CBIE : ENVCFG_CBCFE;
  if ((load<u64>(hart + CSR_MENVCFG) & enable) == 0) return false;
  return priv == PRIV_S || (load<u64>(hart + CSR_SENVCFG) & enable) != 0;
}

/** Does it, or raises what it raises. */
export function cache_block(va: u64, operation: u32): void {
  if (!allowed(operation)) {
    illegal();
    return;
  }
  const block = va & ~(<u64>(CACHE_BLOCK_BYTES - 1));
  if (operation == ZERO) {
    const host = locate(block, CACHE_BLOCK_BYTES, ACCESS_WRITE);
    if (host == DEVICE) accessFault(ACCESS_WRITE, block);
    else if (host != TRAPPED) memory.fill(host, 0, CACHE_BLOCK_BYTES);
    return;
  }
  // Whoever may write may read. What may not is told that it was a store.
  if (locate(block, CACHE_BLOCK_BYTES, ACCESS_READ) != TRAPPED) return;
  const cause = load<i32>(hart + HART_TRAP) - 1;
  if (cause == CAUSE_LOAD_ACCESS) store<i32>(hart + HART_TRAP, CAUSE_STORE_ACCESS + 1);
  if (cause == CAUSE_LOAD_PAGE) store<i32>(hart + HART_TRAP, CAUSE_STORE_PAGE + 1);
}

/** For regions: 1 if it has been done; 0 if the interpreter is to see to it, and nothing has happened. */
export function block_now(va: u64, operation: u32): i32 {
  if (!allowed(operation) || watching()) return 0;
  const tval = load<u64>(hart + HART_TVAL);
  const block = va & ~(<u64>(CACHE_BLOCK_BYTES - 1));
  const host = locate(block, CACHE_BLOCK_BYTES, operation == ZERO ? ACCESS_WRITE : ACCESS_READ);
  if (host > TRAPPED) {
    if (operation == ZERO) memory.fill(host, 0, CACHE_BLOCK_BYTES);
    return 1;
  }
  store<i32>(hart + HART_TRAP, 0);
  store<u64>(hart + HART_TVAL, tval);
  return 0;
}
