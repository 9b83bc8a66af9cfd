import type { VirtualMachine } from '../machine/virtual-machine';
import { ENDING_SIGNALS, type EndingSignal, Patience } from '../host/ending-signals';
import { EXIT_FAILURE, EXIT_TIMEOUT, exitCodeOfSignal } from './exit-codes';
import { isReaderGone } from './host-streams';

/** How long a machine may take to stop before this process ends all the same, in milliseconds. */
const STOP_LIMIT = 5000;

/**
 * Ends a running machine for reasons outside it: a time-out, a signal, Ctrl-A x, nobody reading the output. The first
 * reason decides the exit code; a second signal does not wait for the machine.
 */
export class Ending {
  #code: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #machine: VirtualMachine | undefined;
  readonly #patience = new Patience();
  readonly #listeners = new Map<EndingSignal, () => void>();

  constructor(
    /** Tells the user something, in a line of its own. */
    private readonly tell: (message: string) => void,
  ) {
    for (const signal of ENDING_SIGNALS) {
      const listener = (): void => this.bySignal(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
    // A closed pipe shows as an error event on the stream, not as a signal, in Node.
    process.stdout.on('error', (error: Error) => {
      if (isReaderGone(error)) {
        this.now(exitCodeOfSignal('SIGPIPE'));
        return;
      }
      this.tell(`the standard output cannot be written: ${error.message}`);
      this.now(EXIT_FAILURE);
    });
  }

  /** From now on the machine is what ends; the time-out, in milliseconds, begins. */
  watch(machine: VirtualMachine, timeout: number | undefined): void {
    this.#machine = machine;
    if (this.#code !== undefined) this.stopMachine();
    if (timeout === undefined) return;
    this.#timer = setTimeout(() => {
      this.tell(`stopped after ${timeout / 1000} s (--timeout)`);
      this.now(EXIT_TIMEOUT);
    }, timeout);
  }

  /** The exit code that was decided, if one was. */
  get code(): number | undefined {
    return this.#code;
  }

  now(code: number): void {
    if (this.#code !== undefined) return;
    this.#code = code;
    this.stopMachine();
  }

  /** Back to the process's usual ways. */
  release(): void {
    clearTimeout(this.#timer);
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  private bySignal(signal: EndingSignal): void {
    const order = this.#patience.note(signal);
    if (!this.#machine) process.exit(this.#code ?? exitCodeOfSignal(signal));
    if (this.#code === undefined) this.now(exitCodeOfSignal(signal));
    // After another reason, a time-out say, already the first does not wait.
    else if (order !== 'same') process.exit(this.#code);
  }

  private stopMachine(): void {
    const machine = this.#machine;
    if (!machine) return;
    const code = this.#code ?? EXIT_FAILURE;
    setTimeout(() => process.exit(code), STOP_LIMIT).unref();
    machine.stop().catch(() => process.exit(code));
  }
}
