import { setTimeout as delay } from 'node:timers/promises';
import { formatTable } from '../../engine/cli/table';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { compileProgram, initrdWith } from './guest-program';
import { median } from './measurement';
import { hartbox } from './peers';
import { PROMPT } from './prompt';

/** Seconds between two looks at the process. */
const INTERVAL = 10;
/** Of the run, what comes before is warm-up: the guest touches its memory, V8 fills its caches. */
const WARM_UP = 1 / 3;
/** By how much the last third may exceed the one before it: garbage comes and goes. */
const MOST_GROWTH = 1.1;

/** One look: seconds since the start, functions that the guest has generated, live regions, and bytes of the process in RAM. */
interface Look {
  seconds: number;
  functions: number;
  regions: number;
  resident: number;
}

/**
 * Code generation without end, shortened: the guest writes functions, runs them until they are translated, and goes on to others, for
 * so many minutes. Prints the memory of the whole process over time. Returns whether it was flat after the warm-up.
 */
export async function soak(guest: DefaultGuest, folder: string, minutes: number, say: (message: string) => void): Promise<boolean> {
  const initrd = await initrdWith(guest, folder, 'soak', await compileProgram(folder, 'soak'));
  const session = hartbox({ options: [`--stats=${INTERVAL}`] }).start({ ...guest, initrd });
  const looks: Look[] = [];
  try {
    await session.expect(PROMPT, 300);
    session.send('/bench/soak');
    const begun = performance.now();
    while (performance.now() - begun < minutes * 60_000) {
      await delay(INTERVAL * 1000);
      const [text, functions] = await session.expect(/\nSOAK (?:(\d+)\n(?![\s\S]*\nSOAK)|WRONG.*)/, 300);
      if (functions === undefined) throw new Error(`translated code computed something else than was expected: ${text.trim()}`);
      const regions = Number(/.* (\d[\d,]*) regions/s.exec(session.errors)?.[1].replaceAll(',', '') ?? NaN);
      const seconds = (performance.now() - begun) / 1000;
      const look = { seconds, functions: Number(functions), regions, resident: session.residentBytes };
      looks.push(look);
      say(cells(look).join('  '));
    }
  } finally {
    await session.stop();
  }
  const third = Math.floor(looks.length * WARM_UP);
  const [earlier, later] = [looks.slice(third, -third), looks.slice(-third)].map((part) => median(part.map(({ resident }) => resident)));
  const flat = later <= earlier * MOST_GROWTH;
  const rows = [['time', 'functions', 'regions live', 'process in RAM'], ...looks.map(cells)];
  process.stdout.write(`${formatTable(rows, [0, 1, 2, 3])}\n${session.errors.replace(/.*(?=Statistics of)/s, '')}\n`);
  process.stdout.write(
    `Median of the second third ${mebibytes(earlier)}, of the last ${mebibytes(later)}: ${flat ? 'flat' : 'the process grows'}.\n`,
  );
  return flat;
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const cells = ({ seconds, functions, regions, resident }: Look): string[] => [
  `${Math.round(seconds)} s`,
  `${functions}`,
  `${regions}`,
  mebibytes(resident),
];
