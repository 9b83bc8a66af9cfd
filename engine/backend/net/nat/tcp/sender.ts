import type { TimerWheel, WheelTimer } from '../timer-wheel';
import { RoundTrip } from './round-trip';
import { distance, isAfter, isBefore, later, type Segment } from './segment';
import { SendQueue } from './send-queue';

/** Time-outs in a row after which a guest is given up: about 15 minutes. */
const MOST_TIMEOUTS = 15;
const INITIAL_WINDOW = 65536;
/** Ranges that the guest has acknowledged out of order and that are noted. */
const MOST_RANGES = 64;

/** What the sending half needs of its connection. */
export interface SenderSide {
  /**
   * Send data from the queue. Returns how many bytes went out, fewer where they lie in many pieces (and the FIN only if all did); -1: the
   * guest's adapter has no room, and it is tried again once it has.
   */
  transmit(seq: number, at: number, length: number, fin: boolean): number;
  /** The adapter has said that it has no room. */
  isBlocked(): boolean;
  /** An empty segment with that sequence number, for an answer. */
  probe(seq: number): void;
  /** The guest does not answer any more. */
  gaveUp(): void;
  /** Bytes of the largest segment that may go out at once: more than the MSS where the adapter cuts it. */
  largest(mss: number): number;
}

/**
 * The half of a connection that sends to the guest: window, retransmission (RFC 6298), congestion control (RFC 5681) and recovery by SACK (after
 * RFC 6675).
 */
export class Sender {
  readonly queue = new SendQueue();
  /** The first byte that is not acknowledged, the next to send, and behind the last that was ever sent. */
  una = 0;
  nxt = 0;
  max = 0;
  /** What the guest would take, in bytes from `una` on. */
  window = 0;
  private largestWindow = 0;
  scale = 0;
  mss = 536;
  private windowSeq = 0;
  private windowAck = 0;
  /** The FIN comes behind what is in the queue. */
  private hasFin = false;
  private finWasSent = false;

  private congestion = INITIAL_WINDOW;
  private threshold = Number.POSITIVE_INFINITY;
  private duplicates = 0;
  private isRecovering = false;
  private recoverTo = 0;
  /** Up to here holes were filled in this recovery. */
  private filledTo = 0;
  /** Behind the last byte that was out when the first hole was filled: what comes behind that tells whether the filling arrived. */
  private triedAt = 0;
  /** The timer that runs is not the time-out, but for a segment that asks. */
  private isAsking = false;
  /** It went out: whatever is missing before what is acknowledged now is lost. */
  private hasAsked = false;
  private askedTo = 0;
  /** from, to, from, to, … in order: acknowledged behind a hole. */
  private sacked: number[] = [];

  readonly roundTrip = new RoundTrip();
  /** A segment whose round trip is measured where there are no time stamps. */
  private timedSeq = 0;
  private timedAt = -1;
  private readonly retransmission: WheelTimer;
  private readonly persist: WheelTimer;
  private probes = 0;
  private unanswered = 0;

  constructor(
    private readonly side: SenderSide,
    private readonly wheel: TimerWheel,
  ) {
    this.retransmission = wheel.timer(() => this.timedOut());
    this.persist = wheel.timer(() => this.probeWindow());
  }

  /** `sequence` is the first byte behind the SYN. */
  start(sequence: number): void {
    this.una = this.nxt = this.max = this.recoverTo = sequence;
  }

  get inFlight(): number {
    return distance(this.una, this.nxt);
  }

  get finIsQueued(): boolean {
    return this.hasFin;
  }

  /** The FIN was sent and acknowledged. */
  get isDone(): boolean {
    return this.finWasSent && this.queue.length === 0 && this.una === this.max;
  }

  /** All that is queued, and then no more. */
  finish(mayStart: boolean): void {
    this.hasFin = true;
    if (mayStart) this.output();
  }

  close(): void {
    this.retransmission.dispose();
    this.persist.dispose();
    this.queue.clear();
  }

