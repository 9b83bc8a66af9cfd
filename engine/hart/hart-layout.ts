import { HART_PRIVATE } from '../memory/layout';

/**
 * The part of a hart's area (memory/layout.ts) that only its own thread touches; offsets in bytes from the hart's base.
 * Plain integer constants: AssemblyScript compiles this file too.
 */

// ---- Between the run loop and the helpers ----------------------------------------------------------------------

/** i32: 0, or an exception's cause + 1 that the current instruction raised; HART_TVAL its trap value. */
export const HART_TRAP = HART_PRIVATE;
/** i32: privilege level: 0 U, 1 S, 3 M. */
export const HART_PRIV = HART_PRIVATE + 4;
/** u32: address of the data TLB and of the fetch TLB in force. */
export const HART_TLB = HART_PRIVATE + 8;
export const HART_FETCH_TLB = HART_PRIVATE + 12;
/** i32: 1 after a CSR write that may change privilege, translation or deliverable interrupts. */
export const HART_UNSETTLED = HART_PRIVATE + 16;
/** i32: 1 while mstatus.FS is Off. */
export const HART_FS_OFF = HART_PRIVATE + 20;
/** i32: 1 once floating-point state was written since mstatus was last written. */
export const HART_FS_DIRTY = HART_PRIVATE + 24;
/** u32: accrued exception flags; u32: dynamic rounding mode. */
export const HART_FFLAGS = HART_PRIVATE + 28;
export const HART_FRM = HART_PRIVATE + 32;
/** i32: instructions left of the current slice, and the slice's length. HART_INSTRET counts up to the slice's start. */
export const HART_BUDGET = HART_PRIVATE + 36;
export const HART_SLICE = HART_PRIVATE + 40;
/** i32: the longest slice. */
export const HART_SLICE_MOST = HART_PRIVATE + 96;
/** i32: set by the MMIO import when the access faulted. */
export const HART_MMIO_FAULT = HART_PRIVATE + 44;
export const HART_TVAL = HART_PRIVATE + 48;
/** u32: host address of the LR reservation, 0 if none; u64: the value that was read. */
export const HART_RESERVED = HART_PRIVATE + 56;
export const HART_RESERVED_VALUE = HART_PRIVATE + 64;
/** u32: log2 of the reservation's bytes. */
export const HART_RESERVED_SIZE = HART_PRIVATE + 76;
/** u32: the machine's code epoch when this hart last executed fence.i. */
export const HART_EPOCH_SEEN = HART_PRIVATE + 72;
/** u32, u32: the machine's MACHINE_WRITTEN_CODE and MACHINE_WRITTEN_LOST that the hart knows of. */
export const HART_WRITTEN_SEEN = HART_PRIVATE + 100;
export const HART_LOST_SEEN = HART_PRIVATE + 104;
/** u32: instructions between two looks at written code, 0: none is to come; u64: the HART_INSTRET of the next look. */
export const HART_LOOK_STEP = HART_PRIVATE + 108;
export const HART_LOOK_AT = HART_PRIVATE + 112;
/** u32: the entry of HART_WRITTEN_PAGES that is given up next. */
export const HART_WRITTEN_TURN = HART_PRIVATE + 120;
/** u32: means nothing; a fence is an atomic operation on it. */
export const HART_FENCE = HART_PRIVATE + 92;

// ---- CSRs ------------------------------------------------------------------------------------------------------

export const CSR_MSTATUS = HART_PRIVATE + 128;
export const CSR_MEDELEG = HART_PRIVATE + 136;
export const CSR_MIDELEG = HART_PRIVATE + 144;
export const CSR_MIE = HART_PRIVATE + 152;
/** The bits of mip that software sets, and the timer bits as last computed; the rest are HART_LINES. */
export const CSR_MIP_SOFT = HART_PRIVATE + 160;
export const CSR_MIP_TIMER = HART_PRIVATE + 168;
export const CSR_MTVEC = HART_PRIVATE + 176;
export const CSR_MCOUNTEREN = HART_PRIVATE + 184;
export const CSR_MENVCFG = HART_PRIVATE + 192;
export const CSR_MSCRATCH = HART_PRIVATE + 200;
export const CSR_MEPC = HART_PRIVATE + 208;
export const CSR_MCAUSE = HART_PRIVATE + 216;
export const CSR_MTVAL = HART_PRIVATE + 224;
export const CSR_MCOUNTINHIBIT = HART_PRIVATE + 232;
export const CSR_STVEC = HART_PRIVATE + 240;
export const CSR_SCOUNTEREN = HART_PRIVATE + 248;
export const CSR_SENVCFG = HART_PRIVATE + 256;
export const CSR_SSCRATCH = HART_PRIVATE + 264;
export const CSR_SEPC = HART_PRIVATE + 272;
export const CSR_SCAUSE = HART_PRIVATE + 280;
export const CSR_STVAL = HART_PRIVATE + 288;
export const CSR_STIMECMP = HART_PRIVATE + 296;
export const CSR_SATP = HART_PRIVATE + 304;
/** u64: what is added to HART_INSTRET to give minstret, and mcycle. */
export const CSR_MINSTRET_OFFSET = HART_PRIVATE + 312;
export const CSR_MCYCLE_OFFSET = HART_PRIVATE + 320;
export const HART_ID = HART_PRIVATE + 328;
export const CSR_MISELECT = HART_PRIVATE + 336;
export const CSR_SISELECT = HART_PRIVATE + 344;
/** u32: what MACHINE_FENCE_EPOCH was after the hart's last fence.i, where those are checked. */
export const HART_FENCE_EPOCH = HART_PRIVATE + 352;

