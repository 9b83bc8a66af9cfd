import { PAGE_RECORDS, RECORD_BYTES } from '../hart-layout';
import { DECODE, ILLEGAL, PAGE_END } from '../handlers';
import { instructions, lookUp } from '../isa';
import { expandCompressed } from '../isa/c';
import { immediateOf, rdOf, rs1Of, type Instruction } from '../isa/instruction';

/** One instruction of a region. */
export interface RegionInstruction {
  instruction: Instruction;
  word: number;
  length: 2 | 4;
  /** In bytes from the start of the entry's page; may lie before or beyond that page, as all offsets here. */
  offset: number;
}

/** Where control goes: to a block of the region, or out of it to an offset. */
export type Edge = { block: number } | { leave: number };

export interface Block {
  /** Offset of the first instruction. */
  offset: number;
  /** The pages it lies in, as a bit set of indices of the region's pages. */
  pages: number;
  body: RegionInstruction[];
  /** After the last instruction; undefined where that jumps through a register. */
  next?: Edge;
  /** Where a branch goes when taken. */
  taken?: Edge;
  /** Where a jump through a register is expected to go. */
  targets?: { offset: number; edge: Edge }[];
}

/** Hot code: a control-flow graph whose first block is the only entry. Calls are inlined: a function has a copy for each call. */
export interface Region {
  entry: number;
  blocks: Block[];
  instructions: number;
  /** The pages it was made from, that of the entry first: distance from that in bytes, and version. */
  pages: { distance: number; version: number }[];
}

/** One page of guest code as the region's entry sees it. */
export interface CodePage {
  /** See SLOT_VERSION. */
  version: number;
  /** The page's 2048 half-words. */
  code: Uint16Array;
  /** The page's decoded records as half-words, four each. */
  records: Uint16Array;
}

/** What is known of the code around a hot spot. */
export interface CodeView {
  /** The page at a distance in bytes from the entry's, if it is executable now. */
  page(distance: number): CodePage | undefined;
  /** Whether the code at an offset is often jumped to. */
  isWarm(offset: number): boolean;
  /** What the machine does without: MACHINE_EXTENSIONS_OFF. */
  readonly extensionsOff: number;
  /** Whether CSR instructions may be in a region; the lockstep check cannot do them twice. */
  readonly withCsrs: boolean;
  /** Offsets to which the jump through a register at an offset has been seen to go. */
  targets(offset: number): number[];
}

/** More than this is cut off: the rest is left to other regions. */
const MAX_INSTRUCTIONS = 1000;
/** Calls within calls that are inlined. */
const MAX_DEPTH = 3;
/** Pages of a region; and expected targets of a call and of a jump through a register. */
const MAX_PAGES = 24;
const MAX_CALL_TARGETS = 8;

/** One activation of a function: code of the same function called from elsewhere is a copy of its own. */
class Frame {
  readonly found = new Map<number, RegionInstruction>();
  readonly leaders = new Set<number>();
  /** Block numbers by offset. */
  readonly numbers = new Map<number, number>();
  readonly depth: number;
  private readonly callees = new Map<string, Frame>();

  /** `link`: the register that holds the return address, and that address. */
  constructor(
    readonly caller?: Frame,
    readonly link = 0,
    readonly returnTo = 0,
  ) {
    this.depth = caller ? caller.depth + 1 : 0;
  }

  callee(target: number, link: number, returnTo: number): Frame {
    const key = `${returnTo}:${target}`;
    let frame = this.callees.get(key);
    if (!frame) {
      frame = new Frame(this, link, returnTo);
      this.callees.set(key, frame);
    }
    return frame;
  }

  /** This frame and all that it calls. */
  *all(): Generator<Frame> {
    yield this;
    for (const callee of this.callees.values()) yield* callee.all();
  }
}

/** The first offset in the same page. */
const pageStart = (offset: number): number => offset - (offset & 4095);

interface Place {
  frame: Frame;
  offset: number;
}

/** The CSRs of csr_now: sstatus, by which kernels switch interrupts off and on everywhere, sscratch, sepc, scause, stval, and time. */
const CSRS = new Set([0x100, 0x140, 0x141, 0x142, 0x143, 0xc01]);

/** Instructions that leave their surroundings changed in ways a region does not track; regions end before them. */
function endsRegion({ extension, format }: Instruction, word: number, withCsrs: boolean): boolean {
  if (extension === 'zicsr') return !withCsrs || !CSRS.has(immediateOf(format, word));
  return extension === 'zifencei' || format === 'none' || format === 'fence';
}

/** Registers that calls keep the return address in (unprivileged ISA §2.5.1). */
const isLink = (register: number): boolean => register === 1 || register === 5;

/**
 * Find the region that starts at `entry`: what can be reached by branches, fall-through, calls and returns, through code that has
 * been decoded (so, with some run-on, executed).
 */
export function discoverRegion(view: CodeView, entry: number): Region | undefined {
  return new Discovery(view, entry).region();
}

class Discovery {
  private readonly pages = new Map<number, { index: number; page: CodePage }>();
  private readonly used: Region['pages'] = [];
  private readonly root = new Frame();
  private size = 0;

  constructor(
    private readonly view: CodeView,
    private readonly entry: number,
  ) {}

