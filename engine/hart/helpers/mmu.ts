import { HART_PC, MACHINE_TOHOST, MACHINE_TOHOST_ADDRESS, REGION_DEVICE, REGION_HIDDEN, REGION_READONLY } from '../../memory/layout';
import {
  FETCH_ENTRIES,
  FETCH_ENTRY_BYTES,
  FETCH_RECORDS,
  FETCH_TAG,
  FETCH_VERSION,
  HART_FETCH_TLB,
  HART_FETCH_TLB_S,
  HART_MMIO_FAULT,
  HART_PRIV,
  HART_RESERVED,
  HART_RESERVED_SIZE,
  HART_RESERVED_VALUE,
  HART_SINGLE_RECORD,
  HART_STOP_RECORD,
  HART_TLB,
  HART_TLB_S,
  HART_TRAP,
  HART_TVAL,
  SLOT_UNNOTICED,
  SLOT_VERSION,
  STAT_FETCH_MISSES,
  STAT_TLB_MISSES,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_READ,
  TLB_WRITE,
  HOST_ALIGNED,
  HOST_WRITE,
} from '../hart-layout';
import { debugging, NOT_WATCHED, runsAlone, stopsAt, traceExecution, watch, WATCHED_PAGE, WATCH_HIT, watching } from './debug';
import { noteWriter, recordsAt, slotAt, slotFor } from './decoded-pages';
import { mmio_read, mmio_write } from './env';
import { checksFences, noteExecution, noteStore } from './fences';
import { ACCESS_FETCH, ACCESS_PARTIAL, ACCESS_READ, ACCESS_WRITE, pmpRights } from './pmp';
import { CAUSE_LOAD_MISALIGNED, CAUSE_STORE_MISALIGNED, count, hart, raise } from './state';
import { honourMapChanges, noteTranslation, selectTlbs } from './tlb';
import { triggersAccess, triggersAt, triggersPage } from './triggers';
import { accessFault, dataPrivilege, FAULT, foundRights, PAGE_MASK, regionFlags, regionOf, regionVersion, translate } from './translation';

/** What misses the TLBs: loads, stores, atomic operations and instruction fetch. */

