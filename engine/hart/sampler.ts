import { HART_PC, HART_X } from '../memory/layout';
import { CSR_SATP, HART_PRIV, HART_PROFILING, PROFILING, PROFILING_ANEW, STAT_ASLEEP } from './hart-layout';

/**
 * Samples of one hart in the order in which they were taken, as numbers one after another: SAMPLE_* below, then the addresses of
 * the call chain, innermost first.
 */
export type Samples = BigUint64Array<ArrayBuffer>;
/** Ticks of 100 ns that the sample stands for: since the one before, without sleep; and those asleep meanwhile. */
export const SAMPLE_AWAKE = 0;
export const SAMPLE_ASLEEP = 1;
/** 0 U, 1 S, 3 M. */
export const SAMPLE_PRIVILEGE = 2;
export const SAMPLE_SATP = 3;
export const SAMPLE_DEPTH = 4;
export const SAMPLE_HEADER = 5;

const DEPTH_MAX = 64;
/** No frame is larger. */
const FRAME_MAX = 65536n;
/** Numbers that are kept back, so that not every sample is a message. */
const BATCH = 16384;
/** Nor for longer than that, in ticks: who looks at a machine that runs on waits for them. */
const BATCH_TICKS = 1_000_000;
const [RA, SP, FP] = [1, 2, 8];

/** Notes where a hart is, with the call chain that its frame pointers tell (RISC-V ELF psABI, frame pointer convention). */
export class Sampler {
  private readonly data: DataView;
  private numbers: bigint[] = [];
  private last = 0;
  private lastAsleep = 0n;
  private flushed = 0;

  constructor(
    memory: WebAssembly.Memory,
    private readonly hart: number,
    /** Where the byte at a virtual address lies in the memory; 0 if it cannot be read. */
    private readonly peek: (address: bigint) => number,
    /** Guest time in ticks of 100 ns. */
    private readonly time: () => number,
    private readonly deliver: (samples: Samples) => void,
  ) {
    this.data = new DataView(memory.buffer);
  }

  /** Take a sample: HART_PC is the next instruction. */
  sample(): void {
    const { data, hart, numbers } = this;
    const now = this.time();
    const asleep = data.getBigUint64(hart + STAT_ASLEEP, true);
    if (data.getUint32(hart + HART_PROFILING, true) === PROFILING_ANEW) {
      // The time before is nobody's.
      data.setUint32(hart + HART_PROFILING, PROFILING, true);
      this.numbers = [];
      this.last = this.flushed = now;
      this.lastAsleep = asleep;
      return;
    }
    const slept = asleep - this.lastAsleep;
    const awake = BigInt(Math.max(0, now - this.last)) - slept;
    this.last = now;
    this.lastAsleep = asleep;
    const chain = this.callChain();
    numbers.push(
      awake > 0n ? awake : 0n,
      slept,
      BigInt(data.getUint32(hart + HART_PRIV, true)),
      data.getBigUint64(hart + CSR_SATP, true),
      BigInt(chain.length),
      ...chain,
    );
    if (numbers.length < BATCH && now - this.flushed < BATCH_TICKS) return;
    this.flushed = now;
    this.flush();
  }

  /** Deliver what was kept back. */
  flush(): void {
    if (this.numbers.length === 0) return;
    this.deliver(BigUint64Array.from(this.numbers));
    this.numbers = [];
  }

  private x(register: number): bigint {
    return this.data.getBigUint64(this.hart + HART_X + 8 * register, true);
  }

  private word(address: bigint): bigint | undefined {
    const at = this.peek(address);
    return at === 0 ? undefined : this.data.getBigUint64(at, true);
  }

  /**
   * A frame holds the return address 8 bytes below the frame pointer, and the caller's frame pointer 16 below. A function that calls
   * nothing may save the frame pointer alone: then that lies 8 below, and the return address is still in ra. Code without frame pointers
   * has something else in the register, and its chain ends where that is no address in the stack above.
   */
  private callChain(): bigint[] {
    const chain = [this.data.getBigUint64(this.hart + HART_PC, true)];
    let above = this.x(SP);
    let frame = this.x(FP);
    const isFrame = (address: bigint): boolean => (address & 7n) === 0n && address > above && address - above <= FRAME_MAX;
    while (chain.length < DEPTH_MAX && isFrame(frame)) {
      const upper = this.word(frame - 8n);
      const lower = this.word(frame - 16n);
      if (upper === undefined || lower === undefined) break;
      above = frame;
      let next = lower;
      let caller = upper;
      if (chain.length === 1 && isFrame(upper)) {
        next = upper;
        caller = this.x(RA);
      } else if (isFrame(upper)) {
        break;
      }
      if (caller === 0n || (caller & 1n) === 1n) break;
      chain.push(caller);
      frame = next;
    }
    return chain;
  }
}
