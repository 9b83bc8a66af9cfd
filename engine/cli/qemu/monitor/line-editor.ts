/** The longest line that is taken; what is typed beyond is dropped. */
const LINE_MAX = 4096;
const HISTORY_MAX = 100;
const KEYS: Readonly<Record<string, string>> = {
  '[A': 'up',
  '[B': 'down',
  '[C': 'right',
  '[D': 'left',
  '[H': 'home',
  '[F': 'end',
  OA: 'up',
  OB: 'down',
};

/** Makes lines of what is typed, and echoes it: backspace, Ctrl-U, Ctrl-W, Ctrl-C, the arrows with a history, Tab. */
export class LineEditor {
  private line = '';
  private cursor = 0;
  private escape: string | undefined;
  private readonly history: string[] = [];
  private historyAt = 0;
  private last = '';

  constructor(
    private readonly echo: (text: string) => void,
    private readonly done: (line: string) => void,
    /** What may stand for a line that was begun. */
    private readonly complete: (line: string) => string[],
    private readonly prompt: string,
  ) {}

  type(text: string): void {
    for (const char of text) this.key(char);
  }

  private key(char: string): void {
    const { last } = this;
    this.last = char;
    if (this.escape !== undefined) {
      this.escaped(char);
      return;
    }
    switch (char) {
      case '\x1b':
        this.escape = '';
        return;
      case '\n':
        if (last === '\r') return;
        this.enter();
        return;
      case '\r':
        this.enter();
        return;
      case '\x7f':
      case '\b':
        this.cut(this.cursor - 1, this.cursor);
        return;
      case '\x15':
        this.cut(0, this.cursor);
        return;
      case '\x17':
        this.cut(this.line.slice(0, this.cursor).replace(/\S*\s*$/, '').length, this.cursor);
        return;
      case '\x03':
        this.replace('');
        return;
      case '\x01':
        this.move(0);
        return;
      case '\x05':
        this.move(this.line.length);
        return;
      case '\t':
        this.tab();
        return;
      default:
        if (char >= ' ' && this.line.length < LINE_MAX) this.insert(char);
    }
  }

  private escaped(char: string): void {
    const sequence = `${this.escape}${char}`;
    this.escape = sequence.length < 8 && /^([[O][\d;]*)?$/.test(sequence) ? sequence : undefined;
    if (this.escape !== undefined) return;
    const name = KEYS[sequence];
    if (name === 'left') this.move(Math.max(0, this.cursor - 1));
    else if (name === 'right') this.move(Math.min(this.line.length, this.cursor + 1));
    else if (name === 'home') this.move(0);
    else if (name === 'end') this.move(this.line.length);
    else if (name === 'up' || name === 'down') {
      this.historyAt = Math.min(Math.max(this.historyAt + (name === 'up' ? -1 : 1), 0), this.history.length);
      this.replace(this.history[this.historyAt] ?? '');
    }
  }

  private enter(): void {
    const { line } = this;
    this.echo('\r\n');
    this.line = '';
    this.cursor = 0;
    if (line.trim() !== '' && this.history.at(-1) !== line) this.history.push(line);
    if (this.history.length > HISTORY_MAX) this.history.shift();
    this.historyAt = this.history.length;
    this.done(line);
  }

  private insert(text: string): void {
    const behind = this.line.slice(this.cursor);
    this.line = this.line.slice(0, this.cursor) + text + behind;
    this.cursor += text.length;
    this.echo(text + behind + '\b'.repeat(behind.length));
  }

  private cut(from: number, to: number): void {
    if (from < 0 || from === to) return;
    this.move(from);
    const behind = this.line.slice(to);
    this.line = this.line.slice(0, from) + behind;
    this.echo(behind + ' '.repeat(to - from) + '\b'.repeat(behind.length + to - from));
  }

  private replace(text: string): void {
    this.move(this.line.length);
    this.cut(0, this.line.length);
    this.insert(text);
  }

  private move(to: number): void {
    this.echo(to < this.cursor ? '\b'.repeat(this.cursor - to) : this.line.slice(this.cursor, to));
    this.cursor = to;
  }

  private tab(): void {
    if (this.cursor !== this.line.length) return;
    const candidates = this.complete(this.line);
    if (candidates.length === 0) return;
    const common = candidates.reduce((a, b) => {
      let same = 0;
      while (same < a.length && a[same] === b[same]) same++;
      return a.slice(0, same);
    });
    if (common.length > this.line.length) this.insert(common.slice(this.line.length));
    if (candidates.length === 1) this.insert(' ');
    else if (common.length <= this.line.length) this.echo(`\r\n${candidates.join(' ')}\r\n${this.prompt}${this.line}`);
  }
}
