/** `npm run hartbox -- …`: the command line from the sources, built first if need be. Writes nothing to stdout itself. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuild, ensurePackages, requireNode, root } from './toolchain.mjs';

requireNode();
try {
  await ensurePackages({ output: 'stderr' });
  await ensureBuild({ output: 'stderr' });
} catch (error) {
  console.error(`hartbox: ${error.message}`);
  process.exit(1);
}
await import(pathToFileURL(join(root, 'out', 'main', 'cli.js')).href);
