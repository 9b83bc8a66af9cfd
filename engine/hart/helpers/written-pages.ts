import { MACHINE_WRITTEN_CODE, MACHINE_WRITTEN_LOST } from '../../memory/layout';
import {
  HART_WRITTEN_PAGES,
  HART_WRITTEN_TURN,
  WRITTEN_BYTES,
  WRITTEN_COPY,
  WRITTEN_EQUAL,
  WRITTEN_ENTRIES,
  WRITTEN_PAGE,
  WRITTEN_VERSION,
} from '../hart-layout';
import { hart } from './state';

/** What pages of code held before a store of this hart took their version away: by that changed-code.ts finds what has changed since. */

export function writtenAt(base: u32, index: u32): u32 {
  return base + HART_WRITTEN_PAGES + index * WRITTEN_BYTES;
}

/** Keep the contents of a page at a version, before anything can be stored there. Returns the entry, for `forgetWritten`. */
export function keepWritten(page: u32, version: u32, host: u32): u32 {
  const turn = load<u32>(hart + HART_WRITTEN_TURN);
  let entry = writtenAt(hart, turn);
  for (let i: u32 = 0; i < <u32>WRITTEN_ENTRIES; i++) {
    const one = writtenAt(hart, (turn + i) % WRITTEN_ENTRIES);
    if (load<u32>(one + WRITTEN_PAGE) != 0) continue;
    entry = one;
    break;
  }
  if (load<u32>(entry + WRITTEN_PAGE) != 0) {
    // Who still has records of that page can no longer tell whether they are right.
    atomic.store<u32>(entry + WRITTEN_PAGE, 0);
    atomic.add<u32>(MACHINE_WRITTEN_LOST, 1);
    store<u32>(hart + HART_WRITTEN_TURN, (turn + 1) % WRITTEN_ENTRIES);
  }
  memory.copy(entry + WRITTEN_COPY, host & ~0xfff, 4096);
  store<u32>(entry + WRITTEN_VERSION, version);
  store<u32>(entry + WRITTEN_EQUAL, 0);
  atomic.store<u32>(entry + WRITTEN_PAGE, page + 1);
  return entry;
}

/** The page was not written after all, or not by this hart first. */
export function forgetWritten(entry: u32): void {
  atomic.store<u32>(entry + WRITTEN_PAGE, 0);
}

/** The store is coming: harts are to look. */
export function tellOfWritten(): void {
  atomic.add<u32>(MACHINE_WRITTEN_CODE, 1);
}
