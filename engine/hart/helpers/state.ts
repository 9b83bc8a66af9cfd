import { HART_TRAP, HART_TVAL } from '../hart-layout';

/** Base of this instance's hart in the shared memory; each hart thread has an instance of its own. */
export let hart: u32 = 0;
/** Offset of this hart's decoded pages. */
export let decodedPages: u32 = 0;

export function setHart(base: u32, decoded: u32): void {
  hart = base;
  decodedPages = decoded;
}

/** Exception causes (privileged ISA §3.1.15). */
export const CAUSE_FETCH_ACCESS: i32 = 1;
export const CAUSE_ILLEGAL: i32 = 2;
export const CAUSE_BREAKPOINT: i32 = 3;
export const CAUSE_LOAD_MISALIGNED: i32 = 4;
export const CAUSE_LOAD_ACCESS: i32 = 5;
export const CAUSE_STORE_MISALIGNED: i32 = 6;
export const CAUSE_STORE_ACCESS: i32 = 7;
export const CAUSE_ECALL_U: i32 = 8;
export const CAUSE_FETCH_PAGE: i32 = 12;
export const CAUSE_LOAD_PAGE: i32 = 13;
export const CAUSE_STORE_PAGE: i32 = 15;

/** Not the guest's: a watchpoint was hit. */
export const CAUSE_STOP: i32 = 62;

export const PRIV_U: i32 = 0;
export const PRIV_S: i32 = 1;
export const PRIV_M: i32 = 3;

/** mstatus fields (privileged ISA §3.1.6). */
export const MSTATUS_SIE: u64 = 1 << 1;
export const MSTATUS_MIE: u64 = 1 << 3;
export const MSTATUS_SPIE: u64 = 1 << 5;
export const MSTATUS_MPIE: u64 = 1 << 7;
export const MSTATUS_SPP: u64 = 1 << 8;
export const MSTATUS_MPP: u64 = 3 << 11;
export const MSTATUS_FS: u64 = 3 << 13;
export const MSTATUS_MPRV: u64 = 1 << 17;
export const MSTATUS_SUM: u64 = 1 << 18;
export const MSTATUS_MXR: u64 = 1 << 19;
export const MSTATUS_TVM: u64 = 1 << 20;
export const MSTATUS_TW: u64 = 1 << 21;
export const MSTATUS_TSR: u64 = 1 << 22;
export const MSTATUS_UXL: u64 = 2 << 32;
export const MSTATUS_SXL: u64 = 2 << 34;
export const MSTATUS_SD: u64 = 1 << 63;

/** Interrupt bits of mip and mie (privileged ISA §3.1.9). */
export const IP_SSIP: u64 = 1 << 1;
export const IP_STIP: u64 = 1 << 5;
export const IP_MTIP: u64 = 1 << 7;
export const IP_SEIP: u64 = 1 << 9;
export const IP_MEIP: u64 = 1 << 11;
export const IP_ALL: u64 = 0xaaa;
export const IP_SUPERVISOR: u64 = 0x222;

export const MENVCFG_STCE: u64 = 1 << 63;
export const MENVCFG_PBMTE: u64 = 1 << 62;
export const MENVCFG_ADUE: u64 = 1 << 61;
/** Of menvcfg and senvcfg: whether cbo.inval, cbo.clean and cbo.flush, and cbo.zero may be executed. */
export const ENVCFG_CBIE: u64 = 3 << 4;
export const ENVCFG_CBCFE: u64 = 1 << 6;
export const ENVCFG_CBZE: u64 = 1 << 7;

/** Raise an exception for the current instruction; the run loop takes it when the helper returns. */
export function raise(cause: i32, value: u64): void {
  store<i32>(hart + HART_TRAP, cause + 1);
  store<u64>(hart + HART_TVAL, value);
}

export function count(statistic: u32): void {
  store<u64>(hart + statistic, load<u64>(hart + statistic) + 1);
}

/** Whether the last helper raised an exception. */
export function trapped(): bool {
  return load<i32>(hart + HART_TRAP) != 0;
}
