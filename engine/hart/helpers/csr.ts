import {
  CSR_MCAUSE,
  CSR_MCOUNTEREN,
  CSR_MCOUNTINHIBIT,
  CSR_MCYCLE_OFFSET,
  CSR_MEDELEG,
  CSR_MENVCFG,
  CSR_MEPC,
  CSR_MIDELEG,
  CSR_MIE,
  CSR_MINSTRET_OFFSET,
  CSR_MIP_SOFT,
  CSR_MSCRATCH,
  CSR_MSTATUS,
  CSR_MTVAL,
  CSR_MTVEC,
  CSR_SATP,
  CSR_SCAUSE,
  CSR_SCOUNTEREN,
  CSR_SENVCFG,
  CSR_SEPC,
  CSR_SSCRATCH,
  CSR_STIMECMP,
  CSR_STVAL,
  CSR_STVEC,
  HART_BUDGET,
  HART_FFLAGS,
  HART_FRM,
  HART_FS_DIRTY,
  HART_FS_OFF,
  HART_ID,
  HART_PRIV,
  HART_SLICE,
  HART_UNSETTLED,
  PMP_ADDR,
} from '../hart-layout';
import { HART_INSTRET, MACHINE_EXTENSIONS_OFF } from '../../memory/layout';
import { EXTENSION_SDTRIG, EXTENSION_SSTC, EXTENSION_SVADU, EXTENSION_SVPBMT, EXTENSION_ZICBOM, EXTENSION_ZICBOZ } from '../extension-bits';
import { illegal } from './illegal';
import { now, pendingInterrupts, updateTimers } from './interrupts';
import { accessAia, updateExternal } from './aia';
import { flushAll, flushTranslated, selectTlbs, switchAddressSpace } from './tlb';
import { setTriggerData1, setTriggerData2, setTriggerSelect, TINFO, triggerData1, triggerData2, triggerSelect } from './triggers';
import { pmpAddressLocked, pmpReadConfig, pmpUpdate, pmpWriteConfig } from './pmp';
import {
  ENVCFG_CBCFE,
  ENVCFG_CBIE,
  ENVCFG_CBZE,
  hart,
  IP_ALL,
  IP_SEIP,
  IP_SSIP,
  IP_STIP,
  IP_SUPERVISOR,
  MENVCFG_ADUE,
  MENVCFG_PBMTE,
  MENVCFG_STCE,
  MSTATUS_FS,
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SD,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
  MSTATUS_SUM,
  MSTATUS_SXL,
  MSTATUS_TSR,
  MSTATUS_TVM,
  MSTATUS_TW,
  MSTATUS_UXL,
  PRIV_M,
  PRIV_S,
  PRIV_U,
} from './state';

/** Control and status registers (privileged ISA §2, §3.1, §12.1; Sstc; Svadu). */

/** The immediate of a CSR instruction: the number, and a flag that the operand is x0 or 0 (isa/system.ts). */
const NUMBER: u32 = 0xfff;
const NO_WRITE: u32 = 0x1000;

const MSTATUS_WRITABLE: u64 =
  MSTATUS_SIE |
  MSTATUS_MIE |
  MSTATUS_SPIE |
  MSTATUS_MPIE |
  MSTATUS_SPP |
  MSTATUS_MPP |
  MSTATUS_FS |
  MSTATUS_MPRV |
  MSTATUS_SUM |
  MSTATUS_MXR |
  MSTATUS_TVM |
  MSTATUS_TW |
  MSTATUS_TSR;
const SSTATUS: u64 = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_UXL | MSTATUS_SD;
/** RV64 with A, C, D, F, I, M, S, U. */
const MISA: u64 = ((<u64>2) << 62) | 0x14112d;
/** Exceptions that exist and may be delegated: all but ecall from M. */
const MEDELEG_WRITABLE: u64 = 0xb3ff;
/** Fences that order I/O order memory here in any case. */
const ENVCFG_FIOM: u64 = 1;

/** Whether the machine has what it may do without: one of EXTENSION_*. */
function has(extension: u32): bool {
  return (load<u32>(MACHINE_EXTENSIONS_OFF) & extension) == 0;
}

/** senvcfg, or those fields of menvcfg, as a write of `value` makes them. */
function envcfg(value: u64): u64 {
  let mask = ENVCFG_FIOM;
  if (has(EXTENSION_ZICBOM)) {
    mask |= ENVCFG_CBCFE;
    // The value 2 is reserved.
    if ((value & ENVCFG_CBIE) != (<u64>2) << 4) mask |= ENVCFG_CBIE;
  }
  if (has(EXTENSION_ZICBOZ)) mask |= ENVCFG_CBZE;
  return value & mask;
}

