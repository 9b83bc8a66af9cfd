import { StringDecoder } from 'node:string_decoder';

/** Milliseconds for which words are awaited: less than a test may take, so that it fails by what was not said. */
const PATIENCE = 90_000;

/** All that somebody has said so far: who asks for words finds those too that came before. */
export class Transcript {
  /** In milliseconds; for who needs more, or is to be asked for less. */
  patience = PATIENCE;
  #said = '';
  #isOver = false;
  readonly #decoder = new StringDecoder('utf8');
  readonly #waiters = new Set<() => void>();

  /** `who`: in the messages of what fails, as `The guest`. `plain` is given all that was said, and leaves out what is not looked at. */
  constructor(
    private readonly who: string,
    private readonly plain = (text: string): string => text,
  ) {}

  get text(): string {
    return this.plain(this.#said);
  }

  add(data: Uint8Array): void {
    this.#said += this.#decoder.write(Buffer.from(data));
    this.#look();
  }

  /** Nothing more will come. */
  end(): void {
    this.#isOver = true;
    this.#look();
  }

  /** Resolves with the first match in what came after `from`. Rejects where it has not come in time, or nothing more will. */
  async says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    let timer: NodeJS.Timeout | undefined;
    let look = (): void => undefined;
    try {
      return await new Promise((resolve, reject) => {
        const fail = (what: string): void => reject(new Error(`${this.who} ${what} ${pattern}: ${this.text.slice(from).slice(-2000)}`));
        look = () => {
          const found = pattern.exec(this.text.slice(from));
          if (found) resolve(found);
          else if (this.#isOver) fail('ended before it said');
        };
        timer = setTimeout(() => fail(`did not within ${this.patience / 1000} s say`), this.patience);
        this.#waiters.add(look);
        look();
      });
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(look);
    }
  }

  #look(): void {
    for (const look of [...this.#waiters]) look();
  }
}
