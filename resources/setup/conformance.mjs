/** `npm run conformance -- --count N --seed S`: compare random instruction sequences with QEMU (test/conformance). */
import { join } from 'node:path';
import { ensureSystemPackages } from './system-packages.mjs';
import { ensurePackages, requireNode, root } from './toolchain.mjs';

requireNode();
try {
  await ensurePackages({ output: 'stderr' });
  await ensureSystemPackages();
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(join(root, 'test', 'conformance', 'index.ts'));
  process.exitCode = await module.conformance(process.argv.slice(2));
} catch (error) {
  console.error(`npm run conformance: ${error.message}`);
  process.exitCode = 1;
}
