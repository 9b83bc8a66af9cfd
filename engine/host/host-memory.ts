import { readFileSync } from 'node:fs';
import { hostLibrary } from './host-library';

/**
 * What V8's code for this processor leaves to be done of the orders that RISC-V promises (engine/hart/memory-model.md): the one place
 * that knows it. Plain data, so that it goes to the threads that make code, and tests can tell them of another host.
 */
export interface HostMemory {
  /** What other threads may see out of order of one thread's plain accesses: nothing; a store after later loads (x86-TSO); anything. */
  readonly reorders: 'nothing' | 'stores after loads' | 'anything';
  /** Whether all of an atomic read-modify-write comes before whatever follows it. On ARM that of a load-exclusive loop does not. */
  readonly atomicsComeFirst: boolean;
}

export const X86: HostMemory = { reorders: 'stores after loads', atomicsComeFirst: true };
/** ARMv8.1's single instructions for atomic operations, with acquire and release. */
export const ARM_LSE: HostMemory = { reorders: 'anything', atomicsComeFirst: true };
/** Whatever is not known to be stronger. */
export const WEAKEST: HostMemory = { reorders: 'anything', atomicsComeFirst: false };

/** The first major version of V8 that was seen to use ARMv8.1's instructions. */
const V8_WITH_LSE = 12;
const PF_ARM_V81_ATOMIC_INSTRUCTIONS_AVAILABLE = 34;

/** This host, asked as V8 itself asks. */
export function hostMemory(): HostMemory {
  if (process.arch === 'x64' || process.arch === 'ia32') return X86;
  if (process.arch !== 'arm64' || Number.parseInt(process.versions.v8, 10) < V8_WITH_LSE) return WEAKEST;
  try {
    return hasLse() ? ARM_LSE : WEAKEST;
  } catch {
    return WEAKEST;
  }
}

function hasLse(): boolean {
  switch (process.platform) {
    case 'darwin':
      return true;
    case 'linux':
      return hasAtomics(readFileSync('/proc/cpuinfo', 'latin1'));
    case 'win32': {
      const isPresent = hostLibrary()?.func('int IsProcessorFeaturePresent(uint32_t feature)');
      return isPresent !== undefined && isPresent(PF_ARM_V81_ATOMIC_INSTRUCTIONS_AVAILABLE) !== 0;
    }
    default:
      return false;
  }
}

/** Whether all processors of Linux's /proc/cpuinfo have ARMv8.1's atomic instructions. */
export function hasAtomics(cpuinfo: string): boolean {
  const features = [...cpuinfo.matchAll(/^Features\s*:(.*)$/gm)];
  return features.length > 0 && features.every(([, list]) => list.split(/\s+/).includes('atomics'));
}
