import {
  ACCESSES_MAX,
  ACCESS_ADDRESS,
  ACCESS_ATOMIC,
  ACCESS_BLOCK,
  ACCESS_BYTES,
  ACCESS_CONDITIONAL,
  ACCESS_KIND,
  ACCESS_OUTCOME,
  ACCESS_RESERVED,
  ACCESS_STORE,
  ACCESS_VALUE,
  CHECK_AFTER,
  CHECK_BEFORE,
  CHECK_FOUND,
  CHECK_LOG,
  CHECK_NOW,
  CHECK_SCRATCH,
  DIFFERS_ACCESS,
  DIFFERS_COUNT,
  DIFFERS_EXTRA,
  DIFFERS_LOG_FULL,
  DIFFERS_MISSING,
  DIFFERS_STATE,
  DIFFERS_SYSTEM,
  STATE_BYTES,
  STATE_CSRS,
  STATE_FFLAGS,
  STATE_FS_DIRTY,
  STATE_PC,
  STATE_TVAL,
} from '../check/check-layout';
import {
  CSR_MSTATUS,
  HART_BUDGET,
  HART_FFLAGS,
  HART_FRM,
  HART_FS_DIRTY,
  HART_TRAP,
  HART_TVAL,
  STAT_CHECKED_ACCESSES,
  STAT_CHECKED_ENTRIES,
  STAT_CHECKED_INSTRUCTIONS,
} from '../hart-layout';
import { HART_PC, HART_X } from '../../memory/layout';
import { differs, replay } from './env';
import { block_now } from './blocks';
import { extend, load_reserved, store_conditional } from './mmu';
import { count, hart } from './state';

/**
 * The lockstep check (check/lockstep.ts): regions call record_… after each access to memory, the interpreter that repeats what they
 * did calls replay_… in the place of it. One hart only: what an atomic operation found and left is read beside it.
 */

let area: u32 = 0;
/** Where the log ends, and the entry that the interpreter's next access is compared with. */
let end: u32 = 0;
let next: u32 = 0;
/** Where the region's last atomic operation was. */
let operand: u32 = 0;
/** The entry of the interpreter's last atomic operation, 0 if its outcome has been compared. */
let unfinished: u32 = 0;

/** Offset of the check's memory. */
export function setCheckArea(at: u32): void {
  area = at;
}

/** The entry that comes next. */
export function check_next(): u32 {
  return next;
}

// ---- recording -----------------------------------------------------------------------------------------------------

function append(kind: u32, address: u64, value: u64): u32 {
  const entry = end;
  if (entry - area - CHECK_LOG >= <u32>(ACCESSES_MAX * ACCESS_BYTES)) differs(DIFFERS_LOG_FULL, 0, 0);
  store<u32>(entry, kind, ACCESS_KIND);
  store<u64>(entry, address, ACCESS_ADDRESS);
  store<u64>(entry, value, ACCESS_VALUE);
  store<u64>(entry, 0, ACCESS_OUTCOME);
  end = entry + ACCESS_BYTES;
  return entry;
}

export function record_load(address: u64, value: u64, kind: u32): void {
  append(kind, address, value);
}

export function record_store(address: u64, value: u64, size: u32): void {
  append(ACCESS_STORE + size, address, truncate(value, size));
}

/** Before the operation on the word at `host`. */
export function record_atomic(address: u64, host: u32, size: u32): void {
  append(ACCESS_ATOMIC + size, address, size == 3 ? load<u64>(host) : <u64>load<u32>(host));
  operand = host;
}

/** After it. */
export function record_outcome(): void {
  const entry = end - ACCESS_BYTES;
  store<u64>(entry, load<u32>(entry, ACCESS_KIND) & 1 ? load<u64>(operand) : <u64>load<u32>(operand), ACCESS_OUTCOME);
}

export function record_reserved(address: u64, size: u32): u64 {
  const value = load_reserved(address, size);
  if (load<i32>(hart + HART_TRAP) == 0) append(ACCESS_RESERVED + size, address, value);
  return value;
}

