import {
  HART_FETCH_TLB,
  HART_NO_FETCH_TLB,
  HART_PROFILING,
  HART_SAMPLE_AT,
  HART_SAMPLING,
  HART_STEPS,
  HART_STOP,
  HART_STOP_ADDRESS,
  HART_TRACE_FROM,
  HART_TRACING,
  HART_WATCH_PASS,
  STOP_BREAKPOINT,
  STOP_READ,
  STOP_STEP,
  STOP_WRITE,
  TRACE_ALL,
  TRACE_FROM,
} from '../hart-layout';
import {
  MACHINE_BREAKPOINTS,
  MACHINE_BREAKPOINT_COUNT,
  MACHINE_WATCHPOINTS,
  MACHINE_WATCHPOINT_COUNT,
  WATCHPOINT_BYTES,
  WATCH_ACCESS,
  WATCH_FIRST,
  WATCH_LAST,
} from '../../memory/layout';
import { sample, trace_exec } from './env';
import { ACCESS_WRITE } from './pmp';
import { CAUSE_STOP, hart, raise } from './state';
import { triggersData, triggersExecution } from './triggers';

/**
 * Stops of a hart, and samples for a profile. Nothing on a fast path knows of them: instructions that the hart may have to stop at
 * are kept out of the fetch TLB, so that each one comes by fetch_miss() and runs alone; data that is watched is kept out of the data TLB.
 */

/** What watch() finds. */
export const NOT_WATCHED: i32 = 0;
export const WATCHED_PAGE: i32 = 1;
export const WATCH_HIT: i32 = 2;

/** Whether fetch_miss() has more to do than to miss. */
export function debugging(): bool {
  const stops = load<u32>(hart + HART_STEPS) | load<u32>(hart + HART_STOP) | load<u32>(MACHINE_BREAKPOINT_COUNT);
  return (stops | load<u32>(hart + HART_TRACING)) != 0 || triggersExecution();
}

/** Whether resolve() has more to do than to miss: watchpoints, triggers. */
export function watching(): bool {
  return load<u32>(MACHINE_WATCHPOINT_COUNT) != 0 || triggersData();
}

/** Whether instructions run one by one, or the hart is about to stop: interrupts wait, and nothing is fetched through a TLB. */
export function halting(): bool {
  return (load<u32>(hart + HART_STEPS) | load<u32>(hart + HART_STOP)) != 0;
}

/** The fetch TLB in force, where `ordinary` is that of the present privilege. */
export function fetchTlb(ordinary: u32): u32 {
  return halting() || load<u32>(hart + HART_TRACING) == TRACE_ALL ? hart + HART_NO_FETCH_TLB : ordinary;
}

function stop(reason: i32): void {
  store<i32>(hart + HART_STOP, reason);
  store<u32>(hart + HART_STEPS, 0);
  store<u32>(hart + HART_FETCH_TLB, hart + HART_NO_FETCH_TLB);
}

/** Whether the hart stops before the instruction at `va`, which it is about to execute. Counts steps. */
export function stopsAt(va: u64): bool {
  if (load<i32>(hart + HART_STOP)) return true;
  const steps = load<u32>(hart + HART_STEPS);
  const sampling = load<i32>(hart + HART_SAMPLING) != 0;
  if (steps > 1) {
    store<u32>(hart + HART_STEPS, steps - 1);
    // A step begins at an instruction where the hart may have stopped already.
    if (!sampling) return false;
  } else if (steps == 1) {
    if (!sampling) {
      stop(STOP_STEP);
      return true;
    }
    store<u32>(hart + HART_STEPS, 0);
    store<i32>(hart + HART_SAMPLING, 0);
    sample();
  }
  const count = load<u32>(MACHINE_BREAKPOINT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    if (load<u64>(MACHINE_BREAKPOINTS + i * 8) == va) {
      stop(STOP_BREAKPOINT);
      return true;
    }
  }
  return false;
}

