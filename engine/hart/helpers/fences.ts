import {
  DECODED_PAGES,
  DECODED_PAGE_BYTES,
  DECODED_WAYS,
  HARTS_BASE,
  HART_PC,
  HART_STRIDE,
  MACHINE_FENCES,
  MACHINE_FENCE_EPOCH,
  MACHINE_HARTS,
  MEMORY_REGIONS,
  REGION_OFFSET,
  REGION_SIZE,
} from '../../memory/layout';
import { FENCE_CELL_BYTES, FENCE_HART_SHIFT, FENCE_PAGES, FENCE_STORED, FENCE_STORES, FENCE_STORES_MAX } from '../check/fence-layout';
import { HANDLER_STRADDLE, HART_FENCE_EPOCH, HART_ID, HART_SLOTS, PAGE_RECORDS, RECORD_BYTES, SLOT_BYTES, SLOT_PAGE } from '../hart-layout';
import { decodedPages, hart } from './state';

/**
 * The check for missing fence.i (unprivileged ISA §5): which instructions a hart executes that were stored since its own last fence.i.
 * Every store comes by resolve() and is noted with the epoch, which each fence.i of any hart ends. Pages that were
 * stored to since are executed instruction by instruction, as those that straddle two pages are, so that each is looked at.
 */

const SETS: u32 = DECODED_PAGES / DECODED_WAYS;
const PROBES: u32 = 16;

export function checksFences(): bool {
  return load<u32>(MACHINE_FENCES) != 0;
}

function ramOffset(): u32 {
  return load<u32>(MEMORY_REGIONS + REGION_OFFSET);
}
function isRam(host: u32): bool {
  return host - ramOffset() < <u32>load<u64>(MEMORY_REGIONS + REGION_SIZE);
}
function pageEpochAt(host: u32): u32 {
  return load<u32>(MACHINE_FENCES) + FENCE_PAGES + (((host - ramOffset()) >> 12) << 2);
}
function cellAt(host: u32): u32 {
  const pages = <u32>(load<u64>(MEMORY_REGIONS + REGION_SIZE) >> 12);
  return load<u32>(MACHINE_FENCES) + FENCE_PAGES + 4 * pages + ((host - ramOffset()) >> 3) * FENCE_CELL_BYTES;
}

/** A number for the store instruction at `pc`, from 1; 0 where there are too many. */
function numberOfStore(pc: u64): u32 {
  const key = pc + 1;
  let at = (<u32>(pc >> 1) ^ <u32>(pc >> 15)) & (FENCE_STORES_MAX - 1);
  for (let i: u32 = 0; i < PROBES; i++) {
    const entry = load<u32>(MACHINE_FENCES) + FENCE_STORES + 8 * at;
    const held = atomic.load<u64>(entry);
    if (held == key) return at + 1;
    if (held == 0) {
      const other = atomic.cmpxchg<u64>(entry, 0, key);
      if (other == 0 || other == key) return at + 1;
    }
    at = (at + 1) & (FENCE_STORES_MAX - 1);
  }
  return 0;
}

/** The instruction at HART_PC is about to store to `bytes` bytes at `host`, all in the physical page `page`. */
export function noteStore(page: u32, host: u32, bytes: u32): void {
  if (!isRam(host)) return;
  const epoch = atomic.load<u32>(MACHINE_FENCE_EPOCH);
  const what = FENCE_STORED | (load<u32>(hart + HART_ID) << FENCE_HART_SHIFT) | numberOfStore(load<u64>(hart + HART_PC));
  const end = cellAt(host + bytes - 1);
  for (let cell = cellAt(host); cell <= end; cell += FENCE_CELL_BYTES) {
    store<u32>(cell, epoch);
    store<u32>(cell + 4, what);
  }
  const stamp = pageEpochAt(host);
  if (atomic.load<u32>(stamp) == epoch) return;
  atomic.store<u32>(stamp, epoch);
  const first = decodedPages - load<u32>(hart + HART_ID) * <u32>(DECODED_PAGES * DECODED_PAGE_BYTES);
  for (let id: u32 = 0, harts = load<u32>(MACHINE_HARTS); id < harts; id++) {
    for (let number = page & (SETS - 1); number < <u32>DECODED_PAGES; number += SETS) {
      if (load<u32>(HARTS_BASE + id * HART_STRIDE + HART_SLOTS + number * SLOT_BYTES + SLOT_PAGE) != page + 1) continue;
      lookAtEach(first + id * <u32>(DECODED_PAGES * DECODED_PAGE_BYTES) + number * DECODED_PAGE_BYTES);
    }
  }
}

/** From now on the instructions of this decoded page are executed one by one. */
function lookAtEach(records: u32): void {
  for (let i: u32 = 0; i < <u32>PAGE_RECORDS; i++) store<u16>(records + i * RECORD_BYTES, <u16>HANDLER_STRADDLE);
}

/** The hart is about to execute from the page at `host`, decoded at `records`. */
export function noteExecution(host: u32, records: u32): void {
  if (isRam(host) && atomic.load<u32>(pageEpochAt(host)) >= load<u32>(hart + HART_FENCE_EPOCH)) lookAtEach(records);
}

/** What stored the instruction at `host` (FENCE_STORE …) since this hart's last fence.i; 0: nothing did. */
export function unfenced(host: u32): u32 {
  if (!checksFences() || !isRam(host)) return 0;
  const cell = cellAt(host);
  return load<u32>(cell) >= load<u32>(hart + HART_FENCE_EPOCH) ? load<u32>(cell + 4) : 0;
}

/** A fence.i, or a reset: all that was stored before it may be executed. */
export function beginEpoch(): void {
  store<u32>(hart + HART_FENCE_EPOCH, atomic.add<u32>(MACHINE_FENCE_EPOCH, 1) + 1);
}
