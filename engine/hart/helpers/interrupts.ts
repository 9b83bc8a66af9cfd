import { CSR_MENVCFG, CSR_MIP_SOFT, CSR_MIP_TIMER, CSR_STIMECMP } from '../hart-layout';
import { HART_LINES, HART_MTIMECMP } from '../../memory/layout';
import { time } from './env';
import { hart, IP_MTIP, IP_STIP, MENVCFG_STCE } from './state';

/** What interrupts are pending (privileged ISA §3.1.9): lines, timers, and what software has set. */

/** Guest time; the clock may be anything, as the guest can set it. */
export function now(): u64 {
  const ticks = time();
  if (ticks >= 1.8446744073709552e19) return u64.MAX_VALUE;
  return ticks > 0 ? <u64>ticks : 0;
}

/** Recompute the timers' pending bits (§3.2.1, §12.1.1.1 of Sstc). */
export function updateTimers(): void {
  const ticks = now();
  let bits: u64 = 0;
  if (ticks >= load<u64>(hart + HART_MTIMECMP)) bits |= IP_MTIP;
  if (load<u64>(hart + CSR_MENVCFG) & MENVCFG_STCE && ticks >= load<u64>(hart + CSR_STIMECMP)) bits |= IP_STIP;
  store<u64>(hart + CSR_MIP_TIMER, bits);
}

/** mip as it stands; the timers as last computed. */
export function pendingInterrupts(): u64 {
  return load<u64>(hart + CSR_MIP_SOFT) | load<u64>(hart + CSR_MIP_TIMER) | <u64>(atomic.load<u32>(hart + HART_LINES) & ~(<u32>IP_MTIP));
}

/** MEI, MSI, MTI, SEI, SSI, STI (privileged ISA §3.1.9). */
export function mostUrgent(interrupts: u64): i32 {
  return interrupts & 0x800 ? 11 : interrupts & 8 ? 3 : interrupts & 0x80 ? 7 : interrupts & 0x200 ? 9 : interrupts & 2 ? 1 : 5;
}
