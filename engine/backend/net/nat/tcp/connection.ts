import type { IpAddress } from '../addresses';
import type { Flow } from '../flow-table';
import type { TimerWheel, WheelTimer } from '../timer-wheel';
import { Receiver, RECEIVE_SCALE } from './receiver';
import { ACK, type ByteSource, distance, FIN, isAfter, isBefore, PSH, RST, type Segment, SYN } from './segment';
import { Sender, type SenderSide } from './sender';

/** States of RFC 9293 §3.3.2, as a guest would see them of its peer, and `connecting`: a SYN came, and the host is connecting outward. */
export type TcpState =
  | 'connecting'
  | 'syn-sent'
  | 'syn-received'
  | 'established'
  | 'fin-wait-1'
  | 'fin-wait-2'
  | 'closing'
  | 'time-wait'
  | 'close-wait'
  | 'last-ack'
  | 'closed';

const MOST_SYNS = 6;
const TIME_WAIT_MS = 10_000;
/** A connection of which nothing is heard is asked whether it is still there: whole ones after two hours, half-closed ones soon. */
const IDLE_MS = 7_200_000;
const HALF_CLOSED_IDLE_MS = 60_000;
const PROBE_MS = 15_000;
const DOUBT_MS = 5000;
const MOST_PROBES = 9;
/** Answers to segments that do not fit (RFC 5961 §7), in a second. */
const MOST_CHALLENGES = 10;

/** What is written to the guest besides data. */
export interface TcpOutput {
  /**
   * A segment of the connection: data of its queue from `at` on. Returns how many bytes of data went out, -1 if the adapter has no room.
   */
  segment(connection: TcpConnection, flags: number, seq: number, at: number, length: number): number;
  /** `output` and answers of this connection are due at the end of the batch. */
  later(connection: TcpConnection): void;
  isBlocked(): boolean;
  largest(connection: TcpConnection, mss: number): number;
  initialSequence(): number;
}

/** Who stands behind a connection: a socket of the host, or a service of ours. */
export interface TcpOwner {
  /** Bytes that it would take from the guest now. */
  room(): number;
  /** Data of the guest, in order, lent for the call. */
  take(source: ByteSource, at: number, length: number): void;
  /** The guest has accepted, or the connection that we opened towards it stands. */
  established(): void;
  /** The guest sends no more. */
  guestEnded(): void;
  /** The guest has acknowledged so many bytes: more may be written. */
  acknowledged(): void;
  /** It is over: `reset` if it did not end as both sides wanted. */
  connectionClosed(reset: boolean): void;
}

/** One TCP connection between the guest and us, who stand for somebody else (RFC 9293, 5961, 7323). */
export class TcpConnection implements Flow, SenderSide {
  state: TcpState = 'closed';
  readonly sender: Sender;
  readonly receiver: Receiver;
  next: Flow | undefined = undefined;
  hash = 0;
  /** Where frames for the guest go. */
  readonly mac = new Uint8Array(6);
  /** Of the link: our largest segment. */
  linkMss = 1460;
  sackPermitted = false;
  hasTimestamps = false;
  /** What is echoed to the guest. */
  recentTimestamp = 0;
  private recentAt = 0;
  scales = false;
  /** The guest is owed an acknowledgement at the end of the batch. */
  owesAck = false;
  /** It stands in the list of those who have something to do at the end of the batch. */
  isListed = false;
  /** When something was last heard or sent, in the wheel's milliseconds. */
  lastUsed = 0;
  readonly since: number;
  bytesFromGuest = 0;
  bytesToGuest = 0;
  private synTries = 0;
  private probes = 0;
  private challenges = 0;
  private challengesSince = 0;
  private ended = false;
  private isDoubted = false;
  private readonly timer: WheelTimer;

  constructor(
    private readonly out: TcpOutput,
    readonly wheel: TimerWheel,
    readonly guest: IpAddress,
    readonly guestPort: number,
    readonly remote: IpAddress,
    readonly remotePort: number,
    readonly owner: TcpOwner,
  ) {
    this.sender = new Sender(this, wheel);
    this.receiver = new Receiver(owner);
    this.timer = wheel.timer(() => this.tick());
    this.since = this.lastUsed = wheel.now();
  }

  /** A SYN came: nothing is answered until `accept` or `refuse`. */
  heardSyn(segment: Segment, mac: Uint8Array): void {
    this.state = 'connecting';
    this.mac.set(mac);
    this.takeSyn(segment);
  }

