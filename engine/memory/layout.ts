/**
 * Where everything lies in the one shared `WebAssembly.Memory` of a virtual machine (DESIGN §2).
 *
 * Plain integer constants only: this file is also compiled by AssemblyScript (engine/hart/helpers), where
 * such constants become i32. All offsets are in bytes; `planMemory` (memory-plan.ts) computes those that
 * depend on the configuration.
 *
 *   0            machine header: control words, clock, memory regions, device interrupt status
 *   PLIC_BASE    PLIC state
 *   APLIC_BASE   APLIC state
 *   HARTS_BASE   one HART_STRIDE per hart: registers, CSRs, TLBs, MMIO ring
 *   (planned)    decoded pages per hart, page versions, reset ROM, guest RAM
 */

// ---- Machine header -----------------------------------------------------------------------------------------

/** u32: what the machine wants of its harts, one of RUN_*. Harts look at it whenever they are woken. */
export const MACHINE_RUN_STATE = 0;
export const RUN_RUNNING = 0;
export const RUN_PAUSED = 1;
export const RUN_STOPPED = 2;
/** The machine ends or starts anew by an access of a hart, which executes nothing more. */
export const RUN_ENDING = 3;
/** u32: for how long a hart with nothing to do may look out for an interrupt before it sleeps, in ticks; 0 where its core is wanted. */
export const MACHINE_IDLE_WATCH = 4;
/** u32: number of harts. */
export const MACHINE_HARTS = 8;
/** u32: 1 while the device thread is polling the MMIO rings, so that a hart need not ring its doorbell. */
export const MACHINE_DEVICE_POLLING = 12;
/** f64: guest time in ticks is (host monotonic nanoseconds × timebase / 1e9) + this offset. */
export const MACHINE_CLOCK_OFFSET = 16;
/** u32: odd while that offset is being changed, bumped with every change. i32: when a thread last ran, in monotonic milliseconds; 0: not noted. */
export const MACHINE_CLOCK_EPOCH = 48;
export const MACHINE_CLOCK_BEAT = 52;
/**
 * u32: bumped whenever a page becomes a code page (its version is made of the new value) or a code page is written by anyone, hart
 * or DMA (its version is no code page's any more).
 */
export const MACHINE_CODE_EPOCH = 24;
/** u32: bumped when every hart must drop its write entries, because a page became a code page; u32: harts that may be about to. */
export const MACHINE_FLUSH_REQUEST = 28;
export const MACHINE_FLUSH_COMING = 44;

/** u32: 1 where the harts have IMSICs, and so the CSRs of Smaia and Ssaia. */
export const MACHINE_IMSICS = 36;
/** u32: what the harts do without, EXTENSION_* bits (engine/hart/extension-bits.ts). */
export const MACHINE_EXTENSIONS_OFF = 56;
/** u32: whose semihosting calls are served: 0 nobody's, 1 those of M and S mode, 2 all. */
export const MACHINE_SEMIHOSTING = 60;
/** u32: bumped whenever a region's flags change; harts then forget what they know of all regions. */
export const MACHINE_MAP_EPOCH = 40;

/** u32: how often a store took a page's version away; u32: how often what such a page held before was given up (HART_WRITTEN_PAGES). */
export const MACHINE_WRITTEN_CODE = 1296;
export const MACHINE_WRITTEN_LOST = 1300;

/** u32: offset in this memory of the word `tohost`, 0 where the program has none; f64: its guest-physical address. Harts tell the host of stores there. */
export const MACHINE_TOHOST = 1304;
export const MACHINE_TOHOST_ADDRESS = 1312;

/** u32: offset of the memory of the check for missing fence.i (engine/hart/check/fence-layout.ts), 0 without one; u32: fence.i of all harts so far. */
export const MACHINE_FENCES = 1320;
export const MACHINE_FENCE_EPOCH = 1324;

/** Directly mapped memory regions (RAM, ROM, flash), at most 8: MEMORY_REGIONS records of MEMORY_REGION_STRIDE bytes. */
export const MEMORY_REGION_COUNT = 32;
export const MEMORY_REGIONS = 64;
export const MEMORY_REGION_STRIDE = 32;
/** u64 guest-physical base; u64 size; u32 offset in this memory; u32 flags; u32 offset of its page versions. */
export const REGION_BASE = 0;
export const REGION_SIZE = 8;
export const REGION_OFFSET = 16;
export const REGION_FLAGS = 20;
export const REGION_VERSIONS = 24;
/** Nobody but the device that the region belongs to writes it. */
export const REGION_READONLY = 1;
/** Writes are the device's at that address, not access faults; reads are too, except for code, while it hides the region. */
export const REGION_DEVICE = 2;
export const REGION_HIDDEN = 4;
/**
 * A page's version. Negative: it is a code page; no other page, nor this one with other contents, ever has the same. Else harts may
 * have TLB entries to write it: 0, none; PAGE_WRITERS_ANYWHERE; or the index of those entries in their tables + 1.
 */
export const PAGE_WRITERS_ANYWHERE = 65536;

/** u32 per virtio-mmio slot: InterruptStatus, so that harts read and acknowledge it without a round trip. */
export const VIRTIO_ISR = 1024;
export const VIRTIO_ISR_MAX = 64;

