/**
 * What ends a program from outside. Under Windows SIGBREAK is Ctrl-Break, and SIGHUP is that the console was closed, after which some 10 s
 * are left. Node accepts the names that a system lacks, and never emits them.
 */
export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const;
export type EndingSignal = (typeof ENDING_SIGNALS)[number];

/** Other signals within this time of the first, in milliseconds, come from the same cause. */
const BURST_MS = 1000;

/**
 * Tells somebody who will not wait from one cause with several signals: at the end of a session systemd sends SIGTERM and, at once, SIGHUP.
 */
export class Patience {
  private first: { cause: string; at: number } | undefined;

  /** Whether this is the first, the same cause again in other words, or an order not to wait. */
  note(cause: string, now = performance.now()): 'first' | 'same' | 'again' {
    if (!this.first) {
      this.first = { cause, at: now };
      return 'first';
    }
    return cause !== this.first.cause && now - this.first.at < BURST_MS ? 'same' : 'again';
  }
}