export function record_conditional(address: u64, value: u64, size: u32): u64 {
  const failed = store_conditional(address, value, size);
  if (load<i32>(hart + HART_TRAP) == 0)
    store<u64>(append(ACCESS_CONDITIONAL + size, address, truncate(value, size)) + ACCESS_OUTCOME, failed);
  return failed;
}

export function record_block(address: u64, operation: u32): i32 {
  const done = block_now(address, operation);
  if (done) append(ACCESS_BLOCK + operation, address, 0);
  return done;
}

function truncate(value: u64, size: u32): u64 {
  return size == 3 ? value : value & (((<u64>1) << (8 << size)) - 1);
}

// ---- replaying -------------------------------------------------------------------------------------------------------

function finishReplayed(): void {
  if (unfinished == 0) return;
  const kind = load<u32>(unfinished, ACCESS_KIND);
  const found = kind & 1 ? load<u64>(area + CHECK_SCRATCH) : <u64>load<u32>(area + CHECK_SCRATCH);
  const entry = unfinished;
  unfinished = 0;
  if (found == load<u64>(entry, ACCESS_OUTCOME)) return;
  next = entry;
  note(kind, load<u64>(entry, ACCESS_ADDRESS), load<u64>(entry, ACCESS_VALUE), found);
  differs(DIFFERS_ACCESS, 0, 0);
}

function note(kind: u32, address: u64, value: u64, result: u64): void {
  store<u32>(area + CHECK_FOUND, kind, ACCESS_KIND);
  store<u64>(area + CHECK_FOUND, address, ACCESS_ADDRESS);
  store<u64>(area + CHECK_FOUND, value, ACCESS_VALUE);
  store<u64>(area + CHECK_FOUND, result, ACCESS_OUTCOME);
}

/** The region's entry for this access, or 0 after raising the exception that it raised here. */
function expectAccess(kind: u32, address: u64, value: u64): u32 {
  finishReplayed();
  if (next == end) {
    // An access that raised an exception is not logged: it is the region's last.
    const trap = load<u32>(area + CHECK_AFTER + STATE_FS_DIRTY, 4);
    const tval = load<u64>(area + CHECK_AFTER + STATE_TVAL);
    if (trap == 0 || tval - address >= 8) {
      note(kind, address, value, 0);
      differs(DIFFERS_EXTRA, 0, 0);
    }
    store<u32>(hart + HART_TRAP, trap);
    store<u64>(hart + HART_TVAL, tval);
    return 0;
  }
  const entry = next;
  const valued = (kind >= <u32>ACCESS_STORE && kind < <u32>ACCESS_ATOMIC) || kind >= <u32>ACCESS_CONDITIONAL;
  if (
    load<u32>(entry, ACCESS_KIND) != kind ||
    load<u64>(entry, ACCESS_ADDRESS) != address ||
    (valued && load<u64>(entry, ACCESS_VALUE) != value)
  ) {
    note(kind, address, value, 0);
    differs(DIFFERS_ACCESS, 0, 0);
  }
  next = entry + ACCESS_BYTES;
  return entry;
}

export function replay_load(address: u64, kind: u32): u64 {
  const entry = expectAccess(kind, address, 0);
  if (entry == 0) return 0;
  const value = load<u64>(entry, ACCESS_VALUE);
  const extended = extend(value, kind);
  if (extended != value) {
    next = entry;
    note(kind, address, extended, 0);
    differs(DIFFERS_ACCESS, 0, 0);
  }
  return extended;
}

export function replay_store(address: u64, value: u64, size: u32): void {
  expectAccess(ACCESS_STORE + size, address, truncate(value, size));
}

/** Where to perform the operation, on the value that the region found; 0 after raising an exception. */
export function replay_atomic(address: u64, size: u32): u32 {
  const entry = expectAccess(ACCESS_ATOMIC + size, address, 0);
  if (entry == 0) return 0;
  store<u64>(area + CHECK_SCRATCH, load<u64>(entry, ACCESS_VALUE));
  unfinished = entry;
  return area + CHECK_SCRATCH;
}

export function replay_reserved(address: u64, size: u32): u64 {
  const entry = expectAccess(ACCESS_RESERVED + size, address, 0);
  return entry == 0 ? 0 : load<u64>(entry, ACCESS_VALUE);
}

