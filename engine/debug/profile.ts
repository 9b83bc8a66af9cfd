import { SAMPLE_ASLEEP, SAMPLE_AWAKE, SAMPLE_DEPTH, SAMPLE_HEADER, SAMPLE_PRIVILEGE, SAMPLE_SATP, type Samples } from '../hart/sampler';
import type { SymbolTable } from './symbols';

/** A node of the tree of calls, as the file has it. */
interface ProfileNode {
  id: number;
  callFrame: { functionName: string; scriptId: string; url: string; lineNumber: number; columnNumber: number };
  hitCount: number;
  children: number[];
}

/**
 * A CPU profile as Chrome DevTools, VS Code, speedscope and the Firefox Profiler open it (Chrome DevTools Protocol, Profiler.Profile;
 * the file's name ends in .cpuprofile). Times in microseconds; sample i lasts for timeDeltas[i + 1].
 */
export interface CpuProfile {
  nodes: ProfileNode[];
  startTime: number;
  endTime: number;
  samples: number[];
  timeDeltas: number[];
}

/** Where most of the time went. Shares are parts of one of the time that the harts had. */
export interface HotSpots {
  /** Seconds, of all harts together. */
  seconds: number;
  idle: number;
  /** The hottest first: functions by their own time, without that of what they call; or pages, where nobody names the code. */
  spots: { name: string; privilege: (typeof MODES)[keyof typeof MODES]; share: number }[];
}

const TICKS_PER_MICROSECOND = 10;
const MODES = { 'user mode': 'user', 'supervisor mode': 'supervisor', 'machine mode': 'machine' } as const;
const PRIVILEGES: Record<number, keyof typeof MODES | undefined> = { 0: 'user mode', 1: 'supervisor mode', 3: 'machine mode' };
const PAGE_MASK = ~0xfffn;

/**
 * Where the harts of a machine spent their time. Frames, from the outside in: the hart where there are several, the privilege, the
 * address space in user mode, the functions. Code that no symbol names shows as the page that it lies in. The time of several
 * harts follows one upon another.
 */
export class GuestProfile {
  private readonly harts = new Map<number, Samples[]>();

  constructor(private readonly symbols: SymbolTable) {}

  /** What a hart noted, in order. */
  add(hart: number, samples: Samples): void {
    const known = this.harts.get(hart);
    if (known) known.push(samples);
    else this.harts.set(hart, [samples]);
  }

  toCpuProfile(): CpuProfile {
    const tree = new Tree();
    const samples: number[] = [];
    const timeDeltas = [0];
    let ticks = 0;
    let endTime = 0;
    // Viewers expect whole microseconds; what is rounded off one sample is the next one's.
    const put = (node: ProfileNode, duration: bigint): void => {
      ticks += Number(duration);
      const time = Math.floor(ticks / TICKS_PER_MICROSECOND) - endTime;
      if (time === 0) return;
      node.hitCount++;
      samples.push(node.id);
      timeDeltas.push(time);
      endTime += time;
    };
    for (const [hart, bundles] of [...this.harts].sort(([a], [b]) => a - b)) {
      const top = this.harts.size > 1 ? tree.child(tree.root, `hart ${hart}`) : tree.root;
      const idle = tree.child(top, '(idle)');
      const spaces = new Map<bigint, string>();
      for (const numbers of bundles) {
        for (let at = 0; at < numbers.length; at += SAMPLE_HEADER + Number(numbers[at + SAMPLE_DEPTH])) {
          const first = at + SAMPLE_HEADER;
          const addresses = numbers.subarray(first, first + Number(numbers[at + SAMPLE_DEPTH]));
          put(idle, numbers[at + SAMPLE_ASLEEP]);
          put(
            this.locate(tree, top, spaces, numbers[at + SAMPLE_PRIVILEGE], numbers[at + SAMPLE_SATP], addresses),
            numbers[at + SAMPLE_AWAKE],
          );
        }
      }
    }
    // The end of the last sample.
    samples.push(tree.root.id);
    return { nodes: tree.nodes, startTime: 0, endTime, samples, timeDeltas };
  }

  /** The node of a call chain, innermost address first. */
  private locate(
    tree: Tree,
    top: ProfileNode,
    spaces: Map<bigint, string>,
    privilege: bigint,
    satp: bigint,
    addresses: BigUint64Array,
  ): ProfileNode {
    let node = tree.child(top, PRIVILEGES[Number(privilege)] ?? `privilege ${privilege}`);
    if (privilege === 0n && satp !== 0n) {
      const space = spaces.get(satp) ?? `address space ${spaces.size + 1}`;
      spaces.set(satp, space);
      node = tree.child(node, space);
    }
    for (let i = addresses.length - 1; i >= 0; i--) {
      // A return address may be the next function's already.
      const address = i > 0 ? addresses[i] - 1n : addresses[i];
      node = tree.child(node, this.symbols.nameOf(address) ?? `0x${(address & PAGE_MASK).toString(16)}`);
    }
    return node;
  }
}

/** The `count` hottest spots of a profile. */
export function hotSpots({ nodes, samples, timeDeltas, endTime }: CpuProfile, count: number): HotSpots {
  const parents = new Map(nodes.flatMap(({ id, children }) => children.map((child) => [child, id] as const)));
  const spent = new Map<number, number>();
  for (let i = 0; i + 1 < samples.length; i++) spent.set(samples[i], (spent.get(samples[i]) ?? 0) + timeDeltas[i + 1]);
  let idle = 0;
  const spots = new Map<string, HotSpots['spots'][number]>();
  for (const [id, time] of spent) {
    const share = endTime > 0 ? time / endTime : 0;
    const { functionName: name } = nodes[id - 1].callFrame;
    let mode: (typeof MODES)[keyof typeof MODES] | undefined;
    for (let at: number | undefined = id; at !== undefined && !mode; at = parents.get(at)) mode = modeOf(nodes[at - 1]);
    if (!mode) {
      idle += share;
      continue;
    }
    const key = `${mode} ${name}`;
    const spot = spots.get(key) ?? { name, privilege: mode, share: 0 };
    spot.share += share;
    spots.set(key, spot);
  }
  const hottest = [...spots.values()].sort((a, b) => b.share - a.share).slice(0, count);
  return { seconds: endTime / 1e6, idle, spots: hottest };
}

function modeOf({ callFrame: { functionName } }: ProfileNode): (typeof MODES)[keyof typeof MODES] | undefined {
  return Object.hasOwn(MODES, functionName) ? MODES[functionName as keyof typeof MODES] : undefined;
}

class Tree {
  readonly nodes: ProfileNode[] = [];
  readonly root = this.node('(root)');
  private readonly known = new Map<number, Map<string, ProfileNode>>();

  child(parent: ProfileNode, name: string): ProfileNode {
    const children = this.known.get(parent.id) ?? new Map<string, ProfileNode>();
    this.known.set(parent.id, children);
    let child = children.get(name);
    if (!child) {
      child = this.node(name);
      children.set(name, child);
      parent.children.push(child.id);
    }
    return child;
  }

  private node(functionName: string): ProfileNode {
    const callFrame = { functionName, scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 };
    const node = { id: this.nodes.length + 1, callFrame, hitCount: 0, children: [] };
    this.nodes.push(node);
    return node;
  }
}
