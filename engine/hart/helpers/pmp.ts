import { PMP_ADDR, PMP_CFG, PMP_ENTRIES, PMP_FIRST, PMP_LAST, PMP_USED } from '../hart-layout';
import { hart, PRIV_M } from './state';

/** Physical memory protection (privileged ISA §3.7), 16 entries, granularity 4 bytes. */

export const ACCESS_READ: i32 = 1;
export const ACCESS_WRITE: i32 = 2;
export const ACCESS_FETCH: i32 = 4;
/** Only part of the page has these rights: check every access. */
export const ACCESS_PARTIAL: i32 = 8;

const LOCKED: u32 = 0x80;

/** Work out each entry's range after a write to pmpcfg or pmpaddr. */
export function pmpUpdate(): void {
  let previous: u64 = 0;
  let used: u32 = 0;
  for (let i: u32 = 0; i < <u32>PMP_ENTRIES; i++) {
    const config: u32 = load<u8>(hart + PMP_CFG + i);
    const address = load<u64>(hart + PMP_ADDR + i * 8);
    let first: u64 = 1;
    let last: u64 = 0;
    const kind = (config >> 3) & 3;
    if (kind == 1) {
      first = previous << 2;
      last = (address << 2) - 1;
      if (address <= previous) {
        first = 1;
        last = 0;
      }
    } else if (kind == 2) {
      first = address << 2;
      last = first + 3;
    } else if (kind == 3) {
      const ones = ctz<u64>(~address);
      if (ones >= 54) {
        first = 0;
        last = u64.MAX_VALUE;
      } else {
        const size: u64 = (<u64>8) << ones;
        first = ((address >> (ones + 1)) << (ones + 1)) << 2;
        last = first + size - 1;
      }
    }
    if (kind != 0) used = i + 1;
    store<u64>(hart + PMP_FIRST + i * 8, first);
    store<u64>(hart + PMP_LAST + i * 8, last);
    previous = address;
  }
  store<u32>(hart + PMP_USED, used);
  knownFirst = 1;
  knownLast = 0;
}

/** Addresses of which every access below M-mode has the same rights, as last found; none where first > last. */
let knownFirst: u64 = 1;
let knownLast: u64 = 0;
let knownRights: i32 = 0;

/** Rights to the bytes first…last: ACCESS_* bits; ACCESS_PARTIAL where an entry covers only some of them (then no rights). */
export function pmpRights(first: u64, last: u64, priv: i32): i32 {
  return priv != PRIV_M && first >= knownFirst && last <= knownLast ? knownRights : findRights(first, last, priv);
}

function findRights(first: u64, last: u64, priv: i32): i32 {
  const used = load<u32>(hart + PMP_USED);
  // What lies between the entries that do not match, and so has the rights of the first that does.
  let low: u64 = 0;
  let high: u64 = u64.MAX_VALUE;
  for (let i: u32 = 0; i < used; i++) {
    const from = load<u64>(hart + PMP_FIRST + i * 8);
    const to = load<u64>(hart + PMP_LAST + i * 8);
    if (from > to) continue;
    if (to < first) {
      low = max(low, to + 1);
      continue;
    }
    if (from > last) {
      high = min(high, from - 1);
      continue;
    }
    if (first < from || last > to) return ACCESS_PARTIAL;
    const config: u32 = load<u8>(hart + PMP_CFG + i);
    if (priv == PRIV_M) return (config & LOCKED) == 0 ? 7 : <i32>(config & 7);
    knownFirst = max(low, from);
    knownLast = min(high, to);
    knownRights = <i32>(config & 7);
    return knownRights;
  }
  return priv == PRIV_M ? 7 : 0;
}

/** A locked entry, or one below a locked top-of-range entry, ignores writes to its address (§3.7.1). */
export function pmpAddressLocked(i: u32): bool {
  if (load<u8>(hart + PMP_CFG + i) & LOCKED) return true;
  if (i + 1 < <u32>PMP_ENTRIES) {
    const next: u32 = load<u8>(hart + PMP_CFG + i + 1);
    return (next & LOCKED) != 0 && ((next >> 3) & 3) == 1;
  }
  return false;
}

export function pmpWriteConfig(first: u32, value: u64): void {
  for (let i: u32 = 0; i < 8; i++) {
    const at = hart + PMP_CFG + first + i;
    if (load<u8>(at) & LOCKED) continue;
    let config = <u32>(value >> (i * 8)) & 0x9f;
    // Write without read is reserved.
    if ((config & 3) == 2) config &= ~3;
    store<u8>(at, <u8>config);
  }
  pmpUpdate();
}

export function pmpReadConfig(first: u32): u64 {
  return load<u64>(hart + PMP_CFG + first);
}
