import {
  MACHINE_EXTENSIONS_OFF,
  MEMORY_REGIONS,
  MEMORY_REGION_COUNT,
  MEMORY_REGION_STRIDE,
  REGION_BASE,
  REGION_FLAGS,
  REGION_OFFSET,
  REGION_READONLY,
  REGION_SIZE,
  REGION_VERSIONS,
} from '../../memory/layout';
import { EXTENSION_SVNAPOT } from '../extension-bits';
import { CSR_MENVCFG, CSR_MSTATUS, CSR_SATP, HART_PRIV } from '../hart-layout';
import { ACCESS_FETCH, ACCESS_READ, ACCESS_WRITE, pmpRights } from './pmp';
import {
  CAUSE_FETCH_ACCESS,
  CAUSE_FETCH_PAGE,
  CAUSE_LOAD_ACCESS,
  CAUSE_LOAD_PAGE,
  CAUSE_STORE_ACCESS,
  CAUSE_STORE_PAGE,
  hart,
  MENVCFG_ADUE,
  MENVCFG_PBMTE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SUM,
  PRIV_M,
  PRIV_S,
  PRIV_U,
  raise,
} from './state';

/** Address translation: the page walk (privileged ISA §12.3 to §12.5), and what lies at a physical address. */

export const PAGE_MASK: u64 = 0xfff;

const PTE_V: u64 = 1;
const PTE_R: u64 = 2;
const PTE_W: u64 = 4;
const PTE_X: u64 = 8;
const PTE_U: u64 = 16;
const PTE_G: u64 = 32;
const PTE_A: u64 = 64;
const PTE_D: u64 = 128;
const PTE_PPN: u64 = 0x003ffffffffffc00;
/** The bits above it: reserved; Svpbmt's memory type, which means nothing here; Svnapot's N, and the PPN bits of 64 KiB, the one size. */
const PTE_RESERVED: u64 = 0x1fc0000000000000;
const PTE_PBMT: u64 = 0x6000000000000000;
const PTE_N: u64 = 0x8000000000000000;
const NAPOT: u64 = 15 << 10;
const NAPOT_64K: u64 = 8 << 10;

/** Physical address, log2 of the page size, and what the page allows (ACCESS_*; write only if already dirty). */
export let foundLevel: u32 = 12;
export let foundRights: i32 = 0;
/** Whether the translation is the same in all address spaces. */
export let foundGlobal: bool = false;
/** What regionOf() found. */
export let regionFlags: u32 = 0;
export let regionVersion: u32 = 0;

export const FAULT: u64 = u64.MAX_VALUE;

function pageFault(access: i32, va: u64): u64 {
  raise(access == ACCESS_READ ? CAUSE_LOAD_PAGE : access == ACCESS_WRITE ? CAUSE_STORE_PAGE : CAUSE_FETCH_PAGE, va);
  return FAULT;
}

export function accessFault(access: i32, va: u64): u64 {
  raise(access == ACCESS_READ ? CAUSE_LOAD_ACCESS : access == ACCESS_WRITE ? CAUSE_STORE_ACCESS : CAUSE_FETCH_ACCESS, va);
  return FAULT;
}

/** Offset in the shared memory of a physical address in RAM, ROM or flash; 0 where there is none. */
export function regionOf(pa: u64): u32 {
  const regions = load<u32>(MEMORY_REGION_COUNT);
  for (let i: u32 = 0, at: u32 = MEMORY_REGIONS; i < regions; i++, at += MEMORY_REGION_STRIDE) {
    const offset = pa - load<u64>(at + REGION_BASE);
    if (offset < load<u64>(at + REGION_SIZE)) {
      regionFlags = load<u32>(at + REGION_FLAGS);
      regionVersion = load<u32>(at + REGION_VERSIONS) + ((<u32>(offset >> 12)) << 2);
      return load<u32>(at + REGION_OFFSET) + <u32>offset;
    }
  }
  return 0;
}

/** Privilege of data accesses: MPRV lends M-mode the privilege in MPP (§3.1.6.3). */
export function dataPrivilege(): i32 {
  const priv = load<i32>(hart + HART_PRIV);
  if (priv == PRIV_M) {
    const mstatus = load<u64>(hart + CSR_MSTATUS);
    if (mstatus & MSTATUS_MPRV) return <i32>((mstatus & MSTATUS_MPP) >> 11);
  }
  return priv;
}