  /** The guest's window, from any segment that may change it (RFC 9293 §3.10.7.4). */
  takeWindow(segment: Segment, scale: number): void {
    if (
      isBefore(this.windowSeq, segment.seq) ||
      (this.windowSeq === segment.seq && !isAfter(this.windowAck, segment.ack)) ||
      this.largestWindow === 0
    ) {
      this.window = segment.window << scale;
      this.windowSeq = segment.seq;
      this.windowAck = segment.ack;
      if (this.window > this.largestWindow) this.largestWindow = this.window;
      if (this.window > 0) {
        this.probes = 0;
        this.persist.cancel();
      }
    }
  }

  /** A segment that acknowledges something, or the same again. Returns the bytes of data that are new. */
  acknowledged(segment: Segment, hasTimestamps: boolean, now: number): number {
    const { ack } = segment;
    const news = this.noteSacked(segment);
    if (!isAfter(ack, this.una)) {
      const mayBeDuplicate = ack === this.una && segment.span === 0 && this.max !== this.una;
      if (mayBeDuplicate && (news || segment.window << this.scale === this.window)) this.duplicate();
      return 0;
    }
    if (this.isRecovering || !isBefore(ack, this.askedTo)) this.hasAsked = false;
    const count = distance(this.una, ack);
    const data = Math.min(count, this.queue.length);
    this.queue.drop(data);
    this.una = ack;
    if (isBefore(this.nxt, ack)) this.nxt = ack;
    this.forgetSacked();
    this.duplicates = 0;
    this.roundTrip.progressed();
    if (hasTimestamps && segment.echo !== 0) this.roundTrip.sample((now - segment.echo) | 0);
    else if (this.timedAt >= 0 && !isBefore(ack, this.timedSeq)) {
      this.roundTrip.sample(now - this.timedAt);
      this.timedAt = -1;
    }
    if (this.isRecovering && !isBefore(ack, this.recoverTo)) {
      this.isRecovering = false;
      this.congestion = this.threshold;
      this.recoverTo = ack;
    } else if (this.isRecovering) {
      // What is acknowledged has left the network; the next hole begins here.
      this.congestion = Math.max(this.congestion - count + this.mss, this.mss);
      this.filledTo = later(this.filledTo, this.una);
      this.triedAt = this.max;
      this.fillHole();
    } else if (this.congestion < this.threshold) this.congestion = Math.min(this.congestion + count, 2 ** 26);
    else this.congestion = Math.min(this.congestion + Math.ceil((this.mss * count) / this.congestion), 2 ** 26);
    // It would lie ahead again after 2 GiB.
    if (!this.isRecovering && isBefore(this.recoverTo, ack)) this.recoverTo = ack;
    if (this.max === this.una) this.retransmission.cancel();
    else this.startTimer();
    if (!this.isRecovering && this.seemsLost()) this.recover();
    return data;
  }

  /** Send what windows allow. False: the adapter has no room. */
  output(): boolean {
    const largest = this.side.largest(this.mss);
    for (;;) {
      const at = this.inFlight;
      const available = this.queue.length - at;
      // The FIN is out already.
      if (available < 0 || this.isDone) break;
      const usable = Math.min(this.window, this.congestion) - at;
      let length = Math.max(Math.min(available, usable, largest), 0);
      // Whole segments, unless it is the last one; a sliver only where nothing is under way (RFC 9293 §3.8.6.2.1).
      if (length > this.mss && length < available) length -= length % this.mss;
      if (length < this.mss && length < available && (at > 0 || length === 0)) break;
      const fin = this.hasFin && length === available && usable > length;
      if (length === 0 && !fin) break;
      const sent = this.side.transmit(this.nxt, at, length, fin);
      if (sent < 0) {
        this.ensureTimer();
        return false;
      }
      const whole = sent === length;
      this.nxt = (this.nxt + sent + (fin && whole ? 1 : 0)) | 0;
      if (fin && whole) this.finWasSent = true;
      if (isAfter(this.nxt, this.max)) {
        if (this.timedAt < 0) {
          this.timedAt = this.wheel.now();
          this.timedSeq = this.nxt;
        }
        this.max = this.nxt;
      }
    }
    this.ensureTimer();
    if ((this.queue.length > 0 || (this.hasFin && !this.finWasSent)) && this.max === this.una && !this.persist.isSet)
      this.persist.set(this.roundTrip.timeout);
    return true;
  }