/** Set when a number names no register. */
let unknown: bool = false;

export function readMstatus(): u64 {
  let value = load<u64>(hart + CSR_MSTATUS);
  if (load<i32>(hart + HART_FS_DIRTY)) value |= MSTATUS_FS;
  if ((value & MSTATUS_FS) == MSTATUS_FS) value |= MSTATUS_SD;
  return value;
}

export function writeMstatus(value: u64): void {
  const old = load<u64>(hart + CSR_MSTATUS);
  let next = (value & MSTATUS_WRITABLE) | MSTATUS_UXL | MSTATUS_SXL;
  // MPP holds only levels that exist.
  if ((next & MSTATUS_MPP) == (<u64>2) << 11) next = (next & ~MSTATUS_MPP) | (old & MSTATUS_MPP);
  store<u64>(hart + CSR_MSTATUS, next);
  store<i32>(hart + HART_FS_DIRTY, 0);
  store<i32>(hart + HART_FS_OFF, (next & MSTATUS_FS) == 0 ? 1 : 0);
  if ((old ^ next) & MSTATUS_MXR) flushTranslated();
  store<i32>(hart + HART_UNSETTLED, 1);
}

/** Instructions retired, the present one included: its increment comes before its own write (unprivileged ISA §6.1). */
function retired(): u64 {
  return load<u64>(hart + HART_INSTRET) + <u64>(<i64>(load<i32>(hart + HART_SLICE) - load<i32>(hart + HART_BUDGET)));
}

const INHIBIT_CYCLE: u64 = 1;
const INHIBIT_INSTRET: u64 = 4;

/** mcycle or minstret as it was before this instruction. While inhibited, its offset is its value. */
function readCounter(inhibit: u64, offset: u32): u64 {
  const value = load<u64>(hart + offset);
  return load<u64>(hart + CSR_MCOUNTINHIBIT) & inhibit ? value : value + retired() - 1;
}

function writeCounter(inhibit: u64, offset: u32, value: u64): void {
  store<u64>(hart + offset, load<u64>(hart + CSR_MCOUNTINHIBIT) & inhibit ? value : value - retired());
}

function writeCountInhibit(value: u64): void {
  const changed = load<u64>(hart + CSR_MCOUNTINHIBIT) ^ value;
  const count = retired();
  for (let i = 0; i < 2; i++) {
    const inhibit = i == 0 ? INHIBIT_CYCLE : INHIBIT_INSTRET;
    const at = hart + (i == 0 ? CSR_MCYCLE_OFFSET : CSR_MINSTRET_OFFSET);
    if (changed & inhibit) store<u64>(at, load<u64>(at) + (value & inhibit ? count : 0 - count));
  }
  store<u64>(hart + CSR_MCOUNTINHIBIT, value);
}

/** Whether the present privilege may read counter `index` (mcounteren, scounteren). */
function counterAllowed(index: u32): bool {
  const priv = load<i32>(hart + HART_PRIV);
  if (priv == PRIV_M) return true;
  if (((load<u64>(hart + CSR_MCOUNTEREN) >> index) & 1) == 0) return false;
  return priv == PRIV_S || ((load<u64>(hart + CSR_SCOUNTEREN) >> index) & 1) != 0;
}

function fpEnabled(): bool {
  return load<i32>(hart + HART_FS_OFF) == 0;
}

/** stimecmp is for S-mode only where M-mode allows it (Sstc). */
function stimecmpAllowed(): bool {
  if (!has(EXTENSION_SSTC)) return false;
  if (load<i32>(hart + HART_PRIV) == PRIV_M) return true;
  return (load<u64>(hart + CSR_MCOUNTEREN) & 2) != 0 && (load<u64>(hart + CSR_MENVCFG) & MENVCFG_STCE) != 0;
}

function supervisorTrapsSatp(): bool {
  return load<i32>(hart + HART_PRIV) == PRIV_S && (load<u64>(hart + CSR_MSTATUS) & MSTATUS_TVM) != 0;
}

