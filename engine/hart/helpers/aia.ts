import { CSR_MENVCFG, CSR_MIDELEG, CSR_MIE, CSR_MIP_SOFT, CSR_MISELECT, CSR_SISELECT, HART_UNSETTLED, STAT_CLAIMS } from '../hart-layout';
import {
  HART_IMSIC,
  HART_LINES,
  IMSIC_DELIVERY,
  IMSIC_ENABLED,
  IMSIC_FILE_BYTES,
  IMSIC_IDENTITIES,
  IMSIC_PENDING,
  IMSIC_THRESHOLD,
  MACHINE_IMSICS,
} from '../../memory/layout';
import { illegal } from './illegal';
import { mostUrgent, pendingInterrupts, updateTimers } from './interrupts';
import { count, hart, IP_MEIP, IP_SEIP, IP_SSIP, IP_STIP, MENVCFG_STCE } from './state';

/**
 * Smaia and Ssaia: the CSRs of RISC-V AIA 1.0 §2, and the hart's side of its IMSIC (§3). Priorities of major interrupts are fixed: the
 * iprio arrays are read-only zero (§5.2.1), and mvien is (§5.3). Other threads make identities pending (engine/interrupt/imsics.ts) and
 * then raise the hart's line, which so is never down while its interrupt file signals, but may be up for a moment longer.
 */

const MACHINE_FILE: u32 = HART_IMSIC;
const SUPERVISOR_FILE: u32 = HART_IMSIC + IMSIC_FILE_BYTES;
/** Values that eithreshold holds: as QEMU's, whatever any IMSIC may have. */
const THRESHOLD_MASK: u64 = 0x7ff;
/** Values that miselect and siselect hold. */
const SELECT_MASK: u64 = 0x1ff;

function lineOf(file: u32): u32 {
  return file == MACHINE_FILE ? <u32>IP_MEIP : <u32>IP_SEIP;
}

/** What mtopei or stopei reads: the lowest identity that is pending, enabled and below the threshold, twice; 0 if there is none. */
function top(file: u32): u32 {
  const threshold = load<u32>(hart + file + IMSIC_THRESHOLD);
  for (let at: u32 = 0; at < 32; at += 8) {
    const bits = atomic.load<u64>(hart + file + at + IMSIC_PENDING) & load<u64>(hart + file + at + IMSIC_ENABLED);
    if (bits == 0) continue;
    const identity = at * 8 + <u32>ctz(bits);
    return threshold != 0 && identity >= threshold ? 0 : (identity << 16) | identity;
  }
  return 0;
}

/** Make the line of a file say what the file signals. */
function updateLine(file: u32): void {
  const line = lineOf(file);
  atomic.and<u32>(hart + HART_LINES, ~line);
  // Looked at after the line was lowered: who makes something pending from now on raises it again.
  if (atomic.load<u32>(hart + file + IMSIC_DELIVERY) != 0 && top(file) != 0) atomic.or<u32>(hart + HART_LINES, line);
}

/** Lower the lines of the IMSIC that are up for nothing. */
export function updateExternal(): void {
  if (load<u32>(MACHINE_IMSICS) == 0) return;
  const lines = atomic.load<u32>(hart + HART_LINES);
  if (lines & <u32>IP_MEIP) updateLine(MACHINE_FILE);
  if (lines & <u32>IP_SEIP) updateLine(SUPERVISOR_FILE);
}

function combine(old: u64, operand: u64, operation: u32): u64 {
  return operation == 0 ? operand : operation == 1 ? old | operand : old & ~operand;
}

/** One of the plain registers; `mask` is what it holds. */
function register(at: u32, mask: u64, operand: u64, operation: u32, writes: bool): u64 {
  const old = load<u64>(hart + at);
  if (writes) store<u64>(hart + at, combine(old, operand, operation) & mask);
  return old;
}

/** Pending or enable bits; others may make identities pending meanwhile. */
function bits(at: u32, operand: u64, operation: u32, writes: bool): u64 {
  const mask: u64 = at & 31 ? u64.MAX_VALUE : ~(<u64>1);
  if (!writes) return atomic.load<u64>(hart + at);
  if (operation == 0) return atomic.xchg<u64>(hart + at, operand & mask);
  return operation == 1 ? atomic.or<u64>(hart + at, operand & mask) : atomic.and<u64>(hart + at, ~operand);
}

