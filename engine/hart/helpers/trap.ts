import {
  CSR_MCAUSE,
  CSR_MEDELEG,
  CSR_MENVCFG,
  CSR_MEPC,
  CSR_MIDELEG,
  CSR_MIE,
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
  HART_SLICE_MOST,
  HART_TRAP,
  HART_TVAL,
  HART_UNSETTLED,
  STAT_ASLEEP,
  STAT_ASLEEP_SINCE,
  STAT_INTERRUPTS,
  STAT_TRAPS,
} from '../hart-layout';
import {
  HART_DEVICE_WAITS,
  HART_INSTRET,
  HART_MTIMECMP,
  HART_PC,
  HART_SLEEPING,
  HART_WAKE,
  MACHINE_IDLE_WATCH,
  MACHINE_RUN_STATE,
  MACHINE_SEMIHOSTING,
  RUN_PAUSED,
  RUN_RUNNING,
} from '../../memory/layout';
import { updateExternal } from './aia';
import { halting, profile, stopAtAccess } from './debug';
import { lookAtOnce, lookNowAndThen } from './changed-code';
import { dropAllCode, dropStaleCode, honourFlushRequests } from './decoded-pages';
import { beginEpoch, checksFences } from './fences';
import { illegal_taken, mail, semihosting, semihosting_refused, trace_trap } from './env';
import { illegal } from './illegal';
import { fetch_address } from './mmu';
import { mostUrgent, now, pendingInterrupts, updateTimers } from './interrupts';
import { isReservationValid } from './mmu';
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

export let tracing: bool = false;
export function setTracing(on: bool): void {
  tracing = on;
}

// ---- taking a trap ------------------------------------------------------------------------------------------------

function enter(cause: i32, interrupt: bool, value: u64, pc: u64): void {
  if (tracing) trace_trap(cause, interrupt ? 1 : 0);
  const priv = load<i32>(hart + HART_PRIV);
  const delegation = load<u64>(hart + (interrupt ? CSR_MIDELEG : CSR_MEDELEG));
  const code: u64 = interrupt ? <u64>cause | ((<u64>1) << 63) : <u64>cause;
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
  if (cause == CAUSE_ILLEGAL) illegal_taken();
  enter(cause, false, load<u64>(hart + HART_TVAL), load<u64>(hart + HART_PC));
}

// ---- interrupts -----------------------------------------------------------------------------------------------------

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
  nextSlice();
  honourFlushRequests();
  lookNowAndThen();
  if (atomic.load<u32>(hart + HART_MAIL) != 0) mail();
  if (atomic.load<u32>(MACHINE_RUN_STATE) != 0) return 1;
  updateTimers();
  checkInterrupts();
  return 0;
}

/** A hart that waits for devices more than once in so many instructions gets short slices, this part of the others: their waits last. */
const WAITS_APART: i32 = 128;
const SHORT_SLICE: i32 = 64;

