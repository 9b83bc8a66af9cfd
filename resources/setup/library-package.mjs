/**
 * `npm run pack:library`: the engine as a package for others to install, dist/hartbox-VERSION.tgz: VirtualMachine with its types, and the command.
 * It has nothing of the app, and needs no package but zod, for types, and koffi, where that can be had.
 */
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { npmScript } from './child-processes.mjs';
import { ensureBuild, ensurePackages, packageCommand, requireNode, root, run } from './toolchain.mjs';

/** Make it; resolves with the path of the archive. `output`: the folder that it goes to. */
export async function packLibrary(output = join(root, 'dist')) {
  const stage = join(root, 'node_modules', '.cache', 'hartbox', 'library');
  await rm(stage, { recursive: true, force: true });
  // Only the app starts by index.js.
  const isApp = (path) => path.endsWith(join('out', 'main', 'index.js')) || path.endsWith('.map');
  await cp(join(root, 'out', 'main'), join(stage, 'out', 'main'), { recursive: true, filter: (path) => !isApp(path) });
  await makeTypes(stage);
  const { version, description, license, author, engines, dependencies, optionalDependencies } = await readJson(join(root, 'package.json'));
  await writeJson(join(stage, 'package.json'), {
    name: 'hartbox',
    version,
    description,
    license,
    author,
    type: 'module',
    exports: {
      '.': { types: './types/engine/index.d.ts', default: './out/main/engine.js' },
      './package.json': './package.json',
    },
    types: './types/engine/index.d.ts',
    bin: { hartbox: 'out/main/cli.js', 'hartbox-qemu': 'out/main/hartbox-qemu.js' },
    engines,
    dependencies: { zod: dependencies.zod },
    optionalDependencies: { koffi: optionalDependencies.koffi },
    peerDependencies: { '@types/node': '>=20' },
    peerDependenciesMeta: { '@types/node': { optional: true } },
  });
  await cp(join(root, 'LICENSE'), join(stage, 'LICENSE'));
  await cp(join(root, 'docs', 'library.md'), join(stage, 'README.md'));
  await mkdir(output, { recursive: true });
  const { code, output: text } = await run(process.execPath, [npmScript(), 'pack', stage, '--silent', '--pack-destination', output], {
    output: 'capture',
  });
  if (code !== 0) throw new Error(`npm could not pack the library: ${text.trim()}`);
  return join(output, text.trim().split('\n').at(-1));
}

/** types/: declarations of what engine/index.ts exports, and of all that those name. */
async function makeTypes(stage) {
  const config = join(stage, 'tsconfig.json');
  const types = join(stage, 'types');
  await writeJson(config, {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      outDir: types,
      rootDir: root,
      typeRoots: [join(root, 'node_modules', '@types')],
      types: ['node'],
    },
    include: [],
    files: [join(root, 'engine', 'index.ts'), join(root, 'engine', 'images', 'raw-text.d.ts')],
  });
  const { code, output } = await run(process.execPath, [packageCommand('typescript', 'tsc'), '-p', config], { output: 'capture' });
  if (code !== 0) throw new Error(`The types could not be made: ${output.trim()}`);
  await rm(config);
  // Our sources leave out what Node wants to see: the ending of the file.
  for (const name of await readdir(types, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(types, name);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(/((?:from|import\()\s*['"]\.{1,2}\/[^'"]*?)(?:\.[jt]s)?(['"])/g, '$1.js$2'));
  }
}

async function readJson(path) {
  return JSON.parse(await readFile(path, 'utf8'));
}

function writeJson(path, value) {
  return writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  requireNode();
  try {
    await ensurePackages();
    await ensureBuild();
    console.log(await packLibrary());
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
