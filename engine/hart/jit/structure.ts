import type { Block, Edge } from './region';

/** What the emitter needs to know of a region's control flow to write it with wasm's blocks and loops. */
export interface Structure {
  /** Position of each block in reverse postorder; -1 where it cannot be reached. */
  order: Int32Array;
  /** Blocks that some edge goes back to. */
  loopHeader: boolean[];
  /** Blocks with two or more forward edges. */
  merge: boolean[];
  /** For each block, the blocks it immediately dominates, last in reverse postorder first. */
  children: number[][];
  /** For each block its immediate dominator. */
  dominator: Int32Array;
  /** Whether a block lies in a loop. */
  inLoop: boolean[];
  /** Whether control may go from one block to the other inside the region. Edges into the middle of a loop may not. */
  allowed(from: number, to: number): boolean;
}

/** The blocks that control may go to from a block. */
export function successors(block: Block): number[] {
  const result: number[] = [];
  const add = (edge: Edge | undefined): void => {
    if (edge && 'block' in edge) result.push(edge.block);
  };
  add(block.taken);
  add(block.next);
  for (const { edge } of block.targets ?? []) add(edge);
  return result;
}

/**
 * Dominator tree and loop structure (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm), as needed for Ramsey's
 * translation of reducible control flow (Beyond Relooper, ICFP 2022). Back edges whose target does not dominate their
 * source make a graph irreducible: those become exits.
 */
export function analyse(blocks: Block[]): Structure {
  const count = blocks.length;
  const order = new Int32Array(count).fill(-1);
  const postorder: number[] = [];
  const state = new Uint8Array(count);
  const stack: { block: number; next: number; to: number[] }[] = [{ block: 0, next: 0, to: successors(blocks[0]) }];
  state[0] = 1;
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next < top.to.length) {
      const to = top.to[top.next++];
      if (state[to] === 0) {
        state[to] = 1;
        stack.push({ block: to, next: 0, to: successors(blocks[to]) });
      }
    } else {
      postorder.push(top.block);
      stack.pop();
    }
  }
  const sequence = postorder.reverse();
  sequence.forEach((block, i) => {
    order[block] = i;
  });

  const predecessors: number[][] = blocks.map(() => []);
  for (const block of sequence) for (const to of successors(blocks[block])) predecessors[to].push(block);

  const dominator = new Int32Array(count).fill(-1);
  dominator[0] = 0;
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (order[a] > order[b]) a = dominator[a];
      while (order[b] > order[a]) b = dominator[b];
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of sequence) {
      if (block === 0) continue;
      let next = -1;
      for (const from of predecessors[block]) {
        if (dominator[from] < 0) continue;
        next = next < 0 ? from : meet(next, from);
      }
      if (next !== dominator[block]) {
        dominator[block] = next;
        changed = true;
      }
    }
  }
  const dominates = (a: number, b: number): boolean => {
    while (order[b] > order[a]) b = dominator[b];
    return a === b;
  };

  const loopHeader = blocks.map(() => false);
  const inLoop = blocks.map(() => false);
  const merge = blocks.map(() => false);
  const allowed = (from: number, to: number): boolean => order[to] > order[from] || dominates(to, from);
  const markLoop = (header: number, last: number): void => {
    const body = new Set([header, last]);
    for (const block of body) {
      inLoop[block] = true;
      if (block !== header) for (const from of predecessors[block]) body.add(from);
    }
  };
  for (const to of sequence) {
    let forward = 0;
    for (const from of predecessors[to]) {
      if (order[from] < order[to]) forward++;
      else if (dominates(to, from)) {
        loopHeader[to] = true;
        markLoop(to, from);
      }
    }
    merge[to] = forward >= 2;
  }
  const children: number[][] = blocks.map(() => []);
  for (const block of sequence) if (block !== 0) children[dominator[block]].push(block);
  for (const list of children) list.sort((a, b) => order[b] - order[a]);
  return { order, loopHeader, merge, children, dominator, inLoop, allowed };
}