  region(): Region | undefined {
    const { root, entry } = this;
    root.leaders.add(entry);
    const pending: Place[] = [{ frame: root, offset: entry }];
    const goTo = (place: Place): void => {
      place.frame.leaders.add(place.offset);
      pending.push(place);
    };
    for (let at = 0; at < pending.length; at++) {
      const { frame } = pending[at];
      let { offset } = pending[at];
      while (!frame.found.has(offset) && this.size < MAX_INSTRUCTIONS) {
        const here = this.read(offset);
        if (!here) break;
        frame.found.set(offset, here);
        this.size++;
        const after = offset + here.length;
        const { instruction, word } = here;
        if (instruction.flow === 'branch') {
          frame.leaders.add(after);
          goTo({ frame, offset: offset + immediateOf('b', word) });
        } else if (instruction.flow === 'jump') {
          for (const place of this.targetsOf(frame, here)) goTo(place);
          break;
        } else if (pageStart(after) !== pageStart(offset)) {
          frame.leaders.add(after);
        }
        offset = after;
      }
    }
    if (!root.found.has(entry)) return undefined;
    return { entry, blocks: this.blocks(), instructions: this.size, pages: this.used };
  }

  private pageOf(offset: number): { index: number; page: CodePage } | undefined {
    const distance = pageStart(offset);
    const known = this.pages.get(distance);
    if (known) return known;
    const page = this.used.length < MAX_PAGES ? this.view.page(distance) : undefined;
    if (!page) return undefined;
    const entry = { index: this.used.push({ distance, version: page.version }) - 1, page };
    this.pages.set(distance, entry);
    return entry;
  }

  private pageBit(offset: number): number {
    return 1 << (this.pages.get(pageStart(offset))?.index ?? 0);
  }

  private read(offset: number): RegionInstruction | undefined {
    const page = this.pageOf(offset)?.page;
    if (!page) return undefined;
    const at = (offset & 4095) >>> 1;
    const handler = page.records[at * (RECORD_BYTES / 2)];
    if (handler === DECODE || handler === ILLEGAL || handler === PAGE_END) return undefined;
    const half = page.code[at];
    const length = (half & 3) === 3 ? 4 : 2;
    const rest = length === 4 && at === PAGE_RECORDS - 1 ? this.pageOf(offset + 2)?.page.code[0] : page.code[at + 1];
    if (rest === undefined) return undefined;
    const word = length === 2 ? expandCompressed(half) : (half | (rest << 16)) >>> 0;
    const number = lookUp(word, this.view.extensionsOff);
    if (number < 0 || endsRegion(instructions[number], word, this.view.withCsrs)) return undefined;
    return { instruction: instructions[number], word, length, offset };
  }

  /** Where a jump goes, as far as it can be told or has been seen. */
  private targetsOf(frame: Frame, here: RegionInstruction): Place[] {
    const { instruction, word, length, offset } = here;
    const rd = rdOf(word);
    const to = (targets: number[]): Place[] => {
      if (!isLink(rd)) return targets.map((target) => ({ frame, offset: target }));
      if (frame.depth >= MAX_DEPTH) return [];
      const worthy = targets.filter((target) => this.view.isWarm(target)).slice(0, MAX_CALL_TARGETS);
      return worthy.map((target) => ({ frame: frame.callee(target, rd, offset + length), offset: target }));
    };
    const immediate = immediateOf(instruction.format, word);
    if (instruction.name === 'jal') return to([offset + immediate]);
    const rs1 = rs1Of(word);
    if (rd === 0 && immediate === 0 && isLink(rs1)) {
      return frame.caller && frame.link === rs1 ? [{ frame: frame.caller, offset: frame.returnTo }] : [];
    }
    const before = frame.found.get(offset - 4);
    if (before?.instruction.name === 'auipc' && rdOf(before.word) === rs1) {
      return to([offset - 4 + immediateOf('u', before.word) + immediate]);
    }
    return to(this.view.targets(offset));
  }

  private blocks(): Block[] {
    const starts: Place[] = [];
    for (const frame of this.root.all()) {
      for (const offset of [...frame.leaders].sort((a, b) => a - b)) if (frame.found.has(offset)) starts.push({ frame, offset });
    }
    // The entry is block 0.
    const first = starts.findIndex(({ frame, offset }) => frame === this.root && offset === this.entry);
    starts.unshift(...starts.splice(first, 1));
    for (const [number, { frame, offset }] of starts.entries()) frame.numbers.set(offset, number);
    return starts.map((start) => this.block(start));
  }

  private block({ frame, offset: start }: Place): Block {
    const edge = (to: Place): Edge => {
      const block = to.frame.numbers.get(to.offset);
      return block === undefined ? { leave: to.offset } : { block };
    };
    const body: RegionInstruction[] = [];
    const block: Block = { offset: start, pages: 0, body };
    for (let offset = start; ; ) {
      const here = frame.found.get(offset);
      if (!here || (offset !== start && frame.numbers.has(offset))) {
        block.next = edge({ frame, offset });
        return block;
      }
      body.push(here);
      const { instruction, word, length } = here;
      block.pages |= this.pageBit(offset) | this.pageBit(offset + length - 2);
      if (instruction.flow === 'branch') {
        block.taken = edge({ frame, offset: offset + immediateOf('b', word) });
        block.next = edge({ frame, offset: offset + length });
        return block;
      }
      if (instruction.flow === 'jump') {
        const places = this.targetsOf(frame, here);
        if (instruction.name === 'jal') {
          block.next = places.length > 0 ? edge(places[0]) : { leave: offset + immediateOf('j', word) };
        } else {
          block.targets = places.map((place) => ({ offset: place.offset, edge: edge(place) })).filter(({ edge: to }) => 'block' in to);
        }
        return block;
      }
      offset += length;
    }
  }
}
