import {
  DECODED_PAGES,
  DECODED_WAYS,
  HARTS_BASE,
  HART_INSTRET,
  HART_STRIDE,
  MACHINE_HARTS,
  MACHINE_WRITTEN_CODE,
  MACHINE_WRITTEN_LOST,
} from '../../memory/layout';
import {
  HART_LOOK_AT,
  HART_LOOK_STEP,
  HART_LOST_SEEN,
  HART_SLOTS,
  HART_WRITTEN_SEEN,
  PAGE_RECORDS,
  RECORD_BYTES,
  SLOT_BYTES,
  SLOT_HOST,
  SLOT_PAGE,
  SLOT_VERSION,
  WRITTEN_COPY,
  WRITTEN_ENTRIES,
  WRITTEN_EQUAL,
  WRITTEN_PAGE,
  WRITTEN_VERSION,
} from '../hart-layout';
import { dropStaleCode, emptySlot, recordsAt } from './decoded-pages';
import { checksFences } from './fences';
import { hart } from './state';
import { writtenAt } from './written-pages';

/**
 * Code that changes without fence.i. Until a fence.i a hart may execute what was there before (unprivileged ISA §5), but on hardware that does
 * not last, and under QEMU never happens; kernels that were only run there have no fence.i where they need one. So a hart compares now and
 * then what it has decoded with what is there: the pages of code that were written since, instruction by instruction, as data may
 * stand between them.
 */

const SETS: u32 = DECODED_PAGES / DECODED_WAYS;
/** Instructions from a store to the first look, and the most between two. */
const SOON: u32 = 131072;
const LATE: u32 = 8388608;
/** A page that was found unchanged so often has data between its code: sfence.vma, which is frequent, then looks at some of it only. */
const MIXED: u32 = 8;
const PROBES: u32 = 16;

/** At every poll: look where it is time to. (Where fence.i is checked, code that changes is seen at once.) */
export function lookNowAndThen(): void {
  if (checksFences()) return;
  const written = atomic.load<u32>(MACHINE_WRITTEN_CODE);
  const step = load<u32>(hart + HART_LOOK_STEP);
  const retired = load<u64>(hart + HART_INSTRET);
  if (written != load<u32>(hart + HART_WRITTEN_SEEN)) {
    store<u32>(hart + HART_WRITTEN_SEEN, written);
    const due = retired + SOON;
    if (step == 0 || load<u64>(hart + HART_LOOK_AT) > due) store<u64>(hart + HART_LOOK_AT, due);
    store<u32>(hart + HART_LOOK_STEP, SOON);
    return;
  }
  if (step == 0 || retired < load<u64>(hart + HART_LOOK_AT)) return;
  if (look(true)) {
    store<u32>(hart + HART_LOOK_STEP, min(2 * step, LATE));
    store<u64>(hart + HART_LOOK_AT, retired + <u64>step);
  } else store<u32>(hart + HART_LOOK_STEP, 0);
}

/** Another address space may run from here on: in pages, for kernels that know no fence.i, whose code was another program's. */
export function lookAtOnce(): void {
  if (checksFences()) return;
  if (load<u32>(hart + HART_LOOK_STEP) != 0 || atomic.load<u32>(MACHINE_WRITTEN_CODE) != load<u32>(hart + HART_WRITTEN_SEEN)) look(false);
}

/** Drop the records of pages whose code has changed. Whether there are pages to look at again. */
function look(thorough: bool): bool {
  const lost = atomic.load<u32>(MACHINE_WRITTEN_LOST);
  if (lost != load<u32>(hart + HART_LOST_SEEN)) {
    store<u32>(hart + HART_LOST_SEEN, lost);
    dropStaleCode();
  }
  let left = false;
  const end: u32 = HARTS_BASE + load<u32>(MACHINE_HARTS) * HART_STRIDE;
  for (let writer: u32 = HARTS_BASE; writer < end; writer += HART_STRIDE) {
    for (let i: u32 = 0; i < <u32>WRITTEN_ENTRIES; i++) {
      const entry = writtenAt(writer, i);
      const page = atomic.load<u32>(entry + WRITTEN_PAGE);
      if (page == 0) continue;
      const version = load<u32>(entry + WRITTEN_VERSION);
      const number = holding(hart, page, version);
      if (number < <u32>DECODED_PAGES) {
        if (hasChanged(number, entry, thorough)) emptySlot(number);
        else left = true;
      }
      if (writer == hart && !isHeld(page, version)) atomic.store<u32>(entry + WRITTEN_PAGE, 0);
    }
  }
  return left;
}

/** The number of the slot in which a hart has a page at a version; DECODED_PAGES where it has none. */
function holding(owner: u32, page: u32, version: u32): u32 {
  for (let number = (page - 1) & (SETS - 1); number < <u32>DECODED_PAGES; number += SETS) {
    const slot = owner + HART_SLOTS + number * SLOT_BYTES;
    if (load<u32>(slot + SLOT_PAGE) == page && load<u32>(slot + SLOT_VERSION) == version) return number;
  }
  return DECODED_PAGES;
}

function isHeld(page: u32, version: u32): bool {
  const end: u32 = HARTS_BASE + load<u32>(MACHINE_HARTS) * HART_STRIDE;
  for (let owner: u32 = HARTS_BASE; owner < end; owner += HART_STRIDE) {
    if (holding(owner, page, version) < <u32>DECODED_PAGES) return true;
  }
  return false;
}

/** Whether an instruction that the slot has decoded is another one now. */
function hasChanged(number: u32, entry: u32, thorough: bool): bool {
  const records = recordsAt(number);
  const host = load<u32>(hart + HART_SLOTS + number * SLOT_BYTES + SLOT_HOST);
  const copy = entry + WRITTEN_COPY;
  const equal = load<u32>(entry + WRITTEN_EQUAL);
  if (!thorough && equal >= MIXED) {
    for (let i: u32 = 0; i < PROBES; i++) {
      if (isOther(records, host, copy, (i * 129) % PAGE_RECORDS)) return true;
    }
    return false;
  }
  for (let at: u32 = 0; at < <u32>PAGE_RECORDS; at++) {
    if (isOther(records, host, copy, at)) return true;
  }
  store<u32>(entry + WRITTEN_EQUAL, equal + 1);
  return false;
}

function isOther(records: u32, host: u32, copy: u32, at: u32): bool {
  if (load<u16>(records + at * RECORD_BYTES) == 0) return false;
  const before = load<u16>(copy + 2 * at);
  if (load<u16>(host + 2 * at) != before) return true;
  if ((before & 3) != 3 || at == PAGE_RECORDS - 1) return false;
  return load<u16>(host + 2 * at + 2) != load<u16>(copy + 2 * at + 2);
}