/** Whether bits above the PPN are set that mean nothing (§12.4.1, Svnapot, Svpbmt). */
function isReserved(pte: u64): bool {
  if ((pte & (PTE_RESERVED | PTE_PBMT | PTE_N)) == 0) return false;
  if (pte & PTE_RESERVED) return true;
  if (pte & PTE_N && (load<u32>(MACHINE_EXTENSIONS_OFF) & EXTENSION_SVNAPOT) != 0) return true;
  const type = pte & PTE_PBMT;
  return type != 0 && (type == PTE_PBMT || (load<u64>(hart + CSR_MENVCFG) & MENVCFG_PBMTE) == 0);
}

/** Physical address of a virtual one, or FAULT after raising the exception. */
export function translate(va: u64, access: i32, priv: i32): u64 {
  const satp = load<u64>(hart + CSR_SATP);
  const mode = <u32>(satp >> 60);
  foundLevel = 12;
  foundRights = 7;
  foundGlobal = false;
  if (priv == PRIV_M || mode == 0) return va;

  const levels: i32 = mode == 8 ? 3 : 4;
  const unused: u64 = <u64>(64 - (12 + 9 * levels));
  if (<u64>(<i64>(va << unused) >> unused) != va) return pageFault(access, va);

  const mstatus = load<u64>(hart + CSR_MSTATUS);
  let table: u64 = (satp & 0xfffffffffff) << 12;
  for (let level = levels - 1; level >= 0; level--) {
    const shift: u32 = 12 + 9 * <u32>level;
    const pteAddress = table + (((va >> shift) & 511) << 3);
    if ((pmpRights(pteAddress, pteAddress + 7, PRIV_S) & ACCESS_READ) == 0) return accessFault(access, va);
    const at = regionOf(pteAddress);
    if (at == 0) return accessFault(access, va);
    const pteWritable = (regionFlags & REGION_READONLY) == 0;
    let pte = load<u64>(at);
    if ((pte & PTE_V) == 0 || (pte & (PTE_R | PTE_W)) == PTE_W || isReserved(pte)) return pageFault(access, va);
    if ((pte & (PTE_R | PTE_X)) == 0) {
      if (pte & (PTE_U | PTE_A | PTE_D | PTE_PBMT | PTE_N)) return pageFault(access, va);
      if (pte & PTE_G) foundGlobal = true;
      table = (pte & PTE_PPN) << 2;
      continue;
    }
    if (pte & PTE_G) foundGlobal = true;
    // A leaf. First whether this privilege may use the page at all.
    if (pte & PTE_U) {
      if (priv == PRIV_S && (access == ACCESS_FETCH || (mstatus & MSTATUS_SUM) == 0)) return pageFault(access, va);
    } else if (priv == PRIV_U) {
      return pageFault(access, va);
    }
    let rights: i32 = 0;
    if (pte & PTE_R || ((pte & PTE_X) != 0 && (mstatus & MSTATUS_MXR) != 0)) rights |= ACCESS_READ;
    if (pte & PTE_W) rights |= ACCESS_WRITE;
    if (pte & PTE_X) rights |= ACCESS_FETCH;
    if ((rights & access) == 0) return pageFault(access, va);
    let base: u64 = (pte & PTE_PPN) << 2;
    let size = shift;
    if (pte & PTE_N) {
      if (level != 0 || (pte & NAPOT) != NAPOT_64K) return pageFault(access, va);
      base &= ~(<u64>0xffff);
      size = 16;
    }
    const span: u64 = ((<u64>1) << size) - 1;
    if (base & span) return pageFault(access, va);

    const wanted: u64 = access == ACCESS_WRITE ? PTE_A | PTE_D : PTE_A;
    if ((pte & wanted) != wanted) {
      // Svadu: the hart sets A and D itself, atomically against other harts (§12.3.2).
      if ((load<u64>(hart + CSR_MENVCFG) & MENVCFG_ADUE) == 0) return pageFault(access, va);
      if (!pteWritable || (pmpRights(pteAddress, pteAddress + 7, PRIV_S) & ACCESS_WRITE) == 0) return accessFault(access, va);
      if (atomic.cmpxchg<u64>(at, pte, pte | wanted) != pte) {
        level++;
        continue;
      }
      // The access itself comes later, be it a plain one: an atomic load comes after the exchange, and before all that follows.
      atomic.load<u64>(at);
      pte |= wanted;
    }
    if ((pte & PTE_D) == 0) rights &= ~ACCESS_WRITE;
    foundLevel = size;
    foundRights = rights;
    return base | (va & span);
  }
  return pageFault(access, va);
}
