import { HARTS_BASE, HART_STRIDE } from '../memory/layout';
import type { MemoryPlan } from '../memory/memory-plan';

interface CsrHelpers {
  setHart(base: number, decoded: number): void;
  debug_csr(number: number, value: bigint, write: number): bigint;
  debug_csr_known(): number;
}

/**
 * Reads and writes the CSRs of a hart that stands still, from any thread and without its help. A read changes nothing; who writes tells
 * the hart by DebugPoints.touch().
 */
export class CsrExaminer {
  private readonly helpers: CsrHelpers;

  /**
   * @param helpers compiled helpers.wasm
   * @param time guest time in ticks
   */
  constructor(memory: WebAssembly.Memory, plan: MemoryPlan, hart: number, helpers: WebAssembly.Module, time: () => number) {
    // All else that a hart asks of its surroundings is not asked by CSRs.
    const env: Record<string, WebAssembly.ImportValue> = {};
    for (const { module, name, kind } of WebAssembly.Module.imports(helpers)) {
      if (module === 'env' && kind === 'function') env[name] = () => 0;
    }
    this.helpers = new WebAssembly.Instance(helpers, { env: { ...env, memory, time } }).exports as unknown as CsrHelpers;
    this.helpers.setHart(HARTS_BASE + hart * HART_STRIDE, plan.decoded + hart * plan.decodedStride);
  }

  /** The value of CSR `number`, 0 to 4095; undefined where the hart has none of that number. */
  read(number: number): bigint | undefined {
    const value = this.helpers.debug_csr(number, 0n, 0);
    return this.helpers.debug_csr_known() ? BigInt.asUintN(64, value) : undefined;
  }

  /** As the instruction csrw would. Returns whether there is such a register, and one to be written. */
  write(number: number, value: bigint): boolean {
    this.helpers.debug_csr(number, value, 1);
    return this.helpers.debug_csr_known() !== 0;
  }
}