// PCI: what harts know of the functions on bus 0, by device number (engine/pci, engine/threads/hart-board.ts).
export const PCI_DEVICES = 32;
/** i32: a function's interrupt pin: asserted while it is above zero, so that the sign masks the pin. For virtio the low bits are ISR. */
export const PCI_INTX = 3328;
/** u32: the 4 KiB page at whose start a virtio function's ISR status lies now, as a page number; 0 where it lies nowhere. */
export const PCI_ISR_PAGES = 3456;

// Where harts stop for a debugger (engine/hart/debug-points.ts); written while no hart runs.
/** u32: bumped with every change of what follows; u32 and u32: how many of each there are. */
export const MACHINE_DEBUG_EPOCH = 1280;
export const MACHINE_BREAKPOINT_COUNT = 1284;
export const MACHINE_WATCHPOINT_COUNT = 1288;
/** u64 virtual address of an instruction each. */
export const MACHINE_BREAKPOINTS = 1536;
export const BREAKPOINTS_MAX = 128;
/** u64 and u64: virtual address of the first and of the last byte; u32: 1 stops at reads, 2 at writes, 3 at both. */
export const MACHINE_WATCHPOINTS = 2560;
export const WATCHPOINTS_MAX = 32;
export const WATCHPOINT_BYTES = 24;
export const WATCH_FIRST = 0;
export const WATCH_LAST = 8;
export const WATCH_ACCESS = 16;

// ---- PLIC (engine/interrupt/plic.ts owns the inside) -----------------------------------------------------------

export const PLIC_BASE = 4096;
export const PLIC_BYTES = 12288;

// ---- APLIC (engine/interrupt/aplic.ts owns the inside) ---------------------------------------------------------

export const APLIC_BASE = 16384;
export const APLIC_BYTES = 4096;

// ---- Harts ------------------------------------------------------------------------------------------------------

export const HARTS_BASE = 65536;
export const HARTS_MAX = 16;
export const HART_STRIDE = 2097152;

/** i64[32]: x0 to x31. */
export const HART_X = 0;
/** i64[32]: f0 to f31, NaN-boxed. */
export const HART_F = 256;
/** i64: program counter, valid while the hart is outside its run loop. */
export const HART_PC = 512;
/** u64: instructions retired, valid while the hart is outside its run loop. */
export const HART_INSTRET = 520;

// Words that other threads touch. Atomics only.
/** u32: interrupt lines as bits at their `mip` positions (MSIP 3, MTIP 7, SEIP 9, MEIP 11); set by CLINT, PLIC, APLIC and IMSIC. */
export const HART_LINES = 576;
/** u32 futex: incremented and notified to make the hart look at HART_LINES, HART_MTIMECMP and MACHINE_RUN_STATE. */
export const HART_WAKE = 580;
/** u64: CLINT mtimecmp. */
export const HART_MTIMECMP = 584;
/** u32: the last MACHINE_FLUSH_REQUEST this hart has honoured. */
export const HART_FLUSH_ACK = 592;
/** u32: 1 while the hart sleeps in WFI. */
export const HART_SLEEPING = 596;
/** u32: count of this hart's messages with lines of a trace that have found a reader; futex for the hart, which waits before it is too far ahead. */
export const HART_TRACE_TAKEN = 600;
/** u32: how often the hart has had to wait for a device since its last poll; only its own thread's. */
export const HART_DEVICE_WAITS = 604;

// MMIO ring: requests from this hart to the device thread (engine/threads/mmio-ring.ts).
/** u32: count of requests written by the hart. */
export const RING_HEAD = 640;
/** u32: count of requests served by the device thread; futex for a waiting hart. */
export const RING_TAIL = 644;
/** u32: value read; u32: 0 or 1 for an access fault. */
export const RING_REPLY = 648;
export const RING_REPLY_FAULT = 652;
/** RING_ENTRIES records of RING_ENTRY_BYTES: f64 guest-physical address, u32 value, u32 size | RING_WRITE. */
export const RING_DATA = 4096;
export const RING_ENTRIES = 256;
export const RING_ENTRY_BYTES = 16;
export const RING_WRITE = 256;

// IMSIC: the hart's interrupt files, machine level and supervisor level (engine/interrupt/imsics.ts, engine/hart/helpers/aia.ts).
export const HART_IMSIC = 1024;
export const IMSIC_FILE_BYTES = 128;
/** Identities 1 to this. */
export const IMSIC_IDENTITIES = 255;
/** A bit per identity; anyone sets pending ones, the rest is the hart's own to write. u32: eidelivery; u32: eithreshold. */
export const IMSIC_PENDING = 0;
export const IMSIC_ENABLED = 32;
export const IMSIC_DELIVERY = 64;
export const IMSIC_THRESHOLD = 68;

/** Private to the hart's own thread: engine/hart lays out CSRs, decode scratch and TLBs from here on. */
export const HART_PRIVATE = 8192;

// ---- Decoded pages ----------------------------------------------------------------------------------------------

/** Guest pages whose decoded form one hart keeps at a time. */
export const DECODED_PAGES = 8192;
/**
 * Slots in which a page may be kept. With one, two pages of the same hot loop that get in each other's way are decoded again in every
 * turn; of some hundred hot pages a few do.
 */
export const DECODED_WAYS = 4;
/** One record of 8 bytes per halfword of a page, and a tail that leads to the next page. */
export const DECODED_PAGE_BYTES = 16416;
