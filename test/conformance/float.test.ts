import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildOracle, buildSoftFloat, compareFloat, FLOAT_FUNCTIONS } from '../support/float-oracle';
import { Random } from '../support/random';
import { missingTools } from '../support/riscv-tools';

/** Cases per function and rounding mode; a long run sets more, and another seed. */
const CASES = Number(process.env.FLOAT_CASES ?? 400);
const SEED = Number(process.env.FLOAT_SEED ?? 1);

const missing = missingTools('riscv64-linux-gnu-gcc', 'qemu-riscv64');

describe.skipIf(missing !== undefined)(`helpers/softfloat${missing === undefined ? '' : ` (skipped, ${missing})`}`, () => {
  it('agrees with qemu-riscv64 in results and flags of every function and rounding mode', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hartbox-float-'));
    try {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
      const exports = await buildSoftFloat(memory);
      const { cases, differences } = compareFloat(buildOracle(directory), exports, memory, new Random(SEED), CASES);
      expect(differences).toEqual([]);
      expect(cases).toBe(FLOAT_FUNCTIONS.length * 5 * CASES);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 600_000);
});