  /** Open a connection to the guest. */
  open(): void {
    this.scales = this.sackPermitted = this.hasTimestamps = true;
    this.startSending();
    this.state = 'syn-sent';
    this.sendSyn();
  }

  /** The host is connected: so is the guest. */
  accept(): void {
    if (this.state !== 'connecting') return;
    this.startSending();
    this.state = 'syn-received';
    this.sendSyn();
  }

  /** Bytes for the guest; the connection keeps them. */
  write(bytes: Uint8Array): void {
    if (this.state === 'closed') return;
    this.sender.queue.push(bytes);
    if (this.canSend) this.sender.output();
  }

  /** No more for the guest than what was written. */
  finish(): void {
    if (this.state === 'closed' || this.sender.finIsQueued) return;
    if (this.state === 'established') this.state = 'fin-wait-1';
    else if (this.state === 'close-wait') this.state = 'last-ack';
    // Before the handshake is over it waits in the queue.
    this.sender.finish(this.canSend);
    this.restartIdle();
  }

  /** End it at once: the guest gets a RST. */
  abort(): void {
    if (this.state === 'closed') return;
    if (this.state === 'connecting') this.sendReset(0, true);
    else if (this.state !== 'time-wait') this.sendReset(this.sender.max, this.state !== 'syn-sent');
    this.close(true);
  }

  /** Forget it without a word to the guest. */
  drop(): void {
    this.close(true);
  }

  /** The owner has more room than before. */
  roomGrew(): void {
    if (this.canReceive && this.receiver.hasOpened(this.sender.mss)) this.sendAck();
  }

  /** The adapter has room again, or the batch is over. */
  proceed(): void {
    if (this.state === 'closed' || this.state === 'connecting') return;
    if (this.canSend) this.sender.output();
    if (this.owesAck) this.sendAck();
  }

  /** Ask soon whether the guest still has it, though it has not been idle for long. */
  doubt(): void {
    if (this.state !== 'established' && this.state !== 'close-wait' && this.state !== 'fin-wait-2') return;
    this.isDoubted = true;
    this.timer.set(DOUBT_MS);
  }

  get canSend(): boolean {
    const { state } = this;
    return state !== 'closed' && state !== 'connecting' && state !== 'syn-sent' && state !== 'syn-received' && state !== 'time-wait';
  }

  private get canReceive(): boolean {
    return this.state === 'established' || this.state === 'fin-wait-1' || this.state === 'fin-wait-2';
  }

  /** A segment of the guest's. Returns whether the caller should look at it as one of a new connection. */
  receive(segment: Segment, source: ByteSource): boolean {
    if (this.state === 'closed') return true;
    if (this.state === 'connecting') return this.receiveConnecting(segment);
    if (this.state === 'syn-sent') {
      this.receiveSynSent(segment);
      return false;
    }
    if (this.state === 'time-wait' && this.isReopening(segment)) {
      this.close(false);
      return true;
    }
    this.lastUsed = this.wheel.now();
    this.probes = 0;
    this.sender.heard();
    if (this.check(segment)) this.process(segment, source);
    return false;
  }

  private receiveConnecting(segment: Segment): boolean {
    if (segment.flags & RST) {
      if (segment.seq === this.receiver.next) this.close(true);
      return false;
    }
    // The same SYN again waits for the host; another one means that the guest has begun anew.
    if ((segment.flags & (SYN | ACK)) !== SYN || ((segment.seq + 1) | 0) === this.receiver.next) return false;
    this.close(true);
    return true;
  }

  private receiveSynSent(segment: Segment): void {
    const hasAck = (segment.flags & ACK) !== 0;
    if (hasAck && segment.ack !== this.sender.una) {
      if (!(segment.flags & RST)) this.sendReset(segment.ack, false);
      return;
    }
    if (segment.flags & RST) {
      if (hasAck) this.close(true);
      return;
    }
    if (!(segment.flags & SYN)) return;
    this.takeSyn(segment);
    this.sender.start(this.sender.una);
    if (!hasAck) {
      this.state = 'syn-received';
      this.sendSyn();
      return;
    }
    this.sender.takeWindow(segment, 0);
    this.becomeEstablished();
    this.owe();
  }

