import { freemem } from 'node:os';
import { VmError } from '../errors/vm-error';
import {
  DECODED_PAGES,
  DECODED_PAGE_BYTES,
  HARTS_BASE,
  HART_STRIDE,
  HARTS_MAX,
  MACHINE_EXTENSIONS_OFF,
  MACHINE_FENCES,
  MACHINE_HARTS,
  MACHINE_IDLE_WATCH,
  MEMORY_REGIONS,
  MEMORY_REGION_COUNT,
  MEMORY_REGION_STRIDE,
  REGION_BASE,
  REGION_DEVICE,
  REGION_FLAGS,
  REGION_OFFSET,
  REGION_READONLY,
  REGION_SIZE,
  REGION_VERSIONS,
} from './layout';

/** 200 µs, as KVM has it; tar x by 9P took 1.2 times as long with 100 µs, and 1.5 without. */
const IDLE_WATCH = 2000;
const PAGE = 4096;
const WASM_PAGE = 65536;
const WASM_MAX_PAGES = 65536;

export interface DirectRegion {
  /** Guest-physical address of the first byte; a multiple of 4096. */
  base: number;
  /** Bytes; a multiple of 4096. */
  size: number;
  /** Offset in the shared memory. */
  offset: number;
  readonly: boolean;
  /** A device's own memory, which answers writes: a flash bank. */
  device: boolean;
}

export interface MemoryPlan {
  harts: number;
  /** Offset of hart 0's decoded pages; those of hart n lie n × decodedStride further. */
  decoded: number;
  decodedStride: number;
  /** Offset of one i32 per 4 KiB page of every region, in order: its version (layout.ts). */
  pageVersions: number;
  regions: DirectRegion[];
  /** Offset of the lockstep check's memory (engine/hart/check), if there is to be one. */
  check?: number;
  /** Offset of the memory of the check for missing fence.i, if there is to be one; the first region is RAM then. */
  fences?: number;
  /** What the harts do without: EXTENSION_* bits (engine/hart/extension-bits.ts). */
  extensionsOff?: number;
  /** For how long a hart may look out for an interrupt before it sleeps, in ticks. */
  idleWatch?: number;
  /** Size of the whole memory in 64 KiB wasm pages. */
  wasmPages: number;
}

/** What a plan is made for, beside harts and regions: bytes of the checks, EXTENSION_* bits, and the host's cores where those who wait may use them. */
interface PlanOptions {
  checkBytes?: number;
  fenceBytes?: number;
  extensionsOff?: number;
  cores?: number;
}

/** Lay out the shared memory for `harts` harts and the given direct regions: RAM first, then ROM, flash and others. */
export function planMemory(
  harts: number,
  regions: { base: number; size: number; readonly?: boolean; device?: boolean }[],
  { checkBytes = 0, fenceBytes = 0, extensionsOff = 0, cores = 0 }: PlanOptions = {},
): MemoryPlan {
  if (harts < 1 || harts > HARTS_MAX) throw VmError.config(`A machine has 1 to ${HARTS_MAX} harts, not ${harts}.`);
  let at = HARTS_BASE + harts * HART_STRIDE;
  const decoded = at;
  const decodedStride = DECODED_PAGES * DECODED_PAGE_BYTES;
  at += harts * decodedStride;
  const pageVersions = at;
  for (const region of regions) at += (region.size / PAGE) * 4;
  const placed: DirectRegion[] = [];
  for (const region of regions) {
    if (region.base % PAGE || region.size % PAGE)
      throw VmError.config(`Memory at 0x${region.base.toString(16)} is not made of whole 4 KiB pages.`);
    at = Math.ceil(at / WASM_PAGE) * WASM_PAGE;
    const { base, size, device = false, readonly = device } = region;
    placed.push({ base, size, offset: at, readonly, device });
    at += region.size;
  }
  const check = checkBytes > 0 ? at : undefined;
  at += checkBytes;
  const fences = fenceBytes > 0 ? at : undefined;
  at += fenceBytes;
  const wasmPages = Math.ceil(at / WASM_PAGE);
  if (wasmPages > WASM_MAX_PAGES) {
    // What all else takes, but for what it takes for each page, stays as it is.
    const most = Math.floor((regions[0].size + WASM_MAX_PAGES * WASM_PAGE - at) / (1 << 20));
    throw VmError.config(`The box's memory is too large: with ${harts} hart(s) it can have at most ${most} MiB.`, {
      code: 'memory-too-large',
      params: { harts, mostBytes: most * 2 ** 20 },
    });
  }
  // The device thread, for which a hart then waits, needs a core too.
  const idleWatch = harts < cores ? IDLE_WATCH : 0;
  return { harts, decoded, decodedStride, pageVersions, regions: placed, check, fences, extensionsOff, idleWatch, wasmPages };
}

/** Create the shared memory of a plan and write its header. */
export function createMemory(plan: MemoryPlan): WebAssembly.Memory {
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: plan.wasmPages, maximum: plan.wasmPages, shared: true });
  } catch (cause) {
    const mebibytes = Math.round(plan.wasmPages / 16);
    // V8 reserves addresses, and nearly nothing else at first. Where memory is left it is those that are limited.
    const isLimit = freemem() >= plan.wasmPages * WASM_PAGE;
    throw new VmError(
      'Resource',
      isLimit
        ? `This process may not have the ${mebibytes} MiB of addresses that the box's memory takes, though the computer has memory left. Raise the limit of its address space (ulimit -v), or give the box less.`
        : `This computer could not give the box ${mebibytes} MiB of memory. Close other programs or give the box less.`,
      { cause, code: isLimit ? 'address-space-limit' : 'memory-refused', params: { neededBytes: mebibytes * 2 ** 20 } },
    );
  }
  const view = new DataView(memory.buffer);
  view.setUint32(MACHINE_HARTS, plan.harts, true);
  view.setUint32(MACHINE_IDLE_WATCH, plan.idleWatch ?? 0, true);
  view.setUint32(MACHINE_EXTENSIONS_OFF, plan.extensionsOff ?? 0, true);
  view.setUint32(MACHINE_FENCES, plan.fences ?? 0, true);
  view.setUint32(MEMORY_REGION_COUNT, plan.regions.length, true);
  let versions = plan.pageVersions;
  plan.regions.forEach((region, i) => {
    const at = MEMORY_REGIONS + i * MEMORY_REGION_STRIDE;
    view.setBigUint64(at + REGION_BASE, BigInt(region.base), true);
    view.setBigUint64(at + REGION_SIZE, BigInt(region.size), true);
    view.setUint32(at + REGION_OFFSET, region.offset, true);
    view.setUint32(at + REGION_FLAGS, (region.readonly ? REGION_READONLY : 0) | (region.device ? REGION_DEVICE : 0), true);
    view.setUint32(at + REGION_VERSIONS, versions, true);
    versions += (region.size / PAGE) * 4;
  });
  return memory;
}
