import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npmScript } from '../../resources/setup/child-processes.mjs';
import { packLibrary } from '../../resources/setup/library-package.mjs';
import { packageCommand } from '../../resources/setup/toolchain.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The package as others install it, in the example project. */
describe('the library as a package', () => {
  let folder: string;
  const node = (...args: string[]) => run(process.execPath, args, { cwd: folder, timeout: 200_000 });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hartbox-library-'));
    await cp(join(root, 'docs', 'examples', 'vitest'), folder, { recursive: true });
    const archive = await packLibrary(folder);
    // Only this one: its tools are those that are here.
    await node(npmScript(), 'pkg', 'delete', 'devDependencies');
    await node(npmScript(), 'install', archive, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error');
    for (const name of ['vitest', '@types'])
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  });
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  it('boots a Linux in the tests of an example, which runs commands in it and exchanges files with it', async () => {
    const { stdout } = await node(packageCommand('vitest'), 'run', '--reporter=json');
    expect(JSON.parse(stdout)).toMatchObject({ success: true, numFailedTests: 0, numTotalTests: 4 });
  });

  it.each(['nodenext', 'bundler'])('has types for programs that resolve modules as %s', async (resolution) => {
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          target: 'es2022',
          module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
          moduleResolution: resolution,
          allowImportingTsExtensions: true,
          skipLibCheck: false,
          types: ['node'],
        },
        files: ['guest.ts', 'wrong.ts'],
      }),
    );
    await writeFile(
      join(folder, 'wrong.ts'),
      "import { VirtualMachine } from 'hartbox';\n// @ts-expect-error: harts are a number.\nvoid VirtualMachine.create({ harts: 'two' });\n",
    );
    await expect(node(packageCommand('typescript', 'tsc'), '-p', folder)).resolves.toMatchObject({ stdout: '' });
  });

  it('brings the command along', async () => {
    const { stdout } = await node(join(folder, 'node_modules', 'hartbox', 'out', 'main', 'cli.js'), 'exec', '--', 'uname', '-m');
    expect(stdout).toBe('riscv64\n');
  });
});
