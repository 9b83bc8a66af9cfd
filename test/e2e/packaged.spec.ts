import { spawn } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FuseV1Options, FuseVersion, flipFuses } from '@electron/fuses';
import { expect } from '@playwright/test';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { electronArguments, electronPath } from '../../resources/setup/electron.mjs';
import { TestHome } from './support/hartbox-app';
import { test } from './support/test';

/**
 * The app as it is packed, as far as its doors are concerned: an Electron under another name, with the fuses of electron-builder.yml, and an
 * archive (asar) that starts the built app.
 */
test.describe('a packaged app', () => {
  test.skip(process.platform !== 'linux', 'Elsewhere the executable is one of many files that know its name.');
  let folder: string;
  let executable: string;
  let home: TestHome;

  test.beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hartbox-packaged-'));
    home = await TestHome.create({ guest: false });
    const electron = await electronPath();
    await cp(dirname(electron), folder, { recursive: true, filter: (source) => !/\/(electron|default_app\.asar)$/.test(source) });
    executable = join(folder, 'hartbox');
    await copyFile(electron, executable);
    await chmod(executable, 0o755);
    await flipFuses(executable, { version: FuseVersion.V1, ...(await configuredFuses()) });
    await mkdir(join(folder, 'resources'), { recursive: true });
    await writeFile(join(folder, 'resources', 'app.asar'), starter());
  });
  test.afterAll(async () => {
    await home.remove();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Start it; resolves with all that it printed when it has said that its window is there, and has ended. */
  async function start(args: string[], env: Record<string, string> = {}): Promise<string> {
    const child = endWithUs(
      spawn(executable, [...(await electronArguments()), ...args], {
        env: { ...process.env, HARTBOX_HOME: home.path, HARTBOX_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        output += data.toString();
      });
    await new Promise((resolve) => child.once('close', resolve));
    return output;
  }

  test('is no Node, has no inspector and loads nothing that the environment names', async () => {
    const evil = join(folder, 'evil.cjs');
    await writeFile(evil, 'console.log("EVIL");');
    const node = await start(['-e', 'console.log("EVIL")'], { ELECTRON_RUN_AS_NODE: '1' });
    const options = await start(['--inspect=127.0.0.1:0'], { NODE_OPTIONS: `--require ${evil}` });
    for (const output of [node, options]) {
      expect(output).toContain('WINDOW');
      expect(output).not.toContain('EVIL');
      expect(output).not.toContain('Debugger listening');
    }
  });

  test('opens no tools for developers, neither in the window nor on a port', async () => {
    const output = await start(['--remote-debugging-port=0']);
    expect(output).toContain('WINDOW tools: false');
    expect(output).not.toContain('DevTools listening');
  });
});

/** Those of electron-builder.yml, but for the archive's checksum, which Electron has on macOS and Windows alone. */
async function configuredFuses(): Promise<Record<number, boolean>> {
  const text = await readFile(fileURLToPath(new URL('../../electron-builder.yml', import.meta.url)), 'utf8');
  const lines = /^electronFuses:\n((?: {2}.*\n)+)/m.exec(text)?.[1].trim().split('\n') ?? [];
  const fuses = lines.map((line) => {
    const [name, value] = line.trim().split(': ');
    const key = `${name[0].toUpperCase()}${name.slice(1)}` as keyof typeof FuseV1Options;
    expect(FuseV1Options[key], name).toBeDefined();
    return [FuseV1Options[key], value === 'true'] as const;
  });
  expect(fuses.length).toBeGreaterThan(5);
  return Object.fromEntries(fuses);
}

/** An asar archive with an app that starts the built one, tries its tools once it has a window, and ends. */
function starter(): Buffer {
  const main = pathToFileURL(fileURLToPath(new URL('../../out/main/index.js', import.meta.url))).href;
  const script = `import { app } from 'electron';
    app.on('browser-window-created', (_event, window) => window.webContents.once('did-finish-load', () => {
      window.webContents.openDevTools();
      setTimeout(() => {
        console.log('WINDOW tools: ' + window.webContents.isDevToolsOpened());
        app.exit(0);
      }, 1000);
    }));
    await import(${JSON.stringify(main)});`;
  const files = { 'package.json': JSON.stringify({ name: 'hartbox', type: 'module', main: 'main.js' }), 'main.js': script };
  let offset = 0;
  const entries = Object.entries(files).map(([name, content]) => {
    const entry = { size: Buffer.byteLength(content), offset: String(offset) };
    offset += entry.size;
    return [name, entry];
  });
  const header = Buffer.from(JSON.stringify({ files: Object.fromEntries(entries) as object }));
  const padded = Math.ceil(header.length / 4) * 4;
  const head = Buffer.alloc(16 + padded);
  for (const [at, value] of [4, padded + 8, padded + 4, header.length].entries()) head.writeUInt32LE(value, 4 * at);
  header.copy(head, 16);
  return Buffer.concat([head, ...Object.values(files).map((content) => Buffer.from(content))]);
}
