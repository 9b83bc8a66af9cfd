import { z } from 'zod';
import type { AccessSize, BoardDevice, InterruptLine } from '../bus/device';
import { DeviceState, unsigned, wordList } from '../bus/device-state';
import { VmError } from '../errors/vm-error';
import type { DeviceTreeNode } from '../bus/device-tree';
import { PLIC_BASE, PLIC_BYTES } from '../memory/layout';
import { interruptMemory, MEIP, SEIP, setHartLine } from './hart-lines';
import { WiredController } from './wired-controller';

// Inside of the PLIC's part of the shared memory, in words. Bit sets have 32 words: 1024 sources.
const SET = 32;
const LOCK = PLIC_BASE >>> 2;
const LEVELS = LOCK + SET;
const PENDING = LEVELS + SET;
const CLAIMED = PENDING + SET;
const THRESHOLDS = CLAIMED + SET;
const PRIORITIES = THRESHOLDS + SET;
const ENABLES = PRIORITIES + 1024;
const WORDS = PLIC_BYTES >>> 2;
const CONTEXTS_MAX = 32;

// Register map (RISC-V PLIC 1.0 §4).
const MAP_PENDING = 0x1000;
const MAP_ENABLES = 0x2000;
const MAP_ENABLES_STRIDE = 0x80;
const MAP_CONTEXTS = 0x200000;
const MAP_CONTEXT_STRIDE = 0x1000;
/** Priorities and thresholds are WARL fields of 3 bits, as on QEMU's virt. */
const PRIORITY_MASK = 7;

export interface PlicOptions {
  /** The machine's memory, in which the state lies; one of its own unless given. */
  memory?: WebAssembly.Memory;
  /** Guest-physical address; that of QEMU's virt unless given. */
  base?: number;
  /** Interrupt sources 1 to `sources`; at most 1023. */
  sources: number;
  /** Two for each hart: 2h is its M-mode, 2h + 1 its S-mode; at most 32. */
  contexts: number;
}

