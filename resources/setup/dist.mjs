/**
 * `npm run dist`: the packages that this system can make, into dist/. Linux: a .tar.gz, and a .deb and an .rpm where dpkg-deb and rpmbuild are;
 * `npm run dist -- AppImage` adds that, by tools that electron-builder fetches from GitHub. Windows and macOS: the targets of electron-builder.yml.
 */
import { cp, readFile, rename, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { npmScript } from './child-processes.mjs';
import { makeDebianPackage } from './debian-package.mjs';
import { makeParts, parts, sizeOf } from './dist-parts.mjs';
import { electronPath } from './electron.mjs';
import { makeRpm } from './rpm-package.mjs';
import { ensureBuild, ensurePackages, requireNode, root, run } from './toolchain.mjs';

const BUILDER = 'electron-builder@26.17.0';
const output = join(root, 'dist');

requireNode();
const more = process.argv.slice(2);
try {
  await ensurePackages();
  await ensureBuild();
  await makeParts();
  if (process.platform === 'linux') await distLinux();
  else await build([process.platform === 'darwin' ? '--mac' : '--win']);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

async function distLinux() {
  const unpacked = join(output, process.arch === 'arm64' ? 'linux-arm64-unpacked' : 'linux-unpacked');
  await rm(unpacked, { recursive: true, force: true });
  await build(['--linux', 'dir']);
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  await report('in it', unpacked);
  for (const part of ['resources/app.asar', 'resources/cli', 'resources/cli/node', 'resources/hartbox-guest', 'resources/licences'])
    await report(`  ${part}`, join(unpacked, part));

  const name = `hartbox-${version}-linux-${process.arch}`;
  const folder = join(output, name);
  await rename(unpacked, folder);
  const archive = `${folder}.tar.gz`;
  const { code, output: text } = await run('tar', ['--owner=0', '--group=0', '-czf', archive, '-C', output, name], { output: 'capture' });
  await rename(folder, unpacked);
  if (code !== 0) throw new Error(`tar could not make the archive: ${text.trim()}`);
  await report(archive, archive);

  if (existsSync('/usr/bin/dpkg-deb')) {
    const deb = await makeDebianPackage(unpacked, output);
    await report(deb, deb);
  } else console.log('No .deb: there is no dpkg-deb here.');
  if (existsSync('/usr/bin/rpmbuild')) {
    const rpm = await makeRpm(unpacked, output);
    await report(rpm, rpm);
  } else console.log('No .rpm: there is no rpmbuild here (Debian: rpm; Fedora: rpm-build).');
  if (more.length > 0) await build(['--linux', ...more, '--prepackaged', unpacked]);
}

/** By the Electron that is here, so that none is fetched once more. */
async function build(args) {
  const executable = await electronPath();
  // Before its fuses are set it can be asked.
  const { output: version } = await run(executable, ['-p', 'process.versions.electron'], {
    env: { ELECTRON_RUN_AS_NODE: '1' },
    output: 'capture',
  });
  const { code } = await run(process.execPath, [
    npmScript(),
    'exec',
    '--yes',
    `--package=${BUILDER}`,
    '--',
    'electron-builder',
    ...args,
    '--publish',
    'never',
    `-c.electronVersion=${version.trim()}`,
    ...(process.platform === 'linux' ? [`-c.electronDist=${await bareElectron(dirname(executable))}`] : []),
  ]);
  if (code !== 0) throw new Error('electron-builder could not make the package (see above).');
}

/** A copy of an Electron without the app that it starts by itself: electron-builder takes all in resources that ends in .asar for an archive. */
async function bareElectron(folder) {
  const copy = join(parts, 'electron');
  await rm(copy, { recursive: true, force: true });
  await cp(folder, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('default_app.asar') });
  return copy;
}

async function report(what, path) {
  const { size } = (await stat(path)).isDirectory() ? { size: await sizeOf(path) } : await stat(path);
  console.log(`${(size / 2 ** 20).toFixed(1).padStart(7)} MB  ${what}`);
}
