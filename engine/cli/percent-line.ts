import type { WriteStream } from 'node:tty';

/** Shows on a terminal how far something has come; elsewhere nothing. */
export class PercentLine {
  #shown = -1;

  constructor(
    private readonly what: string,
    private readonly output: Pick<WriteStream, 'write' | 'isTTY'> = process.stderr,
  ) {}

  readonly update = (done: number, total: number): void => {
    const percent = total > 0 ? Math.floor((done / total) * 100) : 100;
    if (!this.output.isTTY || percent === this.#shown) return;
    this.#shown = percent;
    this.output.write(`\r\x1b[K${this.what} ${percent} %`);
  };

  /** Leave the terminal with an empty line for what comes next. */
  end(): void {
    if (this.#shown >= 0) this.output.write('\r\x1b[K');
    this.#shown = -1;
  }
}