  /** In the order of RFC 9293 §3.10.7.4, first to fourth; false: it is done with. */
  private check(segment: Segment): boolean {
    const { flags, seq } = segment;
    const { receiver } = this;
    const end = (seq + segment.span) | 0;
    if (this.state === 'syn-received' && flags & SYN && !(flags & RST) && ((seq + 1) | 0) === receiver.next) {
      this.sendSyn();
      return false;
    }
    // PAWS (RFC 7323 §5.3): an old duplicate.
    if (this.hasTimestamps && segment.hasTimestamp && !(flags & RST)) {
      const isOld = isBefore(segment.timestamp, this.recentTimestamp) && this.wheel.now() - this.recentAt < 86_400_000 * 24;
      if (isOld) {
        this.sendAck();
        return false;
      }
    }
    if (isBefore(end, receiver.next) || isAfter(seq, receiver.edge)) {
      if (!(flags & RST)) this.sendAck();
      return false;
    }
    if (flags & RST) {
      if (seq === receiver.next) this.close(true);
      else this.challenge();
      return false;
    }
    if (flags & SYN) {
      this.challenge();
      return false;
    }
    if (!(flags & ACK)) return false;
    if (this.hasTimestamps && segment.hasTimestamp && !isAfter(seq, receiver.next)) {
      this.recentTimestamp = segment.timestamp;
      this.recentAt = this.wheel.now();
    }
    return true;
  }

  private process(segment: Segment, source: ByteSource): void {
    const { sender } = this;
    const { ack } = segment;
    if (this.state === 'syn-received') {
      if (ack !== sender.una) {
        this.sendReset(ack, false);
        return;
      }
      sender.takeWindow(segment, this.scales ? sender.scale : 0);
      this.becomeEstablished();
    } else if (isAfter(ack, sender.max) || distance(ack, sender.una) > 0x3fffffff) {
      this.challenge();
      return;
    } else {
      const acknowledged = sender.acknowledged(segment, this.hasTimestamps, this.wheel.now());
      sender.takeWindow(segment, sender.scale);
      if (acknowledged > 0) {
        this.bytesToGuest += acknowledged;
        this.owner.acknowledged();
        if (this.isClosed()) return;
      }
    }
    if (sender.isDone) this.finWasAcknowledged();
    if (this.isClosed()) return;
    if (segment.dataLength > 0 || segment.flags & FIN) this.takeData(segment, source);
    if (this.isClosed()) return;
    if (sender.queue.length > 0 || (sender.finIsQueued && !sender.isDone)) this.list();
  }

  private isClosed(): boolean {
    return this.state === 'closed';
  }

  private takeData(segment: Segment, source: ByteSource): void {
    const { receiver } = this;
    if (!this.canReceive) {
      // The guest has said that no more comes: it says so again.
      this.owe();
      if (this.state === 'time-wait') this.timer.set(TIME_WAIT_MS);
      return;
    }
    const before = receiver.next;
    const hadGaps = receiver.hasGaps;
    const inOrder = receiver.accept(segment.seq, source, segment.dataAt, segment.dataLength, (segment.flags & FIN) !== 0);
    this.bytesFromGuest += distance(before, receiver.next);
    if (this.isClosed()) return;
    if (receiver.isDone && !this.ended) {
      this.ended = true;
      this.guestEnded();
      if (this.isClosed()) return;
    }
    // Out of order each one is answered, so that the guest counts them (RFC 5681 §4.2).
    if (inOrder && !hadGaps) this.owe();
    else this.sendAck();
  }

  private guestEnded(): void {
    if (this.state === 'established') this.state = 'close-wait';
    else if (this.state === 'fin-wait-1') this.state = 'closing';
    else if (this.state === 'fin-wait-2') this.becomeTimeWait();
    this.receiver.clear();
    this.restartIdle();
    this.owner.guestEnded();
  }

  private finWasAcknowledged(): void {
    if (this.state === 'fin-wait-1') {
      this.state = 'fin-wait-2';
      this.restartIdle();
    } else if (this.state === 'closing') this.becomeTimeWait();
    else if (this.state === 'last-ack') this.close(false);
  }

  private becomeEstablished(): void {
    this.state = this.sender.finIsQueued ? 'fin-wait-1' : 'established';
    this.restartIdle();
    this.owner.established();
    this.list();
  }

  private becomeTimeWait(): void {
    this.state = 'time-wait';
    this.sender.close();
    this.timer.set(TIME_WAIT_MS);
  }

  /** A SYN in TIME-WAIT that begins behind what was (RFC 9293 §3.6.1, RFC 6191). */
  private isReopening(segment: Segment): boolean {
    if ((segment.flags & (SYN | ACK | RST)) !== SYN) return false;
    if (this.hasTimestamps && segment.hasTimestamp && isAfter(segment.timestamp, this.recentTimestamp)) return true;
    return isAfter(segment.seq, this.receiver.next);
  }

