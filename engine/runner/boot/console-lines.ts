/** Longer ones are cut. */
const MOST_CHARACTERS = 2000;
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>78])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** What a console shows, without colours and the like. */
export function plainText(text: string): string {
  return text.replace(ESCAPES, '');
}

/** Cuts what a guest writes to its console into lines without colours. */
export class ConsoleLines {
  private rest = '';
  private readonly decoder = new TextDecoder();

  /** The lines that ended with this. */
  add(data: Uint8Array): string[] {
    const parts = (this.rest + this.decoder.decode(data, { stream: true })).split(/\r*\n/);
    this.rest = (parts.pop() ?? '').slice(-MOST_CHARACTERS);
    return parts.map((part) => plainText(part.slice(0, MOST_CHARACTERS)).replace(/^.*\r(?!$)/, ''));
  }

  /** The last line, which has no end yet. */
  get last(): string {
    return plainText(this.rest).replace(/^.*\r/, '');
  }
}
