import { resolve } from 'node:path';

/** What exported boxes are called: the association with the app that packages make goes by it too. */
const BOX_FILE = /\.hartbox$/i;

/** Files that the user opened with the app, in a file manager or on its command line; they wait for a window that shows what comes of them. */
export class OpenedFiles {
  #waiting: string[] = [];

  /** `tell` lets a window that is there know; it takes them by itself when it has been loaded. */
  constructor(private readonly tell: () => void) {}

  /** Those among the words of a command line, which was given in a folder. Others are switches, or Electron's own. */
  addCommandLine(words: readonly string[], folder: string): void {
    for (const word of words) if (BOX_FILE.test(word) && !word.startsWith('-')) this.add(resolve(folder, word));
  }

  add(path: string): void {
    if (!BOX_FILE.test(path) || this.#waiting.includes(path)) return;
    this.#waiting.push(path);
    this.tell();
  }

  /** All that wait; they do no longer. */
  take(): string[] {
    const files = this.#waiting;
    this.#waiting = [];
    return files;
  }
}
