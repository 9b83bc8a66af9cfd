import type { InsideLook } from '../main/inside-contract';

/** What a box did between two looks, or is at the later one. Parts are of one; amounts are bytes, or bytes a second. */
export interface Activity {
  /** Seconds since 1970. */
  at: number;
  /** How busy each hart was. */
  harts: number[];
  /** Million instructions a second, of all harts together. */
  mips: number;
  /** Part of the instructions that ran translated. */
  translated?: number;
  /** What the guest uses itself, where it says so. */
  memory?: number;
  diskRead: number;
  diskWritten: number;
  sent: number;
  received: number;
}

const TICKS = 1e7;
/** After so many seconds without a look little is known of each moment between; the app looks every four (main/past-looks.ts). */
export const AWAY = 6;
/** As long as charts reach back, in seconds. */
export const SPAN = 120;

/** Undefined where nothing can be said: the box was switched on anew, or stood still. `before` and `after` are `seconds` apart. */
export function activityBetween(before: InsideLook, after: InsideLook, seconds: number, at: number): Activity | undefined {
  const [was, is] = [before.statistics, after.statistics];
  const ran = is.seconds - was.seconds;
  if (seconds <= 0 || ran < 0 || was.harts.length !== is.harts.length) return undefined;
  const grown = (name: 'asleepTicks' | 'instructions' | 'regionInstructions', hart: number): number =>
    Math.max(0, (is.harts[hart]?.[name] ?? 0) - (was.harts[hart]?.[name] ?? 0));
  const all = (name: 'instructions' | 'regionInstructions'): number => is.harts.reduce((sum, _, hart) => sum + grown(name, hart), 0);
  const busy = (hart: number): number => (ran === 0 ? 0 : Math.min(1, Math.max(0, 1 - grown('asleepTicks', hart) / TICKS / ran)));
  const rate = (now: number, then: number): number => Math.max(0, now - then) / seconds;
  const traffic = (look: InsideLook, which: 'read' | 'written'): number => look.drives.reduce((sum, drive) => sum + drive[which], 0);
  const packets = (look: InsideLook, which: 'sent' | 'received'): number => look.adapters.reduce((sum, adapter) => sum + adapter[which], 0);
  const instructions = all('instructions');
  const used = usedMemory(after);
  return {
    at,
    harts: is.harts.map((_, hart) => busy(hart)),
    mips: instructions / 1e6 / seconds,
    ...(instructions > 0 && { translated: Math.min(1, all('regionInstructions') / instructions) }),
    ...(used !== undefined && { memory: used }),
    diskRead: rate(traffic(after, 'read'), traffic(before, 'read')),
    diskWritten: rate(traffic(after, 'written'), traffic(before, 'written')),
    sent: rate(packets(after, 'sent'), packets(before, 'sent')),
    received: rate(packets(after, 'received'), packets(before, 'received')),
  };
}

/** What the guest's programs and its kernel need, without what it would give up for them: caches of files. */
export function usedMemory({ memory }: InsideLook): number | undefined {
  const { total, available } = memory?.guest ?? {};
  return total === undefined || available === undefined ? undefined : Math.max(0, total - available);
}

/** What is left of the past, with the new one. */
export function remembered(past: readonly Activity[], now: Activity): Activity[] {
  return [...past.filter(({ at }) => at > now.at - SPAN), now];
}
