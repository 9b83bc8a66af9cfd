import { PAGE_RECORDS, RECORD_BYTES } from '../hart-layout';
import { DECODE, ILLEGAL, PAGE_END, STRADDLE } from '../handlers';
import { instructions, lookUp } from '../isa';
import { expandCompressed } from '../isa/c';
import { immediateOf, type Instruction } from '../isa/instruction';

/** One instruction of a region. */
export interface RegionInstruction {
  instruction: Instruction;
  word: number;
  length: 2 | 4;
  /** Offset in the page, in bytes. */
  offset: number;
}

/** Where control goes: to a block of the region, or out of it to an offset relative to the page (which may lie beyond it). */
export type Edge = { block: number } | { leave: number };

export interface Block {
  /** Offset of the first instruction. */
  offset: number;
  body: RegionInstruction[];
  /** After the last instruction; undefined where that jumps through a register. */
  next?: Edge;
  /** Where a branch goes when taken. */
  taken?: Edge;
}

/** Hot code of one page: a control-flow graph whose first block is the only entry. */
export interface Region {
  entry: number;
  blocks: Block[];
  instructions: number;
}

/** More than this is cut off: the rest is left to other regions. */
const MAX_INSTRUCTIONS = 600;

/** Instructions that leave their surroundings changed in ways a region does not track; regions end before them. */
function endsRegion(instruction: Instruction): boolean {
  const { extension, format } = instruction;
  return extension === 'zicsr' || extension === 'zifencei' || format === 'none' || instruction.name === 'sfence.vma';
}

/**
 * Find the region that starts at `entry`: all that can be reached within the page by branches and fall-through, through code that
 * has been decoded (so, with some run-on, executed).
 *
 * @param code the page's 2048 half-words
 * @param records the page's decoded records as half-words, four each
 */
export function discoverRegion(code: Uint16Array, records: Uint16Array, entry: number): Region | undefined {
  const found = new Map<number, RegionInstruction>();
  const leaders = new Set<number>([entry]);
  const pending = [entry];
  const read = (offset: number): RegionInstruction | undefined => {
    const at = offset >>> 1;
    if (offset < 0 || at >= PAGE_RECORDS) return undefined;
    const handler = records[at * (RECORD_BYTES / 2)];
    if (handler === DECODE || handler === ILLEGAL || handler === PAGE_END || handler === STRADDLE) return undefined;
    const half = code[at];
    const length = (half & 3) === 3 ? 4 : 2;
    if (length === 4 && at === PAGE_RECORDS - 1) return undefined;
    const word = length === 2 ? expandCompressed(half) : (half | (code[at + 1] << 16)) >>> 0;
    const number = lookUp(word);
    if (number < 0 || endsRegion(instructions[number])) return undefined;
    return { instruction: instructions[number], word, length, offset };
  };

  while (pending.length > 0) {
    let offset = pending.shift() as number;
    while (!found.has(offset) && found.size < MAX_INSTRUCTIONS) {
      const here = read(offset);
      if (!here) break;
      found.set(offset, here);
      const { instruction, word, length } = here;
      const after = offset + length;
      if (instruction.flow === 'branch' || (instruction.name === 'jal' && isPlainJump(word))) {
        const target = offset + immediateOf(instruction.format, word);
        leaders.add(target);
        pending.push(target);
      }
      if (instruction.flow === 'branch') leaders.add(after);
      if (instruction.flow === 'jump') break;
      offset = after;
    }
  }
  if (!found.has(entry)) return undefined;

  const starts = [...leaders].filter((offset) => found.has(offset)).sort((a, b) => a - b);
  // The entry is block 0.
  starts.splice(starts.indexOf(entry), 1);
  starts.unshift(entry);
  const numbers = new Map(starts.map((offset, number) => [offset, number]));
  const edge = (offset: number): Edge => {
    const block = numbers.get(offset);
    return block === undefined ? { leave: offset } : { block };
  };

  const blocks = starts.map((start): Block => {
    const block: Block = { offset: start, body: [] };
    let offset = start;
    for (;;) {
      const here = found.get(offset);
      if (!here || (offset !== start && numbers.has(offset))) {
        block.next = edge(offset);
        return block;
      }
      block.body.push(here);
      const { instruction, word, length } = here;
      if (instruction.flow === 'branch') {
        block.taken = edge(offset + immediateOf(instruction.format, word));
        block.next = edge(offset + length);
        return block;
      }
      if (instruction.flow === 'jump') {
        if (instruction.name === 'jal') {
          const target = offset + immediateOf(instruction.format, word);
          block.next = isPlainJump(word) ? edge(target) : { leave: target };
        }
        return block;
      }
      offset += length;
    }
  });
  return { entry, blocks, instructions: found.size };
}

/** A jal that keeps no return address. */
function isPlainJump(word: number): boolean {
  return ((word >>> 7) & 31) === 0;
}
