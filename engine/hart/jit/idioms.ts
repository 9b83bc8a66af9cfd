import { immediateOf, rs1Of, rs2Of } from '../isa/instruction';
import type { RegionInstruction } from './region';
import { usesOf } from './registers';

/** What some instructions together compute, for which the host has one instruction. */
export type Idiom =
  /** Rotate left by `amount`; of 32 bits, the result is sign-extended. */
  | { kind: 'rotate'; bits: 32 | 64; amount: number }
  /** The low `bits`, extended with zeroes or the sign, then shifted left by `amount`. */
  | { kind: 'zero' | 'sign'; bits: 8 | 16 | 32; amount: number };

/** An idiom's last instruction, and where its source is still unchanged: before `from` is executed. */
export interface Found {
  idiom: Idiom;
  /** Index of the instruction that makes the source worth keeping, and the source's register then. */
  from: number;
  source: number;
}

/**
 * The idioms in a straight line of code, by the index of their last instruction. RV64GC has neither rotations nor zero extension: compilers
 * write shifts, in any order and with other instructions in between. The shifts are executed too, and vanish if nobody needs them.
 */
export function findIdioms(body: readonly RegionInstruction[]): Map<number, Found> {
  const found = new Map<number, Found>();
  /** By register, the index of the instruction that wrote it last; -1 before the first. */
  const writer = new Int32Array(32).fill(-1);
  body.forEach((here, index) => {
    const last = (register: number): number => (register === 0 ? -1 : writer[register]);
    const match = rotation(body, here, last) ?? extension(body, here, last);
    if (match) found.set(index, match);
    const { writes } = usesOf(here);
    if (writes.x !== 0) writer[31 - Math.clz32(writes.x)] = index;
  });
  return found;
}

/** Whether no instruction from one index to before another writes the register. */
function unchanged(body: readonly RegionInstruction[], register: number, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((usesOf(body[i]).writes.x >>> register) & 1) return false;
  return true;
}

const LEFT: Record<string, 32 | 64> = { slliw: 32, slli: 64 };
const RIGHT: Record<string, 32 | 64> = { srliw: 32, srli: 64 };
const JOIN = new Set(['or', 'xor', 'add']);

function rotation(body: readonly RegionInstruction[], here: RegionInstruction, last: (register: number) => number): Found | undefined {
  if (!JOIN.has(here.instruction.name)) return undefined;
  const [a, b] = [last(rs1Of(here.word)), last(rs2Of(here.word))];
  if (a < 0 || b < 0 || a === b) return undefined;
  const [left, right] = body[a].instruction.name in LEFT ? [body[a], body[b]] : [body[b], body[a]];
  const width = LEFT[left.instruction.name];
  if (width === undefined || RIGHT[right.instruction.name] !== width) return undefined;
  const amount = shiftOf(left);
  const source = rs1Of(left.word);
  if (amount === 0 || amount + shiftOf(right) !== width || source === 0 || rs1Of(right.word) !== source) return undefined;
  const [first, second] = a < b ? [a, b] : [b, a];
  if (!unchanged(body, source, first, second)) return undefined;
  return { idiom: { kind: 'rotate', bits: width, amount }, from: second, source };
}

function extension(body: readonly RegionInstruction[], here: RegionInstruction, last: (register: number) => number): Found | undefined {
  const { name } = here.instruction;
  if (name !== 'srli' && name !== 'srai') return undefined;
  const from = last(rs1Of(here.word));
  if (from < 0 || body[from].instruction.name !== 'slli') return undefined;
  const source = rs1Of(body[from].word);
  const bits = 64 - shiftOf(body[from]);
  const amount = shiftOf(body[from]) - shiftOf(here);
  if (source === 0 || amount < 0 || (bits !== 8 && bits !== 16 && bits !== 32)) return undefined;
  return { idiom: { kind: name === 'srli' ? 'zero' : 'sign', bits, amount }, from, source };
}

function shiftOf({ instruction, word }: RegionInstruction): number {
  return immediateOf(instruction.format, word);
}
