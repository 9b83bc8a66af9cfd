import { HARTBOX_VERSION } from '../../../host/version';
import type { Input, Output } from '../lines/mux';
import type { MonitorCommand, MonitorContext } from './command';
import { COMMANDS, INFO } from './commands';
import { MonitorError } from './expression';
import { LineEditor } from './line-editor';

const PROMPT = '(qemu) ';
/** Characters that wait for the command before them; from there on further input waits outside. */
const WAITING_MAX = 4096;

/** QEMU's human monitor on one line: commands come in, what they find goes out. What is typed meanwhile waits, unechoed. */
export class Monitor implements Input {
  private readonly editor: LineEditor;
  private readonly decoder = new TextDecoder();
  private readonly drainListeners = new Set<() => void>();
  private waiting = '';
  private line: string | undefined;
  private isBusy = false;
  private hasGreeted = false;

  constructor(
    private readonly output: Output,
    private readonly context: MonitorContext,
    /** Somebody else uses the line too. */
    private readonly isShared: boolean,
  ) {
    this.editor = new LineEditor(
      (text) => void this.put(text),
      (line) => {
        this.line = line;
      },
      completions,
      PROMPT,
    );
  }

  /** Who comes is greeted; who comes back to a line that it shares finds the prompt. */
  opened(): void {
    void this.put(this.hasGreeted ? PROMPT : `Hartbox ${HARTBOX_VERSION} monitor - type 'help' for more information\r\n${PROMPT}`);
    this.hasGreeted = this.isShared;
  }

  write(data: Uint8Array): boolean {
    this.waiting += this.decoder.decode(data, { stream: true });
    if (!this.isBusy) void this.work();
    return this.waiting.length < WAITING_MAX;
  }

  onDrain(listener: () => void): () => void {
    this.drainListeners.add(listener);
    return () => this.drainListeners.delete(listener);
  }

  private put(text: string): Promise<void> | undefined {
    return this.output(new TextEncoder().encode(text));
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    while (this.waiting !== '') {
      const wasFull = this.waiting.length >= WAITING_MAX;
      const typed = this.waiting;
      let at = 0;
      while (at < typed.length && this.line === undefined) this.editor.type(typed[at++]);
      this.waiting = typed.slice(at);
      const { line } = this;
      this.line = undefined;
      if (line !== undefined) {
        const text = await answer(line, this.context);
        // A reader that does not read holds further commands back.
        await this.put(`${text.replace(/\r?\n/g, '\r\n')}${PROMPT}`);
      }
      if (wasFull && this.waiting.length < WAITING_MAX) for (const listener of [...this.drainListeners]) listener();
    }
    this.isBusy = false;
  }
}

/** What a command prints, ready with its last line's end. */
export async function answer(line: string, context: MonitorContext): Promise<string> {
  const [, name = '', rest = ''] = /^\s*([^\s/]*)\s*(.*)$/s.exec(line) ?? [];
  if (name === '') return '';
  const command = find(COMMANDS, name);
  if (!command) return `unknown command: '${name}'\n`;
  try {
    const text = await command.run(rest.trimEnd(), context);
    return text === '' || text.endsWith('\n') ? text : `${text}\n`;
  } catch (error) {
    if (error instanceof MonitorError) return `${error.message}\nTry "help ${name}" for more information\n`;
    return `Error: ${error instanceof Error ? error.message : String(error)}\n`;
  }
}

export function find(commands: readonly MonitorCommand[], name: string): MonitorCommand | undefined {
  return commands.find((command) => command.names.includes(name));
}

function completions(line: string): string[] {
  const [, head = '', word = ''] = /^(\s*(?:info\s+|help\s+)?)(\S*)$/.exec(line) ?? [];
  const table = head.trim() === 'info' ? INFO : COMMANDS;
  return table.flatMap(({ names }) => names.filter((name) => name.length > 1 && name.startsWith(word)).map((name) => head + name));
}