/** u8[16] pmpcfg; u64[16] pmpaddr; and what they mean: first and last byte of each entry; u32: entries in use. */
export const PMP_ENTRIES = 16;
export const PMP_CFG = HART_PRIVATE + 512;
export const PMP_ADDR = HART_PRIVATE + 528;
export const PMP_FIRST = HART_PRIVATE + 656;
export const PMP_LAST = HART_PRIVATE + 784;
export const PMP_USED = HART_PRIVATE + 912;

/**
 * Which bank of TLB tables (see below) belongs to which address space: per bank the u64 satp that it is for, or NO_ADDRESS_SPACE.
 * A bank that is not the present one is emptied when it is next used.
 */
export const HART_BANKS = HART_PRIVATE + 928;
export const TLB_BANKS = 8;
/** u32: the present bank, whose satp is the hart's; u32: the bank that an address space without one got last. */
export const HART_BANK = HART_PRIVATE + 992;
export const HART_BANK_TURN = HART_PRIVATE + 996;
/** i32: 1 if the tables for S hold pages that are not global. */
export const HART_LOCAL_PAGES = HART_PRIVATE + 1000;
/**
 * First and last address (u64 each) of the large pages that TLBs have held since they were last emptied, first > last where there
 * were none. Ranges: those of each bank, of the tables for S, and of all tables for the upper half of the address space, where
 * kernels have them.
 */
export const HART_LARGE_PAGES = HART_PRIVATE + 1152;
export const LARGE_PAGES_BYTES = 16;

// ---- Debugging and profiling (helpers/debug.ts) ----------------------------------------------------------------------

/** u32: instructions still to run one by one, plus 1; 0: the hart runs freely. */
export const HART_STEPS = HART_PRIVATE + 1024;
/** i32: 1 where a sample is to be taken when HART_STEPS are done, else the hart stops then. */
export const HART_SAMPLING = HART_PRIVATE + 1028;
/** i32: why the hart is stopping, one of STOP_*; u64: the address that a watchpoint saw. */
export const HART_STOP = HART_PRIVATE + 1032;
export const STOP_STEP = 1;
export const STOP_BREAKPOINT = 2;
export const STOP_READ = 3;
export const STOP_WRITE = 4;
export const HART_STOP_ADDRESS = HART_PRIVATE + 1040;
/** i32: not 0 while watchpoints let accesses pass: 1, or STOP_READ or STOP_WRITE once one did. */
export const HART_WATCH_PASS = HART_PRIVATE + 1036;
/** u32: not 0 while the hart takes samples for a profile, PROFILING_ANEW until it has taken the first; u64: guest time of the next one. */
export const HART_PROFILING = HART_PRIVATE + 1048;
export const PROFILING = 1;
export const PROFILING_ANEW = 2;
export const HART_SAMPLE_AT = HART_PRIVATE + 1056;
/** u32: whether instructions are traced (TRACE_*), one by one; u64: the virtual address of the one from which on they are to be. */
export const HART_TRACING = HART_PRIVATE + 1112;
export const TRACE_ALL = 1;
export const TRACE_FROM = 2;
export const HART_TRACE_FROM = HART_PRIVATE + 1120;
/** u32: the last MACHINE_MAP_EPOCH that the hart's TLBs know of. */
export const HART_MAP_SEEN = HART_PRIVATE + 1064;

// ---- Triggers (helpers/triggers.ts) ----------------------------------------------------------------------------------

