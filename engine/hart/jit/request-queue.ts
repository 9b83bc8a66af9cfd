import type { HotSpot } from './compiler';

/** A module costs some 0.4 ms whatever is in it, so several regions share one; too many would keep the first waiting. */
const BATCH = 12;
/** Spots that may wait: a guest may make code hot for longer than it can be translated, and memory is not to go with it. */
const WAITING_MAX = 8192;

/** One hart's hot spots that wait for their translation. */
export class RequestQueue {
  private readonly waiting: HotSpot[] = [];

  constructor(private readonly most = WAITING_MAX) {}

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Returns those that waited for longest, where there are too many: they are hot no more, or will be asked for again. */
  add(spot: HotSpot): HotSpot[] {
    this.waiting.push(spot);
    return this.waiting.length > this.most ? this.waiting.splice(0, this.most >>> 1) : [];
  }

  /**
   * What to translate next: of what was asked for last, since that is what runs now. Larger regions, with calls inlined, are less urgent
   * and go alone.
   */
  take(): HotSpot[] {
    const last = this.waiting.splice(-BATCH);
    const small = last.filter(({ inlining }) => !inlining);
    const large = last.filter(({ inlining }) => inlining);
    const chosen = small.length > 0 ? small : large.splice(-1);
    this.waiting.push(...large);
    return chosen;
  }
}
