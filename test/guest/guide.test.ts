import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataDirectory } from '../../engine/host/data-directory';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = await Promise.all(['guide.md', 'network.md'].map((page) => readFile(join(root, 'docs', page), 'utf8')));

/** Command lines of the blocks marked `sh`, and what each is to print. */
const commands = [...pages.join('\n').matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) =>
  block
    .trim()
    .split('\n')
    .map((line) => {
      const [command, expected = ''] = line.split(/\s+# → /);
      return [command, expected] as const;
    }),
);

/** The commands of the guide and of the page about the network, one after the other, as a user types them. */
describe.skipIf(process.platform === 'win32')('the guide', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hartbox-guide-'));
    await mkdir(join(folder, 'home'));
    await symlink(join(dataDirectory(), 'default-guest'), join(folder, 'home', 'default-guest'));
    await mkdir(join(folder, 'bin'));
    const starter = join(folder, 'bin', 'hartbox');
    await writeFile(starter, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'out', 'main', 'cli.js')}" "$@"\n`);
    await chmod(starter, 0o755);
  });
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  it('has commands', () => {
    expect(commands.length).toBeGreaterThan(20);
    expect(commands.filter(([, expected]) => expected).length).toBeGreaterThan(15);
  });

  it.each(commands)('is right about %s', async (command, expected) => {
    const env = {
      ...process.env,
      HARTBOX_HOME: join(folder, 'home'),
      // The Doctor asks no mirror that is far away.
      HARTBOX_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian',
      PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
    };
    const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
      const child = execFile('/bin/sh', ['-c', command], { cwd: folder, env, timeout: 100_000 }, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? error.signal) : 0, output: `${stdout}${stderr}` }),
      );
      child.stdin?.end();
    });
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining(expected) as string });
  });
});
