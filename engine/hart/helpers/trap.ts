import {
  CSR_MCAUSE,
  CSR_MEDELEG,
  CSR_MENVCFG,
  CSR_MEPC,
  CSR_MIDELEG,
  CSR_MIE,
  CSR_MIP_SOFT,
  CSR_MIP_TIMER,
  CSR_MSTATUS,
  CSR_MTVAL,
  CSR_MTVEC,
  CSR_SCAUSE,
  CSR_SEPC,
  CSR_STIMECMP,
  CSR_STVAL,
  CSR_STVEC,
  HART_BUDGET,
  HART_MAIL,
  HART_PRIV,
  HART_PROFILING,
  HART_SLICE,
  HART_TRAP,
  HART_TVAL,
  HART_UNSETTLED,
  STAT_ASLEEP,
  STAT_INTERRUPTS,
  STAT_TRAPS,
} from '../hart-layout';
import { HART_INSTRET, HART_LINES, HART_MTIMECMP, HART_PC, HART_SLEEPING, HART_WAKE, MACHINE_RUN_STATE } from '../../memory/layout';
import { mostUrgent, updateExternal } from './aia';
import { halting, profile, stopAtAccess } from './debug';
import { dropStaleCode, honourFlushRequests } from './decoded-pages';
import { fetch_address } from './mmu';
import { flushAsid, flushPage, flushTranslated, selectTlbs } from './tlb';
import {
  CAUSE_BREAKPOINT,
  CAUSE_ECALL_U,
  CAUSE_ILLEGAL,
  CAUSE_STOP,
  count,
  hart,
  IP_MEIP,
  IP_MTIP,
  IP_SEIP,
  IP_STIP,
  MENVCFG_STCE,
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
  MSTATUS_TSR,
  MSTATUS_TVM,
  MSTATUS_TW,
  PRIV_M,
  PRIV_S,
  PRIV_U,
  raise,
  trapped,
} from './state';

/** Traps, interrupts and the privileged instructions (privileged ISA §3.1.6 to §3.3, §12.1, §12.2). */

/** Guest time in timebase ticks. */
@external('env', 'time')
declare function time(): f64;
@external('env', 'trace_trap')
declare function trace_trap(cause: i32, interrupt: i32): void;

/** Translated code has arrived. */
@external('env', 'mail')
declare function mail(): void;

export let tracing: bool = false;
export function setTracing(on: bool): void {
  tracing = on;
}

/** Guest time; the clock may be anything, as the guest can set it. */
export function now(): u64 {
  const ticks = time();
  if (ticks >= 1.8446744073709552e19) return u64.MAX_VALUE;
  return ticks > 0 ? <u64>ticks : 0;
}

// ---- taking a trap ------------------------------------------------------------------------------------------------

function enter(cause: i32, interrupt: bool, value: u64, pc: u64): void {
  if (tracing) trace_trap(cause, interrupt ? 1 : 0);
  const priv = load<i32>(hart + HART_PRIV);
  const delegation = load<u64>(hart + (interrupt ? CSR_MIDELEG : CSR_MEDELEG));
  const code: u64 = interrupt ? <u64>cause | (<u64>1 << 63) : <u64>cause;
  let mstatus = load<u64>(hart + CSR_MSTATUS);
  let vector: u64;
  if (priv != PRIV_M && ((delegation >> cause) & 1) != 0) {
    store<u64>(hart + CSR_SCAUSE, code);
    store<u64>(hart + CSR_SEPC, pc);
    store<u64>(hart + CSR_STVAL, value);
    const enabled = mstatus & MSTATUS_SIE;
    mstatus &= ~(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP);
    if (enabled) mstatus |= MSTATUS_SPIE;
    if (priv == PRIV_S) mstatus |= MSTATUS_SPP;
    store<i32>(hart + HART_PRIV, PRIV_S);
    vector = load<u64>(hart + CSR_STVEC);
  } else {
    store<u64>(hart + CSR_MCAUSE, code);
    store<u64>(hart + CSR_MEPC, pc);
    store<u64>(hart + CSR_MTVAL, value);
    const enabled = mstatus & MSTATUS_MIE;
    mstatus &= ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP);
    if (enabled) mstatus |= MSTATUS_MPIE;
    mstatus |= (<u64>priv) << 11;
    store<i32>(hart + HART_PRIV, PRIV_M);
    vector = load<u64>(hart + CSR_MTVEC);
  }
  store<u64>(hart + CSR_MSTATUS, mstatus);
  const base = vector & ~(<u64>3);
  store<u64>(hart + HART_PC, interrupt && (vector & 3) == 1 ? base + <u64>(4 * cause) : base);
  selectTlbs();
}