/** Whether the instruction at `va` is to be fetched alone, because its page is not to be in the TLB. */
export function runsAlone(va: u64): bool {
  if (load<u32>(hart + HART_STEPS)) return true;
  const tracing = load<u32>(hart + HART_TRACING);
  if (tracing == TRACE_ALL) return true;
  if (tracing == TRACE_FROM && (load<u64>(hart + HART_TRACE_FROM) ^ va) >> 12 == 0) return true;
  const count = load<u32>(MACHINE_BREAKPOINT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    if ((load<u64>(MACHINE_BREAKPOINTS + i * 8) ^ va) >> 12 == 0) return true;
  }
  return false;
}

/** The instruction at `va` can be fetched, and is to be executed. */
export function traceExecution(va: u64): void {
  const tracing = load<u32>(hart + HART_TRACING);
  if (tracing == 0 || (tracing == TRACE_FROM && load<u64>(hart + HART_TRACE_FROM) != va)) return;
  if (tracing == TRACE_FROM) {
    store<u32>(hart + HART_TRACING, TRACE_ALL);
    store<u32>(hart + HART_FETCH_TLB, hart + HART_NO_FETCH_TLB);
  }
  trace_exec();
}

/** How watchpoints concern an access of `bytes` bytes at `va`, within one page; `access` as in pmp.ts. A hit raises CAUSE_STOP. */
export function watch(va: u64, bytes: u32, access: i32): i32 {
  const count = load<u32>(MACHINE_WATCHPOINT_COUNT);
  let found = NOT_WATCHED;
  for (let i: u32 = 0, at: u32 = MACHINE_WATCHPOINTS; i < count; i++, at += WATCHPOINT_BYTES) {
    const first = load<u64>(at + WATCH_FIRST);
    const last = load<u64>(at + WATCH_LAST);
    if (first >> 12 > va >> 12 || last >> 12 < va >> 12) continue;
    found = WATCHED_PAGE;
    if (first >= va + <u64>bytes || last < va || (load<i32>(at + WATCH_ACCESS) & access) == 0) continue;
    const pass = load<i32>(hart + HART_WATCH_PASS);
    if (pass) {
      // The step says so when it is done.
      if (pass == 1) {
        store<i32>(hart + HART_WATCH_PASS, access == ACCESS_WRITE ? STOP_WRITE : STOP_READ);
        store<u64>(hart + HART_STOP_ADDRESS, max(va, first));
      }
      continue;
    }
    store<i32>(hart + HART_STOP, access == ACCESS_WRITE ? STOP_WRITE : STOP_READ);
    store<u64>(hart + HART_STOP_ADDRESS, max(va, first));
    // The lockstep check tells by the address which access it was.
    raise(CAUSE_STOP, va);
    return WATCH_HIT;
  }
  return found;
}

/** The access that raised CAUSE_STOP did not happen: stop before its instruction. */
export function stopAtAccess(): void {
  stop(load<i32>(hart + HART_STOP));
}

// ---- profile -------------------------------------------------------------------------------------------------------

/** How far behind the end of a slice, in instructions, samples are taken; most polls are not later than that. */
const SAMPLE_DISTANCE: i32 = 128;
/** Mean time between samples, in ticks of 100 ns. */
const SAMPLE_PERIOD: u32 = 10000;

let random: u32 = 0x9e3779b9;
/** A pseudo-random number from 0 to `limit` - 1 (xorshift). */
function below(limit: u32): u32 {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random % limit;
}

/**
 * At a poll: begin a sample when it is time, and return the length of the next slice. Polls fall on jumps and loops, `late` instructions
 * after the end of the slice: to take samples there would be unjust to the code between. So slices have random lengths, and a sample
 * is taken SAMPLE_DISTANCE after the end of one, wherever the poll was. `most`: instructions of the longest.
 */
export function profile(most: u32, late: i32, ticks: u64): i32 {
  if (ticks >= load<u64>(hart + HART_SAMPLE_AT) && !halting()) {
    // Random, so as not to keep step with the guest's own timer.
    store<u64>(hart + HART_SAMPLE_AT, ticks + SAMPLE_PERIOD / 2 + below(SAMPLE_PERIOD));
    store<u32>(hart + HART_STEPS, <u32>(1 + max(0, SAMPLE_DISTANCE - late)));
    store<i32>(hart + HART_SAMPLING, 1);
    store<u32>(hart + HART_FETCH_TLB, hart + HART_NO_FETCH_TLB);
  }
  return most / 2 + below(most / 2) + 1;
}
