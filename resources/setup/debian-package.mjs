// Makes a .deb of the unpacked app, by dpkg-deb. electron-builder would do it by a tool of its own (fpm), which it fetches from GitHub.
import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ICON_SIZES, parts, sizeOf } from './dist-parts.mjs';
import { root, run } from './toolchain.mjs';

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };
/** What Electron links against or loads; each under the name that Debian 12 has, and that since 64-bit time. */
const NEEDS = [
  'libgtk-3-0t64 | libgtk-3-0',
  'libnss3',
  'libasound2t64 | libasound2',
  'libgbm1',
  'libxss1',
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
  const { version, description } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const architecture = ARCHITECTURES[process.arch];
  const tree = join(parts, 'deb');
  await rm(tree, { recursive: true, force: true });
  const place = async (path, write) => {
    const target = join(tree, path);
    await mkdir(join(target, '..'), { recursive: true });
    await write(target);
  };
  await place('opt/Hartbox', (path) => cp(unpacked, path, { recursive: true, verbatimSymlinks: true }));
  // Where the system lets no ordinary program make user namespaces, Chromium's sandbox takes root's help.
  await chmod(join(tree, 'opt/Hartbox/chrome-sandbox'), 0o4755);
  await place('usr/bin/hartbox', (path) => symlink('../../opt/Hartbox/resources/bin/hartbox', path));
  const linux = join(root, 'resources', 'linux');
  await place('usr/share/applications/hartbox.desktop', (path) => cp(join(linux, 'hartbox.desktop'), path));
  await place('usr/share/mime/packages/hartbox.xml', (path) => cp(join(linux, 'hartbox.xml'), path));
  await place('usr/share/icons/hicolor/scalable/apps/hartbox.svg', (path) => cp(join(root, 'resources', 'logo.svg'), path));
  for (const size of ICON_SIZES.filter((one) => one <= 512))
    await place(`usr/share/icons/hicolor/${size}x${size}/apps/hartbox.png`, (path) =>
      cp(join(parts, 'icons', `${size}x${size}.png`), path),
    );
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
  // Whatever the umask of whoever makes the package.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', tree]);
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
