// The files of a package for Linux, as they lie on a system: what a .deb and a .rpm both have.
import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { COMMANDS, ICON_SIZES, parts } from './dist-parts.mjs';
import { root, run } from './toolchain.mjs';

/**
 * @param {string} unpacked the app, as electron-builder left it
 * @param {string} tree folder for it; what is there goes
 * @returns {Promise<(path: string, write: (target: string) => Promise<void>) => Promise<void>>} puts one more file into the tree
 */
export async function makeTree(unpacked, tree) {
  await rm(tree, { recursive: true, force: true });
  const place = async (path, write) => {
    const target = join(tree, path);
    await mkdir(join(target, '..'), { recursive: true });
    await write(target);
  };
  await place('opt/Hartbox', (path) => cp(unpacked, path, { recursive: true, verbatimSymlinks: true }));
  // Where the system lets no ordinary program make user namespaces, Chromium's sandbox takes root's help.
  await chmod(join(tree, 'opt/Hartbox/chrome-sandbox'), 0o4755);
  for (const name of COMMANDS) await place(`usr/bin/${name}`, (path) => symlink(`../../opt/Hartbox/resources/bin/${name}`, path));
  const linux = join(root, 'resources', 'linux');
  await place('usr/share/applications/hartbox.desktop', (path) => cp(join(linux, 'hartbox.desktop'), path));
  await place('usr/share/mime/packages/hartbox.xml', (path) => cp(join(linux, 'hartbox.xml'), path));
  await place('usr/share/icons/hicolor/scalable/apps/hartbox.svg', (path) => cp(join(root, 'resources', 'logo.svg'), path));
  for (const size of ICON_SIZES.filter((one) => one <= 512))
    await place(`usr/share/icons/hicolor/${size}x${size}/apps/hartbox.png`, (path) =>
      cp(join(parts, 'icons', `${size}x${size}.png`), path),
    );
  return place;
}

/** Rights of whoever installs it, whatever the umask of whoever makes the package. */
export async function setRights(tree) {
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', tree]);
}

/** @returns {Promise<{ version: string, description: string }>} */
export async function facts() {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
}