  private duplicate(): void {
    this.duplicates++;
    if (this.isRecovering) {
      this.congestion += this.mss;
      if (isAfter(this.filledTo, this.una) && isAfter(this.lastSacked, (this.triedAt + 2 * this.mss) | 0)) {
        // What went out after the first hole was filled has arrived: the filling has not.
        this.filledTo = this.una;
        this.triedAt = this.max;
      }
      this.fillHole();
      return;
    }
    if (this.duplicates >= 3 || this.seemsLost()) this.recover();
  }

  /** Whether what the guest has out of order shows that the first hole is lost, and not late. */
  private seemsLost(): boolean {
    if (this.sacked.length === 0) return false;
    if (this.hasAsked || this.sackedBytes() >= 3 * this.mss) return true;
    // Of so few no more can follow that would show it (RFC 5827).
    return this.lastSacked === this.max && distance(this.una, this.max) < 4 * this.mss;
  }

  private recover(): void {
    // Acknowledgements of what went out before a time-out say nothing of a new loss (RFC 6582 §4.1).
    if (isBefore(this.una, this.recoverTo)) return;
    this.isRecovering = true;
    this.hasAsked = false;
    this.recoverTo = this.max;
    this.filledTo = this.una;
    this.triedAt = this.max;
    this.timedAt = -1;
    this.threshold = Math.max(this.inFlight >> 1, 2 * this.mss);
    this.congestion = this.threshold + 3 * this.mss;
    this.fillHole();
    this.startTimer();
  }

  /** The end of what is under way may be lost without anything behind it that shows: before the time-out, which is long, it is asked for. */
  private startTimer(): void {
    this.isAsking = this.mayAsk;
    this.retransmission.set(this.isAsking ? this.roundTrip.patience : this.roundTrip.timeout);
  }

  private ensureTimer(): void {
    if (this.max !== this.una && (!this.retransmission.isSet || (!this.isAsking && this.mayAsk))) this.startTimer();
  }

  private get mayAsk(): boolean {
    return !this.hasAsked && this.roundTrip.timeouts === 0 && distance(this.una, this.max) > this.mss;
  }

  private ask(): void {
    this.isAsking = false;
    this.hasAsked = true;
    this.askedTo = this.max;
    this.timedAt = -1;
    this.retransmission.set(this.roundTrip.timeout);
    if (this.isRecovering) {
      // What fills the first hole is missing itself.
      this.filledTo = this.una;
      this.triedAt = this.max;
      this.fillHole();
      return;
    }
    const end = Math.min(this.queue.length, distance(this.una, this.max));
    const at = Math.max(end - this.mss, 0);
    if (end > 0 && end <= this.window) this.side.transmit((this.una + at) | 0, at, end - at, this.finWasSent);
  }

  /** Send the next bytes again that are known to be missing, if any. */
  private fillHole(): void {
    let from = later(this.filledTo, this.una);
    let to = from;
    if (this.sacked.length === 0) {
      if (from !== this.una) return;
      to = (from + this.mss) | 0;
    }
    for (let index = 0; index < this.sacked.length; index += 2) {
      to = this.sacked[index];
      if (isAfter(to, from)) break;
      from = later(from, this.sacked[index + 1]);
      to = from;
    }
    const missing = distance(from, to);
    if (missing <= 0) return;
    const at = distance(this.una, from);
    const length = Math.min(missing, this.side.largest(this.mss), this.queue.length - at);
    if (length < 0) return;
    const fin = this.finWasSent && at + length === this.queue.length && length < missing;
    if (length === 0 && !fin) return;
    const sent = this.side.transmit(from, at, length, fin);
    if (sent >= 0) this.filledTo = (from + sent + (fin && sent === length ? 1 : 0)) | 0;
  }

