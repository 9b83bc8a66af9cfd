import type { Result } from './control';

type Line = Result<'log'>['lines'][number];

/** Lines that are kept, and characters of one. */
const MOST_LINES = 1000;
const MOST_CHARACTERS = 1000;

/** What a box has said so far; the last thousand messages, oldest first. */
export class MessageLog {
  readonly lines: Line[] = [];

  add(level: Line['level'], text: string): void {
    this.lines.push({ at: Date.now(), level, text: text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text });
    if (this.lines.length > MOST_LINES) this.lines.shift();
  }
}
