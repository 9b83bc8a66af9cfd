import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../engine/cli/usage-error';
import { VmError } from '../../engine/errors/vm-error';
import { Random } from '../support/random';
import { PARSERS } from './parsers';

/** Inputs of each parser; HARTBOX_FUZZ_INPUTS says how many, HARTBOX_SEED which come first. */
const isLong = process.env['HARTBOX_LONG'] !== undefined;
const INPUTS = Number(process.env['HARTBOX_FUZZ_INPUTS'] ?? (isLong ? 1_000_000 : 2000));
const FIRST = Number(process.env['HARTBOX_SEED'] ?? (isLong ? Date.now() : 1));
/** Most processor time that one input may take, in milliseconds: none needs more than a few. */
const LONGEST_MS = 3000;
/** Most memory that thousands of inputs may leave behind, in bytes. */
const GROWTH = 512 << 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-fuzz-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(PARSERS)('$name', ({ name, make, run, cost = 1 }) => {
  it(
    'is taken or refused with a reason, whatever it holds, soon and in little memory',
    async () => {
      const count = isLong ? INPUTS : Math.ceil(INPUTS / cost);
      let refused = 0;
      const before = process.memoryUsage().rss;
      for (let seed = FIRST; seed < FIRST + count; seed++) {
        // What waits for a time limit, as a line that is closed, has its turn too.
        if (seed % 1000 === 0) await setImmediate();
        const input = make(new Random(seed));
        const start = process.cpuUsage();
        try {
          await run(input as never, folder);
        } catch (error) {
          const isRefusal = error instanceof UsageError || (error instanceof VmError && error.kind !== 'Internal');
          if (!isRefusal) throw new Error(`${name}, HARTBOX_SEED=${seed}: ${show(input)}`, { cause: error });
          refused++;
        }
        const { user, system } = process.cpuUsage(start);
        const took = (user + system) / 1000;
        if (took > LONGEST_MS) throw new Error(`${name}, HARTBOX_SEED=${seed}: it took ${Math.round(took)} ms: ${show(input)}`);
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH);
      if (isLong) console.log(`${name}: ${count} inputs from ${FIRST} on, ${refused} refused`);
    },
    isLong ? 24 * 3_600_000 : 60_000,
  );
});

function show(input: unknown): string {
  const text = input instanceof Uint8Array ? Buffer.from(input).toString('hex') : JSON.stringify(input);
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}
