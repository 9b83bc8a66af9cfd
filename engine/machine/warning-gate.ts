import { VmError } from '../errors/vm-error';

/** Warnings that pass at once, and how long it takes until one more may, in milliseconds. */
const BURST = 20;
const INTERVAL = 1000;

/** Lets warnings through, but no flood: what a guest can bring about it can bring about without end. Those left out are counted. */
export class WarningGate {
  private allowed = BURST;
  private since = performance.now();
  private omitted = 0;

  constructor(private readonly pass: (warning: VmError) => void) {}

  warn(warning: VmError): void {
    const now = performance.now();
    const earned = Math.floor((now - this.since) / INTERVAL);
    if (earned > 0) {
      this.allowed = Math.min(BURST, this.allowed + earned);
      this.since += earned * INTERVAL;
    }
    if (this.allowed === 0) {
      this.omitted++;
      return;
    }
    this.allowed--;
    if (this.omitted > 0) {
      const count = this.omitted;
      this.omitted = 0;
      this.pass(
        new VmError('Guest', `${count} further ${count === 1 ? 'warning was' : 'warnings were'} left out: they came too fast to be read.`, {
          code: 'warnings-omitted',
          params: { count },
        }),
      );
    }
    this.pass(warning);
  }
}
