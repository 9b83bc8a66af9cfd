import { HART_PRIV, HART_TRIGGER_SELECT, HART_TRIGGER_TDATA1, HART_TRIGGER_TDATA2, HART_TRIGGER_USES, TRIGGERS } from '../hart-layout';
import { ACCESS_WRITE } from './pmp';
import { CAUSE_BREAKPOINT, hart, PRIV_M, PRIV_S, raise } from './state';

/**
 * Triggers that the guest sets (debug specification, Sdtrig): they raise breakpoint exceptions before an instruction or an access to
 * memory. As with a debugger's points (debug.ts), what they look at is kept out of the TLBs, and nothing on a fast path knows of them.
 */

/** Types: mcontrol and mcontrol6. */
const MCONTROL: u64 = 2;
const MCONTROL6: u64 = 6;
/** Of both: the accesses and the privileges, in tdata1. */
const LOAD: u64 = 1;
const STORE: u64 = 2;
const EXECUTE: u64 = 4;
const USER: u64 = 8;
const SUPERVISOR: u64 = 16;
const MACHINE: u64 = 64;
const COMMON: u64 = LOAD | STORE | EXECUTE | USER | SUPERVISOR | MACHINE;
/** How the address is compared: with tdata2, or with a range whose size the trailing ones of tdata2 give. */
const MATCH_RANGE: u64 = 1 << 7;
const MATCH: u64 = 15 << 7;
/** The largest range of mcontrol, log2 of its bytes. */
const MASKMAX: u64 = 63 << 53;
/** The size of accesses, and whether the trigger has fired, differ in where they lie. */
const SIZE2: u64 = (3 << 16) | (3 << 21);
const HIT2: u64 = 1 << 20;
const SIZE6: u64 = 7 << 16;
const HIT6: u64 = 1 << 22;

/** In HART_TRIGGER_USES. */
const USES_EXECUTE: u32 = 1;
const USES_DATA: u32 = 2;

const EMPTY: u64 = MCONTROL << 60;

/** Triggers are numbered 0 to TRIGGERS - 1; tselect takes no other number. */
export function triggerSelect(): u64 {
  return <u64>load<u32>(hart + HART_TRIGGER_SELECT);
}
export function setTriggerSelect(value: u64): void {
  if (value < <u64>TRIGGERS) store<u32>(hart + HART_TRIGGER_SELECT, <u32>value);
}

/** tinfo: the types that there are; of version 1.0 of the specification. */
export const TINFO: u64 = (1 << 24) | (1 << 6) | (1 << 2);

export function triggerData1(): u64 {
  const value = load<u64>(hart + HART_TRIGGER_TDATA1 + load<u32>(hart + HART_TRIGGER_SELECT) * 8);
  return value == 0 ? EMPTY : value;
}
export function triggerData2(): u64 {
  return load<u64>(hart + HART_TRIGGER_TDATA2 + load<u32>(hart + HART_TRIGGER_SELECT) * 8);
}

/** What there is not reads as 0 afterwards: chains, debug mode, comparison with data, types other than the two. */
export function setTriggerData1(value: u64): void {
  const type = value >> 60;
  let next: u64 = EMPTY;
  if (type == MCONTROL) next = (type << 60) | (value & (COMMON | SIZE2 | HIT2)) | MASKMAX;
  if (type == MCONTROL6) next = (type << 60) | (value & (COMMON | SIZE6 | HIT6));
  if (next != EMPTY && (value & MATCH) == MATCH_RANGE) next |= MATCH_RANGE;
  store<u64>(hart + HART_TRIGGER_TDATA1 + load<u32>(hart + HART_TRIGGER_SELECT) * 8, next);
  changed();
}
export function setTriggerData2(value: u64): void {
  store<u64>(hart + HART_TRIGGER_TDATA2 + load<u32>(hart + HART_TRIGGER_SELECT) * 8, value);
  changed();
}