function read(number: u32): u64 {
  switch (number) {
    // The busiest first.
    case 0x140:
      return load<u64>(hart + CSR_SSCRATCH);
    case 0x100:
      return readMstatus() & SSTATUS;
    case 0x141:
      return load<u64>(hart + CSR_SEPC);
    case 0x142:
      return load<u64>(hart + CSR_SCAUSE);
    case 0x143:
      return load<u64>(hart + CSR_STVAL);
    case 0xc01:
      if (!counterAllowed(1)) break;
      return now();
    case 0x104:
      return load<u64>(hart + CSR_MIE) & load<u64>(hart + CSR_MIDELEG);
    case 0x144:
      updateTimers();
      updateExternal();
      return pendingInterrupts() & load<u64>(hart + CSR_MIDELEG);
    case 0x14d:
      if (!stimecmpAllowed()) break;
      return load<u64>(hart + CSR_STIMECMP);
    case 0x180:
      if (supervisorTrapsSatp()) break;
      return load<u64>(hart + CSR_SATP);
    case 0x105:
      return load<u64>(hart + CSR_STVEC);
    case 0x106:
      return load<u64>(hart + CSR_SCOUNTEREN);
    case 0x10a:
      return load<u64>(hart + CSR_SENVCFG);

    case 0x001:
      if (!fpEnabled()) break;
      return <u64>load<u32>(hart + HART_FFLAGS);
    case 0x002:
      if (!fpEnabled()) break;
      return <u64>load<u32>(hart + HART_FRM);
    case 0x003:
      if (!fpEnabled()) break;
      return <u64>(load<u32>(hart + HART_FFLAGS) | (load<u32>(hart + HART_FRM) << 5));
    case 0xc00:
      if (!counterAllowed(0)) break;
      return readCounter(INHIBIT_CYCLE, CSR_MCYCLE_OFFSET);
    case 0xc02:
      if (!counterAllowed(2)) break;
      return readCounter(INHIBIT_INSTRET, CSR_MINSTRET_OFFSET);

    case 0x300:
      return readMstatus();
    case 0x301:
      return MISA;
    case 0x302:
      return load<u64>(hart + CSR_MEDELEG);
    case 0x303:
      return load<u64>(hart + CSR_MIDELEG);
    case 0x304:
      return load<u64>(hart + CSR_MIE);
    case 0x305:
      return load<u64>(hart + CSR_MTVEC);
    case 0x306:
      return load<u64>(hart + CSR_MCOUNTEREN);
    case 0x30a:
      return load<u64>(hart + CSR_MENVCFG);
    case 0x320:
      return load<u64>(hart + CSR_MCOUNTINHIBIT);
    case 0x340:
      return load<u64>(hart + CSR_MSCRATCH);
    case 0x341:
      return load<u64>(hart + CSR_MEPC);
    case 0x342:
      return load<u64>(hart + CSR_MCAUSE);
    case 0x343:
      return load<u64>(hart + CSR_MTVAL);
    case 0x344:
      updateTimers();
      updateExternal();
      return pendingInterrupts();
    case 0x3a0:
      return pmpReadConfig(0);
    case 0x3a2:
      return pmpReadConfig(8);
    case 0xb00:
      return readCounter(INHIBIT_CYCLE, CSR_MCYCLE_OFFSET);
    case 0xb02:
      return readCounter(INHIBIT_INSTRET, CSR_MINSTRET_OFFSET);
    case 0xf11: // mvendorid
    case 0xf12: // marchid
    case 0xf13: // mimpid
    case 0xf15: // mconfigptr
      return 0;
    case 0xf14:
      return load<u64>(hart + HART_ID);
  }
  if (number >= 0x7a0 && number <= 0x7a4 && has(EXTENSION_SDTRIG)) {
    if (number == 0x7a0) return triggerSelect();
    if (number == 0x7a1) return triggerData1();
    if (number == 0x7a2) return triggerData2();
    return number == 0x7a4 ? TINFO : 0;
  }
  if (number >= 0x3b0 && number < 0x3c0) return load<u64>(hart + PMP_ADDR + (number - 0x3b0) * 8);
  // Hardware performance counters and events 3 to 31 exist and read as zero (§3.1.10).
  if (number >= 0xb03 && number <= 0xb1f) return 0;
  if (number >= 0x323 && number <= 0x33f) return 0;
  if (number >= 0xc03 && number <= 0xc1f && counterAllowed(number - 0xc00)) return 0;
  unknown = true;
  return 0;
}

function unsettle(): void {
  store<i32>(hart + HART_UNSETTLED, 1);
}

