/**
 * What a hart's thread gives these helpers (engine/hart/hart.ts): imports of the module `env`, which is this file's name.
 */

/** Guest time in timebase ticks. */
export declare function time(): f64;
/** Device registers at guest-physical addresses; HART_MMIO_FAULT tells of access faults. */
export declare function mmio_read(address: f64, bytes: i32): i32;
export declare function mmio_write(address: f64, bytes: i32, value: i32): void;
/** The instruction at HART_PC is about to be executed. */
export declare function trace_exec(): void;
export declare function trace_trap(cause: i32, interrupt: i32): void;
/** The semihosting call that the registers describe: 1 when it is done; 0 while it waits for the host, which will wake the hart. */
export declare function semihosting(): i32;
export declare function semihosting_refused(privilege: i32): void;
/** HART_TVAL holds an instruction that is illegal at HART_PC, and the trap is about to be taken. */
export declare function illegal_taken(): void;
/** Translated code has arrived. */
export declare function mail(): void;
export declare function page_decoded(slot: u32): void;
/** The hart's registers and stack are to be noted: HART_PC is the next instruction. */
export declare function sample(): void;
/** Interpret from HART_PC until HART_BUDGET is used up or an exception is raised. */
export declare function replay(): void;
/** Report a difference; does not return. */
export declare function differs(what: i32, region: u64, interpreter: u64): void;
