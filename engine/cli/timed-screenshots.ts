import { resolve } from 'node:path';
import type { VirtualMachine } from '../machine/virtual-machine';
import type { Runner } from '../runner/runner';
import { OutputTail } from './output-tail';
import { parseSeconds } from './quantities';
import { UsageError } from './usage-error';

/** A picture of the first screen that `run --screenshot` asks for. */
export interface TimedScreenshot {
  /** Milliseconds after the start, or what the console has to say before. */
  when: number | string;
  file: string;
}

/** Characters of the console that are looked through for a marker: more than any has. */
const TAIL = 8192;

/** `WHEN=FILE`: seconds, or text that the console says. Throws UsageError. */
export function parseTimedScreenshot(text: string): TimedScreenshot {
  const at = text.lastIndexOf('=');
  const [when, file] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (when === '' || file === '')
    throw new UsageError(`--screenshot expects WHEN=FILE, such as 20=boot.png or 'login:=login.png', not '${text}'.`);
  return { when: /^\d+(\.\d+)?s?$/.test(when) ? parseSeconds('--screenshot', when.replace(/s$/, '')) : when, file: resolve(file) };
}

/** Take them when it is time, each once, and tell of it. Returns what ends the waiting. */
export function takeScreenshots(
  machine: VirtualMachine,
  runner: Runner,
  wanted: readonly TimedScreenshot[],
  tell: (text: string) => void,
): () => void {
  const take = ({ file }: TimedScreenshot): void =>
    void Promise.resolve(runner.operations.screenshot({ file, screen: 0 })).then(
      ({ width, height }) => tell(`${file}: ${width} × ${height}`),
      (error: Error) => tell(`${file}: ${error.message}`),
    );
  const timers = wanted.filter(({ when }) => typeof when === 'number').map((one) => setTimeout(() => take(one), one.when as number));
  let waiting = wanted.filter(({ when }) => typeof when === 'string');
  const tail = new OutputTail(TAIL);
  const deaf = machine.console.onData((data) => {
    if (waiting.length === 0) return;
    tail.push(data);
    const said = tail.text();
    const due = waiting.filter(({ when }) => said.includes(when as string));
    waiting = waiting.filter((one) => !due.includes(one));
    due.forEach(take);
  });
  return () => {
    deaf();
    timers.forEach(clearTimeout);
    for (const { when, file } of waiting) tell(`${file}: not taken, as the console did not say '${when}'`);
  };
}
