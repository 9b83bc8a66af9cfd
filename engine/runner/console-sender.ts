/** Sizes of the flow control. */
export interface SenderLimits {
  /** Unacknowledged bytes at which sending stops. */
  window: number;
  /** Most bytes in one message. */
  message: number;
  /** How long bytes are collected, in milliseconds. */
  batchMs: number;
}

/** The console's: what a terminal draws in a few frames, in messages that a MessagePort moves well. */
export const CONSOLE_LIMITS: SenderLimits = { window: 256 * 1024, message: 64 * 1024, batchMs: 5 };

/** The sending half of a flow-controlled byte channel. Runs in Node and in the browser. */
export class ConsoleSender {
  private readonly batch: Uint8Array;
  private length = 0;
  private unacknowledged = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly waiting: (() => void)[] = [];
  private tail: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly post: (data: Uint8Array<ArrayBuffer>) => void,
    private readonly limits: SenderLimits,
  ) {
    this.batch = new Uint8Array(limits.message);
  }

  /** Send bytes (they are copied at once if nothing is returned). A promise means: wait, the window is full. */
  send(data: Uint8Array): Promise<void> | undefined {
    if (this.closed) return undefined;
    const taken = this.tail ? 0 : this.take(data);
    if (taken === data.length) return undefined;
    const rest = data.slice(taken);
    const sent = (this.tail ?? Promise.resolve()).then(() => this.sendRest(rest));
    this.tail = sent;
    void sent.then(() => {
      if (this.tail === sent) this.tail = undefined;
    });
    return sent;
  }

  /** The receiver is done with `bytes` bytes; more than were sent counts as all. */
  acknowledge(bytes: number): void {
    this.unacknowledged = Math.max(0, this.unacknowledged - bytes);
    if (!this.isOpen) return;
    if (this.length > 0 && this.timer === undefined) this.flush();
    while (this.waiting.length > 0 && this.isOpen) this.waiting.shift()?.();
  }

  /** Forget everything; whoever waits goes on. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const wake of this.waiting.splice(0)) wake();
  }

  private get isOpen(): boolean {
    return this.unacknowledged < this.limits.window;
  }

  private async sendRest(data: Uint8Array): Promise<void> {
    let at = 0;
    while (!this.closed) {
      at += this.take(data.subarray(at));
      if (at === data.length) return;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** Copy into the batch what fits, posting it whenever it is full. Returns the number of bytes taken. */
  private take(data: Uint8Array): number {
    let at = 0;
    while (at < data.length) {
      if (this.length === this.batch.length && !this.flush()) break;
      const count = Math.min(data.length - at, this.batch.length - this.length);
      this.batch.set(data.subarray(at, at + count), this.length);
      this.length += count;
      at += count;
    }
    if (this.length > 0 && this.timer === undefined) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.flush();
      }, this.limits.batchMs);
    }
    return at;
  }

  /** Post the batch if the window allows it. */
  private flush(): boolean {
    if (!this.isOpen || this.closed) return false;
    if (this.length === 0) return true;
    // A copy of just these bytes: posting a part of a buffer would clone the whole.
    this.post(this.batch.slice(0, this.length));
    this.unacknowledged += this.length;
    this.length = 0;
    return true;
  }
}
