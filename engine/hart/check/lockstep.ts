import { HART_PC } from '../../memory/layout';
import { VmError } from '../../errors/vm-error';
import { writesX } from '../handlers';
import { HART_BUDGET } from '../hart-layout';
import { instructions, lookUp } from '../isa';
import { expandCompressed } from '../isa/c';
import { rdOf, type Instruction } from '../isa/instruction';
import {
  ACCESS_ADDRESS,
  ACCESS_ATOMIC,
  ACCESS_BLOCK,
  ACCESS_CONDITIONAL,
  ACCESS_KIND,
  ACCESS_OUTCOME,
  ACCESS_RESERVED,
  ACCESS_STORE,
  ACCESS_VALUE,
  CHECK_AFTER,
  CHECK_BEFORE,
  CHECK_FOUND,
  CHECK_NOW,
  DIFFERS_ACCESS,
  DIFFERS_COUNT,
  DIFFERS_EXTRA,
  DIFFERS_LOG_FULL,
  DIFFERS_MISSING,
  DIFFERS_STATE,
  STATE_BYTES,
  STATE_CSRS,
  STATE_F,
  STATE_FFLAGS,
  STATE_FS_DIRTY,
  STATE_PC,
  STATE_TVAL,
} from './check-layout';

/** Of the helpers, what the check uses. */
export interface CheckHelpers {
  setCheckArea(at: number): void;
  check_rewind(instructions: number): void;
  check_next(): number;
  fetch_at_pc(offset: number): number;
}

/** An instruction that the interpreter repeated. */
interface Step {
  pc: bigint;
  /** As it lies in memory. */
  code: number;
  length: 2 | 4;
  instruction: Instruction | undefined;
  word: number;
}

/** How many of the instructions before a difference a report lists. */
const LISTED = 12;

/** Ends a replay that is repeated step by step. */
class Ended extends Error {}

/**
 * The lockstep check of one hart: everything that a translated region has done is done again by the interpreter, from the registers
 * of before and with the region's log in the place of memory, so that nothing is touched twice. Registers, pc, trap, CSRs,
 * instructions retired, and each access to memory with its value must be the same. The comparing is helpers/check.ts; this
 * runs the interpreter, and says what differs.
 */
export class Lockstep {
  private readonly data: DataView;
  private stepping = false;
  private budget = 0;

  /**
   * @param base offset of the hart's area
   * @param area offset of the check's memory
   * @param interpret runs a ReplayLoop
   */
  constructor(
    memory: WebAssembly.Memory,
    private readonly base: number,
    private readonly area: number,
    private readonly helpers: CheckHelpers,
    private readonly interpret: () => void,
  ) {
    this.data = new DataView(memory.buffer);
    helpers.setCheckArea(area);
  }

  replay(): void {
    this.budget = this.data.getInt32(this.base + HART_BUDGET, true);
    this.interpret();
  }

  /** Throws VmError 'Internal'. Called by helpers/check.ts. */
  differs(what: number, region: bigint, interpreter: bigint): never {
    if (this.stepping) throw new Ended();
    if (what === DIFFERS_LOG_FULL) throw new VmError('Internal', 'The lockstep check has no room for what one region does.');
    // Read before the interpreter runs again.
    const difference = what === DIFFERS_STATE ? '' : this.describe(what, region, interpreter);
    const states = what === DIFFERS_STATE ? this.differingStates() : [];
    const steps = this.steps();
    const first = states.map((offset) => ({ offset, writer: lastWriter(steps, offset) })).sort((a, b) => a.writer - b.writer)[0];
    const at = first && first.writer < steps.length ? first.writer : steps.length - 1;
    const lines = [
      `Translated code does not do what the interpreter does. ${first ? this.describeState(first.offset) : difference}`,
      `The region was entered at pc ${hex(this.data.getBigUint64(this.area + CHECK_BEFORE + STATE_PC, true))} and executed ${this.budget} instruction(s).`,
    ];
    if (steps.length > 0) {
      lines.push(first && first.writer < steps.length ? 'Interpreted, up to the last that writes it:' : 'The last interpreted:');
      lines.push(...steps.slice(Math.max(0, at + 1 - LISTED), at + 1).map(listing));
    }
    lines.push('This is a defect of Hartbox; --no-jit avoids it.');
    throw new VmError('Internal', lines.join('\n'));
  }

