import {
  ANY_INDEX,
  CSR_MENVCFG,
  CSR_MSTATUS,
  CSR_SATP,
  FETCH_ENTRIES,
  FETCH_ENTRY_BYTES,
  FETCH_RECORDS,
  FETCH_TABLE_BYTES,
  FETCH_TAG,
  FETCH_VERSION,
  HART_BANK,
  HART_BANKS,
  HART_BANK_TURN,
  HART_EPOCH_SEEN,
  HART_FETCH_TLB,
  HART_FETCH_TLB_M,
  HART_FETCH_TLB_S,
  HART_FETCH_TLB_U,
  HART_LARGE_PAGES,
  HART_LOCAL_PAGES,
  HART_MAP_SEEN,
  HART_MMIO_FAULT,
  HART_PRIV,
  HART_RESERVED,
  HART_RESERVED_VALUE,
  HART_SINGLE_RECORD,
  HART_SLOTS,
  HART_STOP_RECORD,
  HART_TLB,
  HART_TLB_M,
  HART_TLB_S,
  HART_TLB_U,
  HART_TRAP,
  LARGE_PAGES_BYTES,
  SLOT_BYTES,
  SLOT_HOST,
  SLOT_INDEX,
  SLOT_PAGE,
  SLOT_UNNOTICED,
  SLOT_VERSION,
  STAT_FETCH_MISSES,
  STAT_FLUSHES,
  STAT_PAGES_DECODED,
  STAT_TLB_MISSES,
  TLB_ADDEND,
  TLB_BANKS,
  TLB_BANK_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_READ,
  TLB_TABLE_BYTES,
  TLB_WRITE,
} from '../hart-layout';
import {
  DECODED_PAGES,
  DECODED_PAGE_BYTES,
  HARTS_BASE,
  HART_FLUSH_ACK,
  HART_PC,
  HART_SLEEPING,
  HART_STRIDE,
  HART_WAKE,
  MACHINE_CODE_EPOCH,
  MACHINE_FLUSH_REQUEST,
  MACHINE_HARTS,
  MACHINE_MAP_EPOCH,
  MACHINE_WATCHPOINT_COUNT,
  MEMORY_REGIONS,
  MEMORY_REGION_COUNT,
  MEMORY_REGION_STRIDE,
  PAGE_WRITERS_ANYWHERE,
  REGION_BASE,
  REGION_DEVICE,
  REGION_FLAGS,
  REGION_HIDDEN,
  REGION_OFFSET,
  REGION_READONLY,
  REGION_SIZE,
  REGION_VERSIONS,
} from '../../memory/layout';
import { debugging, fetchTlb, NOT_WATCHED, runsAlone, stopsAt, watch, WATCH_HIT } from './debug';
import { ACCESS_FETCH, ACCESS_PARTIAL, ACCESS_READ, ACCESS_WRITE, pmpRights } from './pmp';
import {
  CAUSE_FETCH_ACCESS,
  CAUSE_FETCH_PAGE,
  CAUSE_LOAD_ACCESS,
  CAUSE_LOAD_MISALIGNED,
  CAUSE_LOAD_PAGE,
  CAUSE_STORE_ACCESS,
  CAUSE_STORE_MISALIGNED,
  CAUSE_STORE_PAGE,
  count,
  decodedPages,
  hart,
  MENVCFG_ADUE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SUM,
  PRIV_M,
  PRIV_S,
  PRIV_U,
  raise,
} from './state';

/** Address translation (privileged ISA §12.3 to §12.5), the TLBs, and the accesses that miss them. */

@external('env', 'page_decoded')
declare function page_decoded(slot: u32): void;
@external('env', 'mmio_read')
declare function mmio_read(address: f64, bytes: i32): i32;
@external('env', 'mmio_write')
declare function mmio_write(address: f64, bytes: i32, value: i32): void;

const PAGE_MASK: u64 = 0xfff;

