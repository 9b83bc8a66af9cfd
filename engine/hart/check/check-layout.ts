/**
 * The memory of the lockstep check (lockstep.ts): offsets in bytes from the plan's `check` area. Plain integer constants:
 * AssemblyScript compiles this file too.
 */

/** What a region may change, as it was before, as the region left it, and as the interpreter did: STATE_BYTES each. */
export const CHECK_BEFORE = 0;
export const CHECK_AFTER = 1024;
export const CHECK_NOW = 2048;

/** i64[32] x, i64[32] f, u64 pc, u32 fflags, u32 frm, u32 whether FS is to be Dirty, u32 HART_TRAP, u64 HART_TVAL, u64[28] CSRs. */
export const STATE_F = 256;
export const STATE_PC = 512;
export const STATE_FFLAGS = 520;
export const STATE_FS_DIRTY = 528;
export const STATE_TVAL = 536;
export const STATE_CSRS = 544;
export const STATE_BYTES = 768;

/** u64: where the interpreter performs an atomic operation that the region has performed on memory already. */
export const CHECK_SCRATCH = 3072;
/** A log entry: the access that the interpreter makes where it makes another than the region. */
export const CHECK_FOUND = 3080;

/** The region's accesses to memory in order: u32 kind, u64 address, u64 value, u64 what an atomic operation left there. */
export const CHECK_LOG = 4096;
export const ACCESS_KIND = 0;
export const ACCESS_ADDRESS = 8;
export const ACCESS_VALUE = 16;
export const ACCESS_OUTCOME = 24;
export const ACCESS_BYTES = 32;
/** More than a slice has instructions, and than a region runs beyond its slice. */
export const ACCESSES_MAX = 32640;
export const CHECK_BYTES = CHECK_LOG + ACCESSES_MAX * ACCESS_BYTES;

/** Kinds of access: below 8 a load as in LOAD_KINDS, else one of these + log2 of the bytes. */
export const ACCESS_STORE = 8;
export const ACCESS_ATOMIC = 12;
export const ACCESS_RESERVED = 16;
export const ACCESS_CONDITIONAL = 20;
/** Or this + what was done to a cache block (isa/blocks.ts). */
export const ACCESS_BLOCK = 24;

// What differs.
/** A word of the state; its offset goes along. */
export const DIFFERS_STATE = 0;
/** An access: the interpreter's is at CHECK_FOUND, the region's is the entry that comes next. */
export const DIFFERS_ACCESS = 1;
/** The interpreter makes an access (CHECK_FOUND) after the region's last. */
export const DIFFERS_EXTRA = 2;
/** The region made an access that the interpreter does not: the entry that comes next. */
export const DIFFERS_MISSING = 3;
/** Instructions: how many the region and how many the interpreter executed. */
export const DIFFERS_COUNT = 4;
/** The interpreter came to an instruction that is never in a region. */
export const DIFFERS_SYSTEM = 5;
/** Not a difference: the log is full. */
export const DIFFERS_LOG_FULL = 6;
