import {
  DECODED_PAGES,
  DECODED_PAGE_BYTES,
  DECODED_WAYS,
  HARTS_BASE,
  HART_FLUSH_ACK,
  HART_SLEEPING,
  HART_STRIDE,
  MACHINE_CODE_EPOCH,
  MACHINE_FLUSH_COMING,
  MACHINE_FLUSH_REQUEST,
  MACHINE_HARTS,
  PAGE_WRITERS_ANYWHERE,
} from '../../memory/layout';
import {
  ANY_INDEX,
  FETCH_ENTRY_BYTES,
  FETCH_RECORDS,
  FETCH_TABLE_BYTES,
  FETCH_TAG,
  HART_BANK,
  HART_EPOCH_SEEN,
  HART_FETCH_TLB_M,
  HART_FETCH_TLB_U,
  HART_SLOTS,
  HART_TLB_M,
  HART_TLB_S,
  HART_TLB_U,
  SLOT_BYTES,
  SLOT_HOST,
  SLOT_INDEX,
  SLOT_PAGE,
  SLOT_UNNOTICED,
  SLOT_VERSION,
  STAT_PAGES_DECODED,
  TLB_ADDEND,
  TLB_BANKS,
  TLB_BANK_BYTES,
  TLB_ENTRY_BYTES,
  TLB_TABLE_BYTES,
  TLB_WRITE,
} from '../hart-layout';
import { page_decoded } from './env';
import { count, decodedPages, hart } from './state';
import { forgetOtherBanks, honourMapChanges } from './tlb';
import { regionOf, regionVersion } from './translation';
import { forgetWritten, keepWritten, tellOfWritten } from './written-pages';

/** The decoded form of pages of code, and the versions by which a change of a page is noticed (memory/layout.ts). */

const SETS: u32 = DECODED_PAGES / DECODED_WAYS;

/** The way that gives place to the next page for which all are taken. */
let victim: u32 = 0;

/** The number of the slot that holds a physical page, or is to hold it. */
function numberOf(page: u32): u32 {
  const first = page & (SETS - 1);
  let free: u32 = DECODED_PAGES;
  for (let number = first; number < <u32>DECODED_PAGES; number += SETS) {
    const held = load<u32>(slotAt(number) + SLOT_PAGE);
    if (held == page + 1) return number;
    if (held == 0 && free == DECODED_PAGES) free = number;
  }
  if (free != DECODED_PAGES) return free;
  victim = (victim + 1) & (DECODED_WAYS - 1);
  return first + victim * SETS;
}

export function isCode(version: u32): bool {
  return <i32>version < 0;
}

/** A version that no page has had. */
function freshVersion(): u32 {
  return (atomic.add<u32>(MACHINE_CODE_EPOCH, 1) + 1) | 0x80000000;
}

/**
 * Before a TLB entry to write a page is made, in whichever table, at `index`: whether it may be. `writing`: the page is about to be
 * written, and is no code page any more. It becomes one with a writer in a single step: a hart that makes it a code page again has either
 * done so before, and its next fence.i drops that, or asks the writers to be noticed first.
 */
export function noteWriter(version: u32, index: u32, writing: bool, pa: u64, host: u32): bool {
  let seen = atomic.load<u32>(version);
  while (seen != index + 1 && seen != PAGE_WRITERS_ANYWHERE) {
    const code = isCode(seen);
    if (code && !writing) return false;
    const next: u32 = code || seen == 0 ? index + 1 : PAGE_WRITERS_ANYWHERE;
    // Before: from then on others may store there too.
    const kept: u32 = code ? keepWritten(<u32>(pa >> 12), seen, host) : 0;
    const other = atomic.cmpxchg<u32>(version, seen, next);
    if (other == seen) {
      if (code) {
        atomic.add<u32>(MACHINE_CODE_EPOCH, 1);
        tellOfWritten();
      }
      break;
    }
    if (code) forgetWritten(kept);
    seen = other;
  }
  return true;
}

/** Make it a code page, to which stores are noticed from now on. Returns its version. */
function becomeCode(version: u32, host: u32): u32 {
  const fresh = freshVersion();
  // Who finds the version before the request for it has been made must know that one is coming.
  atomic.add<u32>(MACHINE_FLUSH_COMING, 1);
  let seen = atomic.load<u32>(version);
  while (!isCode(seen)) {
    const other = atomic.cmpxchg<u32>(version, seen, fresh);
    if (other == seen) {
      if (seen != 0) {
        dropWriteTags(host, seen);
        if (load<u32>(MACHINE_HARTS) > 1) requestFlush();
      }
      seen = fresh;
      break;
    }
    seen = other;
  }
  atomic.sub<u32>(MACHINE_FLUSH_COMING, 1);
  return seen;
}

/** The address of the slot with a number. */
export function slotAt(number: u32): u32 {
  return hart + HART_SLOTS + number * SLOT_BYTES;
}
/** The decoded form of the page that it holds. */
export function recordsAt(number: u32): u32 {
  return decodedPages + number * DECODED_PAGE_BYTES;
}

/** The number of the slot for a physical page, emptied first if it held another. `index`: see SLOT_INDEX. */
export function slotFor(page: u32, host: u32, version: u32, index: u32): u32 {
  const number = numberOf(page);
  const slot = slotAt(number);
  const current = atomic.load<u32>(version);
  if (load<u32>(slot + SLOT_PAGE) == page + 1 && isCode(current) && load<u32>(slot + SLOT_VERSION) == current) {
    if (load<u16>(slot + SLOT_INDEX) != index) store<u16>(slot + SLOT_INDEX, ANY_INDEX);
    return number;
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
  return number;
}

/** Forget a slot's records and every way to them. */
export function emptySlot(number: u32): void {
  const slot = slotAt(number);
  const page = load<u32>(slot + SLOT_PAGE);
  if (page == 0) return;
  store<u32>(slot + SLOT_PAGE, 0);
  if (load<u16>(slot + SLOT_UNNOTICED)) {
    // The page may have changed under its version: what was translated from it must not pass for what it holds now.
    regionOf((<u64>(page - 1)) << 12);
    atomic.cmpxchg<u32>(regionVersion, load<u32>(slot + SLOT_VERSION), freshVersion());
  }
  const records = recordsAt(number);
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

/** Whether every hart has honoured all flush requests, those that are just being made too, or sleeps and will before it runs on. */
function writesAreNoticed(): bool {
  if (atomic.load<u32>(MACHINE_FLUSH_COMING) != 0) return false;
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