const PTE_V: u64 = 1;
const PTE_R: u64 = 2;
const PTE_W: u64 = 4;
const PTE_X: u64 = 8;
const PTE_U: u64 = 16;
const PTE_G: u64 = 32;
const PTE_A: u64 = 64;
const PTE_D: u64 = 128;
/** PPN, and the bits above it that must be zero without Svnapot and Svpbmt. */
const PTE_PPN: u64 = 0x003ffffffffffc00;
const PTE_RESERVED: u64 = 0xffc0000000000000;

// ---- what translate() found ------------------------------------------------------------------------------------

/** Physical address, log2 of the page size, and what the page allows (ACCESS_*; write only if already dirty). */
let foundLevel: u32 = 12;
let foundRights: i32 = 0;
/** Whether the translation is the same in all address spaces. */
let foundGlobal: bool = false;
/** What regionOf() found. */
let regionFlags: u32 = 0;
let regionVersion: u32 = 0;

const FAULT: u64 = u64.MAX_VALUE;

function pageFault(access: i32, va: u64): u64 {
  raise(access == ACCESS_READ ? CAUSE_LOAD_PAGE : access == ACCESS_WRITE ? CAUSE_STORE_PAGE : CAUSE_FETCH_PAGE, va);
  return FAULT;
}

function accessFault(access: i32, va: u64): u64 {
  raise(access == ACCESS_READ ? CAUSE_LOAD_ACCESS : access == ACCESS_WRITE ? CAUSE_STORE_ACCESS : CAUSE_FETCH_ACCESS, va);
  return FAULT;
}

/** Offset in the shared memory of a physical address in RAM, ROM or flash; 0 where there is none. */
function regionOf(pa: u64): u32 {
  const regions = load<u32>(MEMORY_REGION_COUNT);
  for (let i: u32 = 0, at: u32 = MEMORY_REGIONS; i < regions; i++, at += MEMORY_REGION_STRIDE) {
    const offset = pa - load<u64>(at + REGION_BASE);
    if (offset < load<u64>(at + REGION_SIZE)) {
      regionFlags = load<u32>(at + REGION_FLAGS);
      regionVersion = load<u32>(at + REGION_VERSIONS) + (<u32>(offset >> 12) << 2);
      return load<u32>(at + REGION_OFFSET) + <u32>offset;
    }
  }
  return 0;
}

/** Privilege of data accesses: MPRV lends M-mode the privilege in MPP (§3.1.6.3). */
@inline
function dataPrivilege(): i32 {
  const priv = load<i32>(hart + HART_PRIV);
  if (priv == PRIV_M) {
    const mstatus = load<u64>(hart + CSR_MSTATUS);
    if (mstatus & MSTATUS_MPRV) return <i32>((mstatus & MSTATUS_MPP) >> 11);
  }
  return priv;
}