/** Take the exception that HART_TRAP holds, raised by the instruction at HART_PC, which the slice counts though it did not retire. */
export function take_trap(): void {
  store<u64>(hart + HART_INSTRET, load<u64>(hart + HART_INSTRET) - 1);
  const cause = load<i32>(hart + HART_TRAP) - 1;
  store<i32>(hart + HART_TRAP, 0);
  if (cause == CAUSE_STOP) {
    stopAtAccess();
    return;
  }
  count(STAT_TRAPS);
  enter(cause, false, load<u64>(hart + HART_TVAL), load<u64>(hart + HART_PC));
}

// ---- interrupts -----------------------------------------------------------------------------------------------------

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

/** Take the most urgent interrupt that may be taken now; HART_PC is where the hart would go on. */
export function checkInterrupts(): void {
  if (halting()) return;
  let take = deliverable();
  if (take & (IP_MTIP | IP_STIP | IP_MEIP | IP_SEIP)) {
    // A deadline may have been put off since the timers were last looked at; messages may have been claimed as they came.
    updateTimers();
    updateExternal();
    take = deliverable();
  }
  if (take == 0) return;
  const cause = mostUrgent(take);
  count(STAT_INTERRUPTS);
  enter(cause, true, 0, load<u64>(hart + HART_PC));
}

/** The pending interrupts that may be taken now: those for M-mode, else those for S-mode. */
function deliverable(): u64 {
  const pending = pendingInterrupts() & load<u64>(hart + CSR_MIE);
  if (pending == 0) return 0;
  const priv = load<i32>(hart + HART_PRIV);
  const mstatus = load<u64>(hart + CSR_MSTATUS);
  const delegated = load<u64>(hart + CSR_MIDELEG);
  let take: u64 = 0;
  if (priv != PRIV_M || (mstatus & MSTATUS_MIE) != 0) take = pending & ~delegated;
  if (take == 0 && (priv == PRIV_U || (priv == PRIV_S && (mstatus & MSTATUS_SIE) != 0))) take = pending & delegated;
  return take;
}

/**
 * Between slices: account for the instructions, look at the timers, other harts' requests and interrupts.
 * Returns 0 to go on at HART_PC, 1 if the machine is to pause or stop.
 */
export function poll(): i32 {
  const late = -load<i32>(hart + HART_BUDGET);
  account();
  const profiling = load<u32>(hart + HART_PROFILING);
  if (profiling) {
    const slice = profile(profiling, late, now());
    store<i32>(hart + HART_SLICE, slice);
    store<i32>(hart + HART_BUDGET, slice);
  }
  honourFlushRequests();
  if (atomic.load<u32>(hart + HART_MAIL) != 0) mail();
  if (atomic.load<u32>(MACHINE_RUN_STATE) != 0) return 1;
  updateTimers();
  checkInterrupts();
  return 0;
}

/** Book the executed part of the slice and start a new one. */
export function account(): void {
  const slice = load<i32>(hart + HART_SLICE);
  store<u64>(hart + HART_INSTRET, load<u64>(hart + HART_INSTRET) + <u64>(<i64>(slice - load<i32>(hart + HART_BUDGET))));
  store<i32>(hart + HART_BUDGET, slice);
}

/** After a CSR write that asked for it: HART_PC is the next instruction. */
export function settle(): void {
  store<i32>(hart + HART_UNSETTLED, 0);
  selectTlbs();
  checkInterrupts();
}

// ---- privileged instructions: each leaves the next pc in HART_PC ------------------------------------------------------

@inline
function next(): void {
  store<u64>(hart + HART_PC, load<u64>(hart + HART_PC) + 4);
}

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

export function ecall(): void {
  raise(CAUSE_ECALL_U + load<i32>(hart + HART_PRIV), 0);
}

export function ebreak(): void {
  raise(CAUSE_BREAKPOINT, load<u64>(hart + HART_PC));
}