function tlbEntry(va: u64): u32 {
  return load<u32>(hart + HART_TLB) + (<u32>(va >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES;
}

/** What resolve() found where there is no direct memory: the physical address of a device register. */
let devicePhysical: u64 = 0;
export const DEVICE: u32 = 0;
export const TRAPPED: u32 = 1;
/** Whether what resolve() is asked for is no access of the program: nobody who watches those is told. */
let unwatched: bool = false;

/**
 * Where `bytes` bytes at `va`, all in one page, lie in the shared memory; DEVICE or TRAPPED where they do not.
 * Fills the TLB where whole pages may be used without further checks.
 */
function resolve(va: u64, bytes: u32, access: i32): u32 {
  count(STAT_TLB_MISSES);
  const priv = dataPrivilege();
  const pa = translate(va, access, priv);
  if (pa == FAULT) return TRAPPED;
  const pageRights = pmpRights(pa & ~PAGE_MASK, pa | PAGE_MASK, priv);
  const exact = pageRights == ACCESS_PARTIAL ? pmpRights(pa, pa + <u64>bytes - 1, priv) : pageRights;
  if ((exact & access) == 0) {
    accessFault(access, va);
    return TRAPPED;
  }
  let watched = NOT_WATCHED;
  if (watching() && unwatched) watched = WATCHED_PAGE;
  else if (watching()) {
    watched = watch(va, bytes, access);
    if (watched != WATCH_HIT) watched = max(watched, triggersAccess(va, bytes, access));
    if (watched == WATCH_HIT) return TRAPPED;
  }
  const host = regionOf(pa);
  if (host == 0 || (regionFlags & (access == ACCESS_WRITE ? REGION_DEVICE : REGION_HIDDEN)) != 0) {
    devicePhysical = pa;
    return DEVICE;
  }
  const readonly = (regionFlags & REGION_READONLY) != 0;
  if (access == ACCESS_WRITE) {
    if (readonly) {
      accessFault(access, va);
      return TRAPPED;
    }
    noteWriter(regionVersion, <u32>(va >> 12) & (TLB_ENTRIES - 1), true, pa, host);
    if (checksFences() && !unwatched) noteStore(<u32>(pa >> 12), host, bytes);
  }
  if (pageRights != ACCESS_PARTIAL && watched == NOT_WATCHED) {
    const rights = pageRights & foundRights;
    const entry = tlbEntry(va);
    const page = va & ~PAGE_MASK;
    const addend = host - <u32>va;
    store<u64>(entry + TLB_READ, rights & ACCESS_READ ? page : u64.MAX_VALUE);
    const writable =
      (rights & ACCESS_WRITE) != 0 &&
      !readonly &&
      !isLookedAt(host) &&
      noteWriter(regionVersion, <u32>(va >> 12) & (TLB_ENTRIES - 1), false, pa, host);
    store<u64>(entry + TLB_WRITE, writable ? page : u64.MAX_VALUE);
    store<u32>(entry + TLB_ADDEND, addend);
    noteTranslation(va, load<u32>(hart + HART_TLB) == hart + HART_TLB_S);
  }
  return host;
}

/** Stores to the page with `tohost` are looked at one by one, and all are while fence.i is checked. */
function isLookedAt(host: u32): bool {
  return (load<u32>(MACHINE_TOHOST) ^ host) >> 12 == 0 || checksFences();
}

/** Whether `bytes` bytes at `host` hold some of the upper half of `tohost`, with which a request is complete. */
function completesTohost(host: u32, bytes: u32): bool {
  const tohost = load<u32>(MACHINE_TOHOST);
  return tohost != 0 && host < tohost + 8 && host + bytes > tohost + 4;
}

/** The host takes the request before the hart goes on: a hart that ends the machine executes nothing more. */
function tellOfTohost(): void {
  mmio_write(load<f64>(MACHINE_TOHOST_ADDRESS), 4, load<i32>(load<u32>(MACHINE_TOHOST)));
}

/** As resolve(), but without a walk where the TLB knows the page (misaligned accesses come here for that). */
export function locate(va: u64, bytes: u32, access: i32): u32 {
  const entry = tlbEntry(va);
  if (load<u64>(entry + (access == ACCESS_WRITE ? TLB_WRITE : TLB_READ)) == (va & ~PAGE_MASK))
    return <u32>va + load<u32>(entry + TLB_ADDEND);
  return resolve(va, bytes, access);
}

function deviceRead(va: u64, pa: u64, bytes: u32): u64 {
  store<i32>(hart + HART_MMIO_FAULT, 0);
  const address = <f64>pa;
  let value: u64;
  if (bytes == 8) {
    value = <u64>(<u32>mmio_read(address, 4));
    value |= (<u64>(<u32>mmio_read(address + 4, 4))) << 32;
  } else {
    value = <u64>(<u32>mmio_read(address, bytes));
  }
  if (load<i32>(hart + HART_MMIO_FAULT)) accessFault(ACCESS_READ, va);
  return value;
}

function deviceWrite(va: u64, pa: u64, bytes: u32, value: u64): void {
  store<i32>(hart + HART_MMIO_FAULT, 0);
  const address = <f64>pa;
  if (bytes == 8) {
    mmio_write(address, 4, <i32>value);
    mmio_write(address + 4, 4, <i32>(value >> 32));
  } else {
    mmio_write(address, bytes, <i32>value);
  }
  honourMapChanges();
  if (load<i32>(hart + HART_MMIO_FAULT)) accessFault(ACCESS_WRITE, va);
}

/** Sign- or zero-extend as the load kind says (isa/instruction.ts LOAD_KINDS). */
export function extend(value: u64, kind: u32): u64 {
  switch (kind) {
    case 0:
      return <u64>(<i64>(<i8>value));
    case 1:
      return <u64>(<i64>(<i16>value));
    case 2:
      return <u64>(<i64>(<i32>value));
    case 4:
      return value & 0xff;
    case 5:
      return value & 0xffff;
    case 6:
      return value & 0xffffffff;
    default:
      return value;
  }
}

function readHost(host: u32, bytes: u32): u64 {
  switch (bytes) {
    case 1:
      return <u64>load<u8>(host);
    case 2:
      return <u64>load<u16>(host);
    case 4:
      return <u64>load<u32>(host);
    default:
      return load<u64>(host);
  }
}

function writeHost(host: u32, bytes: u32, value: u64): void {
  switch (bytes) {
    case 1:
      store<u8>(host, <u8>value);
      break;
    case 2:
      store<u16>(host, <u16>value);
      break;
    case 4:
      store<u32>(host, <u32>value);
      break;
    default:
      store<u64>(host, value);
  }
}

/**
 * A load that missed the TLB: page walk, misalignment, devices. Misaligned accesses to devices are access faults, which
 * tells firmware not to emulate them (privileged ISA §3.6.3.3). The value is extended as `kind` says.
 */
export function load_slow(va: u64, kind: u32): u64 {
  const bytes: u32 = 1 << (kind & 3);
  if ((va & PAGE_MASK) + <u64>bytes > 4096) {
    const first: u32 = 4096 - <u32>(va & PAGE_MASK);
    const low = locate(va, first, ACCESS_READ);
    if (low == TRAPPED) return 0;
    const high = low == DEVICE ? TRAPPED : locate(va + <u64>first, bytes - first, ACCESS_READ);
    if (low == DEVICE || high == DEVICE) accessFault(ACCESS_READ, low == DEVICE ? va : va + <u64>first);
    if (high <= TRAPPED) return 0;
    let value: u64 = 0;
    for (let i: u32 = 0; i < bytes; i++) {
      value |= (<u64>load<u8>(i < first ? low + i : high + i - first)) << (i * 8);
    }
    return extend(value, kind);
  }
  const host = locate(va, bytes, ACCESS_READ);
  if (host == TRAPPED) return 0;
  if (host == DEVICE) {
    if (va & <u64>(bytes - 1)) {
      accessFault(ACCESS_READ, va);
      return 0;
    }
    return extend(deviceRead(va, devicePhysical, bytes), kind);
  }
  return extend(readHost(host, bytes), kind);
}

/** A store that missed the TLB; `size` is log2 of its bytes. */
export function store_slow(va: u64, value: u64, size: u32): void {
  const bytes: u32 = 1 << size;
  if ((va & PAGE_MASK) + <u64>bytes > 4096) {
    // Both pages must be writable before either is written.
    const first: u32 = 4096 - <u32>(va & PAGE_MASK);
    const low = locate(va, first, ACCESS_WRITE);
    if (low == TRAPPED) return;
    const high = low == DEVICE ? TRAPPED : locate(va + <u64>first, bytes - first, ACCESS_WRITE);
    if (low == DEVICE || high == DEVICE) accessFault(ACCESS_WRITE, low == DEVICE ? va : va + <u64>first);
    if (high <= TRAPPED) return;
    for (let i: u32 = 0; i < bytes; i++) {
      store<u8>(i < first ? low + i : high + i - first, <u8>(value >> (i * 8)));
    }
    return;
  }
  const host = locate(va, bytes, ACCESS_WRITE);
  if (host == TRAPPED) return;
  if (host == DEVICE) {
    if (va & <u64>(bytes - 1)) {
      accessFault(ACCESS_WRITE, va);
      return;
    }
    deviceWrite(va, devicePhysical, bytes, value);
    return;
  }
  writeHost(host, bytes, value);
  if (completesTohost(host, bytes)) tellOfTohost();
}

/**
 * Where the memory lies that a region's access missed the TLB for, put there if it can be; 0 where the interpreter is to see to the
 * access: then nothing has happened.
 */
export function host_address(va: u64, kind: u32): u32 {
  const bytes: u32 = 1 << (kind & 3);
  if (watching() || (va & PAGE_MASK) + <u64>bytes > 4096 || ((kind & HOST_ALIGNED) != 0 && (va & <u64>(bytes - 1)) != 0)) return 0;
  const tval = load<u64>(hart + HART_TVAL);
  const host = resolve(va, bytes, kind & HOST_WRITE ? ACCESS_WRITE : ACCESS_READ);
  if (host > TRAPPED && !((kind & HOST_WRITE) != 0 && completesTohost(host, bytes))) return host;
  store<i32>(hart + HART_TRAP, 0);
  store<u64>(hart + HART_TVAL, tval);
  return 0;
}

/** Where a word for an atomic operation lies, if the inline test failed; 0 after raising an exception. */
export function atomic_address(va: u64, size: u32): u32 {
  const bytes: u32 = 1 << size;
  if (va & <u64>(bytes - 1)) {
    raise(CAUSE_STORE_MISALIGNED, va);
    return 0;
  }
  const host = locate(va, bytes, ACCESS_WRITE);
  if (host == DEVICE) accessFault(ACCESS_WRITE, va);
  return host <= TRAPPED ? 0 : host;
}

export function load_reserved(va: u64, size: u32): u64 {
  const bytes: u32 = 1 << size;
  if (va & <u64>(bytes - 1)) {
    raise(CAUSE_LOAD_MISALIGNED, va);
    return 0;
  }
  const host = locate(va, bytes, ACCESS_READ);
  if (host == DEVICE) accessFault(ACCESS_READ, va);
  if (host <= TRAPPED) return 0;
  const value: u64 = size == 2 ? <u64>(<i64>(<i32>atomic.load<u32>(host))) : atomic.load<u64>(host);
  store<u32>(hart + HART_RESERVED, host);
  store<u32>(hart + HART_RESERVED_SIZE, size);
  store<u64>(hart + HART_RESERVED_VALUE, value);
  return value;
}

/** Whether there is a reservation and its word holds what was read. */
export function isReservationValid(): bool {
  const host = load<u32>(hart + HART_RESERVED);
  if (host == 0) return false;
  const value = load<u64>(hart + HART_RESERVED_VALUE);
  return load<u32>(hart + HART_RESERVED_SIZE) == 2 ? atomic.load<u32>(host) == <u32>value : atomic.load<u64>(host) == value;
}

/** 0 on success, 1 on failure. The reservation is the value itself, as other emulators hold it too. */
export function store_conditional(va: u64, value: u64, size: u32): u64 {
  const reserved = load<u32>(hart + HART_RESERVED);
  const host = atomic_address(va, size);
  if (host == 0) return 0;
  store<u32>(hart + HART_RESERVED, 0);
  if (host != reserved) return 1;
  const expected = load<u64>(hart + HART_RESERVED_VALUE);
  if (size == 2) return atomic.cmpxchg<u32>(host, <u32>expected, <u32>value) == <u32>expected ? 0 : 1;
  return atomic.cmpxchg<u64>(host, expected, value) == expected ? 0 : 1;
}

/** Offset of the instruction bytes at `va`, or 0 after raising the exception. Does not touch the fetch TLB. */
export function fetch_address(va: u64): u32 {
  const priv = load<i32>(hart + HART_PRIV);
  const pa = translate(va, ACCESS_FETCH, priv);
  if (pa == FAULT) return 0;
  if ((pmpRights(pa, pa + 1, priv) & ACCESS_FETCH) == 0) {
    accessFault(ACCESS_FETCH, va);
    return 0;
  }
  const host = regionOf(pa);
  if (host == 0) accessFault(ACCESS_FETCH, va);
  fetchPhysical = pa;
  return host;
}
let fetchPhysical: u64 = 0;

/** Offset of the byte at `va` for a debugger, as a load would find it; 0 where a load would not. */
export function peek(va: u64): u32 {
  const pa = translate(va, ACCESS_READ, dataPrivilege());
  const host = pa == FAULT ? 0 : regionOf(pa);
  store<i32>(hart + HART_TRAP, 0);
  return host;
}

/**
 * Where `bytes` bytes at `va`, within one page, lie in memory for a load or a store of the hart; 0 where that would fault, or find a device.
 * Watchpoints and triggers let it pass, and nothing is raised.
 */
export function reach(va: u64, bytes: u32, write: i32): u32 {
  const trap = load<i32>(hart + HART_TRAP);
  const tval = load<u64>(hart + HART_TVAL);
  unwatched = true;
  const host = resolve(va, bytes, write ? ACCESS_WRITE : ACCESS_READ);
  unwatched = false;
  store<i32>(hart + HART_TRAP, trap);
  store<u64>(hart + HART_TVAL, tval);
  return host > TRAPPED ? host : 0;
}

/** As fetch_address(), for the code `offset` bytes after HART_PC. */
export function fetch_at_pc(offset: u32): u32 {
  return fetch_address(load<u64>(hart + HART_PC) + <u64>offset);
}

/** Address of the record for the instruction at `va`, or 0 after raising the exception; fills the fetch TLB. */
export function fetch_miss(va: u64): u32 {
  let alone = false;
  if (debugging()) {
    if (stopsAt(va)) return hart + HART_STOP_RECORD;
    alone = runsAlone(va) || triggersPage(va);
    // The last of some steps may have been done.
    selectTlbs();
    if (triggersAt(va)) return 0;
  }
  count(STAT_FETCH_MISSES);
  const host = fetch_address(va);
  if (host == 0) return 0;
  if (alone) {
    traceExecution(va);
    return hart + HART_SINGLE_RECORD;
  }
  const pa = fetchPhysical;
  const index = <u32>(va >> 12) & (FETCH_ENTRIES - 1);
  if ((pmpRights(pa & ~PAGE_MASK, pa | PAGE_MASK, load<i32>(hart + HART_PRIV)) & ACCESS_FETCH) == 0) return hart + HART_SINGLE_RECORD;
  const page = <u32>(pa >> 12);
  const number = slotFor(page, host & ~0xfff, regionVersion, index);
  const slot = slotAt(number);
  const records = recordsAt(number);
  if (checksFences()) noteExecution(host, records);
  const entry = load<u32>(hart + HART_FETCH_TLB) + index * FETCH_ENTRY_BYTES;
  store<u64>(entry + FETCH_TAG, va & ~PAGE_MASK);
  store<u32>(entry + FETCH_RECORDS, records);
  store<u32>(entry + FETCH_VERSION, load<u16>(slot + SLOT_UNNOTICED) ? 0 : load<u32>(slot + SLOT_VERSION));
  noteTranslation(va, load<u32>(hart + HART_FETCH_TLB) == hart + HART_FETCH_TLB_S);
  return records + ((<u32>(va & PAGE_MASK)) << 2);
}
