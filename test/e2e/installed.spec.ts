import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from '@playwright/test';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { electronArguments } from '../../resources/setup/electron.mjs';
import { ownDisplay } from './support/display';
import { FreshDebian } from './support/fresh-debian';
import { test } from './support/test';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

let dist: Promise<unknown> | undefined;
/** The package of dist/ whose name ends so; all are made first, unless HARTBOX_DEB names one that is there already. */
async function packed(ending: string): Promise<string | undefined> {
  const named = process.env['HARTBOX_DEB'];
  if (named && ending === '.deb') return named;
  if (!named) dist ??= run('npm', ['run', '-s', 'dist'], { cwd: root, maxBuffer: 2 ** 24 });
  await dist;
  const made = (await readdir(join(root, 'dist')).catch(() => [])).find((name) => name.endsWith(ending));
  return made === undefined ? undefined : join(root, 'dist', made);
}

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
    const deb = await packed('.deb');
    if (deb === undefined) throw new Error('npm run dist has made no .deb: dpkg-deb is missing.');
    system = await mkdtemp(join(tmpdir(), 'hartbox-system-'));
    home = await mkdtemp(join(tmpdir(), 'hartbox-home-'));
    command = join(system, 'usr', 'bin', 'hartbox');
    for (const folder of ['info', 'updates']) await mkdir(join(system, 'var', 'lib', 'dpkg', folder), { recursive: true });
    await run('touch', [join(system, 'var', 'lib', 'dpkg', 'status'), join(system, 'var', 'lib', 'dpkg', 'available')]);
    dpkg('--install', deb);
  });
  test.afterAll(async () => {
    for (const folder of [system, home]) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test('has the command on the PATH: streams, exit codes and the built-in Linux, without a network', async () => {
    expect((await offline('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run(`${command}-qemu`, ['--version'], { env: env() })).stdout).toContain('Hartbox');
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
    const made = (await packed('.rpm')) ?? '';
    test.skip(made === '', 'npm run dist makes one where rpmbuild is.');
    const other = await mkdtemp(join(tmpdir(), 'hartbox-rpm-'));
    const rpm = (...args: string[]) => run('rpm', ['--root', other, '--dbpath', '/rpm', ...args]);
    const files = async () => (await run('find', [other, '-not', '-type', 'd', '-not', '-path', `${other}/rpm/*`])).stdout;
    try {
      await rpm('--install', '--nodeps', made);
      const { stdout } = await run('unshare', ['--net', join(other, 'usr', 'bin', 'hartbox'), 'exec', '--', 'uname', '-m'], { env: env() });
      expect(stdout).toBe('riscv64\n');
      // What Electron is linked with, what it loads, and what Node is linked with; but not what they bring.
      const requires = (await rpm('--query', '--requires', 'hartbox')).stdout.split('\n');
      for (const library of ['libgtk-3.so.0', 'libX11-xcb.so.1', 'libstdc++.so.6']) expect(requires).toContain(`${library}()(64bit)`);
      expect(requires.filter((one) => /ffmpeg|musl|vulkan/.test(one))).toEqual([]);
      await rpm('--erase', '--nodeps', 'hartbox');
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

/**
 * The packages in a Debian that has nothing but apt: of what the .deb depends on comes only that, so that it must be complete. The app is used as users do: as an ordinary
 * user, in Chromium's sandbox, by the keyboard. Debian 12 has the least that Electron starts with.
 */
for (const release of ['bookworm', 'trixie'])
  test.describe(`a fresh Debian ${release}`, () => {
    test.skip(!process.env['HARTBOX_LONG'], 'Packing and setting up a Debian take minutes: npm test -- long-e2e.');
    test.skip(process.platform !== 'linux' || FreshDebian.lack !== '', FreshDebian.lack);
    test.describe.configure({ mode: 'serial', timeout: 600_000 });
    let debian: FreshDebian;
    let endDisplay: () => void;
    /** Those of the system that have its name, but for what this test has put there. */
    const files = async (): Promise<string[]> =>
      (await debian.asRoot('find', '/', '-xdev', '-iname', '*hartbox*', '-not', '-path', '/home/*', '-not', '-path', '/srv/*')).split('\n');

    test.beforeAll(async () => {
      test.setTimeout(3_600_000);
      const [deb, archive] = [await packed('.deb'), await packed('.tar.gz')];
      // What is typed here is for no window of the person who runs it.
      endDisplay = await ownDisplay();
      debian = await FreshDebian.create(release);
      await copyFile(deb ?? '', join(debian.folder, 'srv', 'hartbox.deb'));
      await copyFile(archive ?? '', join(debian.folder, 'srv', 'hartbox.tar.gz'));
    });
    test.afterAll(async () => {
      endDisplay();
      await debian.remove();
    });

    test('runs the command of the .tar.gz, which needs nothing else', async () => {
      await debian.asUser('tar', '-xzf', '/srv/hartbox.tar.gz', '--one-top-level=unpacked', '--strip-components=1');
      expect(await debian.asUser('unpacked/resources/bin/hartbox', 'exec', '--', 'uname', '-m')).toBe('riscv64\n');
    });

    test('installs the .deb with all that its programs need', async () => {
      expect(await files()).toEqual(['']);
      await debian.asRoot('apt-get', 'update', '-qq');
      await debian.asRoot('apt-get', 'install', '-qq', '--no-install-recommends', '/srv/hartbox.deb');
      const programs = ['/opt/Hartbox/hartbox', '/opt/Hartbox/libGLESv2.so', '/opt/Hartbox/resources/cli/node'];
      expect(await debian.asRoot('ldd', ...programs)).not.toContain('not found');
      expect(await debian.asUser('hartbox', 'exec', '--', 'uname', '-m')).toBe('riscv64\n');
      expect(await debian.asUser('hartbox-qemu', '--version')).toContain('Hartbox');
    });

    test('starts the app for a user, who boots the built-in Linux and switches it off by the keyboard', async () => {
      await useByKeyboard('/opt/Hartbox/hartbox');
    });

    test('starts the app of the .tar.gz as well', async () => {
      await useByKeyboard(`${debian.home}/unpacked/hartbox`);
    });

    test("keeps nothing but what is the user's when the .deb is removed", async () => {
      await debian.asRoot('apt-get', 'remove', '-qq', 'hartbox');
      expect(await files()).toEqual(['']);
      // Nor in what others make of it: lists of types of files, of programs, of icons.
      const named = await debian.asRoot('sh', '-c', 'grep -rIil hartbox /etc /usr /var --exclude-dir=log || true');
      expect(named).toBe('');
      expect(await debian.asUser('ls', '.local/share/hartbox/machines')).toBe('hartbox-linux\n');
    });

    async function useByKeyboard(executable: string): Promise<void> {
      const app = debian.start(executable, '--use-angle=swiftshader', '--enable-unsafe-swiftshader');
      let isOver = false;
      app.once('close', () => {
        isOver = true;
      });
      const type = async (text: string): Promise<void> => {
        expect(isOver, 'The app has ended.').toBe(false);
        await run('xdotool', ['type', '--delay', '40', text]);
        await run('xdotool', ['key', 'Return']);
      };
      const patience = { intervals: [4000], timeout: 120_000 };
      try {
        // Without a window manager the keys are for the window under the mouse.
        await expect
          .poll(
            () =>
              run('xdotool', ['search', '--onlyvisible', '--name', '^Hartbox$', 'mousemove', '--window', '%1', '600', '500']).then(
                () => true,
                () => isOver,
              ),
            patience,
          )
          .toBe(true);
        const start = async (): Promise<string | undefined> => {
          await run('xdotool', ['key', 'Escape', 'ctrl+k']);
          await type('start: hartbox');
          return state();
        };
        await expect.poll(start, patience).toBe('running');
        const switchOff = async (): Promise<string | undefined> => {
          // The palette may be open once more, if the box was already on its way, and have the focus from the terminal, which is under the mouse. To its
          // shell Escape alone is half of a key.
          await run('xdotool', ['key', 'Escape', 'click', '1', 'key', 'Return']);
          await type('poweroff');
          return state();
        };
        await expect.poll(switchOff, patience).toBe('stopped');
      } finally {
        app.kill();
        await expect.poll(() => isOver, patience).toBe(true);
      }
    }
    async function state(): Promise<string | undefined> {
      const boxes = JSON.parse(await debian.asUser('hartbox', 'list', '--json')) as { state: string }[];
      return boxes[0]?.state;
    }
  });