/** How many a hart has; u32 tselect; u32: what they look at, bit 0 execution, bit 1 data; u64 each tdata1 (0: never written) and tdata2. */
export const TRIGGERS = 2;
export const HART_TRIGGER_SELECT = HART_PRIVATE + 1068;
export const HART_TRIGGER_USES = HART_PRIVATE + 1072;
export const HART_TRIGGER_TDATA1 = HART_PRIVATE + 1080;
export const HART_TRIGGER_TDATA2 = HART_PRIVATE + 1096;

// ---- TLBs --------------------------------------------------------------------------------------------------------

/**
 * Data TLB: tables of TLB_ENTRIES direct-mapped entries, one for M, one for S, and in each bank one for U and one for S with SUM.
 * Without SUM an S-mode access reaches no user's pages, so in practice only the kernel's, which are global: all address spaces
 * share that table. The others come in banks, so that a switch between address spaces empties nothing.
 * An entry holds a read tag and a write tag (page address, or all ones) and the addend that makes a guest address an offset in the
 * shared memory.
 */
export const TLB_ENTRIES = 1024;
export const TLB_ENTRY_BYTES = 32;
export const TLB_TABLE_BYTES = 32768;
export const TLB_READ = 0;
export const TLB_WRITE = 8;
export const TLB_ADDEND = 16;
/** What host_address is asked for, beside log2 of the bytes: to write there; of an address that must be aligned. */
export const HOST_WRITE = 4;
export const HOST_ALIGNED = 8;
export const HART_TLB_M = 1048576;
export const HART_TLB_S = HART_TLB_M + TLB_TABLE_BYTES;
export const HART_TLB_U = HART_TLB_S + TLB_TABLE_BYTES;
/** Of a bank: its table for U, then its table for S with SUM. */
export const TLB_BANK_BYTES = 2 * TLB_TABLE_BYTES;

/**
 * Fetch TLB: a table for M, one for S, and one for U in each bank, of entries { u64 page address, u32 address of the page's
 * records, u32 version }. The version is SLOT_VERSION of the records' slot, or 0 where writes to the page may go unnoticed: code
 * that was translated from a page of that number and version is what the entry's records hold.
 */
export const FETCH_ENTRIES = 2048;
export const FETCH_ENTRY_BYTES = 16;
export const FETCH_TABLE_BYTES = 32768;
export const FETCH_TAG = 0;
export const FETCH_RECORDS = 8;
export const FETCH_VERSION = 12;
export const HART_FETCH_TLB_M = HART_TLB_U + TLB_BANKS * TLB_BANK_BYTES;
export const HART_FETCH_TLB_S = HART_FETCH_TLB_M + FETCH_TABLE_BYTES;
export const HART_FETCH_TLB_U = HART_FETCH_TLB_S + FETCH_TABLE_BYTES;
/** A fetch TLB that stays empty: in force while instructions run one by one. */
export const HART_NO_FETCH_TLB = HART_FETCH_TLB_U + TLB_BANKS * FETCH_TABLE_BYTES;

// ---- Decoded pages ------------------------------------------------------------------------------------------------

/**
 * Per slot: u32 guest page number + 1 (0: empty), u32 version when decoded, u32 offset of the page, u16 1 if writes to it may go
 * unnoticed, u16 index of the fetch TLB entries that lead to it, or ANY_INDEX.
 */
export const SLOT_BYTES = 16;
export const SLOT_PAGE = 0;
export const SLOT_VERSION = 4;
export const SLOT_HOST = 8;
export const SLOT_UNNOTICED = 12;
export const SLOT_INDEX = 14;
export const ANY_INDEX = 65535;
export const HART_SLOTS = 524288;

/**
 * Pages of code that this hart was the first to write: u32 page number + 1 (0: free), u32 version that it had, u32 how often its code was
 * found unchanged since, and what it held before. All harts read them.
 */
export const HART_WRITTEN_PAGES = 655360;
export const WRITTEN_ENTRIES = 64;
export const WRITTEN_BYTES = 4128;
export const WRITTEN_PAGE = 0;
export const WRITTEN_VERSION = 4;
export const WRITTEN_EQUAL = 8;
export const WRITTEN_COPY = 32;

/** A decoded page: one record per halfword, then a record that leads on to the next page. */
export const RECORD_BYTES = 8;
export const PAGE_RECORDS = 2048;
/** Records for the one instruction that straddles two pages. */
export const HART_SCRATCH_RECORDS = 262144;
/** A record that decodes and runs one instruction alone; for pages of which only some bytes may be executed. */
export const HART_SINGLE_RECORD = HART_SCRATCH_RECORDS + 64;
/** A record that leaves the run loop. */
export const HART_STOP_RECORD = HART_SCRATCH_RECORDS + 72;

