import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endTree, npmScript } from '../../resources/setup/child-processes.mjs';
import { waitForProcesses } from '../../main/wait-for-processes';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-children-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file at `parts` below the test's folder, with the folders above it; its path. */
function file(...parts: string[]): string {
  const path = join(folder, ...parts);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
  return path;
}

describe('npmScript', () => {
  it('is the npm that started us, but no other package manager', () => {
    const ours = file('started', 'npm-cli.js');
    const node = join(folder, 'bare', 'node');
    expect(npmScript({ environment: { npm_execpath: ours }, node })).toBe(ours);
    const yarn = file('started', 'yarn.js');
    expect(() => npmScript({ environment: { npm_execpath: yarn, PATH: '' }, node })).toThrow('npm was not found, neither beside');
  });

  it('is the one beside Node', () => {
    const windows = file('nodejs', 'node_modules', 'npm', 'bin', 'npm-cli.js');
    expect(npmScript({ environment: {}, node: join(folder, 'nodejs', 'node.exe') })).toBe(windows);
    const elsewhere = file('usr', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
    expect(npmScript({ environment: {}, node: join(folder, 'usr', 'bin', 'node') })).toBe(elsewhere);
  });

  it.skipIf(process.platform === 'win32')('is the one on the path', () => {
    const script = file('share', 'npm', 'bin', 'npm-cli.js');
    file('bin', 'other');
    symlinkSync(script, join(folder, 'bin', 'npm'));
    const environment = { PATH: [join(folder, 'none'), join(folder, 'bin')].join(delimiter) };
    expect(npmScript({ environment, node: join(folder, 'bare', 'node') })).toBe(script);
  });
});

describe('endTree', () => {
  it('has Windows end what a child started too, and leaves alone what has ended', () => {
    const commands: string[] = [];
    const options = { platform: 'win32', run: (command: string, args: string[]) => commands.push([command, ...args].join(' ')) } as const;
    endTree({ pid: 4711, exitCode: null, signalCode: null }, options);
    endTree({ pid: 4712, exitCode: 0, signalCode: null }, { ...options, group: true });
    endTree({ pid: undefined, exitCode: null, signalCode: null }, options);
    expect(commands).toEqual(['taskkill /pid 4711 /T /F']);
  });
});

/** Windows ends a process at a signal without asking it. */
describe.skipIf(process.platform === 'win32')('endWithUs', () => {
  const module = new URL('../../resources/setup/child-processes.mjs', import.meta.url).href;

  /** A process with a child of the kind; the numbers of both, or of all three where the child has one too. */
  async function family(detached: boolean, then: string): Promise<{ parent: ChildProcess; pids: number[] }> {
    const script = join(folder, `parent-${detached}.mjs`);
    const grandchild = detached ? `const { pid } = require('node:child_process').spawn('sleep', ['60']);` : 'const pid = 0;';
    writeFileSync(
      script,
      `import { spawn } from 'node:child_process';
       import { endWithUs } from ${JSON.stringify(module)};
       const child = spawn(process.execPath, ['-e', \`${grandchild} console.log(pid); setInterval(() => 0, 1000)\`], {
         detached: ${detached}, stdio: ['ignore', 'pipe', 'inherit'],
       });
       endWithUs(child, { group: ${detached} });
       child.stdout.once('data', (pid) => { console.log(child.pid, String(pid).trim()); ${then} });`,
    );
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    return { parent, pids: line.toString().trim().split(' ').map(Number).filter(Boolean) };
  }

  it.each([
    ['SIGTERM', false],
    ['SIGHUP', true],
    ['SIGINT', true],
    ['SIGKILL', false],
    ['SIGKILL', true],
  ] as const)('ends children at a %s (group: %s), and lets the signal have its effect', async (signal, detached) => {
    const { parent, pids } = await family(detached, '');
    expect(pids).toHaveLength(detached ? 2 : 1);
    const exit = once(parent, 'exit');
    parent.kill(signal);
    expect(await exit).toEqual([null, signal]);
    expect(waitForProcesses(pids, 5000)).toBe(true);
  });

  it('ends children when the process ends by itself', async () => {
    const { parent, pids } = await family(false, 'setTimeout(() => process.exit(3), 50)');
    expect(await once(parent, 'exit')).toEqual([3, null]);
    expect(waitForProcesses(pids, 5000)).toBe(true);
  });
});