function write(number: u32, value: u64): void {
  switch (number) {
    case 0x140:
      store<u64>(hart + CSR_SSCRATCH, value);
      return;
    case 0x100: {
      const mask = SSTATUS & ~(MSTATUS_UXL | MSTATUS_SD);
      writeMstatus((readMstatus() & ~mask) | (value & mask));
      return;
    }
    case 0x141:
      store<u64>(hart + CSR_SEPC, value & ~(<u64>1));
      return;
    case 0x142:
      store<u64>(hart + CSR_SCAUSE, value);
      return;
    case 0x143:
      store<u64>(hart + CSR_STVAL, value);
      return;
    case 0x104: {
      const mask = load<u64>(hart + CSR_MIDELEG);
      store<u64>(hart + CSR_MIE, (load<u64>(hart + CSR_MIE) & ~mask) | (value & mask));
      unsettle();
      return;
    }
    case 0x144: {
      const mask = IP_SSIP & load<u64>(hart + CSR_MIDELEG);
      store<u64>(hart + CSR_MIP_SOFT, (load<u64>(hart + CSR_MIP_SOFT) & ~mask) | (value & mask));
      unsettle();
      return;
    }
    case 0x14d:
      store<u64>(hart + CSR_STIMECMP, value);
      updateTimers();
      unsettle();
      return;
    case 0x180: {
      const mode = value >> 60;
      // Unsupported modes leave satp as it was (§12.1.11).
      if (mode != 0 && mode != 8 && mode != 9) return;
      switchAddressSpace(value);
      unsettle();
      return;
    }
    case 0x105:
      if ((value & 3) < 2) store<u64>(hart + CSR_STVEC, value);
      return;
    case 0x106:
      store<u64>(hart + CSR_SCOUNTEREN, value & 0xffffffff);
      return;
    case 0x10a:
      store<u64>(hart + CSR_SENVCFG, envcfg(value));
      return;

    case 0x001:
      store<u32>(hart + HART_FFLAGS, <u32>value & 31);
      store<i32>(hart + HART_FS_DIRTY, 1);
      return;
    case 0x002:
      store<u32>(hart + HART_FRM, <u32>value & 7);
      store<i32>(hart + HART_FS_DIRTY, 1);
      return;
    case 0x003:
      store<u32>(hart + HART_FFLAGS, <u32>value & 31);
      store<u32>(hart + HART_FRM, (<u32>value >> 5) & 7);
      store<i32>(hart + HART_FS_DIRTY, 1);
      return;

    case 0x300:
      writeMstatus(value);
      return;
    case 0x301:
      return;
    case 0x302:
      store<u64>(hart + CSR_MEDELEG, value & MEDELEG_WRITABLE);
      return;
    case 0x303:
      store<u64>(hart + CSR_MIDELEG, value & IP_SUPERVISOR);
      unsettle();
      return;
    case 0x304:
      store<u64>(hart + CSR_MIE, value & IP_ALL);
      unsettle();
      return;
    case 0x305:
      if ((value & 3) < 2) store<u64>(hart + CSR_MTVEC, value);
      return;
    case 0x306:
      store<u64>(hart + CSR_MCOUNTEREN, value & 0xffffffff);
      return;
    case 0x30a: {
      let mask: u64 = 0;
      if (has(EXTENSION_SSTC)) mask |= MENVCFG_STCE;
      if (has(EXTENSION_SVADU)) mask |= MENVCFG_ADUE;
      if (has(EXTENSION_SVPBMT)) mask |= MENVCFG_PBMTE;
      const next = envcfg(value) | (value & mask);
      store<u64>(hart + CSR_MENVCFG, next);
      // From now on STIP is the comparator's alone.
      if (next & MENVCFG_STCE) store<u64>(hart + CSR_MIP_SOFT, load<u64>(hart + CSR_MIP_SOFT) & ~IP_STIP);
      flushTranslated();
      updateTimers();
      unsettle();
      return;
    }
    case 0x320:
      writeCountInhibit(value & (INHIBIT_CYCLE | INHIBIT_INSTRET));
      return;
    case 0x340:
      store<u64>(hart + CSR_MSCRATCH, value);
      return;
    case 0x341:
      store<u64>(hart + CSR_MEPC, value & ~(<u64>1));
      return;
    case 0x342:
      store<u64>(hart + CSR_MCAUSE, value);
      return;
    case 0x343:
      store<u64>(hart + CSR_MTVAL, value);
      return;
    case 0x344: {
      // STIP is software's only while Sstc does not drive it.
      let mask = IP_SSIP | IP_SEIP;
      if ((load<u64>(hart + CSR_MENVCFG) & MENVCFG_STCE) == 0) mask |= IP_STIP;
      store<u64>(hart + CSR_MIP_SOFT, (load<u64>(hart + CSR_MIP_SOFT) & ~mask) | (value & mask));
      unsettle();
      return;
    }
    case 0x3a0:
      pmpWriteConfig(0, value);
      flushAll();
      unsettle();
      return;
    case 0x3a2:
      pmpWriteConfig(8, value);
      flushAll();
      unsettle();
      return;
    case 0x7a0:
      setTriggerSelect(value);
      return;
    case 0x7a1:
    case 0x7a2:
      if (number == 0x7a1) setTriggerData1(value);
      else setTriggerData2(value);
      // The instruction after this one is fetched anew.
      flushAll();
      unsettle();
      return;
    case 0xb00:
      writeCounter(INHIBIT_CYCLE, CSR_MCYCLE_OFFSET, value);
      return;
    case 0xb02:
      writeCounter(INHIBIT_INSTRET, CSR_MINSTRET_OFFSET, value);
      return;
  }
  if (number >= 0x3b0 && number < 0x3c0) {
    const i = number - 0x3b0;
    if (!pmpAddressLocked(i)) {
      store<u64>(hart + PMP_ADDR + i * 8, value & 0x3fffffffffffff);
      pmpUpdate();
      flushAll();
      unsettle();
    }
  }
}

