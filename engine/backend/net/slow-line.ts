import { copyOf } from './plain-frames';
import type { BackendStatistics, Frame, GuestPort, NetworkBackend, Offloads, PacketPort } from './packet-port';

/** What a line does to the frames on it, both ways alike. What is not there, it does not do. */
export interface LineLimits {
  /** In kbit/s. */
  rate?: number | undefined;
  /** How long a frame is under way, in milliseconds. */
  delay?: number | undefined;
  /** Of a hundred frames so many are lost. */
  loss?: number | undefined;
}

/** How long a frame may wait for those before it until the line has room; those that would wait longer are lost, as at a router. */
const QUEUE_MS = 200;
/** Bytes on the way in one direction; more are lost. */
const MOST_BYTES = 64 << 20;

/** Numbers from 0 up to 1, the same ones each time: experiments can be repeated (xorshift32, Marsaglia 2003). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Held {
  frame: Frame;
  /** When it arrives. */
  due: number;
}

/** One way of a line. */
class Lane {
  lost = 0;
  readonly #held: Held[] = [];
  #bytes = 0;
  /** Until when the frames before take up the line. */
  #busyUntil = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The other end has no room. */
  #isBlocked = false;
  /** The frame that comes next was refused, not lost, when it came last. */
  #isTold = false;
  #frozenAt: number | undefined;

  constructor(
    private readonly limits: () => LineLimits,
    private readonly end: () => PacketPort | undefined,
    private readonly random: () => number,
    private readonly now: () => number,
  ) {}

