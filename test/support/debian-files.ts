import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirectory } from '../../engine/host/data-directory';
import type { CpioEntry } from '../../engine/images/cpio';
import { readDeb } from '../../engine/images/deb';
import { download } from '../../engine/images/download';
import { fromFirstMirror } from '../../engine/images/mirror';
import { collect } from '../../engine/images/package-files';
import { readSuite } from '../../engine/images/suite';

const LOADER = 'lib/ld-linux-riscv64-lp64d.so.1';

/** Programs of Debian and their libraries, for the built-in guest: the programs and links of these packages, as entries of an initramfs. */
export async function debianFiles(names: readonly string[]): Promise<CpioEntry[]> {
  const cache = join(dataDirectory(), 'debian-disks', 'packages');
  await mkdir(cache, { recursive: true });
  return fromFirstMirror({ what: 'packages for a test' }, async (mirror) => {
    const index = await readSuite(mirror, { cache }, (name) => names.includes(name));
    const entries = new Map<string, CpioEntry>();
    for (const name of names) {
      const wanted = index.get(name);
      if (!wanted) throw new Error(`Debian has no package '${name}'`);
      const deb = join(cache, `${wanted.name}-${wanted.sha256.slice(0, 16)}.deb`);
      await download({ url: `${mirror}/${wanted.file}`, file: deb, size: wanted.size, sha256: wanted.sha256 });
      for await (const entry of readDeb(createReadStream(deb), name)) {
        const { path } = entry;
        if (!/^usr\/(lib|s?bin)\//.test(path)) continue;
        for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
          entries.set(path.slice(0, at), { type: 'directory', path: path.slice(0, at) });
        if (entry.type === 'file') entries.set(path, { type: 'file', path, mode: 0o755, data: await collect(entry.contents, path) });
        else if (entry.type === 'symlink') entries.set(path, { type: 'symlink', path, target: entry.target });
      }
    }
    // Where programs look for it; in the built-in guest /lib is no link to /usr/lib.
    return [...entries.values(), { type: 'symlink', path: LOADER, target: `/usr/${LOADER}` }];
  });
}
