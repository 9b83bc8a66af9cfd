import { type ChildProcess, spawn } from 'node:child_process';
import { endWithUs } from '../../resources/setup/child-processes.mjs';

/** What GDB answers to a command, as it stands after `^done,` and the like. */
export interface GdbAnswer {
  kind: string;
  rest: string;
  /** What commands in GDB's own language printed. */
  console: string;
}

/** Why and where the program stopped. */
export interface GdbStop {
  reason: string;
  /** The thread that GDB looks at now. */
  thread: number;
  function: string;
  address: number;
  rest: string;
}

/** gdb-multiarch, driven through its machine interface. */
export class Gdb {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: GdbAnswer) => void>();
  readonly #stops: GdbStop[] = [];
  readonly #listeners = new Set<() => void>();
  #token = 0;
  #rest = '';
  #console = '';
  #ended = false;
  /** All that it said, for errors. */
  log = '';

  constructor() {
    this.#child = endWithUs(spawn('gdb-multiarch', ['-nx', '-q', '--interpreter=mi3'], { stdio: ['pipe', 'pipe', 'pipe'] }));
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stdout?.on('data', (data: Buffer) => this.#take(data.toString()));
    this.#child.stderr?.on('data', (data: Buffer) => (this.log += data.toString()));
    this.#child.on('close', () => {
      this.#ended = true;
      for (const answer of this.#waiting.values()) answer({ kind: 'error', rest: 'gdb ended', console: '' });
      for (const look of [...this.#listeners]) look();
    });
  }

  /** A command of MI, or of GDB's own language. Rejects where GDB answers that it is wrong. */
  async command(text: string): Promise<GdbAnswer> {
    const token = ++this.#token;
    this.log += `> ${text}\n`;
    this.#console = '';
    const answer = await new Promise<GdbAnswer>((resolve) => {
      this.#waiting.set(token, resolve);
      if (this.#ended) resolve({ kind: 'error', rest: 'gdb ended', console: '' });
      else this.#child.stdin?.write(`${token}${text.startsWith('-') ? text : `-interpreter-exec console ${JSON.stringify(text)}`}\n`);
    });
    this.#waiting.delete(token);
    if (answer.kind === 'error') throw new Error(`gdb: ${text}: ${answer.rest}\n${this.log.slice(-3000)}`);
    return answer;
  }

  /** Connect; the machine stands then. */
  async connect(address: string, files: { symbols: string; more?: string[] }): Promise<void> {
    for (const setting of ['confirm off', 'pagination off', 'architecture riscv:rv64', 'mi-async on', 'tcp connect-timeout 30']) {
      await this.command(`-gdb-set ${setting}`);
    }
    await this.command(`-file-exec-and-symbols ${files.symbols}`);
    for (const file of files.more ?? []) await this.command(`add-symbol-file ${file}`);
    await this.command(`-target-select remote ${address}`);
  }

  /** The value of an expression; integers also in hexadecimal. */
  async value(expression: string): Promise<string> {
    const { rest } = await this.command(`-data-evaluate-expression ${JSON.stringify(expression)}`);
    return /value="((?:[^"\\]|\\.)*)"/.exec(rest)?.[1] ?? rest;
  }

  async number(expression: string): Promise<number> {
    const text = await this.value(`(unsigned long)(${expression})`);
    return Number(text.split(' ')[0]);
  }

  /** Give a command that lets the program go on, and wait until it stops again. */
  async go(text: string): Promise<GdbStop> {
    this.#stops.length = 0;
    await this.command(text);
    return this.stopped();
  }

  /** Resolves when the program has stopped. */
  stopped(): Promise<GdbStop> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const stop = this.#stops.shift();
        if (!stop && !this.#ended) return;
        this.#listeners.delete(look);
        if (stop) resolve(stop);
        else reject(new Error(`gdb ended: ${this.log.slice(-3000)}`));
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Where a program stopped that was not waited for is forgotten. */
  async continue(): Promise<void> {
    this.#stops.length = 0;
    await this.command('-exec-continue --all');
  }

  async interrupt(): Promise<GdbStop> {
    await this.command('-exec-interrupt --all');
    return this.stopped();
  }

  /** End it without a word to the machine. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #take(text: string): void {
    this.log += text;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    const result = /^(\d+)\^([a-z]+),?(.*)$/.exec(line);
    if (result) {
      this.#waiting.get(Number(result[1]))?.({ kind: result[2], rest: result[3], console: this.#console });
    } else if (line.startsWith('~')) {
      this.#console += JSON.parse(
        line.slice(1).replaceAll(/\\(\d{3})/g, (_, octal: string) => `\\u00${Number.parseInt(octal, 8).toString(16).padStart(2, '0')}`),
      );
    } else if (line.startsWith('*stopped')) {
      const field = (pattern: RegExp): string => pattern.exec(line)?.[1] ?? '';
      this.#stops.push({
        reason: field(/reason="([^"]*)"/),
        thread: Number(field(/thread-id="(\d+)"/)),
        function: field(/func="([^"]*)"/),
        address: Number(field(/addr="([^"]*)"/)),
        rest: line,
      });
      for (const look of [...this.#listeners]) look();
    }
  }
}
