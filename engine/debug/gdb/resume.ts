import { parseNumber } from './packet';
import type { HartAction } from './target';
import { type Harts, parseThread } from './threads';

/** What harts are to do: an action for each, and for those that step until where (GDB's range stepping). */
export interface Resumption {
  actions: HartAction[];
  /** The stepping hart goes on stepping while its pc is at least `start` and less than `end`. */
  range?: { start: bigint; end: bigint };
}

/** The most actions of one packet: one for each hart and one for the rest, and some more. */
const ACTIONS_MOST = 64;

/** `vCont`'s actions: `;s:p1.1;c`. For each hart the leftmost that names it counts; harts without one stay. Undefined where malformed. */
export function parseContinue(text: string, harts: number): Resumption | undefined {
  const resumption: Resumption = { actions: Array.from({ length: harts }, () => 'stay') };
  const isNamed = Array.from({ length: harts }, () => false);
  const parts = text.split(';').slice(1);
  if (parts.length === 0 || parts.length > ACTIONS_MOST) return undefined;
  for (const part of parts) {
    const [, action, thread] = /^(c|C[0-9a-f]{2}|s|S[0-9a-f]{2}|r[0-9a-f]{1,16},[0-9a-f]{1,16})(?::([-p.0-9a-f]+))?$/i.exec(part) ?? [];
    if (action === undefined) return undefined;
    const named = thread === undefined ? 'all' : parseThread(thread, harts);
    if (named === undefined) return undefined;
    const isRun = /^c/i.test(action);
    if (action.startsWith('r')) {
      const [start, end] = action.slice(1).split(',').map(parseNumber);
      if (start !== undefined && end !== undefined) resumption.range ??= { start, end };
    }
    for (const hart of members(named, harts)) {
      if (isNamed[hart]) continue;
      isNamed[hart] = true;
      resumption.actions[hart] = isRun ? 'run' : 'step';
    }
  }
  return resumption;
}

function members(named: Harts, harts: number): number[] {
  if (named === 'all') return Array.from({ length: harts }, (_, hart) => hart);
  return [named === 'any' ? 0 : named];
}
