/** Where time comes from; tests put their own in. */
export interface Clock {
  /** Milliseconds that only go forward, from any start. */
  now(): number;
  /** Call back once after so many milliseconds. */
  after(milliseconds: number, call: () => void): unknown;
  cancel(timer: unknown): void;
  /** Call back once all that has happened by now was told. */
  soon(call: () => void): void;
}

export const hostClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, call) => setTimeout(call, milliseconds).unref(),
  cancel: (timer) => clearTimeout(timer as NodeJS.Timeout),
  soon: (call) => void setImmediate(call),
};

/** Milliseconds of a slot: timers fire up to so much too late, never too early. */
const TICK = 16;
const FINE = 256;
const COARSE = 256;
/** Ticks of a coarse slot. */
const STEP = FINE;

const OFF = Number.POSITIVE_INFINITY;

/** A timer that is set and put off many times: putting it off only notes a number. */
export class WheelTimer {
  /** When it is to fire, in ticks. */
  due = OFF;
  /** When the wheel looks at it, in ticks: not later than `due`. */
  looked = OFF;
  next: WheelTimer | undefined;
  previous: WheelTimer | undefined;
  slot: Slot | undefined;

  constructor(
    private readonly wheel: TimerWheel,
    readonly fire: () => void,
  ) {}

  get isSet(): boolean {
    return this.due !== OFF;
  }

  /** Fire once, so many milliseconds from now, instead of when it was to fire before. */
  set(milliseconds: number): void {
    this.due = this.wheel.dueIn(milliseconds);
    if (this.looked > this.due) this.wheel.place(this);
  }

  cancel(): void {
    this.due = OFF;
  }

  /** Forget it altogether: the wheel keeps nothing of it. */
  dispose(): void {
    this.due = OFF;
    this.wheel.remove(this);
  }
}

interface Slot {
  first: WheelTimer | undefined;
}

/**
 * All timers of a network in one wheel and one timer of the host, which is only set while one of them is. Two rings: 256 slots of 16 ms, and
 * 256 of 4 s for what is farther away; what is farther still goes round.
 */
export class TimerWheel {
  private readonly fine: Slot[] = Array.from({ length: FINE }, () => ({ first: undefined }));
  private readonly coarse: Slot[] = Array.from({ length: COARSE }, () => ({ first: undefined }));
  /** All ticks up to this one are done. */
  private done = 0;
  private linked = 0;
  private armed: unknown;
  private armedFor = OFF;
  private readonly start: number;
  /** Milliseconds for which it was frozen. */
  private lost = 0;
  private frozenAt: number | undefined;
  private readonly turn = (): void => this.run();

  constructor(readonly clock: Clock = hostClock) {
    this.start = clock.now();
  }

  /** Milliseconds since the wheel was made, without those during which it was frozen. */
  now(): number {
    return (this.frozenAt ?? this.clock.now()) - this.start - this.lost;
  }

  timer(fire: () => void): WheelTimer {
    return new WheelTimer(this, fire);
  }

  /** Time stands still until `thaw`: the guest is paused. */
  freeze(): void {
    if (this.frozenAt !== undefined) return;
    this.frozenAt = this.clock.now();
    this.disarm();
  }

  thaw(): void {
    if (this.frozenAt === undefined) return;
    this.lost += this.clock.now() - this.frozenAt;
    this.frozenAt = undefined;
    this.arm();
  }

  /** No timer fires any more, and the host's is given back. */
  close(): void {
    this.disarm();
    this.frozenAt ??= this.clock.now();
  }

  dueIn(milliseconds: number): number {
    return Math.max(Math.ceil((this.now() + Math.max(milliseconds, 0)) / TICK), this.done + 1);
  }

  place(timer: WheelTimer): void {
    this.remove(timer);
    // Nothing was looked at while the wheel was empty.
    if (this.linked === 0) this.done = Math.max(this.done, Math.floor(this.now() / TICK));
    const due = Math.max(timer.due, this.done + 1);
    const isNear = due - this.done < FINE;
    // A coarse slot is looked at when its first tick comes: not later than any of its timers.
    const looked = isNear ? due : Math.min(Math.floor(due / STEP), Math.floor(this.done / STEP) + COARSE - 1) * STEP;
    timer.looked = looked;
    const slot = isNear ? this.fine[looked % FINE] : this.coarse[(looked / STEP) % COARSE];
    timer.slot = slot;
    timer.next = slot.first;
    if (slot.first) slot.first.previous = timer;
    slot.first = timer;
    this.linked++;
    if (looked < this.armedFor) this.arm();
  }

  remove(timer: WheelTimer): void {
    const { slot, previous, next } = timer;
    if (!slot) return;
    if (previous) previous.next = next;
    else slot.first = next;
    if (next) next.previous = previous;
    timer.slot = timer.next = timer.previous = undefined;
    timer.looked = OFF;
    this.linked--;
  }

  private run(): void {
    this.armed = undefined;
    this.armedFor = OFF;
    if (this.frozenAt !== undefined) return;
    const until = Math.floor(this.now() / TICK);
    // After a long sleep of the host one turn of the rings sees every timer.
    if (until - this.done > STEP * COARSE) this.done = until - STEP * COARSE;
    while (this.done < until && this.linked > 0) {
      const tick = ++this.done;
      if (tick % STEP === 0) this.empty(this.coarse[(tick / STEP) % COARSE], tick);
      this.empty(this.fine[tick % FINE], tick);
    }
    if (this.linked === 0) this.done = Math.max(this.done, until);
    this.arm();
  }

  private empty(slot: Slot, tick: number): void {
    let timer = slot.first;
    if (!timer) return;
    // What is set meanwhile may come into the same slot, a turn later.
    slot.first = undefined;
    const all: WheelTimer[] = [];
    for (; timer; timer = timer.next) all.push(timer);
    for (const one of all) {
      one.slot = one.next = one.previous = undefined;
      one.looked = OFF;
      this.linked--;
    }
    for (const one of all) {
      if (one.slot || one.due === OFF) continue;
      if (one.due > tick) this.place(one);
      else {
        one.due = OFF;
        one.fire();
      }
    }
  }

  private arm(): void {
    if (this.linked === 0 || this.frozenAt !== undefined) {
      this.disarm();
      return;
    }
    const next = this.nextTick();
    if (this.armed !== undefined) {
      if (this.armedFor <= next) return;
      this.disarm();
    }
    this.armedFor = next;
    this.armed = this.clock.after(Math.max(0, Math.ceil(next * TICK - this.now())), this.turn);
  }

  private disarm(): void {
    if (this.armed !== undefined) this.clock.cancel(this.armed);
    this.armed = undefined;
    this.armedFor = OFF;
  }

  private nextTick(): number {
    for (let tick = this.done + 1; tick < this.done + FINE; tick++) {
      if (this.fine[tick % FINE].first) return tick;
      if (tick % STEP === 0 && this.coarse[(tick / STEP) % COARSE].first) return tick;
    }
    const from = Math.floor(this.done / STEP) + 1;
    for (let step = from; step < from + COARSE; step++) if (this.coarse[step % COARSE].first) return Math.max(step * STEP, this.done + 1);
    return this.done + FINE;
  }
}
