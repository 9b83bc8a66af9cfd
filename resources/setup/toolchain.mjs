/**
 * What `npm start`, `npm test` and `npm run hartbox` need before anything else: the npm packages and the build.
 * Plain JavaScript that runs with nothing installed, also on a Node that is too old for the rest, to say so.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endTree, endWithUs, npmScript } from './child-processes.mjs';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Ends the process with a message where Node is none of those that package.json names. The least of each line is what Vite and ESLint
 * ask for, and from where on the installer of Electron works (CommonJS that requires ES modules).
 */
export function requireNode() {
  const { node } = readJson(join(root, 'package.json')).engines;
  if (isNodeIn(node, process.versions.node)) return;
  const wanted = versionsIn(node).map(({ major, minor, orLater }) => `${major}.${minor}${orLater ? ' or newer' : ''}`);
  console.error(`Hartbox needs Node.js ${wanted.join(', ')}; this is ${process.versions.node}. Get another from https://nodejs.org.`);
  process.exit(1);
}

/** Whether a version lies in a range such as `^20.19.0 || >=24.0.0`. */
export function isNodeIn(range, version) {
  const [major, minor] = version.split('.').map(Number);
  return versionsIn(range).some((least) => (major === least.major && minor >= least.minor) || (least.orLater && major > least.major));
}

function versionsIn(range) {
  return range.split('||').map((part) => {
    const [, operator, major, minor] = /^\s*(\^|>=)(\d+)\.(\d+)\./.exec(part);
    return { major: Number(major), minor: Number(minor), orLater: operator === '>=' };
  });
}

/**
 * Run a command in the repository and wait for it.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, output?: 'inherit' | 'stderr' | 'capture', timeout?: number }} [options]
 *   `timeout` in milliseconds. With `capture` nothing is shown and the output comes back.
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>}
 */
export function run(command, args, { env = {}, output = 'inherit', timeout } = {}) {
  const stdio =
    output === 'capture' ? ['ignore', 'pipe', 'pipe'] : output === 'stderr' ? ['ignore', 2, 2] : ['ignore', 'inherit', 'inherit'];
  // A process group of its own, so that a command that ran too long, or that we leave behind, ends with all that it started.
  const detached = process.platform !== 'win32';
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio, detached });
    endWithUs(child, { group: detached });
    let text = '';
    let timedOut = false;
    let timer;
    if (timeout !== undefined) {
      timer = setTimeout(() => {
        timedOut = true;
        endTree(child, { group: detached });
      }, timeout);
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
    }
    const done = (code, extra = '') => {
      clearTimeout(timer);
      resolve({ code, output: text + extra, timedOut });
    };
    child.on('error', (error) => done(127, `${command}: ${error.message}\n`));
    child.on('close', (code) => done(code ?? 1));
  });
}

/** The script behind an installed package's command, to be run with Node: no shell, no npx. */
export function packageCommand(name, command = name.replace(/^.*\//, '')) {
  const folder = join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

/** Install the npm packages if some are missing or other versions than the lock file says. */
export async function ensurePackages({ output = 'inherit' } = {}) {
  if (packagesAreCurrent()) return;
  console.error('Installing npm packages…');
  // `npm ci` begins by deleting node_modules, with the downloads cached there.
  const command = existsSync(join(root, 'node_modules')) ? ['install', '--no-save'] : ['ci'];
  const { code } = await run(process.execPath, [npmScript(), ...command, '--no-fund', '--no-audit', '--loglevel', 'error'], { output });
  if (code === 0) return;
  throw new Error('npm could not install the packages (see above). Check the network connection, then try again.');
}

function packagesAreCurrent() {
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (!installed) return false;
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true;
    // Optional packages are those of other platforms too.
    return installed[path] ? installed[path].version === version : optional === true;
  });
}

/** Build into out/ if a source is newer than what is there. */
export async function ensureBuild({ output = 'inherit' } = {}) {
  const sources = ['engine', 'main', 'renderer', 'resources', 'package-lock.json', 'electron.vite.config.ts', 'tsconfig.json'];
  const products = ['out/main/helpers.wasm', 'out/main/cli.js', 'out/main/index.js', 'out/renderer/index.html'];
  const built = Math.min(...products.map((path) => newest(path)));
  if (built > 0 && Math.max(...sources.map(newest)) <= built) return;
  console.error('Building…');
  const { code, output: text } = await run(process.execPath, [npmScript(), 'run', '-s', 'build'], { output: 'capture' });
  if (code !== 0) {
    process.stderr.write(text);
    throw new Error('The build failed (see above).');
  }
  if (output === 'inherit') process.stderr.write(text);
}

/** Time of the newest file at or below a path, in milliseconds; test files do not count. */
function newest(path) {
  const full = join(root, path);
  const info = statSync(full, { throwIfNoEntry: false });
  if (!info) return 0;
  if (!info.isDirectory()) return path.endsWith('.test.ts') ? 0 : info.mtimeMs;
  return Math.max(0, ...readdirSync(full).map((name) => newest(join(path, name))));
}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}