/** The handler that executes the instruction at HART_PC from memory, alone. */
export const HANDLER_STRADDLE = 5;

/** A record: u16 handler, u8 and u8 register offsets (8 × number), i32 immediate or up to three more fields. */
export const RECORD_HANDLER = 0;
export const RECORD_A = 2;
export const RECORD_B = 3;
export const RECORD_IMM = 4;

/** Bytes from HART_PRIVATE that reset clears: all of the above but TLBs and decoded pages. */
export const HART_PRIVATE_BYTES = 4096;

// ---- Statistics: u64 each, which any thread may read; reset leaves them (engine/hart/statistics.ts says what they mean) ----------

/** Instructions retired before the last reset. */
export const STAT_EARLIER = HART_PRIVATE + 4096;
/** Timebase ticks that the hart slept in WFI. */
export const STAT_ASLEEP = HART_PRIVATE + 4104;
export const STAT_TLB_MISSES = HART_PRIVATE + 4112;
export const STAT_FETCH_MISSES = HART_PRIVATE + 4120;
export const STAT_FLUSHES = HART_PRIVATE + 4128;
export const STAT_PAGES_DECODED = HART_PRIVATE + 4136;
export const STAT_TRAPS = HART_PRIVATE + 4144;
export const STAT_INTERRUPTS = HART_PRIVATE + 4152;
export const STAT_REGION_INSTRUCTIONS = HART_PRIVATE + 4160;
export const STAT_REGION_ENTRIES = HART_PRIVATE + 4168;
/** Ways out of a region; the rest of the entries left for code elsewhere. */
export const STAT_EXITS_BUDGET = HART_PRIVATE + 4176;
export const STAT_EXITS_FAULT = HART_PRIVATE + 4184;
export const STAT_EXITS_ASIDE = HART_PRIVATE + 4192;
export const STAT_REGIONS_LIVE = HART_PRIVATE + 4200;
export const STAT_REGIONS_INSTALLED = HART_PRIVATE + 4208;
export const STAT_EVICTIONS = HART_PRIVATE + 4216;
export const STAT_COMPILE_REQUESTS = HART_PRIVATE + 4224;
export const STAT_CHECKED_ENTRIES = HART_PRIVATE + 4232;
export const STAT_CHECKED_INSTRUCTIONS = HART_PRIVATE + 4240;
export const STAT_CHECKED_ACCESSES = HART_PRIVATE + 4248;
/** Interrupts claimed at the IMSIC. */
export const STAT_CLAIMS = HART_PRIVATE + 4256;
/** Guest time since which the hart sleeps; 0: it does not. Not yet in STAT_ASLEEP. */
export const STAT_ASLEEP_SINCE = HART_PRIVATE + 4264;
// Written by the compile worker.
export const STAT_REGIONS_COMPILED = HART_PRIVATE + 4288;
export const STAT_REGIONS_DECLINED = HART_PRIVATE + 4296;
export const STAT_MODULES = HART_PRIVATE + 4304;
export const STAT_COMPILE_MICROSECONDS = HART_PRIVATE + 4312;

// ---- Regions: translated code (engine/hart/jit) ------------------------------------------------------------------

/** i32: 1 while the hart counts jumps to find hot code. */
export const HART_COUNTING = HART_PRIVATE + 80;
/** u32: number of messages from the compile worker that wait for the hart; others increment it. */
export const HART_MAIL = HART_PRIVATE + 84;
/** A record whose handler is REGION_HANDLER + n enters region n. */
export const REGION_HANDLER = 1024;
export const REGIONS_MAX = 16384;
/** u16 per region: the handler that its first record had. */
export const HART_REGION_ORIGINALS = 327680;
/** u16 counters of jumps to a record, hashed by its address. */
export const HART_COUNTERS = 393216;
export const HART_COUNTER_COUNT = 32768;

/** Where indirect jumps went: rows of u64 virtual addresses (0: none), by the jump's record; jumps that share a row mix. */
export const HART_JUMPS = 458752;
export const JUMP_ROWS = 256;
export const JUMP_ROW_BYTES = 128;
/** u16 per region: how often it was entered, modulo 65536. */
export const HART_REGION_ENTRIES = 491520;
/** u32: which entry of a full row is replaced next. */
export const HART_JUMP_NEXT = HART_PRIVATE + 88;
