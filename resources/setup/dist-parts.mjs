// What an installed Hartbox has beside the app itself, made in one folder that electron-builder.yml copies from: icons, the command `hartbox`
// with a Node of its own, the built-in guest, and the licences of all that comes along.
import { chmod, cp, copyFile, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { npmScript } from './child-processes.mjs';
import { nodeOfLine } from './node-lines.mjs';
import { unpackPackage } from './npm-package.mjs';
import { testHome } from './test-home.mjs';
import { root, run } from './toolchain.mjs';

export const parts = join(root, 'node_modules', '.cache', 'hartbox', 'dist');
/** What goes beside app.asar. */
const resources = join(parts, 'resources');
const tools = join(parts, 'tools');

/** Draws an SVG without a display, the same everywhere. */
const RESVG = {
  spec: '@resvg/resvg-wasm@2.6.2',
  sha512: 'FqALmHI8D4o6lk/LRWDnhw95z5eO+eAa6ORjVg09YRR7BkcM6oPHU9uyC0gtQG5vpFLvgpeU4+zEAz2H8APHNw==',
  files: ['package/index.mjs', 'package/index_bg.wasm'],
};
/** Texts of licences whose programs come without. */
const LICENCES = {
  spec: 'spdx-license-list@6.12.0',
  sha512: '+nUYqm3aZMSHbjsthK+i/HHI2okTElCvqwUd4k8QcSk+FTGgjq+fsdFj2wZOaX6XmR2JdWhf/NeflNnvKOjcnQ==',
  files: ['package/licenses/GPL-2.0-only.json', 'package/licenses/BSD-2-Clause.json'],
};
/** Gathers the licence texts of npm packages. */
const GATHERER = 'generate-license-file@4.2.5';
export const ICON_SIZES = [16, 24, 32, 48, 64, 128, 256, 512, 1024];
/** What a package puts into the PATH: resources/NAME.sh, NAME.cmd. */
export const COMMANDS = ['hartbox', 'hartbox-qemu'];
/** The line of Node that the command brings, where it can be had pinned; elsewhere it is the Node that makes the package. */
const NODE_LINE = '24';

/** Make all of them anew. `guest`: HARTBOX_HOME of the data folder whose guest is taken; it is made there if need be. */
export async function makeParts({ guest = testHome } = {}) {
  await rm(resources, { recursive: true, force: true });
  await mkdir(join(resources, 'bin'), { recursive: true });
  await makeIcons();
  await makeCommand();
  await takeGuest(guest);
  await gatherLicences();
}

/** icons/NxN.png, of resources/logo.svg. */
async function makeIcons() {
  const folder = join(tools, 'resvg');
  if (!existsSync(join(folder, RESVG.files[0]))) await unpackPackage(RESVG, folder);
  const { Resvg, initWasm } = await import(pathToFileURL(join(folder, RESVG.files[0])).href);
  await initWasm(await readFile(join(folder, RESVG.files[1])));
  const svg = await readFile(join(root, 'resources', 'logo.svg'), 'utf8');
  const icons = join(parts, 'icons');
  await rm(icons, { recursive: true, force: true });
  await mkdir(icons, { recursive: true });
  for (const size of ICON_SIZES) {
    const drawn = new Resvg(svg, { fitTo: { mode: 'width', value: size } }).render();
    await writeFile(join(icons, `${size}x${size}.png`), drawn.asPng());
  }
}

/** cli/: a Node, and the code that it runs; bin/, which starts it. The code in app.asar is out of reach for a plain Node. */
async function makeCommand() {
  const cli = join(resources, 'cli');
  const out = join(cli, 'out', 'main');
  await cp(join(root, 'out', 'main'), out, { recursive: true, filter: (path) => !path.endsWith('.map') });
  // The app's own entry has no use there.
  for (const name of ['index.js']) await rm(join(out, name));
  await writeFile(join(cli, 'package.json'), '{ "type": "module", "private": true }\n');
  for (const name of [
    'koffi',
    ...(await readdir(join(root, 'node_modules', '@koromix')).catch(() => [])).map((one) => `@koromix/${one}`),
  ]) {
    const from = join(root, 'node_modules', name);
    if (!existsSync(from)) continue;
    // The Node that comes along is no musl's.
    const isLeft = (path) => /[\\/](doc|vendor|musl_\w+|CHANGELOG\.md)$|\.d\.ts$/.test(path.slice(from.length));
    await cp(from, join(cli, 'node_modules', name), { recursive: true, filter: (path) => !isLeft(path) });
  }
  const isPinned = process.platform === 'linux' && process.arch === 'x64';
  const node = join(cli, process.platform === 'win32' ? 'node.exe' : 'node');
  await copyFile(isPinned ? await nodeOfLine(NODE_LINE) : process.execPath, node);
  await chmod(node, 0o755);
  for (const name of COMMANDS) {
    const starter = join(resources, 'bin', process.platform === 'win32' ? `${name}.cmd` : name);
    await copyFile(join(root, 'resources', `${name}.${process.platform === 'win32' ? 'cmd' : 'sh'}`), starter);
    await chmod(starter, 0o755);
  }
  const { code, output } = await run(node, [join(out, 'cli.js'), '--version'], { output: 'capture' });
  if (code !== 0)
    throw new Error(`The command does not run with ${node}, which cannot be moved: ${output.trim()}\nUse a Node from nodejs.org.`);
}

/** hartbox-guest/: as in a data folder, but for what a new one would be put together of. */
async function takeGuest(home) {
  const { code, output } = await run(process.execPath, [join(root, 'out', 'main', 'cli.js'), 'setup'], {
    env: { HARTBOX_HOME: home },
    output: 'capture',
  });
  if (code !== 0) throw new Error(`The built-in guest could not be made: ${output.trim()}`);
  const from = join(home, 'default-guest');
  const to = join(resources, 'hartbox-guest');
  const { folder } = JSON.parse(await readFile(join(from, 'guest.json'), 'utf8'));
  await mkdir(join(to, folder), { recursive: true });
  await copyFile(join(from, 'guest.json'), join(to, 'guest.json'));
  for (const name of ['kernel', 'firmware', 'initrd']) await copyFile(join(from, folder, name), join(to, folder, name));
}

/** licences/: of npm packages, fonts, Node and what the guest is made of. Those of Electron and Chromium come with Electron. */
async function gatherLicences() {
  const licences = join(resources, 'licences');
  await mkdir(licences, { recursive: true });
  const packages = join(licences, 'npm-packages.txt');
  const { code, output } = await run(
    process.execPath,
    [
      npmScript(),
      'exec',
      '--yes',
      `--package=${GATHERER}`,
      '--',
      'generate-license-file',
      '--input',
      'package.json',
      '--output',
      packages,
      '--overwrite',
      '--ci',
    ],
    { output: 'capture' },
  );
  if (code !== 0 || !existsSync(packages)) throw new Error(`The licences of the npm packages could not be gathered: ${output.trim()}`);
  // Built into the window, though npm knows them for tools of development.
  for (const name of ['@fontsource-variable/inter', '@fontsource-variable/jetbrains-mono', 'tailwindcss'])
    await copyFile(join(root, 'node_modules', name, 'LICENSE'), join(licences, `${name.replace(/^@/, '').replace('/', '-')}.txt`));
  await copyFile(join(root, 'LICENSE'), join(licences, 'hartbox.txt'));
  await copyFile(await nodeLicence(), join(licences, 'node.txt'));

  const folder = join(tools, 'licences');
  if (!existsSync(join(folder, LICENCES.files[0]))) await unpackPackage(LICENCES, folder);
  for (const file of LICENCES.files) {
    const { licenseText } = JSON.parse(await readFile(join(folder, file), 'utf8'));
    await writeFile(join(licences, file.replace(/^.*\/(.*)\.json$/, '$1.txt')), `${licenseText.trim()}\n`);
  }
  const { packages: versions } = JSON.parse(await readFile(join(resources, 'hartbox-guest', 'guest.json'), 'utf8'));
  await writeFile(join(licences, 'guest.txt'), guestNotice(versions));
}

/** That of the pinned Node lies beside it in its package; others have it in their archive. */
async function nodeLicence() {
  const pinned = process.platform === 'linux' && process.arch === 'x64' ? await nodeOfLine(NODE_LINE) : process.execPath;
  const places = [join(pinned, '..', '..', 'LICENSE'), join(pinned, '..', 'LICENSE')];
  const found = places.find((path) => existsSync(path));
  if (!found) throw new Error(`There is no licence beside ${pinned}. Use a Node from nodejs.org.`);
  return found;
}

/** Whose the guest's parts are, and where their sources lie (GPL-2.0 §3). */
function guestNotice(versions) {
  const lines = Object.entries(versions).map(([name, version]) => `  ${name} ${version}`);
  return `The built-in Linux (the folder hartbox-guest) is made of these packages of Debian, without changes to any program:

${lines.join('\n')}

Linux and BusyBox are under the GNU General Public License, version 2 (GPL-2.0-only.txt); OpenSBI is under the BSD 2-Clause License
(BSD-2-Clause.txt), Copyright (c) 2019 Western Digital Corporation or its affiliates and other contributors. The files from which Hartbox
starts them (inittab and scripts) are Hartbox's own, under the Apache License, version 2.0 (hartbox.txt).

Sources. The complete sources of just these versions, with Debian's changes and the scripts that build them, lie on Debian's servers, for
anybody and without charge: https://snapshot.debian.org and, as long as they are current, each Debian mirror (apt-get source NAME=VERSION, with
deb-src in its sources). Whoever passes this package on offers them too. For at least three years from when a release of Hartbox was last offered, the
Hartbox developers give anybody who asks a copy of these sources, for no more than the cost of sending it.
`;
}

/** Bytes of a folder and all below it. */
export async function sizeOf(path) {
  const info = await stat(path);
  if (!info.isDirectory()) return info.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