/** Account for the slice that is over, and say how long the next one is. */
function nextSlice(): void {
  const late = -load<i32>(hart + HART_BUDGET);
  const executed = load<i32>(hart + HART_SLICE) + late;
  account();
  const most = load<i32>(hart + HART_SLICE_MOST);
  let slice = load<u32>(hart + HART_PROFILING) ? profile(<u32>most, late, now()) : most;
  const waits = load<i32>(hart + HART_DEVICE_WAITS);
  if (waits > executed / WAITS_APART) slice = min(slice, max(1, most / SHORT_SLICE));
  store<i32>(hart + HART_DEVICE_WAITS, 0);
  store<i32>(hart + HART_SLICE, slice);
  store<i32>(hart + HART_BUDGET, slice);
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

function next(): void {
  store<u64>(hart + HART_PC, load<u64>(hart + HART_PC) + 4);
}

export function ecall(): void {
  raise(CAUSE_ECALL_U + load<i32>(hart + HART_PRIV), 0);
}

export function ebreak(): void {
  if (isSemihostingCall()) {
    const isUser = load<i32>(hart + HART_PRIV) == PRIV_U;
    if (load<u32>(MACHINE_SEMIHOSTING) > (isUser ? <u32>1 : <u32>0)) {
      callHost();
      return;
    }
    semihosting_refused(load<i32>(hart + HART_PRIV));
  }
  raise(CAUSE_BREAKPOINT, load<u64>(hart + HART_PC));
}

/** Whether the ebreak at HART_PC stands between the two shifts that make it a call, uncompressed and all in one page (Semihosting §3). */
function isSemihostingCall(): bool {
  const pc = load<u64>(hart + HART_PC);
  if ((pc - 4) >> 12 != (pc + 7) >> 12) return false;
  const trap = load<i32>(hart + HART_TRAP);
  const tval = load<u64>(hart + HART_TVAL);
  const code = fetch_address(pc - 4);
  store<i32>(hart + HART_TRAP, trap);
  store<u64>(hart + HART_TVAL, tval);
  // slli x0, x0, 0x1f; ebreak; srai x0, x0, 7
  return code != 0 && load<u32>(code) == 0x01f01013 && load<u32>(code + 4) == 0x00100073 && load<u32>(code + 8) == 0x40705013;
}

/** How long a debugger's step waits for the host, in nanoseconds. */
const STEP_PATIENCE: i64 = 1_000_000_000;

/** Let the host do a call. While that lasts the hart may be paused: then it goes on with the same instruction, and the call is not begun anew. */
function callHost(): void {
  for (;;) {
    const seen = atomic.load<u32>(hart + HART_WAKE);
    honourFlushRequests();
    if (semihosting()) {
      next();
      return;
    }
    const stepping = halting();
    const state = atomic.load<u32>(MACHINE_RUN_STATE);
    if (state != RUN_RUNNING && !(stepping && state == RUN_PAUSED)) {
      endSlice();
      return;
    }
    if (!sleep(seen, stepping ? STEP_PATIENCE : -1) && stepping) return;
  }
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
  lookAtOnce();
  next();
}

/** sfence.w.inval and sfence.inval.ir: sinval.vma has done all (§12.6). */
export function sfence_inval(): void {
  if (load<i32>(hart + HART_PRIV) == PRIV_U) illegal();
  else next();
}

export function fence_i(): void {
  if (checksFences()) {
    beginEpoch();
    dropAllCode();
  } else dropStaleCode();
  next();
}

/** Looks at the reserved word between two short sleeps, of which wrs.nto and wrs.sto take so many at most, of 20 µs each. */
const RESERVATION_LOOKS: i32 = 100;
const LONG_STALL: i32 = 200;
const SHORT_STALL: i32 = 4;

/**
 * Stall until another hart has written the reserved word, or an interrupt is pending that mie enables (Zawrs, unprivileged ISA §14). It
 * may end for any reason: so it does after a while, whatever mstatus.TW says of wrs.nto.
 */
function stall(sleeps: i32): void {
  next();
  const enabled = load<u64>(hart + CSR_MIE);
  while (isReservationValid()) {
    const seen = atomic.load<u32>(hart + HART_WAKE);
    updateTimers();
    updateExternal();
    if ((pendingInterrupts() & enabled) != 0 || halting() || atomic.load<u32>(MACHINE_RUN_STATE) != 0) break;
    for (let look = 0; look < RESERVATION_LOOKS; look++) if (!isReservationValid()) break;
    if (sleeps-- == 0) break;
    atomic.store<u32>(hart + HART_SLEEPING, 1);
    if (isReservationValid()) atomic.wait<u32>(hart + HART_WAKE, seen, 20_000);
    atomic.store<u32>(hart + HART_SLEEPING, 0);
    // Nobody waits for a sleeping hart to do that.
    honourFlushRequests();
  }
  checkInterrupts();
}

export function wrs_nto(): void {
  stall(LONG_STALL);
}
export function wrs_sto(): void {
  stall(SHORT_STALL);
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
      endSlice();
      return;
    }
    // The next deadline among the enabled timers, in nanoseconds from now (100 ns a tick).
    let deadline = u64.MAX_VALUE;
    if (enabled & IP_MTIP) deadline = load<u64>(hart + HART_MTIMECMP);
    if (enabled & IP_STIP && (load<u64>(hart + CSR_MENVCFG) & MENVCFG_STCE) != 0) deadline = min(deadline, load<u64>(hart + CSR_STIMECMP));
    const ticks = now();
    const wait: u64 = deadline > ticks ? deadline - ticks : 0;
    if (wait == 0) continue;
    sleep(seen, wait > 36_000_000_000 ? -1 : <i64>wait * 100);
  }
  checkInterrupts();
}

/** Sleep until HART_WAKE is no longer `seen`, or for so many nanoseconds; whether the hart was woken. */
function sleep(seen: u32, nanoseconds: i64): bool {
  const ticks = now();
  atomic.store<u64>(hart + STAT_ASLEEP_SINCE, ticks);
  atomic.store<u32>(hart + HART_SLEEPING, 1);
  const timedOut = !isWokenSoon(seen, ticks, nanoseconds) && atomic.wait<u32>(hart + HART_WAKE, seen, nanoseconds) == 2;
  atomic.store<u32>(hart + HART_SLEEPING, 0);
  const woken = now();
  atomic.store<u64>(hart + STAT_ASLEEP_SINCE, 0);
  if (woken > ticks) {
    store<u64>(hart + STAT_ASLEEP, load<u64>(hart + STAT_ASLEEP) + woken - ticks);
    learnToWatch(<u32>min(woken - ticks, <u64>u32.MAX_VALUE), timedOut);
  }
  return !timedOut;
}

/**
 * To sleep and be woken takes longer than many a device takes to answer. So a hart looks out for a while first, as long as that has been
 * worth it of late: as in KVM's halt polling (Linux, Documentation/virt/kvm/halt-polling.rst). In ticks.
 */
let watch: u32 = 0;
/** What that begins with, in ticks. */
const FIRST_WATCH: u32 = 100;
/** Looks at the word between two at the clock. */
const LOOKS: i32 = 50;

/** Look out for as long as is worth it and for so many nanoseconds at most; whether the hart was woken meanwhile. */
function isWokenSoon(seen: u32, since: u64, nanoseconds: i64): bool {
  if (watch == 0 || (nanoseconds >= 0 && nanoseconds < <i64>watch * 100)) return false;
  // A round takes more than a tick, but guest time may stand still.
  for (let round: u32 = 0; round < watch && now() - since < watch; round++) {
    for (let look = 0; look < LOOKS; look++) if (atomic.load<u32>(hart + HART_WAKE) != seen) return true;
  }
  return false;
}

/** From how long the hart had nothing to do, and whether that ended by itself. */
function learnToWatch(idle: u32, timedOut: bool): void {
  const most = load<u32>(MACHINE_IDLE_WATCH);
  if (idle > most) watch >>= 2;
  else if (idle > watch && !timedOut) watch = min(most, max(FIRST_WATCH, watch * 2));
}

/** End the slice here, so that the run loop polls at once. */
function endSlice(): void {
  store<u64>(hart + HART_INSTRET, load<u64>(hart + HART_INSTRET) - <u64>(<i64>load<i32>(hart + HART_BUDGET)));
  store<i32>(hart + HART_BUDGET, 0);
}
