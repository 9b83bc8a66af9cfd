import type { HotSpot } from './compiler';

/** A module costs some 0.4 ms whatever is in it, so several regions share one; too many would keep the first waiting. */
const BATCH = 12;
/** Spots that may wait: a guest may make code hot for longer than it can be translated, and memory is not to go with it. */
const WAITING_MAX = 8192;

/** A spot that was not asked for in so many milliseconds is perhaps hot no more: a loop through a whole program asks a few times a second. */
const RECENT = 250;

interface Request {
  spot: HotSpot;
  /** When it was asked for last. */
  at: number;
}

/** One hart's hot spots that wait for their translation. Times in milliseconds. */
export class RequestQueue {
  /** What was asked for last is last. */
  private waiting: Request[] = [];

  constructor(private readonly most = WAITING_MAX) {}

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Returns those that waited for longest, where there are too many: they are hot no more, or will be asked for again. */
  add(spot: HotSpot, now: number): HotSpot[] {
    this.waiting.push({ spot, at: now });
    const dropped = this.waiting.length > this.most ? this.waiting.splice(0, this.most >>> 1) : [];
    return dropped.map((request) => request.spot);
  }

  /** Asked for again, because it goes on being hot. */
  urge(key: number, now: number): void {
    const at = this.waiting.findLastIndex(({ spot }) => spot.key === key);
    if (at >= 0) this.waiting.push({ spot: this.waiting.splice(at, 1)[0].spot, at: now });
  }

  /**
   * What to translate next: of what was asked for last, since that is what runs now. Larger regions, with calls inlined, take ten times as
   * long, and what they are made of runs translated already: they go alone, when nothing else was asked for of late.
   */
  take(now: number): HotSpot[] {
    const small = this.waiting.filter(({ spot }) => !spot.inlining).slice(-BATCH);
    const last = this.waiting.slice(-1);
    const urgent = small.some(({ at }) => now - at < RECENT) || !last[0]?.spot.inlining;
    const chosen = urgent ? small : last;
    this.waiting = this.waiting.filter((request) => !chosen.includes(request));
    return chosen.map(({ spot }) => spot);
  }
}