export function mret(): void {
  if (load<i32>(hart + HART_PRIV) != PRIV_M) {
    illegal();
    return;
  }
  let mstatus = load<u64>(hart + CSR_MSTATUS);
  const to = <i32>((mstatus & MSTATUS_MPP) >> 11);
  const enabled = mstatus & MSTATUS_MPIE;
  mstatus &= ~(MSTATUS_MIE | MSTATUS_MPP);
  mstatus |= MSTATUS_MPIE;
  if (enabled) mstatus |= MSTATUS_MIE;
  if (to != PRIV_M) mstatus &= ~MSTATUS_MPRV;
  store<u64>(hart + CSR_MSTATUS, mstatus);
  store<i32>(hart + HART_PRIV, to);
  store<u64>(hart + HART_PC, load<u64>(hart + CSR_MEPC));
  selectTlbs();
  checkInterrupts();
}

export function sret(): void {
  const priv = load<i32>(hart + HART_PRIV);
  let mstatus = load<u64>(hart + CSR_MSTATUS);
  if (priv == PRIV_U || (priv == PRIV_S && (mstatus & MSTATUS_TSR) != 0)) {
    illegal();
    return;
  }
  const to = mstatus & MSTATUS_SPP ? PRIV_S : PRIV_U;
  const enabled = mstatus & MSTATUS_SPIE;
  mstatus &= ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV);
  mstatus |= MSTATUS_SPIE;
  if (enabled) mstatus |= MSTATUS_SIE;
  store<u64>(hart + CSR_MSTATUS, mstatus);
  store<i32>(hart + HART_PRIV, to);
  store<u64>(hart + HART_PC, load<u64>(hart + CSR_SEPC));
  selectTlbs();
  checkInterrupts();
}

/** `everywhere` and `everyone`: rs1 and rs2 are x0 (§12.2.1). */
export function sfence_vma(va: u64, everywhere: i32, asid: u64, everyone: i32): void {
  const priv = load<i32>(hart + HART_PRIV);
  if (priv == PRIV_U || (priv == PRIV_S && (load<u64>(hart + CSR_MSTATUS) & MSTATUS_TVM) != 0)) {
    illegal();
    return;
  }
  if (!everywhere) flushPage(va, everyone ? -1 : <i32>(asid & 0xffff));
  else if (everyone) flushTranslated();
  else flushAsid(<u32>(asid & 0xffff));
  next();
}

export function fence_i(): void {
  dropStaleCode();
  next();
}

/** Sleep until an interrupt that mie enables is pending, whether or not it may be taken (§3.3.3). */
export function wfi(): void {
  const priv = load<i32>(hart + HART_PRIV);
  if (priv == PRIV_U || (priv == PRIV_S && (load<u64>(hart + CSR_MSTATUS) & MSTATUS_TW) != 0)) {
    illegal();
    return;
  }
  next();
  const enabled = load<u64>(hart + CSR_MIE);
  for (;;) {
    const seen = atomic.load<u32>(hart + HART_WAKE);
    honourFlushRequests();
    updateTimers();
    updateExternal();
    // A debugger waits for a step to end; WFI may end at any time.
    if ((pendingInterrupts() & enabled) != 0 || halting()) break;
    if (atomic.load<u32>(MACHINE_RUN_STATE) != 0) {
      // End the slice here, so that the run loop polls at once.
      store<u64>(hart + HART_INSTRET, load<u64>(hart + HART_INSTRET) - <u64>(<i64>load<i32>(hart + HART_BUDGET)));
      store<i32>(hart + HART_BUDGET, 0);
      return;
    }
    // The next deadline among the enabled timers, in nanoseconds from now (100 ns a tick).
    let deadline = u64.MAX_VALUE;
    if (enabled & IP_MTIP) deadline = load<u64>(hart + HART_MTIMECMP);
    if (enabled & IP_STIP && (load<u64>(hart + CSR_MENVCFG) & MENVCFG_STCE) != 0) deadline = min(deadline, load<u64>(hart + CSR_STIMECMP));
    const ticks = now();
    const wait: u64 = deadline > ticks ? deadline - ticks : 0;
    if (wait == 0) continue;
    atomic.store<u32>(hart + HART_SLEEPING, 1);
    atomic.wait<u32>(hart + HART_WAKE, seen, wait > 36_000_000_000 ? -1 : <i64>wait * 100);
    atomic.store<u32>(hart + HART_SLEEPING, 0);
    const woken = now();
    if (woken > ticks) store<u64>(hart + STAT_ASLEEP, load<u64>(hart + STAT_ASLEEP) + woken - ticks);
  }
  checkInterrupts();
}