/** A small register of a file, in a word. */
function word(at: u32, mask: u64, operand: u64, operation: u32, writes: bool): u64 {
  const old = <u64>load<u32>(hart + at);
  if (writes) atomic.store<u32>(hart + at, <u32>(combine(old, operand, operation) & mask));
  return old;
}

/** mireg or sireg. */
function selected(file: u32, select: u64, operand: u64, operation: u32, writes: bool): u64 {
  const number = <u32>select;
  if (number >= 0x80 && number <= 0xff) {
    // Odd registers are those of RV32.
    if (number & 1) {
      illegal();
      return 0;
    }
    const set = (number & 0x3f) >> 1;
    if (set * 64 > <u32>IMSIC_IDENTITIES) return 0;
    const old = bits(file + (number < 0xc0 ? IMSIC_PENDING : IMSIC_ENABLED) + set * 8, operand, operation, writes);
    if (writes) changed(file);
    return old;
  }
  if (number >= 0x70 && number < 0x80) {
    if (number != 0x70 && number != 0x72) return 0;
    const old =
      number == 0x70
        ? word(file + IMSIC_DELIVERY, 1, operand, operation, writes)
        : word(file + IMSIC_THRESHOLD, THRESHOLD_MASK, operand, operation, writes);
    if (writes) changed(file);
    return old;
  }
  // The iprio array.
  if (number < 0x30 || number > 0x3f || (number & 1) != 0) illegal();
  return 0;
}

function changed(file: u32): void {
  updateLine(file);
  store<i32>(hart + HART_UNSETTLED, 1);
}

/** mtopei or stopei: a write of anything claims what is read. */
function claim(file: u32, writes: bool): u64 {
  const value = top(file);
  if (writes && value != 0) {
    const identity = value >> 16;
    atomic.and<u32>(hart + file + IMSIC_PENDING + (identity >> 5) * 4, ~((<u32>1) << (identity & 31)));
    count(STAT_CLAIMS);
    changed(file);
  }
  return <u64>value;
}

/** mtopi or stopi: the most urgent of some interrupts, in the default order (§5.1); all have priority 1 then (§5.2.2). */
function topOf(interrupts: u64): u64 {
  if (interrupts == 0) return 0;
  return ((<u64>mostUrgent(interrupts)) << 16) | 1;
}

function enabledInterrupts(): u64 {
  updateTimers();
  updateExternal();
  return pendingInterrupts() & load<u64>(hart + CSR_MIE);
}

/** mvip: the bits of mip that software sets, by themselves, as mvien is zero (§5.3). */
function virtualPending(operand: u64, operation: u32, writes: bool): u64 {
  let mask = IP_SSIP | IP_SEIP;
  if ((load<u64>(hart + CSR_MENVCFG) & MENVCFG_STCE) == 0) mask |= IP_STIP;
  const soft = load<u64>(hart + CSR_MIP_SOFT);
  if (writes) {
    store<u64>(hart + CSR_MIP_SOFT, (soft & ~mask) | (combine(soft, operand, operation) & mask));
    store<i32>(hart + HART_UNSETTLED, 1);
  }
  return soft & mask;
}

/** A CSR instruction on a register that csr.ts does not know; returns the old value, or raises illegal instruction. */
export function accessAia(number: u32, operand: u64, operation: u32, writes: bool): u64 {
  if (load<u32>(MACHINE_IMSICS) != 0) {
    switch (number) {
      case 0x15c:
        return claim(SUPERVISOR_FILE, writes);
      case 0x35c:
        return claim(MACHINE_FILE, writes);
      case 0xdb0:
        return topOf(enabledInterrupts() & load<u64>(hart + CSR_MIDELEG));
      case 0xfb0:
        return topOf(enabledInterrupts() & ~load<u64>(hart + CSR_MIDELEG));
      case 0x150:
        return register(CSR_SISELECT, SELECT_MASK, operand, operation, writes);
      case 0x350:
        return register(CSR_MISELECT, SELECT_MASK, operand, operation, writes);
      case 0x151:
        return selected(SUPERVISOR_FILE, load<u64>(hart + CSR_SISELECT), operand, operation, writes);
      case 0x351:
        return selected(MACHINE_FILE, load<u64>(hart + CSR_MISELECT), operand, operation, writes);
      case 0x308: // mvien
        return 0;
      case 0x309:
        return virtualPending(operand, operation, writes);
    }
  }
  illegal();
  return 0;
}
