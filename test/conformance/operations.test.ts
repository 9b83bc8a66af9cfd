import { beforeAll, describe, expect, it } from 'vitest';
import { compileHelpers } from '../support/helpers-module';
import { missingTools } from '../support/riscv-tools';
import { runOperationCampaign } from './operation-campaign';

/** Programs of 5000 operations each; a long run sets more, and another seed. */
const PROGRAMS = Number(process.env.OPERATION_PROGRAMS ?? 3);
const SEED = Number(process.env.OPERATION_SEED ?? 1);

const missing = missingTools('qemu-system-riscv64');

describe.skipIf(missing !== undefined)(`random privileged operations${missing === undefined ? '' : ` (skipped, ${missing})`}`, () => {
  let helpers: WebAssembly.Module;

  beforeAll(async () => {
    helpers = await compileHelpers();
  });

  it('trap, translate and change CSRs as in qemu-system-riscv64', () => {
    const { failures, operations } = runOperationCampaign(helpers, SEED, PROGRAMS);
    expect(failures).toEqual([]);
    expect(operations).toBe(PROGRAMS * 5000);
  });
});
