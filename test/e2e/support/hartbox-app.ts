import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ElectronApplication, type Page, _electron } from '@playwright/test';
import { dataDirectory } from '../../../engine/host/data-directory';
import { endWithUs } from '../../../resources/setup/child-processes.mjs';
import { electronArguments, electronPath } from '../../../resources/setup/electron.mjs';
import { LibraryPage } from './library-page';
import { MachinePage } from './machine-page';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** Software rendering, also for WebGL. */
const softwareRendering = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--lang=en-US'];
/** And the accessibility tree, from which tests read what the terminal shows. */
const testArguments = [...softwareRendering, '--force-renderer-accessibility'];

/** A data directory of one test's own. */
export class TestHome {
  private constructor(readonly path: string) {}

  /** `guest`: with the default guest in it, as `hartbox setup` made it in the data directory of this environment. */
  static async create({ guest }: { guest: boolean }): Promise<TestHome> {
    const path = await mkdtemp(join(tmpdir(), 'hartbox-e2e-'));
    if (guest) await symlink(join(dataDirectory(), 'default-guest'), join(path, 'default-guest'), 'junction');
    await mkdir(join(path, 'machines'));
    return new TestHome(path);
  }

  machineFile(vm: string, name = 'config.json'): string {
    return join(this.path, 'machines', vm, name);
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The app, started for a test. */
export class HartboxApp {
  readonly library: LibraryPage;
  readonly machine: MachinePage;

  private constructor(
    readonly electron: ElectronApplication,
    readonly page: Page,
  ) {
    this.library = new LibraryPage(page);
    this.machine = new MachinePage(page);
  }

  /** `assistive`: with the accessibility tree, as for a screen reader. `asItIs`: drawn as on this computer by itself. `switches`: more of Chromium's. */
  static async launch(
    home: TestHome,
    env: Record<string, string> = {},
    { assistive = true, asItIs = false, switches = [] as string[] } = {},
  ): Promise<HartboxApp> {
    const electron = await _electron.launch({
      executablePath: await electronPath(),
      args: ['.', ...(await electronArguments()), ...(asItIs ? [] : assistive ? testArguments : softwareRendering), ...switches],
      cwd: root,
      env: { ...definedEnvironment(), ...env, HARTBOX_HOME: home.path },
    });
    const page = await electron.firstWindow();
    return new HartboxApp(electron, page);
  }

  /** Start the app a second time on the same data; resolves with what it printed when it has ended. */
  static async launchExpectingExit(home: TestHome): Promise<string> {
    const child = endWithUs(
      spawn(await electronPath(), ['.', ...(await electronArguments()), ...testArguments], {
        cwd: root,
        env: { ...definedEnvironment(), HARTBOX_HOME: home.path },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        output += data.toString();
      });
    await once(child, 'close');
    return output;
  }

  /** The operating-system processes that host machines. */
  enginePids(): Promise<number[]> {
    return this.electron.evaluate(({ app }) =>
      app
        .getAppMetrics()
        .filter((metric) => metric.type === 'Utility' && metric.name?.startsWith('Hartbox engine'))
        .map((metric) => metric.pid),
    );
  }

  /** Close the window as a user would. */
  closeWindow(): Promise<void> {
    return this.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].close());
  }

  /** End the app without questions; machines that run end with it. */
  async end(): Promise<void> {
    await this.electron.evaluate(({ app }) => app.exit(0)).catch(() => undefined);
    await this.electron.close().catch(() => undefined);
  }
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
