import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { endWithUs } from '../../resources/setup/child-processes.mjs';

/** Linux counts process times in these a second (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** A conversation with a guest on the console of a process. */
export class ConsoleSession {
  #output = '';
  #errors = '';
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(
    readonly name: string,
    private readonly child: ChildProcessWithoutNullStreams,
  ) {
    endWithUs(child);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-8000);
    });
    child.stdin.on('error', () => undefined);
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    child.on('error', end).on('close', end);
  }

  /** CPU time that the process with all its threads has used so far (proc(5): utime and stime), in seconds. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Bytes of all its memory that are in RAM (proc(5)). */
  get residentBytes(): number {
    return 1024 * Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))?.[1]);
  }

  /** The end of what it wrote to its standard error. */
  get errors(): string {
    return this.#errors;
  }

  send(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** Waits for output that matches and takes it, with all before it. Colours are not part of the output. */
  async expect(pattern: RegExp, seconds: number): Promise<RegExpExecArray> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const text = this.#output.replace(/\x1b\[[\d;?]*[A-Za-z]|\r/g, '');
      const match = pattern.exec(text);
      if (match) {
        this.#output = text.slice(match.index + match[0].length);
        return match;
      }
      const left = deadline - Date.now();
      if (left <= 0 || this.#ended) {
        throw new Error(
          `${this.name} ${this.#ended ? 'ended' : `took more than ${seconds} s`} before ${pattern}. Its last output:\n${text.slice(-1000)}${this.#errors}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await closed;
    clearTimeout(timer);
  }
}