  private takeSyn(segment: Segment): void {
    const isAnswer = this.state === 'syn-sent';
    this.receiver.start((segment.seq + 1) | 0);
    this.sender.mss = Math.max(Math.min(segment.mss || (this.guest.length === 4 ? 536 : 1220), this.linkMss), 64);
    this.scales = segment.scale >= 0 && (!isAnswer || this.scales);
    this.sender.scale = this.scales ? segment.scale : 0;
    this.receiver.scale = this.scales ? RECEIVE_SCALE : 0;
    this.sackPermitted = segment.sackPermitted;
    this.hasTimestamps = segment.hasTimestamp;
    if (this.hasTimestamps) {
      this.recentTimestamp = segment.timestamp;
      this.recentAt = this.wheel.now();
      // Time stamps take 12 bytes of each segment.
      this.sender.mss = Math.max(this.sender.mss - 12, 64);
    }
  }

  private startSending(): void {
    this.sender.start((this.out.initialSequence() + 1) | 0);
  }

  private sendSyn(): void {
    const answers = this.state === 'syn-received';
    this.timer.set(1000 * 2 ** this.synTries);
    this.out.segment(this, answers ? SYN | ACK : SYN, (this.sender.una - 1) | 0, 0, 0);
  }

  sendAck(): void {
    this.owesAck = false;
    // Not `nxt`, which goes back where something is sent again: the guest throws away what stands before what it has.
    if (this.out.segment(this, ACK, this.sender.max, 0, 0) < 0) this.owe();
  }

  private sendReset(seq: number, acks: boolean): void {
    this.out.segment(this, acks ? RST | ACK : RST, seq, 0, 0);
  }

  private challenge(): void {
    const now = this.wheel.now();
    if (now - this.challengesSince >= 1000) {
      this.challengesSince = now;
      this.challenges = 0;
    }
    if (this.challenges++ < MOST_CHALLENGES) this.sendAck();
  }

  private owe(): void {
    this.owesAck = true;
    this.list();
  }

  private list(): void {
    if (!this.isListed) this.out.later(this);
  }

  private restartIdle(): void {
    if (this.state === 'established') this.timer.set(IDLE_MS);
    else if (this.state === 'close-wait' || this.state === 'fin-wait-2') this.timer.set(HALF_CLOSED_IDLE_MS);
    else if (this.canSend) this.timer.cancel();
  }

  private tick(): void {
    if (this.state === 'time-wait') this.close(false);
    else if (this.state === 'syn-sent' || this.state === 'syn-received') {
      if (!this.out.isBlocked()) this.synTries++;
      if (this.synTries >= MOST_SYNS) this.close(true);
      else this.sendSyn();
    } else if (this.state === 'established' || this.state === 'close-wait' || this.state === 'fin-wait-2') this.askWhetherAlive();
  }

  private askWhetherAlive(): void {
    const patience = this.state === 'established' ? IDLE_MS : HALF_CLOSED_IDLE_MS;
    const idle = this.wheel.now() - this.lastUsed;
    if (this.probes === 0 && !this.isDoubted && idle < patience) {
      this.timer.set(patience - idle);
      return;
    }
    this.isDoubted = false;
    if (!this.out.isBlocked() && this.probes++ >= MOST_PROBES) {
      this.abort();
      return;
    }
    this.probe((this.sender.una - 1) | 0);
    this.timer.set(PROBE_MS);
  }

  private close(reset: boolean): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.timer.dispose();
    this.sender.close();
    this.receiver.clear();
    this.owner.connectionClosed(reset);
  }

  // What the sending half asks for.

  transmit(seq: number, at: number, length: number, fin: boolean): number {
    const isLast = at + length === this.sender.queue.length;
    const sent = this.out.segment(this, ACK | (isLast && length > 0 ? PSH : 0) | (fin ? FIN : 0), seq, at, length);
    if (sent >= 0) {
      this.owesAck = false;
      this.lastUsed = this.wheel.now();
    } else this.list();
    return sent;
  }

  probe(seq: number): void {
    this.out.segment(this, ACK, seq, 0, 0);
  }

  gaveUp(): void {
    this.abort();
  }

  isBlocked(): boolean {
    return this.out.isBlocked();
  }

  largest(mss: number): number {
    return this.out.largest(this, mss);
  }
}
