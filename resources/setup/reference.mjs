/**
 * `npm run reference`: the site dist/reference, made of docs/, the table of settings, and the doc comments of the engine's interface and of the
 * control table.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { npmScript } from './child-processes.mjs';
import { ensureBuild, ensurePackages, requireNode, root, run } from './toolchain.mjs';

const TYPEDOC = 'typedoc@0.28.20';
const stage = join(root, 'node_modules', '.cache', 'hartbox', 'reference');

requireNode();
try {
  await ensurePackages();
  await ensureBuild();
  console.log(await makeReference(join(root, 'dist', 'reference')));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

async function makeReference(output) {
  await rm(stage, { recursive: true, force: true });
  await mkdir(stage, { recursive: true });
  const settings = await captured([join(root, 'out', 'main', 'cli.js'), 'help', 'options', '--markdown']);
  await writeFile(join(stage, 'settings.md'), `---\ntitle: Settings\n---\n\n${settings}`);
  const { version } = createRequire(import.meta.url)('typescript/package.json');
  // Tables of settings are wider than its columns.
  await writeFile(
    join(stage, 'wide.css'),
    '.tsd-typography table { display: block; overflow-x: auto } .tsd-typography td:last-child { min-width: 22rem }\n',
  );
  const options = join(stage, 'typedoc.json');
  await writeFile(
    options,
    JSON.stringify({
      name: 'Hartbox',
      entryPoints: [join(root, 'engine', 'index.ts'), join(root, 'engine', 'runner', 'control.ts')],
      tsconfig: join(root, 'tsconfig.json'),
      readme: join(root, 'README.md'),
      projectDocuments: [join(stage, 'settings.md'), join(root, 'docs', '*.md')],
      out: output,
      cleanOutputDir: true,
      customCss: join(stage, 'wide.css'),
      disableSources: true,
      excludePrivate: true,
      excludeExternals: true,
      skipErrorChecking: true,
      treatWarningsAsErrors: false,
      validation: { notExported: false, invalidLink: true },
      logLevel: 'Warn',
    }),
  );
  await captured([
    npmScript(),
    'exec',
    '--yes',
    `--package=${TYPEDOC}`,
    `--package=typescript@${version}`,
    '--',
    'typedoc',
    '--options',
    options,
  ]);
  return join(output, 'index.html');
}

async function captured(args) {
  const { code, output } = await run(process.execPath, args, { output: 'capture' });
  if (code !== 0) throw new Error(`${args.join(' ')} failed: ${output.trim()}`);
  return output;
}
