import type { ReadStream, WriteStream } from 'node:tty';

/** Guests leave modes behind: show the cursor, plain text, no bracketed paste, no mouse reports. */
const RESTORE = '\x1b[?25h\x1b[0m\x1b[?2004l\x1b[?1000l\x1b[?1006l';

/**
 * The terminal that this process was started in, lent to the guest: raw, so that every key (Ctrl-C too) reaches it.
 * Given back on every way out of the process.
 */
export class HostTerminal {
  #raw = false;
  readonly #restore = (): void => this.giveBack();
  /** A shell that stopped this process (SIGSTOP) has taken the terminal back; Node still believes it raw and would do nothing. */
  readonly #rawAgain = (): void => {
    this.input.setRawMode(false);
    this.input.setRawMode(true);
  };

  constructor(
    private readonly input: ReadStream,
    private readonly output: WriteStream,
  ) {}

  get isInteractive(): boolean {
    return this.input.isTTY === true;
  }

  /** Columns and rows, where there is a terminal to ask. */
  get size(): { columns: number; rows: number } | undefined {
    const { columns, rows } = this.output;
    return this.output.isTTY && columns > 0 && rows > 0 ? { columns, rows } : undefined;
  }

  lend(): void {
    if (!this.isInteractive || this.#raw) return;
    process.on('exit', this.#restore).on('SIGCONT', this.#rawAgain);
    this.input.setRawMode(true);
    this.#raw = true;
  }

  giveBack(): void {
    if (!this.#raw) return;
    this.#raw = false;
    process.off('exit', this.#restore).off('SIGCONT', this.#rawAgain);
    try {
      this.input.setRawMode(false);
    } catch {
      // The terminal was closed.
      return;
    }
    if (this.output.isTTY) this.output.write(RESTORE);
  }

  /** A line from Hartbox itself, on stderr. */
  readonly tell = (message: string): void => this.print(`${this.#raw ? '\r' : ''}hartbox: ${message}\n`);

  /** Text for people, on stderr. A raw terminal needs its own carriage returns. */
  print(text: string): void {
    process.stderr.write(this.#raw ? text.replace(/\r?\n/g, '\r\n') : text);
  }

  onResize(listener: (columns: number, rows: number) => void): void {
    this.output.on('resize', () => {
      if (this.size) listener(this.size.columns, this.size.rows);
    });
  }
}
