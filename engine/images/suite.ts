import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { debianArchiveKeys } from './debian-keys';
import { download, downloadText, type Patience, SPEED_FLOOR } from './download';
import { type DebianPackage, dependencyNames, readPackages } from './packages';
import { refuseOlder } from './newest-release';
import { type Release, verifyRelease } from './release';
import { decompressXz } from './xz';

const SUITE = 'trixie';
const ARCHITECTURE = 'riscv64';
const INDEX_FOLDER = `main/binary-${ARCHITECTURE}`;
/** Bytes; the real one has 140 KiB. */
const IN_RELEASE_LIMIT = 4 << 20;
/** Bytes of the package index, unpacked, where the signed index does not tell; the real one has 55 MiB. */
const INDEX_LIMIT = 1 << 30;
/** A mirror that does not answer at once is left for the next one. */
const PATIENCE: Patience = { idle: 10_000, floor: SPEED_FLOOR, tries: 2, pause: 500 };

/** The packages that the default guest is made of. */
export interface GuestPackages {
  kernel: DebianPackage;
  busybox: DebianPackage;
  firmware: DebianPackage;
}

export interface SuiteOptions {
  /** Where downloads are kept. */
  cache: string;
  /** Where the newest date of the suite is kept; default: see dataDirectory(). */
  dataDirectory?: string | undefined;
  /** ASCII-armoured keys that may sign the suite; default: those of the Debian archive. */
  keys?: readonly string[] | undefined;
  patience?: Patience | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((received: number, total: number) => void) | undefined;
}

/** The kernel that `linux-image-riscv64` stands for today, and the rest of the default guest. Throws as `readSuite` does. */
export async function findGuestPackages(mirror: string, options: SuiteOptions): Promise<GuestPackages> {
  const wanted = /^(linux-image-.*|busybox-static|opensbi)$/;
  const packages = await readSuite(mirror, options, (name) => wanted.test(name));
  const find = (name: string): DebianPackage => {
    const found = packages.get(name);
    if (!found) throw new VmError('Network', `the mirror's ${SUITE} has no package ${name} for ${ARCHITECTURE}`);
    return found;
  };
  const image = dependencyNames(find('linux-image-riscv64').depends).find((name) => /^linux-image-\d/.test(name));
  if (!image) throw new VmError('Network', 'the package linux-image-riscv64 depends on no kernel image');
  return { kernel: find(image), busybox: find('busybox-static'), firmware: find('opensbi') };
}

/**
 * Looks packages up by name in a mirror's index of trixie, checking the suite's signature and the index's hash. Throws VmError
 * 'Network' if the mirror does not have them or cannot be believed.
 */
export async function readSuite(
  mirror: string,
  options: SuiteOptions,
  wanted: (name: string) => boolean,
): Promise<Map<string, DebianPackage>> {
  const { signal, cache } = options;
  const patience = options.patience ?? PATIENCE;
  const inRelease = await downloadText(`${mirror}/dists/${SUITE}/InRelease`, IN_RELEASE_LIMIT, { signal, patience });
  const release = await verifyRelease(inRelease, options.keys ?? debianArchiveKeys);
  if (release.codename !== SUITE || !release.architectures.includes(ARCHITECTURE)) {
    throw new VmError(
      'Network',
      `the mirror's suite is ${release.codename} for ${release.architectures.join(' ')}; expected ${SUITE} for ${ARCHITECTURE}`,
    );
  }
  await refuseOlder(release, options.dataDirectory ?? dataDirectory());
  const index = await fetchIndex(mirror, release, cache, { ...options, patience });
  const limit = release.files.get(`${INDEX_FOLDER}/Packages`)?.size ?? INDEX_LIMIT;
  return readPackages(decompressXz(createReadStream(index), 'the package index (Packages.xz)', limit), wanted);
}

/** Fetches Packages.xz into the cache and returns its path. */
async function fetchIndex(mirror: string, release: Release, cache: string, options: SuiteOptions): Promise<string> {
  const entry = release.files.get(`${INDEX_FOLDER}/Packages.xz`);
  if (!entry) throw new VmError('Network', `the suite index lists no ${INDEX_FOLDER}/Packages.xz`);
  const file = join(cache, `Packages-${entry.sha256.slice(0, 16)}.xz`);
  const fetchFrom = (path: string): Promise<void> =>
    download({
      url: `${mirror}/dists/${SUITE}/${path}`,
      file,
      ...entry,
      signal: options.signal,
      patience: options.patience,
      onProgress: (received) => options.onProgress?.(received, entry.size),
    });
  if (release.byHash) {
    // Under its hash the index stays while the mirror is updated; not every mirror has it there.
    try {
      await fetchFrom(`${INDEX_FOLDER}/by-hash/SHA256/${entry.sha256}`);
      return file;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof VmError) || error.kind !== 'Network') throw error;
    }
  }
  await fetchFrom(`${INDEX_FOLDER}/Packages.xz`);
  return file;
}