/**
 * One CSR instruction (unprivileged ISA §6.1): returns the old value. `operation`: 0 write, 1 set bits, 2 clear bits.
 * Raises illegal instruction for registers that do not exist, are above the privilege, or are read-only and written.
 */
export function csr_access(operand: u64, immediate: u32, operation: u32): u64 {
  const number = immediate & NUMBER;
  const writes = operation == 0 || (immediate & NO_WRITE) == 0;
  if ((number >> 10 == 3 && writes) || <i32>((number >> 8) & 3) > load<i32>(hart + HART_PRIV)) {
    illegal();
    return 0;
  }
  unknown = false;
  const old = read(number);
  if (unknown) return accessAia(number, operand, operation, writes);
  if (writes) {
    // A set or clear of sip or mip must not write back the bits that lines and timers drive.
    const base = number == 0x344 || number == 0x144 ? (old & ~IP_SEIP) | (load<u64>(hart + CSR_MIP_SOFT) & IP_SEIP) : old;
    write(number, operation == 0 ? operand : operation == 1 ? base | operand : base & ~operand);
  }
  return old;
}

/** What csr_now() answers where the interpreter is to see to it; then nothing has happened. */
const LATER: u64 = u64.MAX_VALUE;
/** Beside the immediate: the region has floating point, and has looked at FS. */
const HAS_FLOAT: u32 = 0x2000;
const SSTATUS_WRITABLE: u64 = SSTATUS & ~(MSTATUS_UXL | MSTATUS_SD);

/**
 * As csr_access(), within a region: of time and of what traps leave and find, as far as a region does not rely on it and no interrupt follows.
 * LATER for all else.
 */
export function csr_now(operand: u64, immediate: u32, operation: u32): u64 {
  const number = immediate & NUMBER;
  const writes = operation == 0 || (immediate & NO_WRITE) == 0;
  if (number == 0xc01) return writes || !counterAllowed(1) ? LATER : now();
  if (load<i32>(hart + HART_PRIV) == PRIV_U) return LATER;
  const old = read(number);
  if (!writes || old == LATER) return old;
  const value = operation == 0 ? operand : operation == 1 ? old | operand : old & ~operand;
  if (number == 0x100) return changeStatus((old ^ value) & SSTATUS_WRITABLE, (immediate & HAS_FLOAT) != 0) ? old : LATER;
  write(number, value);
  return old;
}

/** Change these bits of sstatus, if that may be done within a region. */
function changeStatus(changed: u64, hasFloat: bool): bool {
  // What is translated otherwise from now on is not in the TLBs.
  if (changed & MSTATUS_MXR) return false;
  if ((changed & MSTATUS_FS) != 0 && hasFloat) return false;
  const next = load<u64>(hart + CSR_MSTATUS) ^ changed;
  if ((changed & next & MSTATUS_SIE) != 0 && (pendingInterrupts() & load<u64>(hart + CSR_MIE)) != 0) return false;
  if (changed & MSTATUS_FS) {
    writeMstatus(readMstatus() ^ changed);
    store<i32>(hart + HART_UNSETTLED, 0);
  } else store<u64>(hart + CSR_MSTATUS, next);
  if (changed & MSTATUS_SUM) selectTlbs();
  return true;
}