/** Physical address of a virtual one, or FAULT after raising the exception. */
function translate(va: u64, access: i32, priv: i32): u64 {
  const satp = load<u64>(hart + CSR_SATP);
  const mode = <u32>(satp >> 60);
  foundLevel = 12;
  foundRights = 7;
  foundGlobal = false;
  if (priv == PRIV_M || mode == 0) return va;

  const levels: i32 = mode == 8 ? 3 : 4;
  const unused: u64 = <u64>(64 - (12 + 9 * levels));
  if (<u64>((<i64>(va << unused)) >> unused) != va) return pageFault(access, va);

  const mstatus = load<u64>(hart + CSR_MSTATUS);
  let table: u64 = (satp & 0xfffffffffff) << 12;
  for (let level = levels - 1; level >= 0; level--) {
    const shift: u32 = 12 + 9 * <u32>level;
    const pteAddress = table + (((va >> shift) & 511) << 3);
    if ((pmpRights(pteAddress, pteAddress + 7, PRIV_S) & ACCESS_READ) == 0) return accessFault(access, va);
    const at = regionOf(pteAddress);
    if (at == 0) return accessFault(access, va);
    const pteWritable = (regionFlags & REGION_READONLY) == 0;
    let pte = load<u64>(at);
    if ((pte & PTE_V) == 0 || (pte & (PTE_R | PTE_W)) == PTE_W || (pte & PTE_RESERVED) != 0) return pageFault(access, va);
    if ((pte & (PTE_R | PTE_X)) == 0) {
      if (pte & (PTE_U | PTE_A | PTE_D)) return pageFault(access, va);
      if (pte & PTE_G) foundGlobal = true;
      table = (pte & PTE_PPN) << 2;
      continue;
    }
    if (pte & PTE_G) foundGlobal = true;
    // A leaf. First whether this privilege may use the page at all.
    if (pte & PTE_U) {
      if (priv == PRIV_S && (access == ACCESS_FETCH || (mstatus & MSTATUS_SUM) == 0)) return pageFault(access, va);
    } else if (priv == PRIV_U) {
      return pageFault(access, va);
    }
    let rights: i32 = 0;
    if (pte & PTE_R || ((pte & PTE_X) != 0 && (mstatus & MSTATUS_MXR) != 0)) rights |= ACCESS_READ;
    if (pte & PTE_W) rights |= ACCESS_WRITE;
    if (pte & PTE_X) rights |= ACCESS_FETCH;
    if ((rights & access) == 0) return pageFault(access, va);
    const span: u64 = ((<u64>1) << shift) - 1;
    const base: u64 = (pte & PTE_PPN) << 2;
    if (base & span) return pageFault(access, va);

    const wanted: u64 = access == ACCESS_WRITE ? PTE_A | PTE_D : PTE_A;
    if ((pte & wanted) != wanted) {
      // Svadu: the hart sets A and D itself, atomically against other harts (§12.3.2).
      if ((load<u64>(hart + CSR_MENVCFG) & MENVCFG_ADUE) == 0) return pageFault(access, va);
      if (!pteWritable || (pmpRights(pteAddress, pteAddress + 7, PRIV_S) & ACCESS_WRITE) == 0) return accessFault(access, va);
      if (atomic.cmpxchg<u64>(at, pte, pte | wanted) != pte) {
        level++;
        continue;
      }
      pte |= wanted;
    }
    if ((pte & PTE_D) == 0) rights &= ~ACCESS_WRITE;
    foundLevel = shift;
    foundRights = rights;
    return base | (va & span);
  }
  return pageFault(access, va);
}

// ---- data TLB ----------------------------------------------------------------------------------------------------

