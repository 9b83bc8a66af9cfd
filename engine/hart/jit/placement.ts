import type { Block } from './region';
import { forEachBit, NONE, type RegisterSet, sizeOf, union, usesOf, without } from './registers';
import { successors, type Structure } from './structure';

/**
 * Where a region takes guest registers from memory and puts them back. A short way through a large region shall not pay for
 * registers that only other ways use.
 */
export interface Placement {
  /** Registers that the region uses at all. */
  used: RegisterSet;
  /** By block: registers to load before anything else in it; those of block 0 before the region begins. */
  loads: readonly RegisterSet[];
  /** The written registers in groups: one exit after the other, each stores its group and goes on with the group before. */
  groups: readonly RegisterSet[];
  /** By block: what may have been written, on any way, when it is left at its end. */
  dirty: readonly RegisterSet[];
  /** By block: the group that its other exits begin with; -1 where nothing is written on the way there. */
  exits: Int32Array;
}

/** Registers of a group: each group is a place where ways meet, which costs when it is compiled. */
const GROUP = 4;

export function place(blocks: Block[], structure: Structure): Placement {
  const { order, dominator, inLoop } = structure;
  const sequence = [...blocks.keys()].filter((block) => order[block] >= 0).sort((a, b) => order[a] - order[b]);
  const reads: RegisterSet[] = [];
  const writes: RegisterSet[] = [];
  let used: RegisterSet = NONE;
  blocks.forEach(({ body }, i) => {
    reads[i] = NONE;
    writes[i] = NONE;
    for (const instruction of body) {
      const uses = usesOf(instruction);
      reads[i] = union(reads[i], uses.reads);
      writes[i] = union(writes[i], uses.writes);
    }
    used = union(used, union(reads[i], writes[i]));
  });

  // What may have been written when a block is left.
  const dirty: RegisterSet[] = [...writes];
  for (let changed = true; changed; ) {
    changed = false;
    for (const from of sequence) {
      for (const to of successors(blocks[from])) {
        if (sizeOf(without(dirty[from], dirty[to])) === 0) continue;
        dirty[to] = union(dirty[to], dirty[from]);
        changed = true;
      }
    }
  }

  // In the order in which they are written first, so that early exits need few groups.
  const groups: RegisterSet[] = [];
  let grouped: RegisterSet = NONE;
  for (const block of sequence) {
    const more = without(dirty[block], grouped);
    if (sizeOf(more) === 0) continue;
    grouped = union(grouped, more);
    const last = groups.at(-1);
    if (last && sizeOf(last) < GROUP) groups[groups.length - 1] = union(last, more);
    else groups.push(more);
  }
  const exits = Int32Array.from(blocks, (_, i) => groups.findLastIndex(({ x, f }) => (x & dirty[i].x) !== 0 || (f & dirty[i].f) !== 0));

  // A register is loaded in the last block that lies on all ways to where it is needed, and outside of loops: only once.
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (order[a] > order[b]) a = dominator[a];
      while (order[b] > order[a]) b = dominator[b];
    }
    return a;
  };
  const prefix = groups.map((_, i) => groups.slice(0, i + 1).reduce(union, NONE));
  const at = { x: new Int32Array(32).fill(-1), f: new Int32Array(32).fill(-1) };
  for (const block of sequence) {
    const stored = exits[block] >= 0 ? prefix[exits[block]] : NONE;
    const needed = union(union(reads[block], writes[block]), stored);
    for (const file of ['x', 'f'] as const) {
      forEachBit(needed[file], (register) => {
        at[file][register] = at[file][register] < 0 ? block : meet(at[file][register], block);
      });
    }
  }
  const loads: RegisterSet[] = blocks.map(() => ({ x: 0, f: 0 }));
  for (const file of ['x', 'f'] as const) {
    at[file].forEach((place, register) => {
      if (place < 0) return;
      let block = place;
      while (block !== 0 && inLoop[block]) block = dominator[block];
      loads[block][file] |= 1 << register;
    });
  }
  return { used, loads, groups, dirty, exits };
}