/** Platform-level interrupt controller, RISC-V PLIC 1.0, with level-triggered gateways. */
export class Plic extends WiredController implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = 0x600000;
  readonly accessSizes = { min: 4, max: 4 } as const;
  private readonly contexts: number;
  /** Words of a bit set that hold sources of this PLIC. */
  private readonly setWords: number;
  readonly state: DeviceState;

  constructor(options: PlicOptions) {
    const { sources, contexts, base = 0xc000000, memory } = options;
    if (sources < 1 || sources > 1023) throw VmError.config(`A PLIC has 1 to 1023 sources, not ${sources}.`);
    if (contexts < 1 || contexts > CONTEXTS_MAX) throw VmError.config(`A PLIC has 1 to ${CONTEXTS_MAX} contexts, not ${contexts}.`);
    super(memory ?? interruptMemory(Math.ceil(contexts / 2)), 'PLIC', LOCK, sources);
    this.base = base;
    this.name = `plic@${base.toString(16)}`;
    this.contexts = contexts;
    this.setWords = (sources >>> 5) + 1;
    const set = wordList(this.setWords);
    const priority = unsigned(3);
    this.state = new DeviceState(this, {
      version: 1,
      schema: z.strictObject({
        /** Bit sets of sources. The levels of the wires are those of the devices, saved with them. */
        levels: set,
        pending: set,
        claimed: set,
        thresholds: z.array(priority).length(contexts),
        /** Of source 1, 2, … */
        priorities: z.array(priority).length(sources),
        enables: z.array(set).length(contexts),
      }),
      save: () => {
        this.lock.acquire();
        const copy = (at: number, length: number): number[] => Array.from(this.words.subarray(at, at + length), (word) => word >>> 0);
        const saved = {
          levels: copy(LEVELS, this.setWords),
          pending: copy(PENDING, this.setWords),
          claimed: copy(CLAIMED, this.setWords),
          thresholds: copy(THRESHOLDS, contexts),
          priorities: copy(PRIORITIES + 1, sources),
          enables: Array.from({ length: contexts }, (_, context) => copy(ENABLES + context * SET, this.setWords)),
        };
        this.lock.release();
        return saved;
      },
      load: ({ levels, pending, claimed, thresholds, priorities, enables }, refuse) => {
        for (const bits of [levels, pending, claimed, ...enables]) {
          if (bits.some((word, at) => (word & ~this.existing(at)) !== 0)) refuse('it speaks of interrupt sources that there are not');
        }
        return () => {
          this.lock.acquire();
          this.words.set(levels, LEVELS);
          this.words.set(pending, PENDING);
          this.words.set(claimed, CLAIMED);
          this.words.set(thresholds, THRESHOLDS);
          this.words.set(priorities, PRIORITIES + 1);
          for (const [context, bits] of enables.entries()) this.words.set(bits, ENABLES + context * SET);
          this.update();
          this.lock.release();
        };
      },
    });
  }

  /** Give a source a priority: 0, never, to 7. Throws VmError 'Config' for a source or priority that there is not. */
  setPriority(source: number, priority: number): void {
    this.checkSource(source);
    if (!Number.isInteger(priority) || priority < 0 || priority > PRIORITY_MASK) {
      throw VmError.config(`The PLIC has priorities 0 to ${PRIORITY_MASK}, not ${priority}.`);
    }
    this.write(4 * source, 4, priority);
  }

  /** Let a context be interrupted by a source, or no longer. Throws VmError 'Config' for a source or context that there is not. */
  enableInterrupt(context: number, source: number, enabled = true): void {
    this.checkSource(source);
    if (!Number.isInteger(context) || context < 0 || context >= this.contexts) {
      throw VmError.config(`The PLIC has contexts 0 to ${this.contexts - 1}, not ${context}.`);
    }
    const at = MAP_ENABLES + MAP_ENABLES_STRIDE * context + 4 * (source >>> 5);
    const bit = 1 << (source & 31);
    const before = this.read(at, 4);
    this.write(at, 4, (enabled ? before | bit : before & ~bit) >>> 0);
  }

  /**
   * A gateway as all of QEMU's are: each `setLevel` makes or withdraws a request, also while one is served, and completion alone makes no
   * other though the wire may still be high. Drivers that were only ever run there count on it: xv6's never looks why its UART interrupts,
   * and a transmitter that says "empty" until it is asked would interrupt for ever.
   */
  override requestLine(source: number): InterruptLine {
    this.checkSource(source);
    const bit = 1 << (source & 31);
    const at = PENDING + (source >>> 5);
    return {
      deviceTree: this.wire(source),
      setLevel: (asserted) => {
        this.lock.acquire();
        const pending = this.words[at];
        if (((pending & bit) !== 0) !== asserted) {
          this.words[at] = pending ^ bit;
          this.update();
        }
        this.lock.release();
      },
    };
  }

  read(offset: number, _size: AccessSize): number {
    if (offset >= MAP_CONTEXTS) {
      const context = Math.floor((offset - MAP_CONTEXTS) / MAP_CONTEXT_STRIDE);
      if (context >= this.contexts) return 0;
      const register = offset % MAP_CONTEXT_STRIDE;
      if (register === 0) return this.words[THRESHOLDS + context];
      return register === 4 ? this.claim(context) : 0;
    }
    const at = this.registerWord(offset);
    return at < 0 ? 0 : Atomics.load(this.words, at) >>> 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    this.lock.acquire();
    if (offset >= MAP_CONTEXTS) {
      const context = Math.floor((offset - MAP_CONTEXTS) / MAP_CONTEXT_STRIDE);
      const register = offset % MAP_CONTEXT_STRIDE;
      if (context < this.contexts && register === 0) this.words[THRESHOLDS + context] = value & PRIORITY_MASK;
      else if (context < this.contexts && register === 4) this.complete(context, value);
    } else if (offset < MAP_PENDING) {
      const at = this.registerWord(offset);
      if (at >= 0) this.words[at] = value & PRIORITY_MASK;
    } else if (offset >= MAP_ENABLES) {
      const at = this.registerWord(offset);
      // Bits of sources that do not exist, source 0 among them, are hardwired to zero.
      if (at >= 0) this.words[at] = value & this.existing((offset % MAP_ENABLES_STRIDE) >>> 2);
    }
    this.update();
    this.lock.release();
  }

  reset(): void {
    this.lock.acquire();
    // The wires keep their levels: they belong to the devices, which reset themselves.
    this.words.fill(0, PENDING, LOCK + WORDS);
    this.update();
    this.lock.release();
  }

  deviceTreeNode(): DeviceTreeNode {
    const contexts = Array.from({ length: this.contexts }, (_, context) => [{ ref: `cpu${context >>> 1}_intc` }, context & 1 ? 9 : 11]);
    return {
      name: this.name,
      label: 'plic',
      properties: {
        compatible: ['sifive,plic-1.0.0', 'riscv,plic0'],
        reg: [{ u64: this.base }, { u64: this.size }],
        'interrupt-controller': true,
        '#interrupt-cells': [1],
        '#address-cells': [0],
        'interrupts-extended': contexts.flat(),
        'riscv,ndev': [this.sources],
      },
    };
  }

  /** Index of the word behind a priority, pending or enable register, or -1. */
  private registerWord(offset: number): number {
    if (offset < MAP_PENDING) {
      const source = offset >>> 2;
      return source >= 1 && source <= this.sources ? PRIORITIES + source : -1;
    }
    if (offset < MAP_ENABLES) {
      const at = (offset - MAP_PENDING) >>> 2;
      return at < this.setWords ? PENDING + at : -1;
    }
    const context = Math.floor((offset - MAP_ENABLES) / MAP_ENABLES_STRIDE);
    const at = (offset % MAP_ENABLES_STRIDE) >>> 2;
    return context < this.contexts && at < this.setWords ? ENABLES + context * SET + at : -1;
  }

  private existing(setWord: number): number {
    const below = this.sources + 1 - setWord * 32;
    const mask = below >= 32 ? -1 : (1 << Math.max(below, 0)) - 1;
    return setWord === 0 ? mask & ~1 : mask;
  }

  protected wire(source: number): InterruptLine['deviceTree'] {
    return { interrupts: [source], 'interrupt-parent': [{ ref: 'plic' }] };
  }

  /** Gateway: a high wire makes one request, and no other until that one is completed (PLIC 1.0 §5). */
  protected setLevel(source: number, asserted: boolean): void {
    const bit = 1 << (source & 31);
    const at = source >>> 5;
    const levels = this.words[LEVELS + at];
    if (((levels & bit) !== 0) === asserted) return;
    this.words[LEVELS + at] = levels ^ bit;
    // A request that was made stays, even when the wire falls before it is served.
    if (asserted && (this.words[CLAIMED + at] & bit) === 0) {
      this.words[PENDING + at] = this.words[PENDING + at] | bit;
      this.update();
    }
  }

  private claim(context: number): number {
    this.lock.acquire();
    // The threshold masks the interrupt line, not the claim (PLIC 1.0 §9).
    const source = this.highest(context, 0);
    if (source !== 0) {
      const bit = 1 << (source & 31);
      const at = source >>> 5;
      this.words[PENDING + at] = this.words[PENDING + at] & ~bit;
      this.words[CLAIMED + at] = this.words[CLAIMED + at] | bit;
      this.update();
    }
    this.lock.release();
    return source;
  }

  private complete(context: number, source: number): void {
    if (source < 1 || source > this.sources) return;
    const bit = 1 << (source & 31);
    const at = source >>> 5;
    // A completion of a source that this context has not enabled is ignored (PLIC 1.0 §10).
    if ((this.words[ENABLES + context * SET + at] & bit) === 0) return;
    const claimed = this.words[CLAIMED + at];
    if ((claimed & bit) === 0) return;
    this.words[CLAIMED + at] = claimed & ~bit;
    if ((this.words[LEVELS + at] & bit) !== 0) this.words[PENDING + at] = this.words[PENDING + at] | bit;
  }

  /** The pending and enabled source of the highest priority above `threshold`, the lowest number first; 0 if none. */
  private highest(context: number, threshold: number): number {
    const enables = ENABLES + context * SET;
    let best = 0;
    let bestPriority = threshold;
    for (let at = 0; at < this.setWords; at++) {
      let bits = this.words[PENDING + at] & ~this.words[CLAIMED + at] & this.words[enables + at];
      while (bits !== 0) {
        const low = bits & -bits;
        bits ^= low;
        const source = at * 32 + 31 - Math.clz32(low);
        const priority = this.words[PRIORITIES + source];
        if (priority > bestPriority) {
          best = source;
          bestPriority = priority;
        }
      }
    }
    return best;
  }

  /** Drive every context's external interrupt line from the present state. */
  private update(): void {
    for (let context = 0; context < this.contexts; context++) {
      const asserted = this.highest(context, this.words[THRESHOLDS + context]) !== 0;
      setHartLine(this.words, context >>> 1, context & 1 ? SEIP : MEIP, asserted);
    }
  }
}
