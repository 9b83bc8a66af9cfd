/**
 * Programs started and ended without a shell, the same way on every system. Plain JavaScript that runs with nothing installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'];

/** Those that are to end with this process, and whether each leads a process group of its own. */
const children = new Map();

/** @type {import('node:child_process').ChildProcess | undefined} */
let guard;

/** npm's own script, to be run with Node: under Windows what is on the path is npm.cmd, which only a shell can start. */
export function npmScript({ environment = process.env, node = process.execPath } = {}) {
  const folders = (environment.PATH ?? environment.Path ?? '').split(delimiter).filter(Boolean);
  const installed = ['node_modules', 'npm', 'bin', 'npm-cli.js'];
  const candidates = [
    // Set where npm started us, with its own path; other package managers name themselves.
    environment.npm_execpath,
    // Beside Node: under Windows, and elsewhere.
    join(dirname(node), ...installed),
    join(dirname(node), '..', 'lib', ...installed),
    ...folders.flatMap((folder) => [join(folder, ...installed), realPath(join(folder, 'npm'))]),
  ];
  const script = candidates.find((path) => path && basename(path) === 'npm-cli.js' && existsSync(path));
  if (script) return script;
  throw new Error(
    `npm was not found, neither beside ${node} nor in a folder of PATH. Install it (it comes with Node.js from https://nodejs.org), or start this by npm.`,
  );
}

/**
 * End a child at once, with all that it has started: under Windows always, elsewhere if it leads a process group (`detached`).
 * Nothing happens if it has ended.
 */
export function endTree(child, { group = false, platform = process.platform, run = spawnSync } = {}) {
  const { pid, exitCode, signalCode } = child;
  const hasEnded = exitCode !== null || signalCode !== null;
  // A group may outlive its leader.
  if (pid === undefined || (hasEnded && !(group && platform !== 'win32'))) return;
  if (platform === 'win32') {
    run('taskkill', ['/pid', `${pid}`, '/T', '/F'], { stdio: 'ignore' });
    return;
  }
  try {
    process.kill(group ? -pid : pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}

/** Have a child end when this process does, at its own end, by a signal, or killed: then child-guard.mjs does it. Returns the child. */
export function endWithUs(child, { group = false } = {}) {
  if (children.size === 0) {
    process.on('exit', endAll);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  children.set(child, { group });
  tellGuard(`+ ${child.pid} ${group ? 'group' : 'alone'}`, child);
  child.once('close', () => {
    children.delete(child);
    tellGuard(`- ${child.pid}`, child);
    if (children.size === 0) stopListening();
  });
  return child;
}

/** A process of its own, which lives as long as this one. */
function tellGuard(line, { pid }) {
  // It could not be started.
  if (pid === undefined) return;
  if (guard === undefined) {
    // Apart from us, so that what is sent to all of a terminal's processes does not reach it.
    guard = spawn(process.execPath, [join(import.meta.dirname, 'child-guard.mjs')], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      windowsHide: true,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    guard.on('error', () => undefined);
    guard.stdin.on('error', () => undefined);
    guard.unref();
    guard.stdin.unref();
  }
  guard.stdin.write(`${line}\n`);
}

function endAll() {
  for (const [child, options] of children) endTree(child, options);
}

function onSignal(signal) {
  endAll();
  children.clear();
  stopListening();
  // The signal's own effect, unless others listen and have it in hand.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

function stopListening() {
  process.off('exit', endAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function realPath(path) {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
