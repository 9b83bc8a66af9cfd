import { MACHINE_MAP_EPOCH } from '../../memory/layout';
import {
  CSR_MSTATUS,
  CSR_SATP,
  FETCH_ENTRIES,
  FETCH_ENTRY_BYTES,
  FETCH_TABLE_BYTES,
  FETCH_TAG,
  HART_BANK,
  HART_BANKS,
  HART_BANK_TURN,
  HART_FETCH_TLB,
  HART_FETCH_TLB_M,
  HART_FETCH_TLB_S,
  HART_FETCH_TLB_U,
  HART_LARGE_PAGES,
  HART_LOCAL_PAGES,
  HART_MAP_SEEN,
  HART_PRIV,
  HART_TLB,
  HART_TLB_M,
  HART_TLB_S,
  HART_TLB_U,
  LARGE_PAGES_BYTES,
  STAT_FLUSHES,
  TLB_BANKS,
  TLB_BANK_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_READ,
  TLB_TABLE_BYTES,
  TLB_WRITE,
} from '../hart-layout';
import { fetchTlb } from './debug';
import { count, hart, MSTATUS_SUM, PRIV_M, PRIV_S, PRIV_U } from './state';
import { dataPrivilege, foundGlobal, foundLevel, PAGE_MASK } from './translation';

/** The TLBs, one bank for each address space, and what empties them (privileged ISA §12.2.1). */

/** Forget what the TLBs know of regions that a device has hidden or shown since. */
export function honourMapChanges(): void {
  const epoch = atomic.load<u32>(MACHINE_MAP_EPOCH);
  if (load<u32>(hart + HART_MAP_SEEN) == epoch) return;
  store<u32>(hart + HART_MAP_SEEN, epoch);
  flushAll();
}

/** In HART_BANKS: a bank that is no address space's. No satp has it. */
const NO_ADDRESS_SPACE: u64 = u64.MAX_VALUE;
/** The ranges in HART_LARGE_PAGES behind those of the banks. */
const LARGE_S: u32 = TLB_BANKS;
const LARGE_UPPER: u32 = TLB_BANKS + 1;

function addressSpaceOf(bank: u32): u32 {
  return hart + HART_BANKS + bank * 8;
}

/** Whether an address space has this ASID. */
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
export function forgetOtherBanks(): void {
  const present = load<u32>(hart + HART_BANK);
  for (let bank: u32 = 0; bank < <u32>TLB_BANKS; bank++) {
    if (bank != present) store<u64>(addressSpaceOf(bank), NO_ADDRESS_SPACE);
  }
}

/** Note what flushing must know of a translation that a TLB holds from now on. */
export function noteTranslation(va: u64, supervisor: bool): void {
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
