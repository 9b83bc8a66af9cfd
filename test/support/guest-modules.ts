import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { dataDirectory } from '../../engine/host/data-directory';
import { defaultGuest } from '../../engine/images/default-guest';
import { download } from '../../engine/images/download';
import { fromFirstMirror } from '../../engine/images/mirror';
import { readSuite } from '../../engine/images/suite';

const run = promisify(execFile);
const GUEST_MODULES = fileURLToPath(new URL('../../resources/guest/modules', import.meta.url));

/**
 * Build resources/guest/modules in `folder` for the kernel of the built-in guest, with the headers that Debian has for it and the cross compiler. The
 * programs that Debian's headers bring along are RISC-V's, and run by qemu-riscv64. Gives the modules by their names.
 */
export async function buildGuestModules(folder: string, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  await defaultGuest();
  const manifest = JSON.parse(await readFile(join(dataDirectory(), 'default-guest', 'guest.json'), 'utf8')) as unknown;
  const { kernelVersion } = z.object({ kernelVersion: z.string() }).parse(manifest);
  const [version] = /^.*(?=-riscv64$)/.exec(kernelVersion) ?? [kernelVersion];
  const root = join(folder, 'headers');
  await unpack(root, [`linux-headers-${kernelVersion}`, `linux-headers-${version}-common`, `linux-kbuild-${version}`, 'libc6']);

  const headers = join(root, 'usr', 'src', `linux-headers-${kernelVersion}`);
  await writeFile(join(headers, 'Makefile'), `include ${join(root, 'usr', 'src', `linux-headers-${version}-common`)}/Makefile\n`);
  const scripts = join(root, 'usr', 'lib', `linux-kbuild-${version}`, 'scripts');
  await emulate(join(scripts, 'basic', 'fixdep'), join(scripts, 'basic', 'fixdep.riscv64'), root);
  await emulate(join(scripts, 'mod', 'modpost'), join(scripts, 'mod', 'modpost.real-lsb-64'), root);

  const source = join(folder, 'modules');
  await cp(GUEST_MODULES, source, { recursive: true });
  // Warnings are errors here; of a kernel without debugging symbols there are none to be made.
  await run('make', [
    '-C',
    headers,
    `M=${source}`,
    'CC=riscv64-linux-gnu-gcc',
    'CONFIG_DEBUG_INFO_BTF_MODULES=',
    'KCFLAGS=-Werror -g0',
    'modules',
  ]);
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(source, `${name}.ko`))] as const)));
}

/** Have a program run by qemu-riscv64; `program` where it lies, or is put. */
async function emulate(path: string, program: string, root: string): Promise<void> {
  const isThere = await readFile(program).then(
    () => true,
    () => false,
  );
  if (!isThere) await rename(path, program);
  await writeFile(path, `#!/bin/sh\nexec qemu-riscv64 -L '${root}/usr' '${program}' "$@"\n`);
  await chmod(path, 0o755);
}

/** Debian's packages of these names, checked as all that comes from there. */
async function unpack(root: string, names: readonly string[]): Promise<void> {
  const cache = join(dataDirectory(), 'debian-disks', 'packages');
  await mkdir(cache, { recursive: true });
  await fromFirstMirror({ what: 'packages for a test' }, async (mirror) => {
    const index = await readSuite(mirror, { cache }, (name) => names.includes(name));
    for (const name of names) {
      const wanted = index.get(name);
      if (!wanted) throw new Error(`Debian has no package '${name}' any more: fetch the built-in guest anew (hartbox setup --update)`);
      const deb = join(cache, `${wanted.name}-${wanted.sha256.slice(0, 16)}.deb`);
      await download({ url: `${mirror}/${wanted.file}`, file: deb, size: wanted.size, sha256: wanted.sha256 });
      await run('dpkg-deb', ['-x', deb, root]);
    }
  });
}
