import type { WriteStream } from 'node:tty';
import type { SetupProgress } from '../images/default-guest';

const PHASES: Record<SetupProgress['phase'], string> = {
  wait: 'Waiting for another process that fetches what the box starts from',
  index: 'Looking up the packages that the box starts from',
  download: 'Downloading what the box starts from',
  unpack: 'Unpacking it',
  build: 'Building its initramfs',
};

/** Shows on stderr how far a preparation has come: one moving line on a terminal, one line a step elsewhere. */
export class ProgressLine {
  #phase: SetupProgress['phase'] | undefined;
  #shown = 0;
  #isOpen = false;

  constructor(private readonly output: Pick<WriteStream, 'write' | 'isTTY'>) {}

  readonly update = ({ phase, received, total }: SetupProgress): void => {
    const isNew = phase !== this.#phase;
    this.#phase = phase;
    if (!this.output.isTTY) {
      if (isNew) this.output.write(`${PHASES[phase]}…\n`);
      return;
    }
    if (!isNew && received !== total && Date.now() - this.#shown < 100) return;
    this.#shown = Date.now();
    const share = total > 0 ? ` ${Math.min(100, Math.floor((received / total) * 100))} % of ${Math.ceil(total / 1e6)} MB` : '…';
    this.output.write(`\r\x1b[K${PHASES[phase]}${share}`);
    this.#isOpen = true;
  };

  /** Leave the terminal with an empty line for what comes next. */
  end(): void {
    if (this.#isOpen) this.output.write('\r\x1b[K');
    this.#isOpen = false;
  }
}
