import type { VirtualMachine } from '../machine/virtual-machine';
import { ENDING_SIGNALS, type EndingSignal, Patience } from '../host/ending-signals';
import { EXIT_FAILURE, EXIT_TIMEOUT, exitCodeOfSignal } from './exit-codes';
import { isReaderGone } from './host-streams';

/** How long a machine may take to stop before this process ends all the same, in milliseconds. */
const STOP_LIMIT = 5000;
/** How often is looked whether somebody still reads what this process has said; at the second look in vain it ends, in milliseconds. */
const READER_MS = 50;

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
    /** The exit code for a signal. */
    private readonly codeOf: (signal: EndingSignal) => number = exitCodeOfSignal,
  ) {
    for (const signal of ENDING_SIGNALS) {
      const listener = (): void => this.bySignal(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
    // A closed pipe shows as an error event on the stream, not as a signal, in Node.
    process.stdout.on('error', (error: Error) => {
      // What else is wrong with it is told once for all commands, at the end.
      this.now(isReaderGone(error) ? exitCodeOfSignal('SIGPIPE') : EXIT_FAILURE);
    });
  }

  /** From now on the machine is what ends; the time-out, in milliseconds, begins. */
  watch(machine: VirtualMachine, timeout: number | undefined): void {
    this.#machine = machine;
    if (this.#code !== undefined) this.stopMachine();
    if (timeout === undefined) return;
    this.#timer = setTimeout(() => {
      this.tell(`stopped after ${timeout / 1000} s (--timeout)`);
      if (this.#machine) this.now(EXIT_TIMEOUT);
      else process.exit(this.#code ?? EXIT_TIMEOUT);
    }, timeout);
  }

  /** What is left to do needs the machine no more: now a signal, or the time-out, ends the process at once. */
  machineEnded(): void {
    this.#machine = undefined;
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
    if (!this.#machine && order !== 'same') process.exit(this.#code ?? this.codeOf(signal));
    if (this.#code === undefined) this.now(this.codeOf(signal));
    // After another reason, a time-out say, already the first does not wait.
    else if (order !== 'same') process.exit(this.#code);
  }

  private stopMachine(): void {
    const machine = this.#machine;
    if (!machine) return;
    const code = this.#code ?? EXIT_FAILURE;
    setTimeout(() => process.exit(code), STOP_LIMIT).unref();
    machine.stop().then(
      () => this.endWithoutReader(code),
      () => process.exit(code),
    );
  }

  /** The process ends when its output has left. Who does not read it does not keep a process that is told to end. */
  private endWithoutReader(code: number): void {
    let before = Number.POSITIVE_INFINITY;
    setInterval(() => {
      const waiting = process.stdout.writableLength + process.stderr.writableLength;
      if (waiting > 0 && waiting >= before) process.exit(code);
      before = waiting || Number.POSITIVE_INFINITY;
    }, READER_MS).unref();
  }
}