export function replay_conditional(address: u64, value: u64, size: u32): u64 {
  const entry = expectAccess(ACCESS_CONDITIONAL + size, address, truncate(value, size));
  return entry == 0 ? 0 : load<u64>(entry, ACCESS_OUTCOME);
}

export function replay_block(address: u64, operation: u32): void {
  expectAccess(ACCESS_BLOCK + operation, address, 0);
}

/** An instruction that ends regions. */
export function replay_system(): void {
  differs(DIFFERS_SYSTEM, 0, 0);
}

// ---- around a region -------------------------------------------------------------------------------------------------

function take(at: u32, pc: u64): void {
  memory.copy(at, hart + HART_X, 512);
  store<u64>(at, pc, STATE_PC);
  store<u32>(at, load<u32>(hart + HART_FFLAGS), STATE_FFLAGS);
  store<u32>(at, load<u32>(hart + HART_FRM), STATE_FFLAGS + 4);
  store<u32>(at, load<u32>(hart + HART_FS_DIRTY), STATE_FS_DIRTY);
  store<u32>(at, load<u32>(hart + HART_TRAP), STATE_FS_DIRTY + 4);
  store<u64>(at, load<u64>(hart + HART_TVAL), STATE_TVAL);
  memory.copy(at + STATE_CSRS, hart + CSR_MSTATUS, STATE_BYTES - STATE_CSRS);
}

/** All but the CSRs, which neither writes. */
function put(at: u32): void {
  memory.copy(hart + HART_X, at, 512);
  store<u64>(hart + HART_PC, load<u64>(at, STATE_PC));
  store<u32>(hart + HART_FFLAGS, load<u32>(at, STATE_FFLAGS));
  store<u32>(hart + HART_FRM, load<u32>(at, STATE_FFLAGS + 4));
  store<u32>(hart + HART_FS_DIRTY, load<u32>(at, STATE_FS_DIRTY));
  store<u32>(hart + HART_TRAP, load<u32>(at, STATE_FS_DIRTY + 4));
  store<u64>(hart + HART_TVAL, load<u64>(at, STATE_TVAL));
}

function compare(region: u32, interpreter: u32): void {
  for (let i: u32 = 0; i < <u32>STATE_BYTES; i += 8) {
    if (load<u64>(region + i) != load<u64>(interpreter + i)) differs(DIFFERS_STATE, <u64>i, 0);
  }
}

/** Before a region is entered at `pc`. */
export function check_enter(pc: u64): void {
  end = area + CHECK_LOG;
  next = end;
  take(area + CHECK_BEFORE, pc);
}

/** Back to before the region, to execute `instructions` again. */
export function check_rewind(instructions: i32): void {
  put(area + CHECK_BEFORE);
  store<i32>(hart + HART_BUDGET, instructions);
  next = area + CHECK_LOG;
  unfinished = 0;
}

/** After the region: `result` is what it returned, `budget` what it was given, `left` what is left of that. */
export function check_leave(result: u64, budget: i32, left: i32): void {
  take(area + CHECK_AFTER, result & ~1);
  const executed = budget - left;
  if (executed < 0) differs(DIFFERS_COUNT, <u64>(<i64>executed), 0);
  check_rewind(executed);
  replay();
  finishReplayed();
  if (next != end) differs(DIFFERS_MISSING, 0, 0);
  if (load<i32>(hart + HART_BUDGET) != 0) differs(DIFFERS_COUNT, <u64>executed, <u64>(<i64>(executed - load<i32>(hart + HART_BUDGET))));
  take(area + CHECK_NOW, load<u64>(hart + HART_PC));
  compare(area + CHECK_AFTER, area + CHECK_NOW);
  put(area + CHECK_AFTER);
  count(STAT_CHECKED_ENTRIES);
  store<u64>(hart + STAT_CHECKED_INSTRUCTIONS, load<u64>(hart + STAT_CHECKED_INSTRUCTIONS) + <u64>executed);
  store<u64>(hart + STAT_CHECKED_ACCESSES, load<u64>(hart + STAT_CHECKED_ACCESSES) + <u64>((end - area - CHECK_LOG) / ACCESS_BYTES));
}
