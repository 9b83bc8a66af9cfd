const MIN_MS = 200;
const MAX_MS = 60_000;
const INITIAL_MS = 1000;

/** How long to wait for an acknowledgement before sending again (RFC 6298), in milliseconds. */
export class RoundTrip {
  private smoothed = -1;
  private variation = 0;
  private backoff = 0;
  private base = INITIAL_MS;

  /** Retransmission time-out, doubled for each one that has passed. */
  get timeout(): number {
    return Math.min(this.base * 2 ** this.backoff, MAX_MS);
  }

  /** How long to wait before the last segment is sent again, to hear what is missing (RFC 8985 §7); the time-out where nothing is known. */
  get patience(): number {
    return this.smoothed < 0 ? this.timeout : Math.min(2 * this.smoothed + Math.max(4 * this.variation, 16), this.timeout);
  }

  /** Time-outs since something was acknowledged. */
  get timeouts(): number {
    return this.backoff;
  }

  sample(milliseconds: number): void {
    if (milliseconds < 0 || milliseconds > MAX_MS) return;
    if (this.smoothed < 0) {
      this.smoothed = milliseconds;
      this.variation = milliseconds / 2;
    } else {
      this.variation += (Math.abs(this.smoothed - milliseconds) - this.variation) / 4;
      this.smoothed += (milliseconds - this.smoothed) / 8;
    }
    this.base = Math.min(Math.max(this.smoothed + Math.max(4 * this.variation, 16), MIN_MS), MAX_MS);
  }

  expired(): void {
    this.backoff++;
  }

  progressed(): void {
    this.backoff = 0;
  }
}
