import type { VirtualMachine } from '../machine/virtual-machine';

/** How often a box that waits for space on the host tries again by itself, in milliseconds. */
const RETRY_MS = 3000;

/**
 * What a box does while the host has no space for what its guest writes: it is paused, tries again by itself, and is said to have space when it
 * ran on for a second.
 */
export class SpaceWatch {
  /** While the box waits; without a timer somebody has paused it, and it no longer tries by itself. */
  private waiting: { timer: NodeJS.Timeout | undefined } | undefined;

  constructor(
    private readonly machine: () => VirtualMachine | undefined,
    private readonly onSpace: () => void,
  ) {}

  /** The host has no space (again). Whether that is news. */
  wait(): boolean {
    const isNews = !this.waiting;
    clearTimeout(this.waiting?.timer);
    this.waiting = { timer: setTimeout(() => this.retry(), RETRY_MS) };
    return isNews;
  }

  /** Try at once. Nothing happens if nothing waits. */
  retry(): void {
    this.hold();
    const machine = this.machine();
    if (machine?.pauseReason) machine.resume().catch(() => undefined);
  }

  /** Try no more by itself. */
  hold(): void {
    clearTimeout(this.waiting?.timer);
  }

  /** It is paused by us, and shall now stay so; false where it is not. */
  keepPaused(): boolean {
    if (!this.waiting?.timer || this.machine()?.state !== 'paused') return false;
    this.hold();
    this.waiting.timer = undefined;
    return true;
  }

  /** What waited is gone. */
  forget(): void {
    this.hold();
    this.waiting = undefined;
  }

  /** The machine runs: some writes of the many that were held may have gone through, and others not. */
  look(): void {
    if (!this.waiting) return;
    setTimeout(() => {
      const machine = this.machine();
      if (machine?.state !== 'running' || machine.pauseReason || !this.waiting) return;
      this.waiting = undefined;
      this.onSpace();
    }, RETRY_MS / 3).unref();
  }
}
