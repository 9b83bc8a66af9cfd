import { type ByteSource, Bytes, distance, isAfter, isBefore, later } from './segment';

/** Pieces out of order that one connection keeps at most. */
const MOST_PIECES = 256;
/** The largest window that we let a guest have, in bytes; says the scale. */
export const RECEIVE_SCALE = 7;

interface Piece {
  from: number;
  to: number;
  bytes: Uint8Array;
}

/** Who takes the bytes of the guest, in order. */
export interface ByteSink {
  /** Bytes that it would take now. */
  room(): number;
  /** Take these at once: they are lent for the call. At most as many as were promised as window. */
  take(source: ByteSource, at: number, length: number): void;
}

/** The half of a connection that takes from the guest: order, window, what to acknowledge (RFC 9293 §3.8.6, RFC 2018). */
export class Receiver {
  /** The next byte that is missing. */
  next = 0;
  /** Behind the last byte that the guest may send. */
  edge = 0;
  /** Shift of the window field; 0 unless both sides scale. */
  scale = 0;
  /** Where the guest's FIN is, once it is known. */
  private finAt = 0;
  private hasFin = false;
  private readonly pieces: Piece[] = [];
  private newest: Piece | undefined;
  private readonly kept = new Bytes(new Uint8Array(0));

  constructor(private readonly sink: ByteSink) {}

  start(sequence: number): void {
    this.next = this.edge = sequence;
  }

  /** All up to and with the FIN is here. */
  get isDone(): boolean {
    return this.hasFin && isAfter(this.next, this.finAt);
  }

  get hasGaps(): boolean {
    return this.pieces.length > 0;
  }

  /** Bytes that the guest may send from `next` on. */
  get window(): number {
    return distance(this.next, this.edge);
  }

  /** The window for a header that goes out now, in the unit of its field. The edge never goes back. */
  advertise(isSyn: boolean): number {
    const scale = isSyn ? 0 : this.scale;
    const window = Math.max(Math.min(this.sink.room(), 0xffff << scale), this.window);
    const field = Math.min(window >> scale, 0xffff);
    this.edge = later(this.edge, (this.next + (field << scale)) | 0);
    return field;
  }

  /** Whether the window has opened so far that the guest should hear of it (RFC 9293 §3.8.6.2.2). */
  hasOpened(mss: number): boolean {
    const now = this.window;
    const possible = Math.min(this.sink.room(), 0xffff << this.scale);
    return possible - now >= (now < 2 * mss ? Math.min(2 * mss, 32768) : 262144);
  }

  /** Takes what a segment has; returns whether anything of it was in order. */
  accept(seq: number, source: ByteSource, at: number, length: number, fin: boolean): boolean {
    const before = this.next;
    let from = seq;
    let end = (seq + length) | 0;
    // What was beyond the window comes again.
    if (isAfter(end, this.edge)) {
      end = this.edge;
      fin = false;
    }
    if (fin && !this.hasFin) {
      this.hasFin = true;
      this.finAt = end;
    }
    if (isBefore(from, this.next)) {
      at += distance(from, this.next);
      from = this.next;
    }
    if (isAfter(end, from)) {
      if (from === this.next) {
        this.sink.take(source, at, distance(from, end));
        this.next = end;
        if (this.pieces.length > 0) this.drain();
      } else this.keep(from, end, source, at);
    }
    if (this.hasFin && this.next === this.finAt) this.next = (this.next + 1) | 0;
    return this.next !== before;
  }

  /** SACK blocks, the newest first, at most `most`; returns how many. */
  blocks(into: Int32Array, most: number): number {
    let count = 0;
    const add = (from: number, to: number): void => {
      for (let index = 0; index < count; index++) if (into[index * 2] === from) return;
      if (count === most) return;
      into[count * 2] = from;
      into[count * 2 + 1] = to;
      count++;
    };
    const runs: [number, number][] = [];
    for (const piece of this.pieces) {
      const last = runs[runs.length - 1];
      if (last && last[1] === piece.from) last[1] = piece.to;
      else runs.push([piece.from, piece.to]);
    }
    const { newest } = this;
    const first = newest && runs.find(([from, to]) => !isBefore(newest.from, from) && !isAfter(newest.to, to));
    if (first) add(...first);
    for (const run of runs) add(...run);
    return count;
  }

  clear(): void {
    this.pieces.length = 0;
    this.newest = undefined;
  }

  /** Keep those of the bytes that are not kept yet. */
  private keep(from: number, end: number, source: ByteSource, at: number): void {
    let index = 0;
    while (isBefore(from, end)) {
      while (index < this.pieces.length && !isAfter(this.pieces[index].to, from)) index++;
      const next = this.pieces[index];
      if (next && !isAfter(next.from, from)) {
        at += distance(from, next.to);
        from = next.to;
        this.newest = next;
        continue;
      }
      const to = next && isBefore(next.from, end) ? next.from : end;
      if (this.pieces.length >= MOST_PIECES) return;
      const bytes = new Uint8Array(distance(from, to));
      source.read(bytes, 0, at, bytes.length);
      const piece = { from, to, bytes };
      this.pieces.splice(index, 0, piece);
      this.newest = piece;
      at += bytes.length;
      from = to;
    }
  }

  private drain(): void {
    let done = 0;
    for (const piece of this.pieces) {
      if (isAfter(piece.from, this.next)) break;
      done++;
      const skip = distance(piece.from, this.next);
      const length = piece.bytes.length - skip;
      if (length <= 0) continue;
      this.kept.bytes = piece.bytes;
      this.sink.take(this.kept, skip, length);
      this.next = piece.to;
    }
    this.pieces.splice(0, done);
    if (this.pieces.length === 0) this.newest = undefined;
  }
}