@inline
function tlbEntry(va: u64): u32 {
  return load<u32>(hart + HART_TLB) + ((<u32>(va >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES);
}

/** What resolve() found where there is no direct memory: the physical address of a device register. */
let devicePhysical: u64 = 0;
const DEVICE: u32 = 0;
const TRAPPED: u32 = 1;

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
  if (load<u32>(MACHINE_WATCHPOINT_COUNT)) {
    watched = watch(va, bytes, access);
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
    if (isCode(atomic.load<u32>(regionVersion))) {
      // Code was decoded from this page: let every hart's next fence.i know, and then it is an ordinary page again.
      atomic.store<u32>(regionVersion, 0);
      atomic.add<u32>(MACHINE_CODE_EPOCH, 1);
    }
  }
  if (pageRights != ACCESS_PARTIAL && watched == NOT_WATCHED) {
    const rights = pageRights & foundRights;
    const entry = tlbEntry(va);
    const page = va & ~PAGE_MASK;
    const addend = host - <u32>va;
    store<u64>(entry + TLB_READ, rights & ACCESS_READ ? page : u64.MAX_VALUE);
    const writable = (rights & ACCESS_WRITE) != 0 && !readonly && noteWriter(regionVersion, <u32>(va >> 12) & (TLB_ENTRIES - 1));
    store<u64>(entry + TLB_WRITE, writable ? page : u64.MAX_VALUE);
    store<u32>(entry + TLB_ADDEND, addend);
    noteTranslation(va, load<u32>(hart + HART_TLB) == hart + HART_TLB_S);
  }
  return host;
}

/** As resolve(), but without a walk where the TLB knows the page (misaligned accesses come here for that). */
function locate(va: u64, bytes: u32, access: i32): u32 {
  const entry = tlbEntry(va);
  if (load<u64>(entry + (access == ACCESS_WRITE ? TLB_WRITE : TLB_READ)) == (va & ~PAGE_MASK)) return <u32>va + load<u32>(entry + TLB_ADDEND);
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
  if (((va & PAGE_MASK) + <u64>bytes) > 4096) {
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
  if (((va & PAGE_MASK) + <u64>bytes) > 4096) {
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
  store<u64>(hart + HART_RESERVED_VALUE, value);
  return value;
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

// ---- fetch -------------------------------------------------------------------------------------------------------

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

/** As fetch_address(), for the code `offset` bytes after HART_PC. */
export function fetch_at_pc(offset: u32): u32 {
  return fetch_address(load<u64>(hart + HART_PC) + <u64>offset);
}

/** Address of the record for the instruction at `va`, or 0 after raising the exception; fills the fetch TLB. */
export function fetch_miss(va: u64): u32 {
  let alone = false;
  if (debugging()) {
    if (stopsAt(va)) return hart + HART_STOP_RECORD;
    alone = runsAlone(va);
    // The last of some steps may have been done.
    selectTlbs();
  }
  count(STAT_FETCH_MISSES);
  const host = fetch_address(va);
  if (host == 0) return 0;
  if (alone) return hart + HART_SINGLE_RECORD;
  const pa = fetchPhysical;
  const index = <u32>(va >> 12) & (FETCH_ENTRIES - 1);
  if ((pmpRights(pa & ~PAGE_MASK, pa | PAGE_MASK, load<i32>(hart + HART_PRIV)) & ACCESS_FETCH) == 0) return hart + HART_SINGLE_RECORD;
  const page = <u32>(pa >> 12);
  const records = slotFor(page, host & ~0xfff, regionVersion, index);
  const slot = slotOf(page);
  const entry = load<u32>(hart + HART_FETCH_TLB) + index * FETCH_ENTRY_BYTES;
  store<u64>(entry + FETCH_TAG, va & ~PAGE_MASK);
  store<u32>(entry + FETCH_RECORDS, records);
  store<u32>(entry + FETCH_VERSION, load<u16>(slot + SLOT_UNNOTICED) ? 0 : load<u32>(slot + SLOT_VERSION));
  noteTranslation(va, load<u32>(hart + HART_FETCH_TLB) == hart + HART_FETCH_TLB_S);
  return records + (<u32>(va & PAGE_MASK) << 2);
}

/** The slot for the decoded form of a physical page. */
@inline
function slotOf(page: u32): u32 {
  return hart + HART_SLOTS + (page & (DECODED_PAGES - 1)) * SLOT_BYTES;
}

// ---- versions of pages (memory/layout.ts) -------------------------------------------------------------------------

@inline
function isCode(version: u32): bool {
  return <i32>version < 0;
}

/** A version that no page has had. */
function freshVersion(): u32 {
  return (atomic.add<u32>(MACHINE_CODE_EPOCH, 1) + 1) | 0x80000000;
}

/** Before a TLB entry to write a page is made, in whichever table, at `index`: whether it may be. */
function noteWriter(version: u32, index: u32): bool {
  let seen = atomic.load<u32>(version);
  while (!isCode(seen) && seen != index + 1 && seen != PAGE_WRITERS_ANYWHERE) {
    const next: u32 = seen == 0 ? index + 1 : PAGE_WRITERS_ANYWHERE;
    const other = atomic.cmpxchg<u32>(version, seen, next);
    seen = other == seen ? next : other;
  }
  return !isCode(seen);
}

/** Make it a code page, to which stores are noticed from now on. Returns its version. */
function becomeCode(version: u32, host: u32): u32 {
  const fresh = freshVersion();
  let seen = atomic.load<u32>(version);
  while (!isCode(seen)) {
    const other = atomic.cmpxchg<u32>(version, seen, fresh);
    if (other == seen) {
      if (seen != 0) {
        dropWriteTags(host, seen);
        if (load<u32>(MACHINE_HARTS) > 1) requestFlush();
      }
      return fresh;
    }
    seen = other;
  }
  return seen;
}

/** The decoded form of a physical page: the records of its slot, emptied first if it held another. `index`: see SLOT_INDEX. */
function slotFor(page: u32, host: u32, version: u32, index: u32): u32 {
  const number = page & (DECODED_PAGES - 1);
  const slot = slotOf(page);
  const records = decodedPages + number * DECODED_PAGE_BYTES;
  const current = atomic.load<u32>(version);
  if (load<u32>(slot + SLOT_PAGE) == page + 1 && isCode(current) && load<u32>(slot + SLOT_VERSION) == current) {
    if (load<u16>(slot + SLOT_INDEX) != index) store<u16>(slot + SLOT_INDEX, ANY_INDEX);
    return records;
  }
  count(STAT_PAGES_DECODED);
  emptySlot(number);
  store<u32>(slot + SLOT_PAGE, page + 1);
  store<u32>(slot + SLOT_HOST, host);
  store<u16>(slot + SLOT_INDEX, <u16>index);
  store<u32>(slot + SLOT_VERSION, isCode(current) ? current : becomeCode(version, host));
  // Until every hart has dropped its write tags, what one writes here may go unnoticed: the next fence.i is not to trust this.
  const noticed = writesAreNoticed();
  store<u16>(slot + SLOT_UNNOTICED, noticed ? 0 : 1);
  if (!noticed) store<u32>(hart + HART_EPOCH_SEEN, atomic.load<u32>(MACHINE_CODE_EPOCH) - 1);
  page_decoded(number);
  return records;
}

/** Forget a slot's records and every way to them. */
function emptySlot(number: u32): void {
  const slot = hart + HART_SLOTS + number * SLOT_BYTES;
  const page = load<u32>(slot + SLOT_PAGE);
  if (page == 0) return;
  store<u32>(slot + SLOT_PAGE, 0);
  if (load<u16>(slot + SLOT_UNNOTICED)) {
    // The page may have changed under its version: what was translated from it must not pass for what it holds now.
    regionOf((<u64>(page - 1)) << 12);
    atomic.cmpxchg<u32>(regionVersion, load<u32>(slot + SLOT_VERSION), freshVersion());
  }
  const records = decodedPages + number * DECODED_PAGE_BYTES;
  memory.fill(records, 0, DECODED_PAGE_BYTES);
  const index: u32 = load<u16>(slot + SLOT_INDEX);
  const step: u32 = index == ANY_INDEX ? FETCH_ENTRY_BYTES : FETCH_TABLE_BYTES;
  const end = hart + HART_FETCH_TLB_U + TLB_BANKS * FETCH_TABLE_BYTES;
  for (let entry = hart + HART_FETCH_TLB_M + (index == ANY_INDEX ? 0 : index * FETCH_ENTRY_BYTES); entry < end; entry += step) {
    if (load<u32>(entry + FETCH_RECORDS) == records) store<u64>(entry + FETCH_TAG, u64.MAX_VALUE);
  }
}

/** Take away the fast way of writing to the page at `host`; `writers`: the version that it had. */
function dropWriteTags(host: u32, writers: u32): void {
  const anywhere = writers == PAGE_WRITERS_ANYWHERE;
  const step: u32 = anywhere ? TLB_ENTRY_BYTES : TLB_TABLE_BYTES;
  const end = hart + HART_TLB_U + TLB_BANKS * TLB_BANK_BYTES;
  for (let entry = hart + HART_TLB_M + (anywhere ? 0 : (writers - 1) * TLB_ENTRY_BYTES); entry < end; entry += step) {
    const tag = load<u64>(entry + TLB_WRITE);
    if (tag != u64.MAX_VALUE && <u32>tag + load<u32>(entry + TLB_ADDEND) == host) store<u64>(entry + TLB_WRITE, u64.MAX_VALUE);
  }
}

/** Ask the other harts to drop their write tags, which they do when they next poll. */
function requestFlush(): void {
  atomic.add<u32>(MACHINE_FLUSH_REQUEST, 1);
  honourFlushRequests();
}

function dropWriteTagsOf(tables: u32, bytes: u32): void {
  for (let entry = tables; entry < tables + bytes; entry += TLB_ENTRY_BYTES) store<u64>(entry + TLB_WRITE, u64.MAX_VALUE);
}

/** Forget what the TLBs know of regions that a device has hidden or shown since. */
function honourMapChanges(): void {
  const epoch = atomic.load<u32>(MACHINE_MAP_EPOCH);
  if (load<u32>(hart + HART_MAP_SEEN) == epoch) return;
  store<u32>(hart + HART_MAP_SEEN, epoch);
  flushAll();
}

/** Honour other harts' requests: called at every poll. */
export function honourFlushRequests(): void {
  honourMapChanges();
  const request = atomic.load<u32>(MACHINE_FLUSH_REQUEST);
  if (load<u32>(hart + HART_FLUSH_ACK) == request) return;
  forgetOtherBanks();
  dropWriteTagsOf(hart + HART_TLB_M, TLB_TABLE_BYTES);
  dropWriteTagsOf(hart + HART_TLB_S, TLB_TABLE_BYTES);
  dropWriteTagsOf(hart + HART_TLB_U + load<u32>(hart + HART_BANK) * TLB_BANK_BYTES, TLB_BANK_BYTES);
  atomic.store<u32>(hart + HART_FLUSH_ACK, request);
}

/** Whether every hart has honoured all flush requests, or sleeps and will before it runs on. */
function writesAreNoticed(): bool {
  const harts = load<u32>(MACHINE_HARTS);
  const request = atomic.load<u32>(MACHINE_FLUSH_REQUEST);
  for (let i: u32 = 0; i < harts; i++) {
    const other = HARTS_BASE + i * HART_STRIDE;
    if (atomic.load<u32>(other + HART_FLUSH_ACK) != request && atomic.load<u32>(other + HART_SLEEPING) == 0) return false;
  }
  return true;
}

/** fence.i (unprivileged ISA §5): drop what was decoded from pages that were written since, or may have been unnoticed. */
export function dropStaleCode(): void {
  const epoch = atomic.load<u32>(MACHINE_CODE_EPOCH);
  if (epoch == load<u32>(hart + HART_EPOCH_SEEN)) return;
  for (let index: u32 = 0; index < <u32>DECODED_PAGES; index++) {
    const slot = hart + HART_SLOTS + index * SLOT_BYTES;
    const page = load<u32>(slot + SLOT_PAGE);
    if (page == 0) continue;
    regionOf((<u64>(page - 1)) << 12);
    if (load<u16>(slot + SLOT_UNNOTICED) || atomic.load<u32>(regionVersion) != load<u32>(slot + SLOT_VERSION)) emptySlot(index);
  }
  store<u32>(hart + HART_EPOCH_SEEN, epoch);
}

/** Forget all decoded pages, and with them all translated regions. */
export function dropAllCode(): void {
  for (let index: u32 = 0; index < <u32>DECODED_PAGES; index++) emptySlot(index);
}

// ---- address spaces ------------------------------------------------------------------------------------------------

/** In HART_BANKS: a bank that is no address space's. No satp has it. */
const NO_ADDRESS_SPACE: u64 = u64.MAX_VALUE;
/** The ranges in HART_LARGE_PAGES behind those of the banks. */
const LARGE_S: u32 = TLB_BANKS;
const LARGE_UPPER: u32 = TLB_BANKS + 1;

@inline
function addressSpaceOf(bank: u32): u32 {
  return hart + HART_BANKS + bank * 8;
}

/** Whether an address space has this ASID. */
@inline
function hasAsid(satp: u64, asid: u32): bool {
  return (<u32>(satp >> 44) & 0xffff) == asid;
}

/** A change of satp: choose the TLBs of that address space, which hold what they held when it was left. */
export function switchAddressSpace(satp: u64): void {
  const old = load<u64>(hart + CSR_SATP);
  if (satp == old) return;
  store<u64>(hart + CSR_SATP, satp);
  if (load<i32>(hart + HART_LOCAL_PAGES) != 0 || (satp ^ old) >> 60 != 0) emptySupervisor();
  for (let bank: u32 = 0; bank < <u32>TLB_BANKS; bank++) {
    if (load<u64>(addressSpaceOf(bank)) == satp) {
      store<u32>(hart + HART_BANK, bank);
      return;
    }
  }
  const bank: u32 = (load<u32>(hart + HART_BANK_TURN) + 1) % TLB_BANKS;
  store<u32>(hart + HART_BANK_TURN, bank);
  store<u32>(hart + HART_BANK, bank);
  store<u64>(addressSpaceOf(bank), satp);
  emptyBank(bank);
}

/** Empty the tables of a bank. */
function emptyBank(bank: u32): void {
  count(STAT_FLUSHES);
  memory.fill(hart + HART_TLB_U + bank * TLB_BANK_BYTES, 0xff, TLB_BANK_BYTES);
  memory.fill(hart + HART_FETCH_TLB_U + bank * FETCH_TABLE_BYTES, 0xff, FETCH_TABLE_BYTES);
  forgetLargePages(bank);
}

/** Empty the tables for S, but not those for S with SUM. */
function emptySupervisor(): void {
  count(STAT_FLUSHES);
  memory.fill(hart + HART_TLB_S, 0xff, TLB_TABLE_BYTES);
  memory.fill(hart + HART_FETCH_TLB_S, 0xff, FETCH_TABLE_BYTES);
  store<i32>(hart + HART_LOCAL_PAGES, 0);
  forgetLargePages(LARGE_S);
}

/** Leave no address space a bank but the present one. */
function forgetOtherBanks(): void {
  const present = load<u32>(hart + HART_BANK);
  for (let bank: u32 = 0; bank < <u32>TLB_BANKS; bank++) {
    if (bank != present) store<u64>(addressSpaceOf(bank), NO_ADDRESS_SPACE);
  }
}

/** Note what flushing must know of a translation that a TLB holds from now on. */
function noteTranslation(va: u64, supervisor: bool): void {
  if (supervisor && !foundGlobal) store<i32>(hart + HART_LOCAL_PAGES, 1);
  if (foundLevel == 12) return;
  const range: u32 = <i64>va < 0 ? LARGE_UPPER : supervisor ? LARGE_S : load<u32>(hart + HART_BANK);
  const at = hart + HART_LARGE_PAGES + range * LARGE_PAGES_BYTES;
  const span: u64 = ((<u64>1) << foundLevel) - 1;
  if ((va & ~span) < load<u64>(at)) store<u64>(at, va & ~span);
  if ((va | span) > load<u64>(at + 8)) store<u64>(at + 8, va | span);
}

function forgetLargePages(range: u32): void {
  const at = hart + HART_LARGE_PAGES + range * LARGE_PAGES_BYTES;
  store<u64>(at, u64.MAX_VALUE);
  store<u64>(at + 8, 0);
}

function mayBeLarge(range: u32, va: u64): bool {
  const at = hart + HART_LARGE_PAGES + range * LARGE_PAGES_BYTES;
  return va >= load<u64>(at) && va <= load<u64>(at + 8);
}

/** Empty all TLBs. */
export function flushAll(): void {
  memory.fill(hart + HART_TLB_M, 0xff, TLB_TABLE_BYTES);
  memory.fill(hart + HART_FETCH_TLB_M, 0xff, FETCH_TABLE_BYTES);
  flushTranslated();
}

/** Empty the TLBs of translated modes: all but M. */
export function flushTranslated(): void {
  const present = load<u32>(hart + HART_BANK);
  store<u64>(addressSpaceOf(present), load<u64>(hart + CSR_SATP));
  forgetOtherBanks();
  emptyBank(present);
  emptySupervisor();
  forgetLargePages(LARGE_UPPER);
}

/** Drop the translations of an address space, except global ones (§12.2.1). */
export function flushAsid(asid: u32): void {
  const present = load<u32>(hart + HART_BANK);
  for (let bank: u32 = 0; bank < <u32>TLB_BANKS; bank++) {
    if (!hasAsid(load<u64>(addressSpaceOf(bank)), asid)) continue;
    if (bank == present) {
      emptyBank(bank);
      if (load<i32>(hart + HART_LOCAL_PAGES)) emptySupervisor();
    } else {
      store<u64>(addressSpaceOf(bank), NO_ADDRESS_SPACE);
    }
  }
}

/** Drop the translations of one page, large ones that contain it included, in one address space or, if `asid` is negative, in all. */
export function flushPage(va: u64, asid: i32): void {
  if (mayBeLarge(LARGE_UPPER, va)) {
    if (asid < 0) flushTranslated();
    else flushAsid(asid);
    return;
  }
  if (mayBeLarge(LARGE_S, va)) emptySupervisor();
  const page = va & ~PAGE_MASK;
  dropEntry(hart + HART_TLB_S, page);
  dropFetchEntry(hart + HART_FETCH_TLB_S, page);
  const present = load<u32>(hart + HART_BANK);
  for (let bank: u32 = 0; bank < <u32>TLB_BANKS; bank++) {
    const satp = load<u64>(addressSpaceOf(bank));
    if (satp == NO_ADDRESS_SPACE || (asid >= 0 && !hasAsid(satp, asid))) continue;
    if (mayBeLarge(bank, va)) {
      if (bank == present) emptyBank(bank);
      else store<u64>(addressSpaceOf(bank), NO_ADDRESS_SPACE);
      continue;
    }
    dropEntry(hart + HART_TLB_U + bank * TLB_BANK_BYTES, page);
    dropEntry(hart + HART_TLB_U + bank * TLB_BANK_BYTES + TLB_TABLE_BYTES, page);
    dropFetchEntry(hart + HART_FETCH_TLB_U + bank * FETCH_TABLE_BYTES, page);
  }
}

/** Drop the entry of a page, if a table has it. */
function dropEntry(table: u32, page: u64): void {
  const entry = table + (<u32>(page >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES;
  if (load<u64>(entry + TLB_READ) == page) store<u64>(entry + TLB_READ, u64.MAX_VALUE);
  if (load<u64>(entry + TLB_WRITE) == page) store<u64>(entry + TLB_WRITE, u64.MAX_VALUE);
}

function dropFetchEntry(table: u32, page: u64): void {
  const entry = table + (<u32>(page >> 12) & (FETCH_ENTRIES - 1)) * FETCH_ENTRY_BYTES;
  if (load<u64>(entry + FETCH_TAG) == page) store<u64>(entry + FETCH_TAG, u64.MAX_VALUE);
}

/** Choose the TLBs for the present privilege, address space, MPRV and SUM. */
export function selectTlbs(): void {
  const priv = load<i32>(hart + HART_PRIV);
  const data = dataPrivilege();
  const bank = load<u32>(hart + HART_BANK);
  let table: u32 = HART_TLB_U + bank * TLB_BANK_BYTES;
  if (data == PRIV_M) table = HART_TLB_M;
  else if (data == PRIV_S) table = (load<u64>(hart + CSR_MSTATUS) & MSTATUS_SUM) != 0 ? table + TLB_TABLE_BYTES : HART_TLB_S;
  store<u32>(hart + HART_TLB, hart + table);
  const fetch: u32 = priv == PRIV_U ? HART_FETCH_TLB_U + bank * FETCH_TABLE_BYTES : priv == PRIV_M ? HART_FETCH_TLB_M : HART_FETCH_TLB_S;
  store<u32>(hart + HART_FETCH_TLB, fetchTlb(hart + fetch));
}

/** Whether the last helper raised an exception. */
@inline
export function trapped(): bool {
  return load<i32>(hart + HART_TRAP) != 0;
}

/** Make a hart look at its interrupt lines. */
export function wake(target: u32): void {
  atomic.add<u32>(target + HART_WAKE, 1);
  atomic.notify(target + HART_WAKE, 1);
}