  private describe(what: number, region: bigint, interpreter: bigint): string {
    const next = this.helpers.check_next();
    switch (what) {
      case DIFFERS_ACCESS:
        return `The region ${this.access(next)}, the interpreter ${this.access(this.area + CHECK_FOUND)}.`;
      case DIFFERS_EXTRA:
        return `The interpreter ${this.access(this.area + CHECK_FOUND)}, the region did not.`;
      case DIFFERS_MISSING:
        return `The region ${this.access(next)}, the interpreter did not.`;
      case DIFFERS_COUNT:
        return `The region executed ${region} instructions, the interpreter ${interpreter}.`;
      default:
        return 'The interpreter came to an instruction that no region contains.';
    }
  }

  private access(entry: number): string {
    const { data } = this;
    const kind = data.getUint32(entry + ACCESS_KIND, true);
    const address = hex(data.getBigUint64(entry + ACCESS_ADDRESS, true));
    const value = hex(data.getBigUint64(entry + ACCESS_VALUE, true));
    const outcome = hex(data.getBigUint64(entry + ACCESS_OUTCOME, true));
    const bytes = `${1 << (kind & 3)} bytes at ${address}`;
    if (kind < ACCESS_STORE) return `loaded ${value} from ${bytes}${kind & 4 ? ', zero-extended' : ''}`;
    if (kind < ACCESS_ATOMIC) return `stored ${value} to ${bytes}`;
    if (kind < ACCESS_RESERVED) return `atomically made ${value} ${outcome} in ${bytes}`;
    if (kind < ACCESS_CONDITIONAL) return `loaded and reserved ${value} from ${bytes}`;
    if (kind >= ACCESS_BLOCK) return `did cache block operation ${kind - ACCESS_BLOCK} at ${address}`;
    return `conditionally stored ${value} to ${bytes} with result ${outcome}`;
  }

  private differingStates(): number[] {
    const offsets: number[] = [];
    for (let offset = 0; offset < STATE_BYTES; offset += 8) {
      if (this.state(CHECK_AFTER, offset) !== this.state(CHECK_NOW, offset)) offsets.push(offset);
    }
    return offsets;
  }

  private state(which: number, offset: number): bigint {
    return this.data.getBigUint64(this.area + which + offset, true);
  }

  private describeState(offset: number): string {
    return `${nameOf(offset)} is ${hex(this.state(CHECK_AFTER, offset))} after the region and ${hex(this.state(CHECK_NOW, offset))} interpreted.`;
  }

  /** Interpret once more, instruction by instruction, as far as the two agree on memory. */
  private steps(): Step[] {
    const { data, base, helpers } = this;
    const steps: Step[] = [];
    this.stepping = true;
    helpers.check_rewind(0);
    try {
      for (let i = 0; i < this.budget; i++) {
        steps.push(this.step());
        data.setInt32(base + HART_BUDGET, 1, true);
        this.interpret();
      }
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    }
    return steps;
  }

  private step(): Step {
    const { data, helpers } = this;
    const pc = data.getBigUint64(this.base + HART_PC, true);
    const low = helpers.fetch_at_pc(0);
    let code = low === 0 ? 0 : data.getUint16(low, true);
    const length = (code & 3) === 3 ? 4 : 2;
    if (length === 4) {
      const high = helpers.fetch_at_pc(2);
      code = (code | (high === 0 ? 0 : data.getUint16(high, true) << 16)) >>> 0;
    }
    const word = length === 4 ? code : expandCompressed(code);
    return { pc, code, length, word, instruction: instructions[lookUp(word)] };
  }
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function nameOf(offset: number): string {
  if (offset < STATE_F) return `x${offset / 8}`;
  if (offset < STATE_PC) return `f${(offset - STATE_F) / 8}`;
  if (offset === STATE_PC) return 'pc';
  if (offset === STATE_FFLAGS) return 'fcsr (fflags, and frm above bit 32)';
  if (offset === STATE_FS_DIRTY) return 'what makes mstatus.FS Dirty (and above bit 32 the exception raised + 1)';
  if (offset === STATE_TVAL) return 'the trap value';
  return `CSR_MSTATUS + ${offset - STATE_CSRS} (hart-layout.ts)`;
}

/** Number of the last step that writes the register at `offset` of the state; where none does, that after the last step. */
function lastWriter(steps: Step[], offset: number): number {
  const found = steps.findLastIndex(({ instruction, word }) => {
    if (!instruction || rdOf(word) !== (offset / 8) % 32 || offset >= STATE_PC) return false;
    return offset < STATE_F ? writesX(instruction) : instruction.fp !== false;
  });
  return found < 0 ? steps.length : found;
}

function listing({ pc, code, length, instruction }: Step): string {
  return `  ${hex(pc)}  ${code
    .toString(16)
    .padStart(length * 2, '0')
    .padEnd(8)}  ${instruction?.name ?? 'illegal'}`;
}
