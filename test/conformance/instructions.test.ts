import { beforeAll, describe, expect, it } from 'vitest';
import { compileHelpers } from '../support/helpers-module';
import { missingTools } from '../support/riscv-tools';
import { runCampaign } from './campaign';

const missing = missingTools('qemu-system-riscv64');

describe.skipIf(missing !== undefined)(`random instructions${missing === undefined ? '' : ` (skipped, ${missing})`}`, () => {
  let helpers: WebAssembly.Module;

  beforeAll(async () => {
    helpers = await compileHelpers();
  });

  it('leave registers, memory and trap CSRs as qemu-system-riscv64 does', () => {
    const { failures, instructions } = runCampaign(helpers, 'machine', 1, 1200);
    expect(failures).toEqual([]);
    expect(instructions).toBeGreaterThan(500_000);
  });

  it('do so in every privilege, with paging, protection and delegated traps', () => {
    const { failures, instructions } = runCampaign(helpers, 'privileged', 1, 400);
    expect(failures).toEqual([]);
    expect(instructions).toBeGreaterThan(500_000);
  });

  it.each(['translated', 'checked'] as const)('do so when they are %s too', (tier) => {
    for (const kind of ['machine', 'privileged'] as const) {
      const { failures, translated } = runCampaign(helpers, kind, tier === 'checked' ? 3 : 2, 40, { tier });
      expect(failures).toEqual([]);
      expect(translated).toBeGreaterThan(10_000);
    }
  });
});
