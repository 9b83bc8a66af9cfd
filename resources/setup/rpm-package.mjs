// Makes an .rpm of the unpacked app, by rpmbuild. electron-builder would do it by a tool of its own (fpm), which it fetches from GitHub.
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parts } from './dist-parts.mjs';
import { facts, makeTree, setRights } from './installed-tree.mjs';
import { run } from './toolchain.mjs';

const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64' };

/**
 * @param {string} unpacked the app, as electron-builder left it
 * @param {string} output folder for the .rpm
 * @returns {Promise<string>} path of the .rpm
 */
export async function makeRpm(unpacked, output) {
  const { version, description, license } = await facts();
  const architecture = ARCHITECTURES[process.arch];
  const top = join(parts, 'rpm');
  const tree = join(top, 'tree');
  await makeTree(unpacked, tree);
  await setRights(tree);
  const spec = join(top, 'hartbox.spec');
  await writeFile(spec, specification({ version, description, license }));
  const defines = { _topdir: top, _rpmdir: join(top, 'made'), _build_id_links: 'none', _binary_payload: 'w12T.zstdio' };
  const { code, output: text } = await run(
    'rpmbuild',
    [
      ...Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
      ...['--buildroot', tree, '--target', architecture, '-bb', '--noclean', spec],
    ],
    { output: 'capture' },
  );
  if (code !== 0) throw new Error(`rpmbuild could not make the package: ${text.trim()}`);
  const [made] = await readdir(join(top, 'made', architecture));
  const file = join(output, made);
  await rename(join(top, 'made', architecture, made), file);
  await rm(top, { recursive: true, force: true });
  return file;
}

/**
 * What it needs is found out by rpmbuild, by the names of libraries, which all systems with rpm have in common. Nobody is to find in it the
 * libraries that Electron brings, what the guest is made of needs nothing of the host; and it is left as it is: stripped of symbols or with another build id, its archive would not be what its checksum says.
 */
function specification({ version, description, license }) {
  return `%global debug_package %{nil}
%global __os_install_post %{nil}
%global __provides_exclude_from ^/opt/Hartbox/.*$
%global __requires_exclude_from ^/opt/Hartbox/resources/(hartbox-guest|cli/out)/.*$
%global __requires_exclude ^lib(ffmpeg|EGL|GLESv2|vk_swiftshader|vulkan)\\\\.so.*$

Name: hartbox
Version: ${version}
Release: 1
Summary: ${description.replace(/[:.].*/, '')}
License: ${license}
Recommends: xdg-utils
# Loaded while it runs, so that nothing names them.
Requires: libnotify.so.4()(64bit)
Requires: libXss.so.1()(64bit)
Requires: libX11-xcb.so.1()(64bit)

%description
${description}
The app, the command hartbox, and a Linux that starts without a network.

%files
%defattr(-,root,root)
%attr(4755,root,root) /opt/Hartbox/chrome-sandbox
/opt/Hartbox
/usr/bin/hartbox*
/usr/share/applications/hartbox.desktop
/usr/share/mime/packages/hartbox.xml
/usr/share/icons/hicolor/*/apps/hartbox.*
`;
}
