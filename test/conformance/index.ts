import { parseArgs } from 'node:util';
import { compileHelpers } from '../support/helpers-module';
import { missingTools } from '../support/riscv-tools';
import { runCampaign } from './campaign';

const USAGE = `npm run conformance -- [--kind machine|privileged] [--tier interpreted|translated|checked] [--count N] [--seed S]
Compares N random instruction sequences (default 10000), drawn from seed S (default: the time), with qemu-system-riscv64:
plain code in M-mode (the default), or code of all privileges with paging, protection and delegated traps.
Tiers: all interpreted; translated as soon as can be; or that, checked against the interpreter region by region.`;

/** The command for long runs; returns its exit status: 1 where something differed. */
export async function conformance(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      kind: { type: 'string', default: 'machine' },
      tier: { type: 'string', default: 'interpreted' },
      count: { type: 'string', default: '10000' },
      seed: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const kind = values.kind;
  if (kind !== 'machine' && kind !== 'privileged') throw new Error(`there is no kind '${kind}'\n${USAGE}`);
  const tier = values.tier;
  if (tier !== 'interpreted' && tier !== 'translated' && tier !== 'checked') throw new Error(`there is no tier '${tier}'\n${USAGE}`);
  const count = Number(values.count);
  const seed = Number(values.seed ?? Date.now());
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed))
    throw new Error(`count and seed are whole numbers\n${USAGE}`);
  const missing = missingTools('qemu-system-riscv64');
  if (missing !== undefined) throw new Error(missing);
  const started = performance.now();
  console.log(`seed ${seed}`);
  let shown = 0;
  const result = runCampaign(await compileHelpers(), kind, seed, count, {
    tier,
    progress: ({ sequences, instructions, translated, failures }) => {
      for (const failure of failures.slice(shown)) console.log(failure);
      shown = failures.length;
      const seconds = (performance.now() - started) / 1000;
      console.log(
        `${sequences} sequences, ${(instructions / 1e6).toFixed(1)} M instructions (${(translated / 1e6).toFixed(1)} M translated), ${failures.length} differences, ${seconds.toFixed(0)} s`,
      );
    },
  });
  return result.failures.length > 0 ? 1 : 0;
}