  take(frame: Frame): boolean {
    const { rate, delay = 0, loss = 0 } = this.limits();
    if (loss > 0 && !this.#isTold && this.random() * 100 < loss) {
      this.lost++;
      return true;
    }
    if (rate === undefined && delay === 0 && this.#held.length === 0) {
      const taken = this.end()?.take(frame) ?? true;
      this.#isTold = !taken;
      return taken;
    }
    this.#isTold = false;
    const now = this.#frozenAt ?? this.now();
    const start = Math.max(now, this.#busyUntil);
    if ((rate !== undefined && start - now > QUEUE_MS) || this.#bytes + frame.length > MOST_BYTES) {
      this.lost++;
      return true;
    }
    // Bits by kbit/s are milliseconds.
    this.#busyUntil = rate === undefined ? now : start + (frame.length * 8) / rate;
    this.#bytes += frame.length;
    // Where the delay was made shorter, nobody overtakes all the same: who is behind waits for those before.
    this.#held.push({ frame: { ...frame, views: [copyOf(frame)] }, due: this.#busyUntil + delay });
    this.#wait();
    return true;
  }

  /** The end has room again. True: there was nothing of ours that waited for that. */
  resume(): boolean {
    if (!this.#isBlocked) return true;
    this.#isBlocked = false;
    this.#arrive();
    return false;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held.length = 0;
    this.#bytes = this.#busyUntil = 0;
    this.#isBlocked = this.#isTold = false;
  }

  freeze(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#frozenAt ??= this.now();
  }

  thaw(): void {
    if (this.#frozenAt === undefined) return;
    const away = this.now() - this.#frozenAt;
    this.#frozenAt = undefined;
    this.#busyUntil += away;
    for (const held of this.#held) held.due += away;
    this.#wait();
  }

  #wait(): void {
    if (this.#timer || this.#isBlocked || this.#frozenAt !== undefined || this.#held.length === 0) return;
    this.#timer = setTimeout(() => this.#arrive(), Math.max(0, this.#held[0].due - this.now()));
  }

  #arrive(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const port = this.end();
    const now = this.now();
    let sent = false;
    // Timers come up to a millisecond early.
    while (this.#held.length > 0 && this.#held[0].due <= now + 0.5 && !this.#isBlocked) {
      const { frame } = this.#held[0];
      this.#isBlocked = !(port?.take(frame) ?? true);
      if (this.#isBlocked) break;
      this.#held.shift();
      this.#bytes -= frame.length;
      sent = true;
    }
    if (sent) port?.flush();
    this.#wait();
  }
}

/** What a line leads to while nothing is at its end. */
const NOTHING: NetworkBackend = {
  name: 'nothing',
  isUp: false,
  attach: () => undefined,
  take: () => true,
  flush: () => undefined,
  resume: () => undefined,
  linkChanged: () => undefined,
  statistics: () => ({ droppedFromGuest: 0, droppedToGuest: 0 }),
  close: async () => undefined,
};

/**
 * A line between an adapter and its back end: one stage, a port to each of both. It may be slow, long and bad, for experiments, and may be
 * connected to something else.
 */
export class SlowLine implements NetworkBackend {
  limits: LineLimits;
  #inner: NetworkBackend;
  /** What the adapter has said last. */
  #listens = false;
  #isFrozen = false;
  readonly #out: Lane;
  readonly #in: Lane;
  #guest: GuestPort | undefined;

  /** `random` gives numbers from 0 up to 1; the same ones each time unless given. */
  constructor(
    inner: NetworkBackend,
    limits: LineLimits = {},
    random = seededRandom(0x68617274),
    now: () => number = () => performance.now(),
  ) {
    this.#inner = inner;
    this.limits = limits;
    const own = (): LineLimits => this.limits;
    this.#out = new Lane(own, () => this.#inner, random, now);
    this.#in = new Lane(own, () => this.#guest, random, now);
  }

  get name(): string {
    return this.#inner.name;
  }

  get isUp(): boolean {
    return this.#inner.isUp;
  }

  attach(guest: GuestPort): void {
    this.#guest = guest;
    this.#attach(guest);
  }

  /** Take it from what it is connected to, which gets and gives nothing more. The guest sees its link go down. */
  disconnect(): void {
    this.#inner = NOTHING;
    this.#clear();
    this.#guest?.linkChanged(false);
    // What waited for room is dropped now.
    this.#guest?.resume();
  }

  /** Connect it to something else, after disconnect(). */
  connect(inner: NetworkBackend): void {
    this.#clear();
    this.#inner = inner;
    const guest = this.#guest;
    if (!guest) return;
    this.#attach(guest);
    if (this.#isFrozen) inner.freeze?.();
    if (this.#listens) inner.linkChanged(true);
    guest.linkChanged(inner.isUp);
  }

  /** Who is connected no more speaks to nobody. */
  #attach(guest: GuestPort): void {
    const inner = this.#inner;
    const lane = this.#in;
    const accepts = (): Readonly<Offloads> => guest.accepts;
    const isCurrent = (): boolean => this.#inner === inner;
    inner.attach({
      mac: guest.mac,
      mtu: guest.mtu,
      get accepts() {
        return accepts();
      },
      take: (frame) => !isCurrent() || lane.take(frame),
      flush: () => guest.flush(),
      resume: () => {
        if (isCurrent() && this.#out.resume()) guest.resume();
      },
      linkChanged: (up) => {
        if (!isCurrent()) return;
        if (!up) this.#clear();
        guest.linkChanged(up);
      },
      warn: (error) => {
        if (isCurrent()) guest.warn(error);
      },
    });
  }

  take(frame: Frame): boolean {
    return this.#out.take(frame);
  }

  flush(): void {
    this.#inner.flush();
  }

  resume(): void {
    if (this.#in.resume()) this.#inner.resume();
  }

  linkChanged(up: boolean): void {
    this.#listens = up;
    if (!up) this.#clear();
    this.#inner.linkChanged(up);
  }

  statistics(): BackendStatistics {
    const { droppedFromGuest, droppedToGuest } = this.#inner.statistics();
    return { droppedFromGuest: droppedFromGuest + this.#out.lost, droppedToGuest: droppedToGuest + this.#in.lost };
  }

  /** Frames on their way are not part of it: they are lost, as on any line. */
  save(): unknown {
    return this.#inner.save?.() ?? null;
  }

  load(saved: unknown, refuse: (why: string) => never): () => void {
    return this.#inner.load?.(saved, refuse) ?? (() => undefined);
  }

  powerOn(): void {
    this.#clear();
    this.#inner.powerOn?.();
  }

  freeze(): void {
    this.#isFrozen = true;
    this.#out.freeze();
    this.#in.freeze();
    this.#inner.freeze?.();
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#inner.thaw?.();
    this.#out.thaw();
    this.#in.thaw();
  }

  async close(): Promise<void> {
    this.#clear();
    await this.#inner.close();
  }

  /** Frames on a cable that is pulled out are lost. */
  #clear(): void {
    this.#out.clear();
    this.#in.clear();
  }
}
