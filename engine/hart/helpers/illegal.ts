import { HART_PC } from '../../memory/layout';
import { fetch_address } from './mmu';
import { CAUSE_ILLEGAL, hart, raise } from './state';

/** Raise illegal instruction; mtval is the instruction itself. */
export function illegal(): void {
  const pc = load<u64>(hart + HART_PC);
  let bits: u64 = 0;
  const first = fetch_address(pc);
  if (first != 0) {
    bits = <u64>load<u16>(first);
    if ((bits & 3) == 3) {
      const second = fetch_address(pc + 2);
      if (second != 0) bits |= (<u64>load<u16>(second)) << 16;
    }
  }
  raise(CAUSE_ILLEGAL, bits);
}
