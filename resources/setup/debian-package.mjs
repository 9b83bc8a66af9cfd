// Makes a .deb of the unpacked app, by dpkg-deb. electron-builder would do it by a tool of its own (fpm), which it fetches from GitHub.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parts, sizeOf } from './dist-parts.mjs';
import { facts, makeTree, setRights } from './installed-tree.mjs';
import { run } from './toolchain.mjs';

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };
/** What Electron links against or loads; each under the name that Debian 12 has, and that since 64-bit time. */
const NEEDS = [
  // What Node asks for; Electron makes do with less.
  'libc6 (>= 2.28)',
  'libgtk-3-0t64 | libgtk-3-0',
  'libnss3',
  'libasound2t64 | libasound2',
  'libgbm1',
  'libxss1',
  // Loaded while it runs; without it Chromium ends at once and says nothing.
  'libx11-xcb1',
  'libnotify4',
  'libatspi2.0-0t64 | libatspi2.0-0',
  'libstdc++6',
];

/**
 * @param {string} unpacked the app, as electron-builder left it
 * @param {string} output folder for the .deb
 * @returns {Promise<string>} path of the .deb
 */
export async function makeDebianPackage(unpacked, output) {
  const { version, description } = await facts();
  const architecture = ARCHITECTURES[process.arch];
  const tree = join(parts, 'deb');
  const place = await makeTree(unpacked, tree);
  await place('usr/share/doc/hartbox/copyright', (path) => writeFile(path, copyright()));
  await place('DEBIAN/control', async (path) => {
    const fields = {
      Package: 'hartbox',
      Version: version,
      Architecture: architecture,
      Maintainer: 'Hartbox developers <hartbox@localhost>',
      'Installed-Size': Math.ceil((await sizeOf(join(tree, 'opt'))) / 1024),
      Depends: NEEDS.join(', '),
      // Opens links in the browser, and moves boxes to the trash.
      Recommends: 'xdg-utils',
      Section: 'otherosfs',
      Priority: 'optional',
      Description: `${description}\n The app, the command hartbox, and a Linux that starts without a network.`,
    };
    await writeFile(
      path,
      `${Object.entries(fields)
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n')}\n`,
    );
  });
  await setRights(tree);
  const file = join(output, `hartbox_${version}_${architecture}.deb`);
  const { code, output: text } = await run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, file], { output: 'capture' });
  if (code !== 0) throw new Error(`dpkg-deb could not make the package: ${text.trim()}`);
  await rm(tree, { recursive: true, force: true });
  return file;
}

function copyright() {
  return `Hartbox is under the Apache License, version 2.0 (/usr/share/common-licenses/Apache-2.0).

What comes along has licences of its own: see the folder /opt/Hartbox/resources/licences, and LICENSE.electron.txt and
LICENSES.chromium.html in /opt/Hartbox. Where the sources of the built-in Linux are, stands in licences/guest.txt.
`;
}
