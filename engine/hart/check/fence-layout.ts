/**
 * The memory of the check for missing fence.i (helpers/fences.ts): offsets in bytes from MACHINE_FENCES. Plain integer constants:
 * AssemblyScript compiles this file too.
 */

/** u64: the pc of a store instruction + 1, by its hash; 0: free. */
export const FENCE_STORES = 0;
export const FENCE_STORES_MAX = 16384;
/** u32 for each page of RAM: the epoch of its last store. */
export const FENCE_PAGES = 131072;
/** Behind those, for every 8 bytes of RAM: u32 epoch of the last store; u32 which that was. */
export const FENCE_CELL_BYTES = 8;
/** Of the latter: the number of the instruction in FENCE_STORES + 1, 0 where those were too many; the hart; and that there was one. */
export const FENCE_STORE = 65535;
export const FENCE_HART_SHIFT = 16;
export const FENCE_STORED = 1 << 31;