/** TLBs are to be emptied after each change. */
function changed(): void {
  let uses: u32 = 0;
  for (let i: u32 = 0; i < <u32>TRIGGERS; i++) {
    const control = load<u64>(hart + HART_TRIGGER_TDATA1 + i * 8);
    if ((control & (USER | SUPERVISOR | MACHINE)) == 0) continue;
    if (control & EXECUTE) uses |= USES_EXECUTE;
    if (control & (LOAD | STORE)) uses |= USES_DATA;
  }
  store<u32>(hart + HART_TRIGGER_USES, uses);
}

export function triggersExecution(): bool {
  return (load<u32>(hart + HART_TRIGGER_USES) & USES_EXECUTE) != 0;
}
export function triggersData(): bool {
  return (load<u32>(hart + HART_TRIGGER_USES) & USES_DATA) != 0;
}

/** The addresses that a trigger looks at. */
function firstOf(control: u64, address: u64): u64 {
  return control & MATCH ? address & (address + 1) : address;
}
function lastOf(control: u64, address: u64): u64 {
  return control & MATCH ? address | (address + 1) : address;
}

function inPrivilege(control: u64): bool {
  const priv = load<i32>(hart + HART_PRIV);
  return (control & (priv == PRIV_M ? MACHINE : priv == PRIV_S ? SUPERVISOR : USER)) != 0;
}

/** Size in bytes of the accesses that a trigger takes, 0 for all. */
function sizeOf(control: u64): u32 {
  const size = control >> 60 == MCONTROL6 ? <u32>(control >> 16) & 7 : (<u32>(control >> 16) & 3) | ((<u32>(control >> 21) & 3) << 2);
  // 1, 2, 4, 6 and 8 bytes.
  return size < 3 ? size : 2 * size - 2;
}

function fire(i: u32, address: u64): void {
  const at = hart + HART_TRIGGER_TDATA1 + i * 8;
  const control = load<u64>(at);
  store<u64>(at, control | (control >> 60 == MCONTROL6 ? HIT6 : HIT2));
  raise(CAUSE_BREAKPOINT, address);
}

/** Whether a trigger looks at instructions in the page of `va`. */
export function triggersPage(va: u64): bool {
  for (let i: u32 = 0; i < <u32>TRIGGERS; i++) {
    const control = load<u64>(hart + HART_TRIGGER_TDATA1 + i * 8);
    const address = load<u64>(hart + HART_TRIGGER_TDATA2 + i * 8);
    if (control & EXECUTE && firstOf(control, address) >> 12 <= va >> 12 && lastOf(control, address) >> 12 >= va >> 12) return true;
  }
  return false;
}

/** Whether a trigger fires before the instruction at `va`: then its exception is raised. */
export function triggersAt(va: u64): bool {
  for (let i: u32 = 0; i < <u32>TRIGGERS; i++) {
    const control = load<u64>(hart + HART_TRIGGER_TDATA1 + i * 8);
    const address = load<u64>(hart + HART_TRIGGER_TDATA2 + i * 8);
    if ((control & EXECUTE) == 0 || !inPrivilege(control)) continue;
    if (va < firstOf(control, address) || va > lastOf(control, address)) continue;
    fire(i, va);
    return true;
  }
  return false;
}

/** How triggers concern an access of `bytes` bytes at `va` in one page: 0 not at all, 1 the page, 2 one has fired. */
export function triggersAccess(va: u64, bytes: u32, access: i32): i32 {
  let found: i32 = 0;
  const kind = access == ACCESS_WRITE ? STORE : LOAD;
  for (let i: u32 = 0; i < <u32>TRIGGERS; i++) {
    const control = load<u64>(hart + HART_TRIGGER_TDATA1 + i * 8);
    if ((control & (LOAD | STORE)) == 0) continue;
    const address = load<u64>(hart + HART_TRIGGER_TDATA2 + i * 8);
    const first = firstOf(control, address);
    const last = lastOf(control, address);
    if (first >> 12 > va >> 12 || last >> 12 < va >> 12) continue;
    found = 1;
    if ((control & kind) == 0 || !inPrivilege(control) || first >= va + <u64>bytes || last < va) continue;
    const size = sizeOf(control);
    if (size != 0 && size != bytes) continue;
    fire(i, max(va, first));
    return 2;
  }
  return found;
}
