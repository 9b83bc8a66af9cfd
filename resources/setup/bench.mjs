/** `npm run bench -- boot cpu`: compare with QEMU. The suites are test/bench/suites. */
import { join } from 'node:path';
import { ensureSystemPackages } from './system-packages.mjs';
import { testHome } from './test-home.mjs';
import { ensureBuild, ensurePackages, requireNode, root } from './toolchain.mjs';

requireNode();
process.env.HARTBOX_HOME = testHome;
try {
  await ensurePackages({ output: 'stderr' });
  await ensureBuild({ output: 'stderr' });
  const missing = Object.values(await ensureSystemPackages()).flat();
  if (missing.length > 0) throw new Error(`the comparison needs what these Debian packages hold: ${missing.join(' ')}`);
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(join(root, 'test', 'bench', 'main.ts'));
  process.exitCode = module.exitCode;
} catch (error) {
  console.error(`npm run bench: ${error.message}`);
  process.exitCode = 1;
}
