import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from '@playwright/test';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { electronArguments } from '../../resources/setup/electron.mjs';
import { test } from './support/test';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The .deb as users get it: installed by dpkg below a folder of its own, used without any network, and removed. The app's own fuses keep Playwright out
 * of it, so it is driven as a user's scripts would, by the installed command. HARTBOX_DEB names a package that is there already; else it is made. So is the .rpm.
 */
test.describe('the installed package', () => {
  test.skip(!process.env['HARTBOX_LONG'] && !process.env['HARTBOX_DEB'], 'Packing takes minutes: npm test -- long-e2e.');
  test.skip(process.platform !== 'linux' || process.getuid?.() !== 0, 'dpkg installs as root, on Debian and its relatives.');
  test.describe.configure({ mode: 'serial' });
  let system: string;
  let home: string;
  let command: string;

  const dpkg = (...args: string[]): Buffer =>
    execFileSync('dpkg', [`--root=${system}`, '--force-depends', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const env = (): NodeJS.ProcessEnv => ({ ...process.env, HARTBOX_HOME: home });
  /** A command line of the installed `hartbox`, where there is no network at all. */
  const offline = (...args: string[]) => run('unshare', ['--net', command, ...args], { env: env(), timeout: 100_000 });

  test.beforeAll(async () => {
    test.setTimeout(1_800_000);
    const named = process.env['HARTBOX_DEB'];
    if (!named) execFileSync('npm', ['run', '-s', 'dist'], { cwd: root, stdio: 'ignore' });
    const made = (await readdir(join(root, 'dist')).catch(() => [])).filter((name) => name.endsWith('.deb'));
    system = await mkdtemp(join(tmpdir(), 'hartbox-system-'));
    home = await mkdtemp(join(tmpdir(), 'hartbox-home-'));
    command = join(system, 'usr', 'bin', 'hartbox');
    for (const folder of ['info', 'updates']) await mkdir(join(system, 'var', 'lib', 'dpkg', folder), { recursive: true });
    await run('touch', [join(system, 'var', 'lib', 'dpkg', 'status'), join(system, 'var', 'lib', 'dpkg', 'available')]);
    dpkg('--install', named ?? join(root, 'dist', made[0]));
  });
  test.afterAll(async () => {
    for (const folder of [system, home]) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test('has the command on the PATH: streams, exit codes and the built-in Linux, without a network', async () => {
    expect((await offline('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await offline('exec', '--', 'uname', '-m')).stdout).toBe('riscv64\n');
    await expect(offline('exec', '--', 'sh', '-c', 'exit 7')).rejects.toMatchObject({ code: 7 });
    const tr = endWithUs(spawn(command, ['exec', '--', 'tr', 'a-z', 'A-Z'], { env: env(), stdio: ['pipe', 'pipe', 'inherit'] }));
    let output = '';
    tr.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    tr.stdin.end('hello\n');
    await new Promise((resolve) => tr.once('close', resolve));
    expect(output).toBe('HELLO\n');
    // The guest was taken from the package, not copied.
    expect(await readdir(home)).not.toContain('default-guest');
    const { findings } = JSON.parse((await offline('doctor', '--json')).stdout) as { findings: { id: string }[] };
    expect(findings.map(({ id }) => id)).toEqual(expect.arrayContaining(['node', 'guest', 'mirror-unreachable']));
  });

  test('passes signals on: who ends the command ends the box', async () => {
    const started = endWithUs(spawn(command, ['run', 'hartbox-linux'], { env: env(), stdio: ['pipe', 'pipe', 'ignore'] }));
    await untilRunning();
    started.kill('SIGTERM');
    expect(await new Promise((resolve) => started.once('close', resolve))).toBe(143);
    await expect.poll(state).toBe('stopped');
  });

  test('starts the app without a network, which boots the built-in Linux', async () => {
    await offline('set', 'hartbox-linux', 'autostart=on');
    const executable = join(system, 'opt', 'Hartbox', 'hartbox');
    const args = [...(await electronArguments()), '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
    const app: ChildProcess = endWithUs(spawn('unshare', ['--net', executable, ...args], { env: env(), stdio: 'ignore' }));
    await untilRunning();
    // Its kernel has gone as far as the shell when it obeys its power button.
    await offline('stop', 'hartbox-linux', '--timeout', '90');
    expect(await state()).toBe('stopped');
    const ended = new Promise((resolve) => app.once('close', resolve));
    app.kill('SIGTERM');
    await ended;
  });

  test('leaves nothing but the boxes of the user when it is removed', async () => {
    dpkg('--purge', 'hartbox');
    const left = execFileSync('find', [system, '-not', '-type', 'd', '-not', '-path', '*/var/lib/dpkg/*', '-not', '-path', '*/var/log/*']);
    expect(left.toString()).toBe('');
    expect(await readdir(join(home, 'machines'))).toContain('hartbox-linux');
  });

  test('is the same as an .rpm, which comes and goes likewise', async () => {
    const made = (await readdir(join(root, 'dist')).catch(() => [])).find((name) => name.endsWith('.rpm'));
    test.skip(made === undefined, 'npm run dist makes one where rpmbuild is.');
    const other = await mkdtemp(join(tmpdir(), 'hartbox-rpm-'));
    const rpm = (...args: string[]) => run('rpm', ['--root', other, '--dbpath', '/rpm', '--nodeps', ...args]);
    const files = async () => (await run('find', [other, '-not', '-type', 'd', '-not', '-path', `${other}/rpm/*`])).stdout;
    try {
      await rpm('--install', join(root, 'dist', made ?? ''));
      const { stdout } = await run('unshare', ['--net', join(other, 'usr', 'bin', 'hartbox'), 'exec', '--', 'uname', '-m'], { env: env() });
      expect(stdout).toBe('riscv64\n');
      await rpm('--erase', 'hartbox');
      expect(await files()).toBe('');
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  async function state(): Promise<string | undefined> {
    const { stdout } = await run(command, ['list', '--json'], { env: env() });
    return (JSON.parse(stdout) as { id: string; state: string }[]).find(({ id }) => id === 'hartbox-linux')?.state;
  }
  async function untilRunning(): Promise<void> {
    await expect.poll(state, { timeout: 60_000 }).toBe('running');
  }
});