  private timedOut(): void {
    if (this.max === this.una) return;
    // A guest that takes nothing, a paused one for example, has not lost anything.
    if (this.side.isBlocked()) {
      this.retransmission.set(this.roundTrip.timeout);
      return;
    }
    if (this.isAsking) {
      this.ask();
      return;
    }
    this.roundTrip.expired();
    if (this.roundTrip.timeouts > MOST_TIMEOUTS) {
      this.side.gaveUp();
      return;
    }
    if (this.roundTrip.timeouts === 1) this.threshold = Math.max(distance(this.una, this.max) >> 1, 2 * this.mss);
    this.congestion = this.mss;
    this.isRecovering = this.hasAsked = false;
    this.recoverTo = this.max;
    this.duplicates = 0;
    this.sacked = [];
    this.timedAt = -1;
    this.nxt = this.una;
    this.retransmission.set(this.roundTrip.timeout);
    if (this.window > 0) {
      this.output();
      return;
    }
    // A window that was taken back: one byte, or the FIN, asks for it.
    const length = Math.min(1, this.queue.length);
    const fin = this.finWasSent && this.queue.length === 0;
    if (this.side.transmit(this.una, 0, length, fin) >= 0) this.nxt = (this.una + length + (fin ? 1 : 0)) | 0;
  }

  /** The guest has closed its window: ask for news, as Linux does, by a byte that it has already. */
  private probeWindow(): void {
    if (this.max !== this.una || this.isDone || (this.queue.length === 0 && !this.hasFin)) return;
    if (this.window > 0) this.output();
    if (this.max !== this.una) return;
    if (!this.side.isBlocked()) {
      this.side.probe((this.una - 1) | 0);
      this.probes++;
      // A guest may keep its window closed as long as it likes; one that is silent is given up.
      if (++this.unanswered > MOST_TIMEOUTS) {
        this.side.gaveUp();
        return;
      }
    }
    this.persist.set(Math.min(this.roundTrip.timeout * 2 ** Math.min(this.probes, 9), 60_000));
  }

  /** Whatever comes from the guest shows that it is there. */
  heard(): void {
    this.unanswered = 0;
  }

  private noteSacked(segment: Segment): boolean {
    let news = false;
    for (let block = 0; block < segment.sackBlocks; block++) {
      const from = later(segment.sack[block * 2], this.una);
      const to = segment.sack[block * 2 + 1];
      if (!isAfter(to, from) || isAfter(to, this.max)) continue;
      news = this.addSacked(from, to) || news;
    }
    return news;
  }

  private addSacked(from: number, to: number): boolean {
    const ranges = this.sacked;
    let index = 0;
    while (index < ranges.length && isBefore(ranges[index + 1], from)) index += 2;
    if (index < ranges.length && !isBefore(from, ranges[index]) && !isAfter(to, ranges[index + 1])) return false;
    let end = index;
    while (end < ranges.length && !isAfter(ranges[end], to)) {
      if (isBefore(ranges[end], from)) from = ranges[end];
      to = later(to, ranges[end + 1]);
      end += 2;
    }
    if (end === index && ranges.length >= 2 * MOST_RANGES) return false;
    ranges.splice(index, end - index, from, to);
    return true;
  }

  private forgetSacked(): void {
    const ranges = this.sacked;
    while (ranges.length > 0 && !isAfter(ranges[1], this.una)) ranges.splice(0, 2);
    if (ranges.length > 0 && isBefore(ranges[0], this.una)) ranges[0] = this.una;
  }

  private get lastSacked(): number {
    return this.sacked.at(-1) ?? this.una;
  }

  private sackedBytes(): number {
    let count = 0;
    for (let index = 0; index < this.sacked.length; index += 2) count += distance(this.sacked[index], this.sacked[index + 1]);
    return count;
  }
}
